#include "daemon/tasks/text_to_ids.h"

#include <string.h>

struct ferry_encode_options ferry_encode_options_of(const struct ferry_wire_request *request,
                                                    uint32_t max_length) {
    static const enum ferry_truncation_strategy strategies[] = {
        [FERRY_WIRE_LONGEST_FIRST] = FERRY_TRUNCATE_LONGEST_FIRST,
        [FERRY_WIRE_ONLY_FIRST] = FERRY_TRUNCATE_ONLY_FIRST,
        [FERRY_WIRE_ONLY_SECOND] = FERRY_TRUNCATE_ONLY_SECOND,
    };
    uint32_t limit = max_length;
    if (request->max_tokens > 0 && (limit == 0 || request->max_tokens < limit))
        limit = request->max_tokens;
    return (struct ferry_encode_options){
        .max_tokens = limit,
        .strategy = strategies[request->strategy],
        .side = request->truncate == FERRY_WIRE_TRUNCATE_LEFT ? FERRY_TRUNCATE_LEFT
                                                              : FERRY_TRUNCATE_RIGHT,
        .offsets = FERRY_OFFSETS_NONE,
        .add_special_tokens = request->add_special_tokens,
        .special_tokens_as_text = request->special_tokens_as_text,
    };
}

static enum ferry_status fail_too_long(uint32_t limit, struct ferry_error *error) {
    return ferry_fail(
        error, FERRY_TOO_LONG,
        "longer than the limit of %u tokens, and \"truncate\" is \"error\": shorten it, "
        "or let it be cut with \"truncate\": \"right\" or \"left\"",
        limit);
}

/* The session's memory is overwritten by its next call. */
static enum ferry_status keep_encoding(const struct ferry_encoding *encoding, bool is_pair,
                                       struct ferry_arena *arena, struct ferry_item_ids *ids,
                                       struct ferry_error *error) {
    size_t id_bytes = encoding->count * sizeof *encoding->ids;
    size_t type_bytes = is_pair ? encoding->count : 0;
    uint8_t *memory = ferry_arena_allocate(arena, id_bytes + type_bytes);
    if (memory == NULL)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for %u token ids",
                          encoding->count);
    memcpy(memory, encoding->ids, id_bytes);
    if (is_pair)
        memcpy(memory + id_bytes, encoding->type_ids, type_bytes);
    ids->ids = (const int32_t *)(void *)memory;
    ids->type_ids = is_pair ? memory + id_bytes : NULL;
    ids->length = encoding->count;
    ids->truncated = encoding->truncated;
    return FERRY_OK;
}

static enum ferry_status
encode_text(struct ferry_tokenizer_session *session, const struct ferry_wire_request *request,
            const struct ferry_wire_item *item, const struct ferry_id_limits *limits,
            struct ferry_arena *arena, struct ferry_item_ids *ids, struct ferry_error *error) {
    struct ferry_encode_options options = ferry_encode_options_of(request, limits->max_length);
    struct ferry_encodings encodings;
    enum ferry_status status =
        ferry_tokenizer_encode(session, item->text.data, item->text.size, item->pair.data,
                               item->pair.size, &options, &encodings, error);
    if (status != FERRY_OK)
        return status;
    const struct ferry_encoding *encoding = &encodings.windows[0];
    if (encoding->truncated && request->truncate == FERRY_WIRE_TRUNCATE_ERROR)
        return fail_too_long(options.max_tokens, error);
    if (encoding->count == 0)
        return ferry_fail(error, FERRY_INVALID_INPUT,
                          "the text has no tokens, and this tokenizer adds none");
    return keep_encoding(encoding, item->pair.data != NULL, arena, ids, error);
}

static enum ferry_status check_ids(const struct ferry_item_ids *ids, int32_t vocabulary_size,
                                   struct ferry_error *error) {
    for (uint32_t i = 0; i < ids->length; i++)
        if (ids->ids[i] < 0 || ids->ids[i] >= vocabulary_size)
            return ferry_fail(error, FERRY_INVALID_INPUT,
                              "id %d at position %u: ids are below the vocabulary size, %d",
                              ids->ids[i], i, vocabulary_size);
    for (uint32_t i = 0; ids->type_ids != NULL && i < ids->length; i++)
        if (ids->type_ids[i] > FERRY_LARGEST_TYPE_ID)
            return ferry_fail(error, FERRY_INVALID_INPUT,
                              "type id %u at position %u: type ids are 0 or 1", ids->type_ids[i],
                              i);
    return FERRY_OK;
}

static enum ferry_status cut_ids(const struct ferry_wire_request *request, uint32_t max_length,
                                 struct ferry_item_ids *ids, struct ferry_error *error) {
    uint32_t limit = ferry_encode_options_of(request, max_length).max_tokens;
    if (ids->length <= limit)
        return FERRY_OK;
    if (request->truncate == FERRY_WIRE_TRUNCATE_ERROR)
        return fail_too_long(limit, error);
    if (request->truncate == FERRY_WIRE_TRUNCATE_LEFT) {
        ids->ids += ids->length - limit;
        if (ids->type_ids != NULL)
            ids->type_ids += ids->length - limit;
    }
    ids->length = limit;
    ids->truncated = true;
    return FERRY_OK;
}

enum ferry_status ferry_text_to_ids(struct ferry_tokenizer_session *session,
                                    const struct ferry_wire_request *request,
                                    const struct ferry_wire_item *item,
                                    const struct ferry_id_limits *limits, struct ferry_arena *arena,
                                    struct ferry_item_ids *ret_ids, struct ferry_error *error) {
    struct ferry_item_ids ids = {0};
    enum ferry_status status = FERRY_OK;
    if (item->text.data != NULL) {
        status = encode_text(session, request, item, limits, arena, &ids, error);
    } else if (item->id_count == 0) {
        status = ferry_fail(error, FERRY_INVALID_INPUT, "a list of ids must not be empty");
    } else {
        ids.ids = item->ids;
        ids.type_ids = item->type_ids;
        ids.length = item->id_count;
        status = cut_ids(request, limits->max_length, &ids, error);
    }
    if (status == FERRY_OK)
        status = check_ids(&ids, limits->vocabulary_size, error);
    if (status == FERRY_OK)
        *ret_ids = ids;
    return status;
}
