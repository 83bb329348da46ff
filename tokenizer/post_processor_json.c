/* Reads the post_processor of tokenizer.json: what encoding puts around the texts. */
#include <jansson.h>
#include <string.h>

#include "tokenizer/tokenizer_json.h"

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

static enum ferry_status read_trimming(struct ferry_tokenizer *tokenizer, const json_t *processor,
                                       struct ferry_error *error) {
    enum ferry_status status =
        ferry_json_flag(processor, "trim_offsets", true, &tokenizer->trims_offsets, error);
    return status == FERRY_OK ? ferry_json_flag(processor, "add_prefix_space", true,
                                                &tokenizer->trims_as_if_prefixed, error)
                              : status;
}

static enum ferry_status read_roberta_processing(struct ferry_tokenizer *tokenizer,
                                                 const json_t *processor,
                                                 struct ferry_error *error) {
    int32_t first = 0, separator = 0;
    enum ferry_status status = read_named_id(tokenizer, processor, "cls", &first, error);
    if (status == FERRY_OK)
        status = read_named_id(tokenizer, processor, "sep", &separator, error);
    if (status == FERRY_OK)
        status = read_trimming(tokenizer, processor, error);
    return status == FERRY_OK ? ferry_template_set_roberta(tokenizer, first, separator, error)
                              : status;
}

/* Processors of byte-level tokenizers; *is_known stays false when it is none of them. */
static enum ferry_status read_byte_level_processor(struct ferry_tokenizer *tokenizer,
                                                   const json_t *processor, bool *is_known,
                                                   struct ferry_error *error) {
    *is_known = tokenizer->kind == FERRY_MODEL_BPE;
    if (*is_known && strcmp(ferry_json_type(processor), "RobertaProcessing") == 0)
        return read_roberta_processing(tokenizer, processor, error);
    if (*is_known && strcmp(ferry_json_type(processor), "ByteLevel") == 0) {
        enum ferry_status status = read_trimming(tokenizer, processor, error);
        return status == FERRY_OK ? ferry_template_set_plain(tokenizer, error) : status;
    }
    *is_known = false;
    return FERRY_OK;
}

static enum ferry_status read_one(struct ferry_tokenizer *tokenizer, const json_t *processor,
                                  struct ferry_error *error) {
    bool is_known = false;
    enum ferry_status status = read_byte_level_processor(tokenizer, processor, &is_known, error);
    if (status != FERRY_OK || is_known)
        return status;
    if (strcmp(ferry_json_type(processor), "BertProcessing") == 0)
        return read_bert_processing(tokenizer, processor, error);
    if (strcmp(ferry_json_type(processor), "TemplateProcessing") != 0)
        return ferry_fail(error, FERRY_UNSUPPORTED,
                          "post_processor \"%s\" is not supported; TemplateProcessing and "
                          "BertProcessing are, with BPE also ByteLevel and RobertaProcessing",
                          ferry_json_type(processor));
    status = read_template(tokenizer, processor, "single", &tokenizer->single, error);
    return status == FERRY_OK ? read_template(tokenizer, processor, "pair", &tokenizer->pair, error)
                              : status;
}

/* A Sequence is supported where it is one processor, or ByteLevel and then another one. */
static enum ferry_status read_sequence(struct ferry_tokenizer *tokenizer, const json_t *processors,
                                       struct ferry_error *error) {
    size_t count = json_array_size(processors);
    const json_t *first = json_array_get(processors, 0), *last = json_array_get(processors, 1);
    if (count == 1)
        return read_one(tokenizer, first, error);
    bool is_byte_level = strcmp(ferry_json_type(first), "ByteLevel") == 0;
    if (count != 2 || !is_byte_level || tokenizer->kind != FERRY_MODEL_BPE ||
        strcmp(ferry_json_type(last), "TemplateProcessing") != 0)
        return ferry_fail(error, FERRY_UNSUPPORTED,
                          "post_processor \"Sequence\" is not supported but for ByteLevel and then "
                          "TemplateProcessing");
    enum ferry_status status = read_trimming(tokenizer, first, error);
    return status == FERRY_OK ? read_one(tokenizer, last, error) : status;
}

enum ferry_status ferry_json_read_post_processor(struct ferry_tokenizer *tokenizer,
                                                 const json_t *processor,
                                                 struct ferry_error *error) {
    if (!ferry_json_is_present(processor))
        return ferry_template_set_plain(tokenizer, error);
    if (strcmp(ferry_json_type(processor), "Sequence") == 0)
        return read_sequence(tokenizer, json_object_get(processor, "processors"), error);
    return read_one(tokenizer, processor, error);
}
