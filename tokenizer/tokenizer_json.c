/* Reads tokenizer.json as the reference's tokenizers write it. What would change the tokens and is
 * not implemented is refused by name; padding and truncation are the caller's business. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "tokenizer/tokenizer_json.h"

enum ferry_status ferry_json_flag(const json_t *object, const char *name, bool missing,
                                  bool *ret_flag, struct ferry_error *error) {
    const json_t *value = json_object_get(object, name);
    *ret_flag = missing;
    if (!ferry_json_is_present(value))
        return FERRY_OK;
    if (!json_is_boolean(value))
        return ferry_fail(error, FERRY_BAD_DATA, "\"%s\" must be true or false", name);
    *ret_flag = json_is_true(value);
    return FERRY_OK;
}

static enum ferry_status read_bert_options(const json_t *normalizer,
                                           struct ferry_bert_options *options,
                                           struct ferry_error *error) {
    enum ferry_status status =
        ferry_json_flag(normalizer, "clean_text", true, &options->clean_text, error);
    if (status == FERRY_OK)
        status = ferry_json_flag(normalizer, "handle_chinese_chars", true,
                                 &options->handle_chinese_chars, error);
    if (status == FERRY_OK)
        status = ferry_json_flag(normalizer, "lowercase", true, &options->lowercase, error);
    if (status == FERRY_OK) /* null: as lowercase */
        status = ferry_json_flag(normalizer, "strip_accents", options->lowercase,
                                 &options->strip_accents, error);
    return status;
}

static enum ferry_status read_normalizer(struct ferry_tokenizer *tokenizer,
                                         const json_t *normalizer,
                                         const struct ferry_tokenizer_overrides *overrides,
                                         struct ferry_error *error) {
    enum ferry_status status = FERRY_OK;
    if (tokenizer->kind == FERRY_MODEL_BPE)
        return ferry_json_check_no_normalizer(normalizer, error);
    if (ferry_json_is_present(normalizer)) {
        if (strcmp(ferry_json_type(normalizer), "BertNormalizer") != 0)
            return ferry_fail(error, FERRY_UNSUPPORTED,
                              "normalizer \"%s\" is not supported; BertNormalizer is",
                              ferry_json_type(normalizer));
        status = read_bert_options(normalizer, &tokenizer->normalizer, error);
        /* strip_accents: null follows lowercase, also when that is overridden. */
        if (overrides && overrides->lowercase >= 0 &&
            !ferry_json_is_present(json_object_get(normalizer, "strip_accents")))
            tokenizer->normalizer.strip_accents = overrides->lowercase != 0;
    }
    ferry_bert_options_override(&tokenizer->normalizer, overrides);
    return status;
}

static enum ferry_status read_pre_tokenizer(struct ferry_tokenizer *tokenizer,
                                            const json_t *pre_tokenizer,
                                            struct ferry_error *error) {
    if (tokenizer->kind == FERRY_MODEL_BPE)
        return ferry_json_read_byte_level(tokenizer, pre_tokenizer, error);
    if (ferry_json_is_present(pre_tokenizer) &&
        strcmp(ferry_json_type(pre_tokenizer), "BertPreTokenizer") == 0)
        return FERRY_OK;
    return ferry_fail(
        error, FERRY_UNSUPPORTED, "pre_tokenizer \"%s\" is not supported; BertPreTokenizer is",
        ferry_json_is_present(pre_tokenizer) ? ferry_json_type(pre_tokenizer) : "null");
}

enum ferry_status ferry_json_read_vocabulary(struct ferry_tokenizer *tokenizer, json_t *vocabulary,
                                             struct ferry_error *error) {
    if (!json_is_object(vocabulary))
        return ferry_fail(error, FERRY_BAD_DATA, "model.vocab must be an object");
    for (void *entry = json_object_iter(vocabulary); entry;
         entry = json_object_iter_next(vocabulary, entry)) {
        const char *text = json_object_iter_key(entry);
        const json_t *id = json_object_iter_value(entry);
        if (!json_is_integer(id))
            return ferry_fail(error, FERRY_BAD_DATA, "the id of token \"%s\" is not an integer",
                              text);
        enum ferry_status status =
            ferry_vocabulary_add(&tokenizer->vocabulary, text, json_object_iter_key_len(entry),
                                 json_integer_value(id), error);
        if (status != FERRY_OK)
            return status;
    }
    return FERRY_OK;
}

static enum ferry_status build_wordpiece(struct ferry_tokenizer *tokenizer, const json_t *model,
                                         struct ferry_error *error) {
    const json_t *unknown = json_object_get(model, "unk_token");
    const json_t *prefix = json_object_get(model, "continuing_subword_prefix");
    const json_t *longest = json_object_get(model, "max_input_chars_per_word");
    if (!json_is_string(unknown) || !json_is_string(prefix) || !json_is_integer(longest))
        return ferry_fail(error, FERRY_BAD_DATA,
                          "model must have the strings unk_token and continuing_subword_prefix "
                          "and the integer max_input_chars_per_word");
    json_int_t characters = json_integer_value(longest);
    if (characters < 0 || characters > INT32_MAX)
        return ferry_fail(error, FERRY_BAD_DATA, "max_input_chars_per_word is %lld",
                          (long long)characters);
    tokenizer->wordpiece.longest_word = (uint32_t)characters;
    tokenizer->wordpiece.unknown_id = ferry_vocabulary_id(
        &tokenizer->vocabulary, json_string_value(unknown), json_string_length(unknown));
    if (tokenizer->wordpiece.unknown_id < 0)
        return ferry_fail(error, FERRY_BAD_DATA, "the unk_token \"%s\" is not in the vocabulary",
                          json_string_value(unknown));
    return ferry_wordpiece_build(&tokenizer->wordpiece, &tokenizer->vocabulary,
                                 json_string_value(prefix), json_string_length(prefix), error);
}

/* A model without a type has merges or it has not: as the reference tells them apart. */
static bool is_bpe(const json_t *model) {
    if (json_object_get(model, "type"))
        return strcmp(ferry_json_type(model), "BPE") == 0;
    return json_object_get(model, "merges") != NULL;
}

static enum ferry_status read_model(struct ferry_tokenizer *tokenizer, const json_t *model,
                                    struct ferry_error *error) {
    if (!json_is_object(model))
        return ferry_fail(error, FERRY_BAD_DATA, "\"model\" is missing");
    if (is_bpe(model)) {
        tokenizer->kind = FERRY_MODEL_BPE;
        return ferry_json_read_bpe(tokenizer, model, error);
    }
    if (json_object_get(model, "type") && strcmp(ferry_json_type(model), "WordPiece") != 0)
        return ferry_fail(error, FERRY_UNSUPPORTED,
                          "model type \"%s\" is not supported; WordPiece and BPE are",
                          ferry_json_type(model));
    enum ferry_status status =
        ferry_json_read_vocabulary(tokenizer, json_object_get(model, "vocab"), error);
    return status == FERRY_OK ? build_wordpiece(tokenizer, model, error) : status;
}

enum ferry_status ferry_json_read_added_token(struct ferry_tokenizer *tokenizer,
                                              const json_t *entry, struct ferry_error *error) {
    const json_t *content = json_object_get(entry, "content");
    if (!json_is_string(content) || json_string_length(content) > FERRY_TOKEN_SIZE_LIMIT)
        return ferry_fail(error, FERRY_BAD_DATA,
                          "an added token has no content, or more than %d bytes of it",
                          FERRY_TOKEN_SIZE_LIMIT);
    char *text = strndup(json_string_value(content), json_string_length(content));
    if (!text)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for added tokens");
    struct ferry_added_token token = {.content = text, .content_size = strlen(text)};
    enum ferry_status status = ferry_json_flag(entry, "special", false, &token.special, error);
    if (status == FERRY_OK)
        status = ferry_json_flag(entry, "single_word", false, &token.single_word, error);
    if (status == FERRY_OK)
        status = ferry_json_flag(entry, "lstrip", false, &token.left_strip, error);
    if (status == FERRY_OK)
        status = ferry_json_flag(entry, "rstrip", false, &token.right_strip, error);
    if (status == FERRY_OK)
        status = ferry_json_flag(entry, "normalized", !token.special, &token.normalized, error);
    if (status == FERRY_OK)
        status = ferry_tokenizer_add_token(tokenizer, token, error);
    free(text);
    return status;
}

static enum ferry_status read_added_tokens(struct ferry_tokenizer *tokenizer, const json_t *tokens,
                                           struct ferry_error *error) {
    size_t index = 0;
    const json_t *entry = NULL;
    if (!ferry_json_is_present(tokens))
        return FERRY_OK;
    if (!json_is_array(tokens))
        return ferry_fail(error, FERRY_BAD_DATA, "added_tokens must be an array");
    json_array_foreach(tokens, index, entry) {
        enum ferry_status status = ferry_json_read_added_token(tokenizer, entry, error);
        if (status != FERRY_OK)
            return ferry_fail_within(error, "added_tokens[%zu]", index);
    }
    return FERRY_OK;
}

static enum ferry_status read_decoder(struct ferry_tokenizer *tokenizer, const json_t *decoder,
                                      struct ferry_error *error) {
    if (!ferry_json_is_present(decoder))
        return FERRY_OK;
    if (tokenizer->kind == FERRY_MODEL_BPE)
        return ferry_json_read_byte_decoder(tokenizer, decoder, error);
    if (strcmp(ferry_json_type(decoder), "WordPiece") != 0)
        return ferry_fail(error, FERRY_UNSUPPORTED, "decoder \"%s\" is not supported; WordPiece is",
                          ferry_json_type(decoder));
    const json_t *prefix = json_object_get(decoder, "prefix");
    if (!json_is_string(prefix))
        return ferry_fail(error, FERRY_BAD_DATA, "decoder.prefix must be a string");
    tokenizer->decoder.is_present = true;
    tokenizer->decoder.prefix = strndup(json_string_value(prefix), json_string_length(prefix));
    if (!tokenizer->decoder.prefix)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for the decoder");
    tokenizer->decoder.prefix_size = strlen(tokenizer->decoder.prefix);
    return ferry_json_flag(decoder, "cleanup", true, &tokenizer->decoder.cleanup, error);
}

/* The rest of the file is not used, but it tells which id pads. */
static void find_pad_id(struct ferry_tokenizer *tokenizer, const json_t *padding) {
    const json_t *token = json_object_get(padding, "pad_token");
    if (json_is_string(token))
        tokenizer->pad_id =
            ferry_tokenizer_find_id(tokenizer, json_string_value(token), json_string_length(token));
    const char *usual = tokenizer->kind == FERRY_MODEL_BPE ? "<pad>" : "[PAD]";
    if (tokenizer->pad_id < 0)
        tokenizer->pad_id = ferry_tokenizer_find_id(tokenizer, usual, strlen(usual));
}

static enum ferry_status read_root(struct ferry_tokenizer *tokenizer, const json_t *root,
                                   const struct ferry_tokenizer_overrides *overrides,
                                   struct ferry_error *error) {
    const char *version = json_string_value(json_object_get(root, "version"));
    if (version && strcmp(version, "1.0") != 0)
        return ferry_fail(error, FERRY_UNSUPPORTED, "version \"%s\" is not supported; 1.0 is",
                          version);
    enum ferry_status status = read_model(tokenizer, json_object_get(root, "model"), error);
    if (status == FERRY_OK)
        status = read_normalizer(tokenizer, json_object_get(root, "normalizer"), overrides, error);
    if (status == FERRY_OK)
        status = read_pre_tokenizer(tokenizer, json_object_get(root, "pre_tokenizer"), error);
    if (status == FERRY_OK)
        status = read_added_tokens(tokenizer, json_object_get(root, "added_tokens"), error);
    if (status == FERRY_OK)
        status = ferry_json_read_post_processor(tokenizer, json_object_get(root, "post_processor"),
                                                error);
    if (status == FERRY_OK)
        status = read_decoder(tokenizer, json_object_get(root, "decoder"), error);
    if (status == FERRY_OK)
        find_pad_id(tokenizer, json_object_get(root, "padding"));
    return status;
}

enum ferry_status ferry_tokenizer_read_json(struct ferry_tokenizer *tokenizer, const char *bytes,
                                            size_t size,
                                            const struct ferry_tokenizer_overrides *overrides,
                                            struct ferry_error *error) {
    json_error_t problem;
    json_t *root = json_loadb(bytes, size, 0, &problem);
    if (!root)
        return ferry_fail(error, FERRY_BAD_DATA, "not JSON: %s (line %d)", problem.text,
                          problem.line);
    enum ferry_status status = json_is_object(root)
                                   ? read_root(tokenizer, root, overrides, error)
                                   : ferry_fail(error, FERRY_BAD_DATA, "not a JSON object");
    json_decref(root);
    return status;
}
