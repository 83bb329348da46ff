/* Reads a rank file (".tiktoken"): in each line a token as base64 and its rank, which is its id.
 * Such a file names no split pattern and no special tokens: it is read as GPT-2's, and one whose
 * size is another family's is refused. */
#include <stdlib.h>
#include <string.h>

#include "tokenizer/byte_level.h"
#include "tokenizer/tokenizer_model.h"

/* GPT-2's own file has 50,256 ranks, the largest that is split by the same pattern (p50k) 50,280,
 * the smallest of another pattern (cl100k) 100,256. */
enum { MOST_RANKS = 65536, END_OF_TEXT_ID = 50256 };
/* In base64, about a thousand bytes; GPT-2's longest has 128. Loading takes the square of it. */
enum { LONGEST_TOKEN = 1400 };

static const char end_of_text[] = "<|endoftext|>";

/* 0 to 63, or -1. */
static int value_of(char character) {
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *found = character ? strchr(alphabet, character) : NULL;
    return found ? (int)(found - alphabet) : -1;
}

/* Base64 with its padding; false when it is none. bytes: room for 3 of each 4 characters. */
static bool decode_base64(const char *text, size_t size, uint8_t *bytes, size_t *ret_size) {
    size_t padding = 0;
    *ret_size = 0;
    while (size > padding && padding < 2 && text[size - 1 - padding] == '=')
        padding++;
    if (size % 4 != 0 || size == 0)
        return false;
    uint32_t bits = 0;
    for (size_t at = 0; at < size; at++) {
        int value = at < size - padding ? value_of(text[at]) : 0;
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        if (at % 4 < 3)
            continue;
        bytes[(*ret_size)++] = (uint8_t)(bits >> 16);
        bytes[(*ret_size)++] = (uint8_t)(bits >> 8);
        bytes[(*ret_size)++] = (uint8_t)bits;
    }
    *ret_size -= padding;
    return *ret_size > 0;
}

/* A rank without sign or blanks; -1 when it is none. */
static int64_t read_rank(const char *text, size_t size) {
    int64_t rank = 0;
    if (size == 0 || size > 9)
        return -1;
    for (size_t at = 0; at < size; at++) {
        if (text[at] < '0' || text[at] > '9')
            return -1;
        rank = rank * 10 + (text[at] - '0');
    }
    return rank;
}

static enum ferry_status add_token(struct ferry_tokenizer *tokenizer, const uint8_t *bytes,
                                   size_t size, int64_t rank, char *text,
                                   struct ferry_error *error) {
    size_t text_size = 0, ignored = 0;
    for (size_t at = 0; at < size; at++)
        text_size += ferry_byte_level_put(bytes[at], text + text_size);
    if (ferry_vocabulary_id(&tokenizer->vocabulary, text, text_size) >= 0 ||
        ferry_vocabulary_text(&tokenizer->vocabulary, (int32_t)rank, &ignored))
        return ferry_fail(error, FERRY_BAD_DATA, "the token or its rank is there twice");
    return ferry_vocabulary_add(&tokenizer->vocabulary, text, text_size, rank, error);
}

static enum ferry_status read_line(struct ferry_tokenizer *tokenizer, const char *line, size_t size,
                                   struct ferry_error *error) {
    const char *space = memchr(line, ' ', size);
    size_t token_size = space ? (size_t)(space - line) : 0, bytes_size = 0;
    int64_t rank = space ? read_rank(space + 1, size - token_size - 1) : -1;
    if (rank < 0)
        return ferry_fail(error, FERRY_BAD_DATA, "a line must be a token in base64 and its rank");
    if (rank >= MOST_RANKS)
        return ferry_fail(error, FERRY_UNSUPPORTED,
                          "a rank file with the rank %lld is not of GPT-2's family: its split "
                          "pattern is another one, which is not supported",
                          (long long)rank);
    if (token_size > LONGEST_TOKEN)
        return ferry_fail(error, FERRY_UNSUPPORTED,
                          "a token of %zu characters of base64; at most %d are supported",
                          token_size, LONGEST_TOKEN);
    uint8_t *bytes = malloc(token_size + 3);
    char *text = malloc(token_size * 2 + 8);
    enum ferry_status status = FERRY_OK;
    if (!bytes || !text)
        status = ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for the vocabulary");
    else if (!decode_base64(line, token_size, bytes, &bytes_size))
        status = ferry_fail(error, FERRY_BAD_DATA, "the token is not base64");
    else
        status = add_token(tokenizer, bytes, bytes_size, rank, text, error);
    free(bytes);
    free(text);
    return status;
}

static enum ferry_status read_lines(struct ferry_tokenizer *tokenizer, const char *bytes,
                                    size_t size, struct ferry_error *error) {
    size_t number = 1;
    for (size_t at = 0; at < size; number++) {
        const char *end = memchr(bytes + at, '\n', size - at);
        size_t length = end ? (size_t)(end - bytes) - at : size - at;
        size_t trimmed = length > 0 && bytes[at + length - 1] == '\r' ? length - 1 : length;
        if (trimmed > 0) {
            enum ferry_status status = read_line(tokenizer, bytes + at, trimmed, error);
            if (status != FERRY_OK)
                return ferry_fail_within(error, "line %zu", number);
        }
        at += length + 1;
    }
    return FERRY_OK;
}

/* Two neighbours become a token wherever their bytes together are one, whose rank decides: so
 * tiktoken, which knows no list of merges. */
static enum ferry_status add_merges(struct ferry_tokenizer *tokenizer, int32_t id,
                                    struct ferry_error *error) {
    const struct ferry_vocabulary *vocabulary = &tokenizer->vocabulary;
    size_t size = 0;
    const char *text = ferry_vocabulary_text(vocabulary, id, &size);
    for (size_t at = 1; text && at < size; at++) {
        if (((unsigned char)text[at] & 0xC0) == 0x80)
            continue; /* within the character that stands for a byte */
        int32_t left = ferry_vocabulary_id(vocabulary, text, at);
        int32_t right = left < 0 ? -1 : ferry_vocabulary_id(vocabulary, text + at, size - at);
        if (right < 0)
            continue;
        enum ferry_status status =
            ferry_bpe_add_merge(&tokenizer->bpe, left, right, (uint32_t)id, id, error);
        if (status != FERRY_OK)
            return status;
    }
    return FERRY_OK;
}

/* GPT-2's special token, where its place is free and everything before it is taken. */
static enum ferry_status add_end_of_text(struct ferry_tokenizer *tokenizer,
                                         struct ferry_error *error) {
    size_t size = 0;
    for (int32_t id = 0; id <= END_OF_TEXT_ID; id++)
        if (!ferry_vocabulary_text(&tokenizer->vocabulary, id, &size) != (id == END_OF_TEXT_ID))
            return FERRY_OK;
    enum ferry_status status = ferry_vocabulary_add(&tokenizer->vocabulary, end_of_text,
                                                    strlen(end_of_text), END_OF_TEXT_ID, error);
    char content[sizeof end_of_text];
    memcpy(content, end_of_text, sizeof end_of_text);
    struct ferry_added_token token = {
        .content = content, .content_size = strlen(content), .special = true};
    return status == FERRY_OK ? ferry_tokenizer_add_token(tokenizer, token, error) : status;
}

enum ferry_status ferry_tokenizer_read_ranks(struct ferry_tokenizer *tokenizer, const char *bytes,
                                             size_t size, struct ferry_error *error) {
    struct ferry_bpe *bpe = &tokenizer->bpe;
    tokenizer->kind = FERRY_MODEL_BPE;
    tokenizer->has_byte_decoder = true;
    bpe->unknown_id = -1;
    bpe->ignore_merges = true;
    enum ferry_status status = read_lines(tokenizer, bytes, size, error);
    for (int32_t id = 0; status == FERRY_OK && id < tokenizer->vocabulary.id_bound; id++)
        status = add_merges(tokenizer, id, error);
    if (status == FERRY_OK && tokenizer->vocabulary.count > 0)
        status = ferry_bpe_finish(bpe, &tokenizer->vocabulary, error);
    if (status == FERRY_OK)
        status = add_end_of_text(tokenizer, error);
    return status == FERRY_OK ? ferry_template_set_plain(tokenizer, error) : status;
}
