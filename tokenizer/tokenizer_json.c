/* Reads tokenizer.json as the reference's tokenizers write it. What would change the tokens and is
 * not implemented is refused by name; padding and truncation are the caller's business. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "tokenizer/tokenizer_model.h"

/* The "type" of a component, or "?". */
static const char *type_of(const json_t *component) {
    const char *type = json_string_value(json_object_get(component, "type"));
    return type ? type : "?";
}

static bool is_present(const json_t *value) {
    return value && !json_is_null(value);
}

/* A boolean member; `missing` when it is not there or null. */
static enum ferry_status read_flag(const json_t *object, const char *name, bool missing,
                                   bool *ret_flag, struct ferry_error *error) {
    const json_t *value = json_object_get(object, name);
    *ret_flag = missing;
    if (!is_present(value))
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
        read_flag(normalizer, "clean_text", true, &options->clean_text, error);
    if (status == FERRY_OK)
        status = read_flag(normalizer, "handle_chinese_chars", true, &options->handle_chinese_chars,
                           error);
    if (status == FERRY_OK)
        status = read_flag(normalizer, "lowercase", true, &options->lowercase, error);
    if (status == FERRY_OK) /* null: as lowercase */
        status = read_flag(normalizer, "strip_accents", options->lowercase, &options->strip_accents,
                           error);
    return status;
}

static enum ferry_status read_normalizer(struct ferry_tokenizer *tokenizer,
                                         const json_t *normalizer,
                                         const struct ferry_tokenizer_overrides *overrides,
                                         struct ferry_error *error) {
    enum ferry_status status = FERRY_OK;
    if (is_present(normalizer)) {
        if (strcmp(type_of(normalizer), "BertNormalizer") != 0)
            return ferry_fail(error, FERRY_UNSUPPORTED,
                              "normalizer \"%s\" is not supported; BertNormalizer is",
                              type_of(normalizer));
        status = read_bert_options(normalizer, &tokenizer->normalizer, error);
        /* strip_accents: null follows lowercase, also when that is overridden. */
        if (overrides && overrides->lowercase >= 0 &&
            !is_present(json_object_get(normalizer, "strip_accents")))
            tokenizer->normalizer.strip_accents = overrides->lowercase != 0;
    }
    ferry_bert_options_override(&tokenizer->normalizer, overrides);
    return status;
}

static enum ferry_status check_pre_tokenizer(const json_t *pre_tokenizer,
                                             struct ferry_error *error) {
    if (is_present(pre_tokenizer) && strcmp(type_of(pre_tokenizer), "BertPreTokenizer") == 0)
        return FERRY_OK;
    return ferry_fail(error, FERRY_UNSUPPORTED,
                      "pre_tokenizer \"%s\" is not supported; BertPreTokenizer is",
                      is_present(pre_tokenizer) ? type_of(pre_tokenizer) : "null");
}

static enum ferry_status read_vocabulary(struct ferry_tokenizer *tokenizer, json_t *vocabulary,
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

static enum ferry_status read_model(struct ferry_tokenizer *tokenizer, const json_t *model,
                                    struct ferry_error *error) {
    if (!json_is_object(model))
        return ferry_fail(error, FERRY_BAD_DATA, "\"model\" is missing");
    if (json_object_get(model, "type") && strcmp(type_of(model), "WordPiece") != 0)
        return ferry_fail(error, FERRY_UNSUPPORTED,
                          "model type \"%s\" is not supported; WordPiece is", type_of(model));
    enum ferry_status status = read_vocabulary(tokenizer, json_object_get(model, "vocab"), error);
    return status == FERRY_OK ? build_wordpiece(tokenizer, model, error) : status;
}

static enum ferry_status read_added_token(struct ferry_tokenizer *tokenizer, const json_t *entry,
                                          struct ferry_error *error) {
    const json_t *content = json_object_get(entry, "content");
    if (!json_is_string(content) || json_string_length(content) > FERRY_TOKEN_SIZE_LIMIT)
        return ferry_fail(error, FERRY_BAD_DATA,
                          "an added token has no content, or more than %d bytes of it",
                          FERRY_TOKEN_SIZE_LIMIT);
    char *text = strndup(json_string_value(content), json_string_length(content));
    if (!text)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for added tokens");
    struct ferry_added_token token = {.content = text, .content_size = strlen(text)};
    enum ferry_status status = read_flag(entry, "special", false, &token.special, error);
    if (status == FERRY_OK)
        status = read_flag(entry, "single_word", false, &token.single_word, error);
    if (status == FERRY_OK)
        status = read_flag(entry, "lstrip", false, &token.left_strip, error);
    if (status == FERRY_OK)
        status = read_flag(entry, "rstrip", false, &token.right_strip, error);
    if (status == FERRY_OK)
        status = read_flag(entry, "normalized", !token.special, &token.normalized, error);
    if (status == FERRY_OK)
        status = ferry_tokenizer_add_token(tokenizer, token, error);
    free(text);
    return status;
}

static enum ferry_status read_added_tokens(struct ferry_tokenizer *tokenizer, const json_t *tokens,
                                           struct ferry_error *error) {
    size_t index = 0;
    const json_t *entry = NULL;
    if (!is_present(tokens))
        return FERRY_OK;
    if (!json_is_array(tokens))
        return ferry_fail(error, FERRY_BAD_DATA, "added_tokens must be an array");
    json_array_foreach(tokens, index, entry) {
        enum ferry_status status = read_added_token(tokenizer, entry, error);
        if (status != FERRY_OK)
            return ferry_fail_within(error, "added_tokens[%zu]", index);
    }
    return FERRY_OK;
}

static bool id_exists(const struct ferry_tokenizer *tokenizer, json_int_t id) {
    size_t size = 0;
    if (id < 0 || id > INT32_MAX)
        return false;
    if (ferry_vocabulary_text(&tokenizer->vocabulary, (int32_t)id, &size))
        return true;
    for (size_t at = 0; at < tokenizer->added.count; at++)
        if (tokenizer->added.tokens[at].id == id)
            return true;
    return false;
}

/* The id of a special token; one that no token has would be outside of the model's table. */
static enum ferry_status read_existing_id(const struct ferry_tokenizer *tokenizer, const json_t *id,
                                          const char *name, int32_t *ret_id,
                                          struct ferry_error *error) {
    if (!json_is_integer(id))
        return ferry_fail(error, FERRY_BAD_DATA,
                          "the post_processor's token \"%s\" has an id that is not an integer",
                          name);
    if (!id_exists(tokenizer, json_integer_value(id)))
        return ferry_fail(
            error, FERRY_BAD_DATA,
            "the post_processor's token \"%s\" has the id %lld, which no token of the "
            "vocabulary has",
            name, (long long)json_integer_value(id));
    *ret_id = (int32_t)json_integer_value(id);
    return FERRY_OK;
}

/* One id, or several in a row, for a special token of a template. */
static enum ferry_status add_special(const struct ferry_tokenizer *tokenizer,
                                     struct ferry_template *template, const json_t *special_tokens,
                                     const char *name, uint8_t type_id, struct ferry_error *error) {
    const json_t *ids = json_object_get(json_object_get(special_tokens, name), "ids");
    if (!json_is_array(ids))
        return ferry_fail(error, FERRY_BAD_DATA,
                          "the post_processor uses \"%s\", which is not in its special_tokens",
                          name);
    size_t index = 0;
    const json_t *id = NULL;
    json_array_foreach(ids, index, id) {
        struct ferry_template_piece piece = {FERRY_TEMPLATE_SPECIAL, 0, type_id};
        enum ferry_status status = read_existing_id(tokenizer, id, name, &piece.id, error);
        if (status == FERRY_OK)
            status = ferry_template_add(template, piece, error);
        if (status != FERRY_OK)
            return status;
    }
    return FERRY_OK;
}

static enum ferry_status read_piece(const struct ferry_tokenizer *tokenizer,
                                    struct ferry_template *template, const json_t *piece,
                                    const json_t *special_tokens, bool is_pair,
                                    struct ferry_error *error) {
    const json_t *sequence = json_object_get(piece, "Sequence");
    const json_t *special = json_object_get(piece, "SpecialToken");
    const json_t *body = sequence ? sequence : special;
    const char *id = json_string_value(json_object_get(body, "id"));
    const json_t *type = json_object_get(body, "type_id");
    json_int_t type_id = json_is_integer(type) ? json_integer_value(type) : -1;
    if (!id || type_id < 0)
        return ferry_fail(error, FERRY_BAD_DATA,
                          "a piece must be a Sequence or a SpecialToken with id and type_id");
    if (type_id > UINT8_MAX)
        return ferry_fail(error, FERRY_UNSUPPORTED, "type_id %lld is above %d", (long long)type_id,
                          UINT8_MAX);
    if (special)
        return add_special(tokenizer, template, special_tokens, id, (uint8_t)type_id, error);
    bool is_second = strcmp(id, "B") == 0;
    if ((!is_second && strcmp(id, "A") != 0) || (is_second && !is_pair))
        return ferry_fail(error, FERRY_BAD_DATA, "there is no sequence \"%s\" here", id);
    struct ferry_template_piece added = {is_second ? FERRY_TEMPLATE_SECOND : FERRY_TEMPLATE_FIRST,
                                         0, (uint8_t)type_id};
    return ferry_template_add(template, added, error);
}

static enum ferry_status read_template(const struct ferry_tokenizer *tokenizer,
                                       const json_t *processor, const char *name,
                                       struct ferry_template *template, struct ferry_error *error) {
    const json_t *pieces = json_object_get(processor, name);
    size_t index = 0;
    const json_t *piece = NULL;
    if (!json_is_array(pieces))
        return ferry_fail(error, FERRY_BAD_DATA, "post_processor.%s must be an array", name);
    json_array_foreach(pieces, index, piece) {
        enum ferry_status status =
            read_piece(tokenizer, template, piece, json_object_get(processor, "special_tokens"),
                       strcmp(name, "pair") == 0, error);
        if (status != FERRY_OK)
            return ferry_fail_within(error, "post_processor.%s[%zu]", name, index);
    }
    return FERRY_OK;
}

/* ["[SEP]", 102] */
static enum ferry_status read_named_id(const struct ferry_tokenizer *tokenizer,
                                       const json_t *processor, const char *name, int32_t *ret_id,
                                       struct ferry_error *error) {
    const json_t *named = json_object_get(processor, name);
    const char *text = json_string_value(json_array_get(named, 0));
    if (!text)
        return ferry_fail(error, FERRY_BAD_DATA, "post_processor.%s must be [text, id]", name);
    return read_existing_id(tokenizer, json_array_get(named, 1), text, ret_id, error);
}

static enum ferry_status read_bert_processing(struct ferry_tokenizer *tokenizer,
                                              const json_t *processor, struct ferry_error *error) {
    int32_t first = 0, separator = 0;
    enum ferry_status status = read_named_id(tokenizer, processor, "cls", &first, error);
    if (status == FERRY_OK)
        status = read_named_id(tokenizer, processor, "sep", &separator, error);
    return status == FERRY_OK ? ferry_template_set_bert(tokenizer, first, separator, error)
                              : status;
}

static enum ferry_status read_post_processor(struct ferry_tokenizer *tokenizer,
                                             const json_t *processor, struct ferry_error *error) {
    const struct ferry_template_piece first = {FERRY_TEMPLATE_FIRST, 0, 0};
    const struct ferry_template_piece second = {FERRY_TEMPLATE_SECOND, 0, 1};
    enum ferry_status status = FERRY_OK;
    if (!is_present(processor)) {
        status = ferry_template_add(&tokenizer->single, first, error);
        if (status == FERRY_OK)
            status = ferry_template_add(&tokenizer->pair, first, error);
        return status == FERRY_OK ? ferry_template_add(&tokenizer->pair, second, error) : status;
    }
    if (strcmp(type_of(processor), "BertProcessing") == 0)
        return read_bert_processing(tokenizer, processor, error);
    if (strcmp(type_of(processor), "TemplateProcessing") != 0)
        return ferry_fail(error, FERRY_UNSUPPORTED,
                          "post_processor \"%s\" is not supported; TemplateProcessing and "
                          "BertProcessing are",
                          type_of(processor));
    status = read_template(tokenizer, processor, "single", &tokenizer->single, error);
    return status == FERRY_OK ? read_template(tokenizer, processor, "pair", &tokenizer->pair, error)
                              : status;
}

static enum ferry_status read_decoder(struct ferry_tokenizer *tokenizer, const json_t *decoder,
                                      struct ferry_error *error) {
    if (!is_present(decoder))
        return FERRY_OK;
    if (strcmp(type_of(decoder), "WordPiece") != 0)
        return ferry_fail(error, FERRY_UNSUPPORTED, "decoder \"%s\" is not supported; WordPiece is",
                          type_of(decoder));
    const json_t *prefix = json_object_get(decoder, "prefix");
    if (!json_is_string(prefix))
        return ferry_fail(error, FERRY_BAD_DATA, "decoder.prefix must be a string");
    tokenizer->decoder.is_present = true;
    tokenizer->decoder.prefix = strndup(json_string_value(prefix), json_string_length(prefix));
    if (!tokenizer->decoder.prefix)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for the decoder");
    tokenizer->decoder.prefix_size = strlen(tokenizer->decoder.prefix);
    return read_flag(decoder, "cleanup", true, &tokenizer->decoder.cleanup, error);
}

/* The rest of the file is not used, but it tells which id pads. */
static void find_pad_id(struct ferry_tokenizer *tokenizer, const json_t *padding) {
    const json_t *token = json_object_get(padding, "pad_token");
    if (json_is_string(token))
        tokenizer->pad_id =
            ferry_tokenizer_find_id(tokenizer, json_string_value(token), json_string_length(token));
    if (tokenizer->pad_id < 0)
        tokenizer->pad_id = ferry_tokenizer_find_id(tokenizer, "[PAD]", strlen("[PAD]"));
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
        status = check_pre_tokenizer(json_object_get(root, "pre_tokenizer"), error);
    if (status == FERRY_OK)
        status = read_added_tokens(tokenizer, json_object_get(root, "added_tokens"), error);
    if (status == FERRY_OK)
        status = read_post_processor(tokenizer, json_object_get(root, "post_processor"), error);
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
