/* Reads vocab.txt, one token a line, with tokenizer_config.json beside it: how BERT tokenizers were
 * shipped before tokenizer.json. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "tokenizer/tokenizer_model.h"
#include "tokenizer/unicode_tables.h"
#include "tokenizer/utf8_checked.h"

enum { LONGEST_WORD = 100 /* characters; the reference's default */ };

/* The special tokens of BERT in the order in which the reference adds them. */
static const struct {
    const char *key, *text;
} special_tokens[] = {
    {"unk_token", "[UNK]"}, {"sep_token", "[SEP]"},   {"pad_token", "[PAD]"},
    {"cls_token", "[CLS]"}, {"mask_token", "[MASK]"},
};

/* Without white space at its end. */
static size_t trimmed(const char *line, size_t size) {
    uint32_t code_point = 0;
    unsigned length = 0;
    while (size > 0 && (length = ferry_utf8_decode_before(line, size, &code_point)) > 0 &&
           (ferry_unicode_lookup(code_point) & FERRY_UNICODE_WHITESPACE))
        size -= length;
    return size;
}

static enum ferry_status read_lines(struct ferry_tokenizer *tokenizer, const char *bytes,
                                    size_t size, struct ferry_error *error) {
    size_t valid = ferry_utf8_valid_prefix(bytes, size);
    if (valid < size)
        return ferry_fail(error, FERRY_BAD_DATA, "not UTF-8 at byte offset %zu", valid);
    int64_t id = 0;
    for (size_t at = 0; at < size; id++) {
        const char *end = memchr(bytes + at, '\n', size - at);
        size_t length = end ? (size_t)(end - bytes) - at : size - at;
        enum ferry_status status = ferry_vocabulary_add(&tokenizer->vocabulary, bytes + at,
                                                        trimmed(bytes + at, length), id, error);
        if (status != FERRY_OK)
            return status;
        at += length + 1;
    }
    return FERRY_OK;
}

/* A token is given as a string or as an object with "content"; NULL when it is not there. */
static const char *token_text(const json_t *config, const char *key, const char *missing) {
    const json_t *value = json_object_get(config, key);
    if (json_is_object(value))
        value = json_object_get(value, "content");
    if (json_is_null(value))
        return NULL;
    return json_is_string(value) ? json_string_value(value) : missing;
}

static enum ferry_status add_special(struct ferry_tokenizer *tokenizer, const char *text,
                                     struct ferry_error *error) {
    size_t size = strlen(text);
    if (ferry_vocabulary_id(&tokenizer->vocabulary, text, size) < 0)
        return FERRY_OK; /* a model without it cannot use it */
    char *content = strdup(text);
    if (!content)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for special tokens");
    struct ferry_added_token token = {.content = content, .content_size = size, .special = true};
    enum ferry_status status = ferry_tokenizer_add_token(tokenizer, token, error);
    free(content);
    return status;
}

static bool flag(const json_t *config, const char *key, bool missing) {
    const json_t *value = json_object_get(config, key);
    return json_is_boolean(value) ? json_is_true(value) : missing;
}

/* Everything that is read from the file has the type that it must have, or is null. */
static enum ferry_status check_types(const json_t *config, struct ferry_error *error) {
    static const char *const flags[] = {"do_lower_case", "strip_accents", "tokenize_chinese_chars"};
    for (size_t at = 0; at < sizeof flags / sizeof *flags; at++) {
        const json_t *value = json_object_get(config, flags[at]);
        if (value && !json_is_null(value) && !json_is_boolean(value))
            return ferry_fail(error, FERRY_BAD_DATA,
                              "tokenizer_config.json: \"%s\" must be true, false or null",
                              flags[at]);
    }
    for (size_t at = 0; at < sizeof special_tokens / sizeof *special_tokens; at++) {
        const json_t *value = json_object_get(config, special_tokens[at].key);
        if (value && !json_is_null(value) && !json_is_string(value) &&
            !json_is_string(json_object_get(value, "content")))
            return ferry_fail(error, FERRY_BAD_DATA,
                              "tokenizer_config.json: \"%s\" must be a string or an object with "
                              "content",
                              special_tokens[at].key);
    }
    const json_t *added = json_object_get(config, "added_tokens_decoder");
    if (added && !json_is_null(added) && !json_is_object(added))
        return ferry_fail(error, FERRY_BAD_DATA,
                          "tokenizer_config.json: \"added_tokens_decoder\" must be an object");
    return FERRY_OK;
}

static void read_options(struct ferry_tokenizer *tokenizer, const json_t *config,
                         const struct ferry_tokenizer_overrides *overrides) {
    struct ferry_bert_options *options = &tokenizer->normalizer;
    options->clean_text = true;
    options->lowercase = flag(config, "do_lower_case", true);
    options->handle_chinese_chars = flag(config, "tokenize_chinese_chars", true);
    bool lowercase =
        overrides && overrides->lowercase >= 0 ? overrides->lowercase != 0 : options->lowercase;
    options->strip_accents = flag(config, "strip_accents", lowercase);
    ferry_bert_options_override(options, overrides);
}

/* {"added_tokens_decoder": {"0": {"content": "[PAD]", "special": true, ...}}} */
static enum ferry_status read_added_tokens(struct ferry_tokenizer *tokenizer, const json_t *config,
                                           struct ferry_error *error) {
    json_t *tokens = json_object_get(config, "added_tokens_decoder");
    for (void *entry = json_object_iter(tokens); entry;
         entry = json_object_iter_next(tokens, entry)) {
        const json_t *value = json_object_iter_value(entry);
        const char *text = json_string_value(json_object_get(value, "content"));
        if (!text || strlen(text) > FERRY_TOKEN_SIZE_LIMIT)
            return ferry_fail(error, FERRY_BAD_DATA,
                              "tokenizer_config.json: added_tokens_decoder has an entry without "
                              "content");
        char *content = strdup(text);
        if (!content)
            return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for added tokens");
        struct ferry_added_token token = {.content = content, .content_size = strlen(content)};
        token.special = flag(value, "special", false);
        token.single_word = flag(value, "single_word", false);
        token.left_strip = flag(value, "lstrip", false);
        token.right_strip = flag(value, "rstrip", false);
        token.normalized = flag(value, "normalized", !token.special);
        enum ferry_status status = ferry_tokenizer_add_token(tokenizer, token, error);
        free(content);
        if (status != FERRY_OK)
            return status;
    }
    return FERRY_OK;
}

static int32_t special_id(const struct ferry_tokenizer *tokenizer, const json_t *config,
                          const char *key, const char *missing) {
    const char *text = token_text(config, key, missing);
    return text ? ferry_tokenizer_find_id(tokenizer, text, strlen(text)) : -1;
}

static enum ferry_status read_special_tokens(struct ferry_tokenizer *tokenizer,
                                             const json_t *config, struct ferry_error *error) {
    enum ferry_status status = read_added_tokens(tokenizer, config, error);
    for (size_t at = 0; at < sizeof special_tokens / sizeof *special_tokens; at++) {
        const char *text = token_text(config, special_tokens[at].key, special_tokens[at].text);
        if (status == FERRY_OK && text &&
            !ferry_added_tokens_find(&tokenizer->added, text, strlen(text)))
            status = add_special(tokenizer, text, error);
    }
    if (status != FERRY_OK)
        return status;
    tokenizer->pad_id = special_id(tokenizer, config, "pad_token", "[PAD]");
    tokenizer->wordpiece.unknown_id = special_id(tokenizer, config, "unk_token", "[UNK]");
    int32_t first = special_id(tokenizer, config, "cls_token", "[CLS]");
    int32_t separator = special_id(tokenizer, config, "sep_token", "[SEP]");
    if (tokenizer->wordpiece.unknown_id < 0 || first < 0 || separator < 0)
        return ferry_fail(error, FERRY_BAD_DATA,
                          "the unknown, first or separator token ([UNK], [CLS], [SEP] unless "
                          "tokenizer_config.json names others) is not in the vocabulary");
    return ferry_template_set_bert(tokenizer, first, separator, error);
}

static enum ferry_status read_with_config(struct ferry_tokenizer *tokenizer, const json_t *config,
                                          const struct ferry_tokenizer_overrides *overrides,
                                          struct ferry_error *error) {
    enum ferry_status status = check_types(config, error);
    if (status != FERRY_OK)
        return status;
    read_options(tokenizer, config, overrides);
    tokenizer->wordpiece.longest_word = LONGEST_WORD;
    tokenizer->decoder.is_present = true;
    tokenizer->decoder.cleanup = true;
    tokenizer->decoder.prefix = strdup("##");
    if (!tokenizer->decoder.prefix)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for the decoder");
    tokenizer->decoder.prefix_size = strlen(tokenizer->decoder.prefix);
    status = read_special_tokens(tokenizer, config, error);
    return status == FERRY_OK ? ferry_wordpiece_build(&tokenizer->wordpiece, &tokenizer->vocabulary,
                                                      "##", 2, error)
                              : status;
}

enum ferry_status ferry_tokenizer_read_vocabulary(struct ferry_tokenizer *tokenizer,
                                                  const char *bytes, size_t size,
                                                  const char *config, size_t config_size,
                                                  const struct ferry_tokenizer_overrides *overrides,
                                                  struct ferry_error *error) {
    enum ferry_status status = read_lines(tokenizer, bytes, size, error);
    if (status != FERRY_OK)
        return status;
    json_error_t problem = {0};
    json_t *root = config ? json_loadb(config, config_size, 0, &problem) : json_object();
    if (!root)
        return ferry_fail(error, FERRY_BAD_DATA, "tokenizer_config.json is not JSON: %s (line %d)",
                          problem.text, problem.line);
    if (json_is_object(root))
        status = read_with_config(tokenizer, root, overrides, error);
    else
        status = ferry_fail(error, FERRY_BAD_DATA, "tokenizer_config.json is not a JSON object");
    json_decref(root);
    return status;
}
