#include "ipc/wire_reply_read.h"

#include <string.h>

#include "ipc/wire_reply_parts.h"

struct reply_reading {
    struct ferry_arena *arena;
    struct ferry_wire_reply *reply;
    bool has_status, has_model, has_tokens, has_truncated;
    uint32_t token_count, truncated_count, item_count, text_count;
    uint32_t score_count, next_count, choice_item_count;
    struct ferry_wire_choice_reading piece; /* of a part */
};

static enum ferry_status read_id(const struct ferry_wire_value *value, struct ferry_wire_id *ret_id,
                                 struct ferry_error *error) {
    struct ferry_msgpack_reader reader = value->reader;
    struct ferry_msgpack_token token;
    enum ferry_status status = ferry_msgpack_next(&reader, &token, error);
    if (status != FERRY_OK)
        return status;
    size_t size = (size_t)(reader.at - value->reader.at);
    bool allowed = token.type == FERRY_MSGPACK_UINT || token.type == FERRY_MSGPACK_STR ||
                   token.type == FERRY_MSGPACK_BIN;
    if (!allowed || token.size > FERRY_WIRE_MAX_ID_BYTES)
        return ferry_fail(error, FERRY_BAD_DATA, "reply: id: not one that a request can have");
    memcpy(ret_id->bytes, value->reader.at, size);
    ret_id->size = (uint8_t)size;
    return FERRY_OK;
}

static enum ferry_status read_version(const struct ferry_wire_value *value,
                                      struct ferry_error *error) {
    uint64_t version = 0;
    enum ferry_status status = ferry_wire_read_uint(value, UINT64_MAX, &version, error);
    if (status == FERRY_OK && version != FERRY_WIRE_VERSION)
        return ferry_fail(error, FERRY_BAD_DATA,
                          "the daemon answers in protocol version %llu, this client speaks %d",
                          (unsigned long long)version, FERRY_WIRE_VERSION);
    return status;
}

static enum ferry_status read_status_name(const struct ferry_wire_value *value,
                                          enum ferry_status *ret_status,
                                          struct ferry_error *error) {
    struct ferry_msgpack_token token;
    enum ferry_status status = ferry_wire_read_token(value, FERRY_MSGPACK_STR, &token, error);
    if (status != FERRY_OK)
        return status;
    *ret_status = ferry_status_from_name((const char *)token.data, token.size);
    if (*ret_status == FERRY_STATUS_COUNT)
        *ret_status = FERRY_INTERNAL;
    return FERRY_OK;
}

struct model_reading {
    struct ferry_arena *arena;
    struct ferry_wire_model *model;
};

static enum ferry_status read_model_pair(void *context, const struct ferry_msgpack_token *key,
                                         const struct ferry_wire_value *value,
                                         struct ferry_error *error) {
    struct model_reading *reading = context;
    struct ferry_wire_model *model = reading->model;
    const struct {
        const char *key;
        const char **text;
    } rows[] = {{"name", &model->name},
                {"digest", &model->digest},
                {"engine", &model->engine},
                {"precision", &model->precision},
                {"device", &model->device}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (ferry_wire_key_is(key, rows[i].key))
            return ferry_wire_read_text(value, reading->arena, rows[i].text, error);
    }
    return FERRY_OK;
}

static enum ferry_status read_model(struct reply_reading *reading,
                                    const struct ferry_wire_value *value,
                                    struct ferry_error *error) {
    struct ferry_wire_model *model = &reading->reply->truth.model;
    model->name = model->digest = model->engine = model->precision = model->device = "";
    reading->has_model = true;
    struct model_reading fields = {reading->arena, model};
    return ferry_wire_each_pair(value, read_model_pair, &fields, error);
}

static enum ferry_status read_time(void *context, const struct ferry_msgpack_token *key,
                                   const struct ferry_wire_value *value,
                                   struct ferry_error *error) {
    struct ferry_wire_times *times = context;
    if (ferry_wire_key_is(key, "tokenize"))
        return ferry_wire_read_uint32(value, &times->tokenize, error);
    if (ferry_wire_key_is(key, "queue"))
        return ferry_wire_read_uint32(value, &times->queue, error);
    if (ferry_wire_key_is(key, "compute"))
        return ferry_wire_read_uint32(value, &times->compute, error);
    if (ferry_wire_key_is(key, "total"))
        return ferry_wire_read_uint32(value, &times->total, error);
    return FERRY_OK;
}

static enum ferry_status read_token_counts(struct reply_reading *reading,
                                           const struct ferry_wire_value *value,
                                           struct ferry_error *error) {
    struct ferry_wire_value element = *value;
    uint32_t *tokens = NULL;
    enum ferry_status status = ferry_wire_open_array(&element, &reading->token_count, error);
    if (status == FERRY_OK)
        status = ferry_wire_allocate(reading->arena, reading->token_count, sizeof *tokens, &tokens,
                                     error);
    for (uint32_t i = 0; status == FERRY_OK && i < reading->token_count; i++) {
        status = ferry_wire_read_uint32(&element, &tokens[i], error);
        if (status == FERRY_OK)
            status = ferry_wire_next_element(&element, error);
    }
    reading->reply->truth.tokens = tokens;
    reading->has_tokens = true;
    return status;
}

static enum ferry_status read_truncated(struct reply_reading *reading,
                                        const struct ferry_wire_value *value,
                                        struct ferry_error *error) {
    struct ferry_wire_value element = *value;
    uint8_t *truncated = NULL;
    enum ferry_status status = ferry_wire_open_array(&element, &reading->truncated_count, error);
    if (status == FERRY_OK)
        status =
            ferry_wire_allocate(reading->arena, reading->truncated_count, 1, &truncated, error);
    for (uint32_t i = 0; status == FERRY_OK && i < reading->truncated_count; i++) {
        bool cut = false;
        status = ferry_wire_read_bool(&element, &cut, error);
        if (status == FERRY_OK)
            status = ferry_wire_next_element(&element, error);
        truncated[i] = cut;
    }
    reading->reply->truth.truncated = truncated;
    reading->has_truncated = true;
    return status;
}

struct item_error_reading {
    struct ferry_arena *arena;
    struct ferry_wire_item_error *item;
};

static enum ferry_status read_item_error_pair(void *context, const struct ferry_msgpack_token *key,
                                              const struct ferry_wire_value *value,
                                              struct ferry_error *error) {
    struct item_error_reading *reading = context;
    if (ferry_wire_key_is(key, "index"))
        return ferry_wire_read_uint32(value, &reading->item->index, error);
    if (ferry_wire_key_is(key, "status"))
        return read_status_name(value, &reading->item->status, error);
    if (ferry_wire_key_is(key, "message"))
        return ferry_wire_read_text(value, reading->arena, &reading->item->message, error);
    return FERRY_OK;
}

static enum ferry_status read_item_errors(struct reply_reading *reading,
                                          const struct ferry_wire_value *value,
                                          struct ferry_error *error) {
    struct ferry_wire_value element = *value;
    struct ferry_wire_item_error *errors = NULL;
    uint32_t count = 0;
    enum ferry_status status = ferry_wire_open_array(&element, &count, error);
    if (status == FERRY_OK)
        status = ferry_wire_allocate(reading->arena, count, sizeof *errors, &errors, error);
    for (uint32_t i = 0; status == FERRY_OK && i < count; i++) {
        errors[i] = (struct ferry_wire_item_error){.status = FERRY_INTERNAL, .message = ""};
        struct item_error_reading item = {reading->arena, &errors[i]};
        status = ferry_wire_each_pair(&element, read_item_error_pair, &item, error);
        if (status == FERRY_OK)
            status = ferry_wire_next_element(&element, error);
    }
    reading->reply->truth.errors = errors;
    reading->reply->truth.error_count = status == FERRY_OK ? count : 0;
    return status;
}

static enum ferry_status read_part_pair(struct reply_reading *reading,
                                        const struct ferry_msgpack_token *key,
                                        const struct ferry_wire_value *value,
                                        struct ferry_error *error) {
    struct ferry_wire_part *part = &reading->reply->part;
    if (ferry_wire_key_is(key, "part")) {
        reading->reply->is_part = true;
        return ferry_wire_read_uint32(value, &part->part, error);
    }
    if (ferry_wire_key_is(key, "index"))
        return ferry_wire_read_uint32(value, &part->index, error);
    if (ferry_wire_key_is(key, "choice"))
        return ferry_wire_read_uint32(value, &part->choice, error);
    return ferry_wire_read_choice_pair(&reading->piece, key, value, error);
}

static enum ferry_status read_result_pair(struct reply_reading *reading,
                                          const struct ferry_msgpack_token *key,
                                          const struct ferry_wire_value *value,
                                          struct ferry_error *error) {
    struct ferry_wire_reply *reply = reading->reply;
    if (ferry_wire_key_is(key, "vectors")) {
        reply->has_matrix = true;
        return ferry_wire_read_matrix(value, reading->arena, &reply->matrix, error);
    }
    if (ferry_wire_key_is(key, "items"))
        return ferry_wire_read_token_items(value, reading->arena, &reply->items,
                                           &reading->item_count, error);
    if (ferry_wire_key_is(key, "texts"))
        return ferry_wire_read_views(value, reading->arena, &reply->texts, &reading->text_count,
                                     error);
    if (ferry_wire_key_is(key, "scores"))
        return ferry_wire_read_scores(value, reading->arena, &reply->scores, &reading->score_count,
                                      error);
    if (ferry_wire_key_is(key, "nexts"))
        return ferry_wire_read_nexts(value, reading->arena, &reply->nexts, &reading->next_count,
                                     error);
    if (ferry_wire_key_is(key, "seed"))
        return ferry_wire_read_uint(value, UINT64_MAX, &reply->choices.seed, error);
    if (ferry_wire_key_is(key, "choices")) {
        reply->has_choices = true;
        return ferry_wire_read_choices(value, reading->arena, &reply->choices,
                                       &reading->choice_item_count, error);
    }
    if (ferry_wire_key_is(key, "cancelled")) {
        reply->has_cancelled = true;
        return ferry_wire_read_bool(value, &reply->cancelled, error);
    }
    if (ferry_wire_key_is(key, "server"))
        return ferry_wire_read_server(value, reading->arena, &reply->server, error);
    return read_part_pair(reading, key, value, error);
}

static enum ferry_status read_truth_pair(struct reply_reading *reading,
                                         const struct ferry_msgpack_token *key,
                                         const struct ferry_wire_value *value,
                                         struct ferry_error *error) {
    struct ferry_wire_truth *truth = &reading->reply->truth;
    if (ferry_wire_key_is(key, "model"))
        return read_model(reading, value, error);
    if (ferry_wire_key_is(key, "tokens"))
        return read_token_counts(reading, value, error);
    if (ferry_wire_key_is(key, "truncated"))
        return read_truncated(reading, value, error);
    if (ferry_wire_key_is(key, "padded_tokens"))
        return ferry_wire_read_uint(value, UINT64_MAX, &truth->padded_tokens, error);
    if (ferry_wire_key_is(key, "padding_affects_result"))
        return ferry_wire_read_bool(value, &truth->model.padding_affects_result, error);
    if (ferry_wire_key_is(key, "times_us"))
        return ferry_wire_each_pair(value, read_time, &truth->times, error);
    if (ferry_wire_key_is(key, "errors"))
        return read_item_errors(reading, value, error);
    return read_result_pair(reading, key, value, error);
}

static enum ferry_status read_pair(void *context, const struct ferry_msgpack_token *key,
                                   const struct ferry_wire_value *value,
                                   struct ferry_error *error) {
    struct reply_reading *reading = context;
    struct ferry_wire_reply *reply = reading->reply;
    if (ferry_wire_key_is(key, "v"))
        return read_version(value, error);
    if (ferry_wire_key_is(key, "id"))
        return read_id(value, &reply->id, error);
    if (ferry_wire_key_is(key, "status")) {
        reading->has_status = true;
        return read_status_name(value, &reply->status, error);
    }
    if (ferry_wire_key_is(key, "message"))
        return ferry_wire_read_text(value, reading->arena, &reply->message, error);
    if (ferry_wire_key_is(key, "retry_after_ms"))
        return ferry_wire_read_uint32(value, &reply->retry_after_ms, error);
    return read_truth_pair(reading, key, value, error);
}

static enum ferry_status check_part(const struct reply_reading *reading,
                                    struct ferry_error *error) {
    struct ferry_wire_reply *reply = reading->reply;
    if (reading->has_status)
        return ferry_fail(error, FERRY_BAD_DATA, "reply: both part and status are there");
    if (reply->part.choice >= FERRY_WIRE_MAX_CHOICES)
        return ferry_fail(error, FERRY_BAD_DATA, "reply: choice: %u is not below %d",
                          reply->part.choice, FERRY_WIRE_MAX_CHOICES);
    reply->status = FERRY_OK;
    reply->part.is_last = reply->part.piece.finish != FERRY_WIRE_FINISH_NONE;
    return ferry_wire_check_choice(&reading->piece, error);
}

/* Of each kind of result: as many entries as there are items. */
static enum ferry_status check_counts(const struct reply_reading *reading, uint32_t count,
                                      struct ferry_error *error) {
    const struct ferry_wire_reply *reply = reading->reply;
    const struct {
        const char *what;
        bool is_there;
        uint32_t count;
    } rows[] = {{"truncated", true, reading->truncated_count},
                {"vectors", reply->has_matrix, reply->matrix.rows},
                {"items", reply->items != NULL, reading->item_count},
                {"texts", reply->texts != NULL, reading->text_count},
                {"scores", reply->scores != NULL, reading->score_count},
                {"nexts", reply->nexts != NULL, reading->next_count},
                {"choices", reply->has_choices, reading->choice_item_count}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].is_there && rows[i].count != count)
            return ferry_fail(error, FERRY_BAD_DATA, "reply: %s has %u entries, but tokens has %u",
                              rows[i].what, rows[i].count, count);
    }
    return FERRY_OK;
}

/* What belongs together must be there together, and tell of equally many items. */
static enum ferry_status check_reply(const struct reply_reading *reading,
                                     struct ferry_error *error) {
    struct ferry_wire_reply *reply = reading->reply;
    if (reply->is_part)
        return check_part(reading, error);
    if (!reading->has_status)
        return ferry_fail(error, FERRY_BAD_DATA, "reply: status is missing");
    bool has_result = reply->has_matrix || reply->items != NULL || reply->texts != NULL ||
                      reply->scores != NULL || reply->nexts != NULL || reply->has_choices;
    reply->has_truth = reading->has_model && reading->has_tokens && reading->has_truncated;
    if (has_result && !reply->has_truth)
        return ferry_fail(error, FERRY_BAD_DATA,
                          "reply: a result without model, tokens and truncated");
    if (!reply->has_truth)
        return FERRY_OK;
    uint32_t count = reading->token_count;
    reply->truth.item_count = count;
    enum ferry_status status = check_counts(reading, count, error);
    if (status != FERRY_OK)
        return status;
    for (uint32_t i = 0; i < reply->truth.error_count; i++) {
        if (reply->truth.errors[i].index >= count)
            return ferry_fail(error, FERRY_BAD_DATA, "reply: an error for item %u of %u",
                              reply->truth.errors[i].index, count);
    }
    return FERRY_OK;
}

enum ferry_status ferry_wire_reply_read(const uint8_t *body, size_t size, struct ferry_arena *arena,
                                        struct ferry_wire_reply *ret_reply,
                                        struct ferry_error *error) {
    *ret_reply = (struct ferry_wire_reply){.status = FERRY_INTERNAL};
    enum ferry_status status = ferry_msgpack_validate(body, size, error);
    if (status != FERRY_OK)
        return status;
    struct reply_reading reading = {
        .arena = arena, .reply = ret_reply, .piece = {arena, &ret_reply->part.piece, 0, 0, 0}};
    struct ferry_wire_value value = {.name = "the body"};
    ferry_msgpack_reader_init(&value.reader, body, size);
    status = ferry_wire_each_pair(&value, read_pair, &reading, error);
    return status == FERRY_OK ? check_reply(&reading, error) : status;
}

static enum ferry_status read_id_pair(void *context, const struct ferry_msgpack_token *key,
                                      const struct ferry_wire_value *value,
                                      struct ferry_error *error) {
    if (!ferry_wire_key_is(key, "id"))
        return FERRY_OK;
    return read_id(value, context, error);
}

bool ferry_wire_reply_read_id(const uint8_t *body, size_t size, struct ferry_wire_id *ret_id) {
    struct ferry_wire_value value = {.name = "the body"};
    ferry_msgpack_reader_init(&value.reader, body, size);
    ret_id->size = 0;
    enum ferry_status broken = ferry_wire_each_pair(&value, read_id_pair, ret_id, NULL);
    (void)broken; /* a broken body may still have had an id */
    return ret_id->size > 0;
}
