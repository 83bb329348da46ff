/* The small questions that can be asked of a loaded tokenizer. */
#include "tokenizer/tokenizer_model.h"

const char *ferry_tokenizer_kind(const struct ferry_tokenizer *tokenizer) {
    return tokenizer->kind == FERRY_MODEL_BPE ? "byte_level_bpe" : "wordpiece";
}

int32_t ferry_tokenizer_id_bound(const struct ferry_tokenizer *tokenizer) {
    return tokenizer->id_bound;
}

int32_t ferry_tokenizer_pad_id(const struct ferry_tokenizer *tokenizer) {
    return tokenizer->pad_id;
}

uint32_t ferry_tokenizer_added_count(const struct ferry_tokenizer *tokenizer, bool is_pair) {
    return is_pair ? tokenizer->pair.added : tokenizer->single.added;
}

const char *ferry_tokenizer_token_text(const struct ferry_tokenizer *tokenizer, int32_t id,
                                       size_t *size) {
    if (id < 0 || id >= tokenizer->id_bound || !tokenizer->texts[id].bytes)
        return NULL;
    *size = tokenizer->texts[id].size;
    return tokenizer->texts[id].bytes;
}

int32_t ferry_tokenizer_token_id(const struct ferry_tokenizer *tokenizer, const char *text,
                                 size_t size) {
    return ferry_tokenizer_find_id(tokenizer, text, size);
}
