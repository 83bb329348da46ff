#include <string.h>

#include "base/utf8.h"
#include "ipc/msgpack_reader.h"
#include "ipc/wire_items.h"
#include "ipc/wire_keys.h"
#include "ipc/wire_names.h"
#include "ipc/wire_request.h"
#include "ipc/wire_values.h"

/* Where in the body the value of each key begins; valid where its bit is set in seen. */
struct located_values {
    const uint8_t *begin, *end;
    const uint8_t *value[FERRY_KEY_COUNT];
    uint64_t seen;
};

static bool is_seen(const struct located_values *located, enum ferry_wire_key key) {
    return (located->seen & ferry_wire_key_bit(key)) != 0;
}

static struct ferry_msgpack_reader reader_at(const struct located_values *located,
                                             enum ferry_wire_key key) {
    return (struct ferry_msgpack_reader){located->begin, located->value[key], located->end};
}

static int find_key(const struct ferry_msgpack_token *token) {
    for (int key = 0; key < FERRY_KEY_COUNT; key++) {
        const struct ferry_wire_key_row *row = &ferry_wire_key_rows[key];
        if (row->name_size == token->size && memcmp(row->name, token->data, token->size) == 0)
            return key;
    }
    return -1;
}

static enum ferry_status refuse_key(const char *what, const struct ferry_msgpack_token *token,
                                    struct ferry_error *error) {
    char text[FERRY_PRINTABLE_BYTES];
    return ferry_fail(error, FERRY_BAD_REQUEST, "%s key \"%s\"", what,
                      ferry_printable(token->data, token->size, text));
}

/* One pair of the body's map. pending: values that follow the pair. A key that is refused does not
 * end the walk, as the id may come after it; its error goes to key_error. */
static enum ferry_status locate_pair(struct ferry_msgpack_reader *reader, size_t pending,
                                     struct located_values *located, struct ferry_error *key_error,
                                     struct ferry_error *error) {
    struct ferry_msgpack_token token;
    enum ferry_status status = ferry_msgpack_next(reader, &token, error);
    if (status != FERRY_OK)
        return status;
    if (token.type != FERRY_MSGPACK_STR)
        return ferry_fail(error, FERRY_BAD_REQUEST, "a key must be a string, got %s",
                          ferry_msgpack_type_name(token.type));
    int key = find_key(&token);
    if (key < 0 && key_error->status == FERRY_OK)
        refuse_key("unknown", &token, key_error);
    else if (key >= 0 && is_seen(located, (enum ferry_wire_key)key))
        refuse_key("duplicate", &token, key_error);
    else if (key >= 0) {
        located->seen |= ferry_wire_key_bit((enum ferry_wire_key)key);
        located->value[key] = reader->at;
    }
    return ferry_msgpack_skip(reader, 1, pending, error);
}

/* Proves that the whole body is well formed and finds the values in the same walk. */
static enum ferry_status locate_values(const uint8_t *body, size_t size,
                                       struct located_values *located,
                                       struct ferry_error *key_error, struct ferry_error *error) {
    struct ferry_msgpack_reader reader;
    ferry_msgpack_reader_init(&reader, body, size);
    struct ferry_msgpack_token map;
    enum ferry_status status = ferry_msgpack_next(&reader, &map, error);
    if (status != FERRY_OK)
        return status;
    if (map.type != FERRY_MSGPACK_MAP)
        return ferry_fail(error, FERRY_BAD_REQUEST, "a request must be a map, got %s",
                          ferry_msgpack_type_name(map.type));
    for (uint32_t pair = 0; pair < map.size; pair++) {
        status = locate_pair(&reader, (size_t)(map.size - 1 - pair) * 2, located, key_error, error);
        if (status != FERRY_OK)
            return status;
    }
    if (reader.at != reader.end)
        return ferry_fail(error, FERRY_BAD_REQUEST, "%zu bytes follow the end of the request's map",
                          (size_t)(reader.end - reader.at));
    return FERRY_OK;
}

static enum ferry_status read_str(const struct located_values *located, enum ferry_wire_key key,
                                  struct ferry_msgpack_token *ret_token,
                                  struct ferry_error *error) {
    const char *name = ferry_wire_key_rows[key].name;
    struct ferry_msgpack_reader reader = reader_at(located, key);
    enum ferry_status status = ferry_msgpack_next(&reader, ret_token, error);
    if (status != FERRY_OK)
        return status;
    if (ret_token->type != FERRY_MSGPACK_STR)
        return ferry_wire_wrong_type(name, "a string", ret_token, error);
    if (ferry_utf8_valid_prefix((const char *)ret_token->data, ret_token->size) != ret_token->size)
        return ferry_fail(error, FERRY_BAD_REQUEST, "%s: the string is not valid UTF-8", name);
    return FERRY_OK;
}

static enum ferry_status read_id(const struct located_values *located, enum ferry_wire_key key,
                                 struct ferry_wire_id *ret_id, struct ferry_error *error) {
    const char *name = ferry_wire_key_rows[key].name;
    struct ferry_msgpack_reader reader = reader_at(located, key);
    struct ferry_msgpack_token token;
    enum ferry_status status = ferry_msgpack_next(&reader, &token, error);
    if (status != FERRY_OK)
        return status;
    if (token.type != FERRY_MSGPACK_UINT && token.type != FERRY_MSGPACK_STR &&
        token.type != FERRY_MSGPACK_BIN)
        return ferry_wire_wrong_type(name, "an unsigned integer, a string or a bin", &token, error);
    if (token.size > FERRY_WIRE_MAX_ID_BYTES)
        return ferry_fail(error, FERRY_BAD_REQUEST, "%s: %u bytes, at most %d are allowed", name,
                          token.size, FERRY_WIRE_MAX_ID_BYTES);
    if (token.type == FERRY_MSGPACK_STR &&
        ferry_utf8_valid_prefix((const char *)token.data, token.size) != token.size)
        return ferry_fail(error, FERRY_BAD_REQUEST,
                          "%s: the string is not valid UTF-8; send a bin instead", name);
    ret_id->size = (uint8_t)(reader.at - located->value[key]);
    memcpy(ret_id->bytes, located->value[key], ret_id->size);
    return FERRY_OK;
}

static enum ferry_status require(const struct located_values *located, enum ferry_wire_key key,
                                 struct ferry_error *error) {
    if (is_seen(located, key))
        return FERRY_OK;
    (void)ferry_fail(error, FERRY_BAD_REQUEST, "the key \"%s\" is missing",
                     ferry_wire_key_rows[key].name);
    return FERRY_BAD_REQUEST;
}

static enum ferry_status check_version(const struct located_values *located,
                                       struct ferry_error *error) {
    enum ferry_status status = require(located, FERRY_KEY_V, error);
    if (status != FERRY_OK)
        return status;
    struct ferry_msgpack_reader reader = reader_at(located, FERRY_KEY_V);
    struct ferry_msgpack_token token;
    status = ferry_msgpack_next(&reader, &token, error);
    if (status != FERRY_OK)
        return status;
    if (token.type != FERRY_MSGPACK_UINT)
        return ferry_wire_wrong_type("v", "an unsigned integer", &token, error);
    if (token.uint != FERRY_WIRE_VERSION)
        return ferry_fail(error, FERRY_UNSUPPORTED,
                          "protocol version %llu is not supported; this daemon speaks version %d",
                          (unsigned long long)token.uint, FERRY_WIRE_VERSION);
    return FERRY_OK;
}

/* Sets the request to the defaults of its operation, except its id. */
static enum ferry_status read_operation(const struct located_values *located,
                                        struct ferry_wire_request *request,
                                        struct ferry_error *error) {
    enum ferry_status status = require(located, FERRY_KEY_OP, error);
    if (status != FERRY_OK)
        return status;
    struct ferry_msgpack_token token;
    status = read_str(located, FERRY_KEY_OP, &token, error);
    if (status != FERRY_OK)
        return status;
    int index = ferry_wire_name_index(ferry_wire_operation_names, token.data, token.size);
    if (index < 0) {
        char text[FERRY_PRINTABLE_BYTES];
        return ferry_fail(error, FERRY_UNSUPPORTED, "op: no operation is called \"%s\"",
                          ferry_printable(token.data, token.size, text));
    }
    struct ferry_wire_id id = request->id;
    ferry_wire_request_init(request, (enum ferry_operation)index);
    request->id = id;
    return FERRY_OK;
}

static enum ferry_status check_keys_belong(const struct located_values *located,
                                           enum ferry_operation operation,
                                           struct ferry_error *error) {
    for (int key = 0; key < FERRY_KEY_COUNT; key++) {
        const struct ferry_wire_key_row *row = &ferry_wire_key_rows[key];
        if (is_seen(located, (enum ferry_wire_key)key) && (row->operations >> operation & 1) == 0)
            return ferry_fail(error, FERRY_BAD_REQUEST,
                              "the operation \"%s\" does not take the key \"%s\"",
                              ferry_wire_operation_names[operation], row->name);
    }
    return FERRY_OK;
}

/* What values say only together. */
static enum ferry_status check_combinations(const struct located_values *located,
                                            const struct ferry_wire_request *request,
                                            struct ferry_error *error) {
    const struct ferry_wire_generation *generation = &request->generation;
    if (is_seen(located, FERRY_KEY_STRIDE) && !request->windows)
        return ferry_fail(error, FERRY_BAD_REQUEST, "stride: has a meaning only with windows");
    if (request->operation == FERRY_OPERATION_NEXT && request->top == 0)
        return ferry_fail(error, FERRY_BAD_REQUEST, "top: 0 is outside 1 to %d",
                          FERRY_WIRE_MAX_TOP);
    if (request->operation != FERRY_OPERATION_GENERATE)
        return FERRY_OK;
    if (is_seen(located, FERRY_KEY_TOP) && !generation->logprobs)
        return ferry_fail(error, FERRY_BAD_REQUEST, "top: has a meaning only with logprobs");
    if (generation->min_new_tokens > generation->max_new_tokens)
        return ferry_fail(error, FERRY_BAD_REQUEST,
                          "min_new_tokens: %u is more than max_new_tokens, which is %u",
                          generation->min_new_tokens, generation->max_new_tokens);
    return FERRY_OK;
}

static enum ferry_status read_plain_values(const struct located_values *located,
                                           struct ferry_wire_request *request,
                                           struct ferry_error *error) {
    uint64_t left = located->seen & ~((UINT64_C(1) << FERRY_KEY_FIRST_PLAIN) - 1);
    for (; left != 0; left &= left - 1) {
        enum ferry_wire_key key = (enum ferry_wire_key)__builtin_ctzll(left);
        enum ferry_status status = ferry_wire_read_plain_value(
            &ferry_wire_key_rows[key], reader_at(located, key), request, error);
        if (status != FERRY_OK)
            return status;
    }
    request->generation.has_temperature = is_seen(located, FERRY_KEY_TEMPERATURE);
    return check_combinations(located, request, error);
}

static enum ferry_status read_stops(const struct located_values *located, struct ferry_arena *arena,
                                    struct ferry_wire_request *request, struct ferry_error *error) {
    enum ferry_status status = FERRY_OK;
    if (is_seen(located, FERRY_KEY_STOP))
        status = ferry_wire_read_stop(reader_at(located, FERRY_KEY_STOP), arena,
                                      &request->generation, error);
    if (status == FERRY_OK && is_seen(located, FERRY_KEY_STOP_IDS))
        status = ferry_wire_read_stop_ids(reader_at(located, FERRY_KEY_STOP_IDS), arena,
                                          &request->generation, error);
    return status;
}

static enum ferry_status read_model(const struct located_values *located,
                                    struct ferry_view *ret_model, struct ferry_error *error) {
    struct ferry_msgpack_token token;
    enum ferry_status status = read_str(located, FERRY_KEY_MODEL, &token, error);
    if (status != FERRY_OK)
        return status;
    if (token.size > FERRY_WIRE_MAX_NAME_BYTES)
        return ferry_fail(error, FERRY_BAD_REQUEST, "model: %u bytes, at most %d are allowed",
                          token.size, FERRY_WIRE_MAX_NAME_BYTES);
    *ret_model = (struct ferry_view){(const char *)token.data, token.size};
    return FERRY_OK;
}

static enum ferry_status read_items(const struct located_values *located,
                                    const struct ferry_wire_limits *limits,
                                    struct ferry_arena *arena, struct ferry_wire_request *request,
                                    struct ferry_error *error) {
    bool texts = is_seen(located, FERRY_KEY_TEXTS);
    bool ids = is_seen(located, FERRY_KEY_IDS);
    if (texts && ids)
        return ferry_fail(error, FERRY_BAD_REQUEST, "texts and ids: only one of them is allowed");
    if (is_seen(located, FERRY_KEY_TYPE_IDS) && !ids)
        return ferry_fail(error, FERRY_BAD_REQUEST, "type_ids: has a meaning only with ids");
    struct ferry_wire_item_reader items = {limits, arena, request};
    if (texts)
        return ferry_wire_read_texts(&items, reader_at(located, FERRY_KEY_TEXTS), error);
    if (!ids)
        return ferry_fail(error, FERRY_BAD_REQUEST, "the key \"%s\" is missing",
                          request->operation == FERRY_OPERATION_TOKENIZE     ? "texts"
                          : request->operation == FERRY_OPERATION_DETOKENIZE ? "ids"
                                                                             : "texts\" or \"ids");
    enum ferry_status status =
        ferry_wire_read_ids(&items, reader_at(located, FERRY_KEY_IDS), error);
    if (status == FERRY_OK && is_seen(located, FERRY_KEY_TYPE_IDS))
        status = ferry_wire_read_type_ids(&items, reader_at(located, FERRY_KEY_TYPE_IDS), error);
    return status;
}

static enum ferry_status read_request(const struct located_values *located,
                                      const struct ferry_wire_limits *limits,
                                      struct ferry_arena *arena, struct ferry_wire_request *request,
                                      struct ferry_error *error) {
    enum ferry_status status = check_keys_belong(located, request->operation, error);
    if (status == FERRY_OK)
        status = read_plain_values(located, request, error);
    if (status == FERRY_OK && is_seen(located, FERRY_KEY_MODEL))
        status = read_model(located, &request->model, error);
    if (status == FERRY_OK)
        status = read_stops(located, arena, request, error);
    if (status != FERRY_OK)
        return status;
    switch (request->operation) {
    case FERRY_OPERATION_CANCEL:
        status = require(located, FERRY_KEY_TARGET, error);
        if (status == FERRY_OK)
            status = read_id(located, FERRY_KEY_TARGET, &request->cancel_target, error);
        return status;
    case FERRY_OPERATION_STATUS:
    case FERRY_OPERATION_PING:
        return FERRY_OK;
    default:
        return read_items(located, limits, arena, request, error);
    }
}

/* A prompt that was cut would be continued, or a text scored, that nobody sent. */
static bool is_decoded(enum ferry_operation operation) {
    return operation == FERRY_OPERATION_SCORE || operation == FERRY_OPERATION_NEXT ||
           operation == FERRY_OPERATION_GENERATE;
}

void ferry_wire_request_init(struct ferry_wire_request *request, enum ferry_operation operation) {
    *request = (struct ferry_wire_request){
        .operation = operation,
        .normalize = -1,
        .add_special_tokens = true,
        .skip_special_tokens = true,
        .truncate = is_decoded(operation) ? FERRY_WIRE_TRUNCATE_ERROR : FERRY_WIRE_TRUNCATE_RIGHT,
        .top = operation == FERRY_OPERATION_NEXT ? FERRY_WIRE_DEFAULT_TOP : 0,
        .generation = {.max_new_tokens = FERRY_WIRE_DEFAULT_NEW_TOKENS,
                       .choices = 1,
                       .top_p = 1,
                       .repetition_penalty = 1}};
}

/* The reader says BAD_DATA, which is the same code for files; on the wire it is a bad request. */
static enum ferry_status as_bad_request(enum ferry_status status, struct ferry_error *error) {
    if (status == FERRY_BAD_DATA && error != NULL)
        error->status = FERRY_BAD_REQUEST;
    return status == FERRY_BAD_DATA ? FERRY_BAD_REQUEST : status;
}

enum ferry_status ferry_wire_request_decode(const uint8_t *body, size_t size,
                                            const struct ferry_wire_limits *limits,
                                            struct ferry_arena *arena,
                                            struct ferry_wire_request *ret_request,
                                            struct ferry_error *error) {
    struct located_values located = {.begin = body, .end = body + size};
    struct ferry_error key_error;
    key_error.status = FERRY_OK;
    ferry_wire_request_init(ret_request, FERRY_OPERATION_COUNT);
    enum ferry_status broken = locate_values(body, size, &located, &key_error, error);
    enum ferry_status status = FERRY_OK;
    if (is_seen(&located, FERRY_KEY_ID))
        status = read_id(&located, FERRY_KEY_ID, &ret_request->id, broken ? NULL : error);
    if (broken != FERRY_OK)
        return as_bad_request(broken, error);
    if (status == FERRY_OK)
        status = check_version(&located, error);
    if (status == FERRY_OK)
        status = read_operation(&located, ret_request, error);
    if (status == FERRY_OK && key_error.status != FERRY_OK) {
        if (error != NULL)
            *error = key_error;
        return key_error.status;
    }
    if (status == FERRY_OK)
        status = read_request(&located, limits, arena, ret_request, error);
    return as_bad_request(status, error);
}

bool ferry_wire_request_read_id(const uint8_t *body, size_t size, struct ferry_wire_id *ret_id) {
    struct located_values located = {.begin = body, .end = body + size};
    struct ferry_error key_error;
    key_error.status = FERRY_OK;
    ret_id->size = 0;
    enum ferry_status status = locate_values(body, size, &located, &key_error, NULL);
    if (is_seen(&located, FERRY_KEY_ID))
        status = read_id(&located, FERRY_KEY_ID, ret_id, NULL);
    (void)status; /* broken or not, what was found counts */
    return ret_id->size > 0;
}
