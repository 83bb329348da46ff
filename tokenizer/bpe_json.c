/* Reads the parts of a byte-level tokenizer from tokenizer.json. What would change the tokens and
 * is not implemented is refused by name. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "tokenizer/tokenizer_json.h"

/* GPT-2's split pattern, as the reference and as tiktoken write it. */
static const char *const split_patterns[] = {
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
    "'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
};

static enum ferry_status fail_option(struct ferry_error *error, const char *name) {
    return ferry_fail(error, FERRY_UNSUPPORTED,
                      "model.%s is not supported for byte-level tokenizers", name);
}

/* Options of the model that change its tokens. */
static enum ferry_status check_options(const json_t *model, struct ferry_error *error) {
    static const char *const affixes[] = {"continuing_subword_prefix", "end_of_word_suffix"};
    const json_t *dropout = json_object_get(model, "dropout");
    bool falls_back = false;
    if (ferry_json_is_present(dropout) &&
        (!json_is_number(dropout) || json_number_value(dropout) != 0.0))
        return fail_option(error, "dropout");
    for (size_t at = 0; at < sizeof affixes / sizeof *affixes; at++) {
        const json_t *affix = json_object_get(model, affixes[at]);
        if (ferry_json_is_present(affix) &&
            (!json_is_string(affix) || json_string_length(affix) > 0))
            return fail_option(error, affixes[at]);
    }
    enum ferry_status status = ferry_json_flag(model, "byte_fallback", false, &falls_back, error);
    if (status == FERRY_OK && falls_back)
        return fail_option(error, "byte_fallback");
    return status;
}

/* The id that `size` bytes of text have, which a merge needs. */
static enum ferry_status find_token(const struct ferry_tokenizer *tokenizer, const char *text,
                                    size_t size, int32_t *ret_id, struct ferry_error *error) {
    *ret_id = ferry_vocabulary_id(&tokenizer->vocabulary, text, size);
    if (*ret_id < 0)
        return ferry_fail(error, FERRY_BAD_DATA,
                          "a merge needs the token \"%.*s\", which the vocabulary does not have",
                          (int)(size < 64 ? size : 64), text);
    return FERRY_OK;
}

/* Two tokens of the vocabulary, and the one that both together are. */
static enum ferry_status add_merge(struct ferry_tokenizer *tokenizer, const char *left,
                                   size_t left_size, const char *right, size_t right_size,
                                   uint32_t rank, struct ferry_error *error) {
    int32_t left_id = 0, right_id = 0, merged = 0;
    enum ferry_status status = find_token(tokenizer, left, left_size, &left_id, error);
    if (status == FERRY_OK)
        status = find_token(tokenizer, right, right_size, &right_id, error);
    if (status != FERRY_OK)
        return status;
    char *joined = malloc(left_size + right_size + 1);
    if (!joined)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for the merges");
    memcpy(joined, left, left_size);
    memcpy(joined + left_size, right, right_size);
    status = find_token(tokenizer, joined, left_size + right_size, &merged, error);
    free(joined);
    return status == FERRY_OK
               ? ferry_bpe_add_merge(&tokenizer->bpe, left_id, right_id, rank, merged, error)
               : status;
}

enum ferry_status ferry_bpe_read_merge(struct ferry_tokenizer *tokenizer, const char *line,
                                       size_t size, uint32_t rank, struct ferry_error *error) {
    const char *space = memchr(line, ' ', size);
    size_t left_size = space ? (size_t)(space - line) : 0;
    if (!space || memchr(space + 1, ' ', size - left_size - 1))
        return ferry_fail(error, FERRY_BAD_DATA, "a merge must be two tokens and a space between");
    return add_merge(tokenizer, line, left_size, space + 1, size - left_size - 1, rank, error);
}

/* ["Ġ", "t"]: the same as the line "Ġ t", but that a token may hold a space. */
static enum ferry_status read_pair(struct ferry_tokenizer *tokenizer, const json_t *pair,
                                   uint32_t rank, struct ferry_error *error) {
    const json_t *left = json_array_get(pair, 0), *right = json_array_get(pair, 1);
    if (!json_is_string(left) || !json_is_string(right) || json_array_size(pair) != 2)
        return ferry_fail(error, FERRY_BAD_DATA, "a merge must be two tokens");
    return add_merge(tokenizer, json_string_value(left), json_string_length(left),
                     json_string_value(right), json_string_length(right), rank, error);
}

static enum ferry_status read_merges(struct ferry_tokenizer *tokenizer, const json_t *merges,
                                     struct ferry_error *error) {
    size_t index = 0;
    const json_t *merge = NULL;
    uint32_t rank = 0;
    bool is_lines = json_is_string(json_array_get(merges, 0));
    if (!json_is_array(merges))
        return ferry_fail(error, FERRY_BAD_DATA, "model.merges must be an array");
    json_array_foreach(merges, index, merge) {
        enum ferry_status status = FERRY_OK;
        const char *line = json_string_value(merge);
        if ((line != NULL) != is_lines)
            status = ferry_fail(error, FERRY_BAD_DATA, "merges are either strings or pairs");
        else if (line && strncmp(line, "#version", strlen("#version")) == 0)
            continue;
        else if (line)
            status = ferry_bpe_read_merge(tokenizer, line, json_string_length(merge), rank, error);
        else
            status = read_pair(tokenizer, merge, rank, error);
        if (status != FERRY_OK)
            return ferry_fail_within(error, "model.merges[%zu]", index);
        rank++;
    }
    return FERRY_OK;
}

enum ferry_status ferry_bpe_check_ids(const struct ferry_vocabulary *vocabulary,
                                      struct ferry_error *error) {
    for (size_t at = 0; at < vocabulary->count; at++) {
        const struct ferry_vocabulary_entry *entry = &vocabulary->entries[at];
        if (vocabulary->entry_by_id[entry->id] != (int32_t)at)
            return ferry_fail(error, FERRY_BAD_DATA, "two tokens have the id %d, \"%.*s\" is one",
                              entry->id, (int)(entry->size < 64 ? entry->size : 64),
                              vocabulary->text + entry->offset);
    }
    return FERRY_OK;
}

static enum ferry_status read_unknown(struct ferry_tokenizer *tokenizer, const json_t *model,
                                      struct ferry_error *error) {
    const json_t *unknown = json_object_get(model, "unk_token");
    tokenizer->bpe.unknown_id = -1;
    if (!ferry_json_is_present(unknown))
        return FERRY_OK;
    if (!json_is_string(unknown))
        return ferry_fail(error, FERRY_BAD_DATA, "model.unk_token must be a string");
    tokenizer->bpe.unknown_id = ferry_vocabulary_id(
        &tokenizer->vocabulary, json_string_value(unknown), json_string_length(unknown));
    return FERRY_OK;
}

enum ferry_status ferry_json_read_bpe(struct ferry_tokenizer *tokenizer, const json_t *model,
                                      struct ferry_error *error) {
    struct ferry_bpe *bpe = &tokenizer->bpe;
    enum ferry_status status = check_options(model, error);
    if (status == FERRY_OK)
        status = ferry_json_read_vocabulary(tokenizer, json_object_get(model, "vocab"), error);
    if (status == FERRY_OK)
        status = ferry_bpe_check_ids(&tokenizer->vocabulary, error);
    if (status == FERRY_OK)
        status = read_merges(tokenizer, json_object_get(model, "merges"), error);
    if (status == FERRY_OK)
        status = read_unknown(tokenizer, model, error);
    if (status == FERRY_OK)
        status = ferry_json_flag(model, "fuse_unk", false, &bpe->fuse_unknown, error);
    if (status == FERRY_OK)
        status = ferry_json_flag(model, "ignore_merges", false, &bpe->ignore_merges, error);
    bool is_empty = tokenizer->vocabulary.count == 0; /* an error that finish names */
    return status == FERRY_OK && !is_empty ? ferry_bpe_finish(bpe, &tokenizer->vocabulary, error)
                                           : status;
}

enum ferry_status ferry_json_check_no_normalizer(const json_t *normalizer,
                                                 struct ferry_error *error) {
    const json_t *parts = json_object_get(normalizer, "normalizers");
    bool is_empty = json_is_array(parts) && json_array_size(parts) == 0;
    if (!ferry_json_is_present(normalizer) || is_empty)
        return FERRY_OK;
    return ferry_fail(error, FERRY_UNSUPPORTED,
                      "normalizer \"%s\" is not supported for byte-level tokenizers; none is",
                      ferry_json_type(normalizer));
}

static enum ferry_status fail_pre_tokenizer(const json_t *part, const char *what,
                                            struct ferry_error *error) {
    return ferry_fail(error, FERRY_UNSUPPORTED,
                      "pre_tokenizer \"%s\"%s is not supported for byte-level tokenizers; "
                      "ByteLevel with GPT-2's pattern is, alone or as a Split before it",
                      ferry_json_is_present(part) ? ferry_json_type(part) : "null", what);
}

static enum ferry_status read_byte_level(struct ferry_tokenizer *tokenizer, const json_t *part,
                                         bool wants_pattern, struct ferry_error *error) {
    bool has_pattern = false;
    if (strcmp(ferry_json_type(part), "ByteLevel") != 0)
        return fail_pre_tokenizer(part, "", error);
    enum ferry_status status = ferry_json_flag(part, "use_regex", true, &has_pattern, error);
    if (status == FERRY_OK)
        status =
            ferry_json_flag(part, "add_prefix_space", true, &tokenizer->add_prefix_space, error);
    if (status == FERRY_OK && has_pattern != wants_pattern)
        return fail_pre_tokenizer(part, has_pattern ? " with use_regex" : " without use_regex",
                                  error);
    return status;
}

/* A Split by GPT-2's pattern. */
static enum ferry_status check_split(const json_t *part, struct ferry_error *error) {
    const char *pattern =
        json_string_value(json_object_get(json_object_get(part, "pattern"), "Regex"));
    const char *behavior = json_string_value(json_object_get(part, "behavior"));
    bool is_inverted = false;
    if (strcmp(ferry_json_type(part), "Split") != 0)
        return fail_pre_tokenizer(part, "", error);
    enum ferry_status status = ferry_json_flag(part, "invert", false, &is_inverted, error);
    if (status != FERRY_OK)
        return status;
    for (size_t at = 0; at < sizeof split_patterns / sizeof *split_patterns; at++)
        if (pattern && behavior && !is_inverted && strcmp(pattern, split_patterns[at]) == 0 &&
            strcmp(behavior, "Isolated") == 0)
            return FERRY_OK;
    return fail_pre_tokenizer(part, " with another pattern or behavior than GPT-2's", error);
}

enum ferry_status ferry_json_read_byte_level(struct ferry_tokenizer *tokenizer,
                                             const json_t *pre_tokenizer,
                                             struct ferry_error *error) {
    const json_t *parts = json_object_get(pre_tokenizer, "pretokenizers");
    if (strcmp(ferry_json_type(pre_tokenizer), "Sequence") != 0)
        return read_byte_level(tokenizer, pre_tokenizer, true, error);
    if (json_array_size(parts) == 1)
        return read_byte_level(tokenizer, json_array_get(parts, 0), true, error);
    if (json_array_size(parts) != 2)
        return fail_pre_tokenizer(pre_tokenizer, " of these parts", error);
    enum ferry_status status = check_split(json_array_get(parts, 0), error);
    if (status == FERRY_OK)
        status = read_byte_level(tokenizer, json_array_get(parts, 1), false, error);
    if (status == FERRY_OK && tokenizer->add_prefix_space)
        return fail_pre_tokenizer(pre_tokenizer, " with add_prefix_space behind a Split", error);
    return status;
}

enum ferry_status ferry_json_read_byte_decoder(struct ferry_tokenizer *tokenizer,
                                               const json_t *decoder, struct ferry_error *error) {
    if (strcmp(ferry_json_type(decoder), "ByteLevel") != 0)
        return ferry_fail(error, FERRY_UNSUPPORTED,
                          "decoder \"%s\" is not supported for byte-level tokenizers; ByteLevel is",
                          ferry_json_type(decoder));
    tokenizer->has_byte_decoder = true;
    return FERRY_OK;
}
