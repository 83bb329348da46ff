#include "ipc/wire_values.h"

#include <string.h>

#include "base/utf8.h"
#include "ipc/wire_names.h"

/* Wide enough for every kind of field; its low bytes are the field's. */
union field_value {
    uint64_t uint;
    uint32_t uint32;
    float real;
};

enum ferry_status ferry_wire_wrong_type(const char *key, const char *wanted,
                                        const struct ferry_msgpack_token *got,
                                        struct ferry_error *error) {
    return ferry_fail(error, FERRY_BAD_REQUEST, "%s: wanted %s, got %s", key, wanted,
                      ferry_msgpack_type_name(got->type));
}

static enum ferry_status check_uint(const struct ferry_wire_key_row *row,
                                    const struct ferry_msgpack_token *token, uint32_t *ret_value,
                                    struct ferry_error *error) {
    if (token->type == FERRY_MSGPACK_NEGATIVE)
        return ferry_fail(error, FERRY_BAD_REQUEST, "%s: %lld is outside %u to %u", row->name,
                          (long long)token->negative, row->minimum, row->maximum);
    if (token->type != FERRY_MSGPACK_UINT)
        return ferry_wire_wrong_type(row->name, "an unsigned integer", token, error);
    if (token->uint < row->minimum || token->uint > row->maximum)
        return ferry_fail(error, FERRY_BAD_REQUEST, "%s: %llu is outside %u to %u", row->name,
                          (unsigned long long)token->uint, row->minimum, row->maximum);
    *ret_value = (uint32_t)token->uint;
    return FERRY_OK;
}

static enum ferry_status check_name(const struct ferry_wire_key_row *row,
                                    const struct ferry_msgpack_token *token, uint32_t *ret_value,
                                    struct ferry_error *error) {
    if (token->type != FERRY_MSGPACK_STR)
        return ferry_wire_wrong_type(row->name, "a string", token, error);
    int index = ferry_wire_name_index(row->names, token->data, token->size);
    if (index < 0) {
        char text[FERRY_PRINTABLE_BYTES];
        return ferry_fail(
            error, FERRY_BAD_REQUEST, "%s: \"%s\" is not one of \"%s\", \"%s\"%s%s%s%s", row->name,
            ferry_printable(token->data, token->size, text), row->names[0], row->names[1],
            row->names[2] == NULL ? "" : ", \"", row->names[2] == NULL ? "" : row->names[2],
            row->names[2] == NULL ? "" : "\"",
            row->names[2] != NULL && row->names[3] != NULL ? " or another" : "");
    }
    *ret_value = (uint32_t)index;
    return FERRY_OK;
}

/* The minimum is compared after rounding to float too: 1e-60 is zero by then. */
static enum ferry_status check_float(const struct ferry_wire_key_row *row,
                                     const struct ferry_msgpack_token *token, float *ret_value,
                                     struct ferry_error *error) {
    double real = token->real;
    if (token->type == FERRY_MSGPACK_UINT)
        real = (double)token->uint;
    else if (token->type == FERRY_MSGPACK_NEGATIVE)
        real = (double)token->negative;
    else if (token->type != FERRY_MSGPACK_FLOAT)
        return ferry_wire_wrong_type(row->name, "a number", token, error);
    bool inside = real >= row->minimum && real <= row->maximum;
    float rounded = inside ? (float)real : 0;
    if (!inside || (row->above_minimum && rounded <= (float)row->minimum))
        return ferry_fail(error, FERRY_BAD_REQUEST, "%s: %g is outside %u%s to %u", row->name, real,
                          row->minimum, row->above_minimum ? " (excluded)" : "", row->maximum);
    *ret_value = rounded + 0.0F; /* -0 is 0 */
    return FERRY_OK;
}

static enum ferry_status check_seed(const struct ferry_msgpack_token *token,
                                    struct ferry_wire_generation *generation,
                                    struct ferry_error *error) {
    if (token->type == FERRY_MSGPACK_NEGATIVE)
        return ferry_fail(error, FERRY_BAD_REQUEST, "seed: %lld is outside 0 to %llu",
                          (long long)token->negative, (unsigned long long)UINT64_MAX);
    if (token->type != FERRY_MSGPACK_UINT)
        return ferry_wire_wrong_type("seed", "an unsigned integer", token, error);
    generation->seed = token->uint;
    generation->has_seed = true;
    return FERRY_OK;
}

static enum ferry_status check_value(const struct ferry_wire_key_row *row,
                                     const struct ferry_msgpack_token *token,
                                     union field_value *ret_value, struct ferry_error *error) {
    switch (row->kind) {
    case FERRY_VALUE_UINT:
        return check_uint(row, token, &ret_value->uint32, error);
    case FERRY_VALUE_NAME:
        return check_name(row, token, &ret_value->uint32, error);
    case FERRY_VALUE_FLOAT:
        return check_float(row, token, &ret_value->real, error);
    default:
        ret_value->uint32 = token->type == FERRY_MSGPACK_BOOLEAN && token->boolean;
        return token->type == FERRY_MSGPACK_BOOLEAN
                   ? FERRY_OK
                   : ferry_wire_wrong_type(row->name, "a boolean", token, error);
    }
}

enum ferry_status ferry_wire_read_plain_value(const struct ferry_wire_key_row *row,
                                              struct ferry_msgpack_reader reader,
                                              struct ferry_wire_request *request,
                                              struct ferry_error *error) {
    struct ferry_msgpack_token token;
    union field_value value = {0};
    enum ferry_status status = ferry_msgpack_next(&reader, &token, error);
    if (status != FERRY_OK)
        return status;
    if (row->kind == FERRY_VALUE_SEED)
        return check_seed(&token, &request->generation, error);
    status = check_value(row, &token, &value, error);
    if (status == FERRY_OK)
        memcpy((uint8_t *)request + row->offset, &value, row->width);
    return status;
}

static enum ferry_status read_stop_string(struct ferry_msgpack_reader *reader, uint32_t index,
                                          struct ferry_view *ret_stop, struct ferry_error *error) {
    struct ferry_msgpack_token token;
    enum ferry_status status = ferry_msgpack_next(reader, &token, error);
    if (status != FERRY_OK)
        return status;
    if (token.type != FERRY_MSGPACK_STR)
        return ferry_fail(error, FERRY_BAD_REQUEST, "stop[%u]: wanted a string, got %s", index,
                          ferry_msgpack_type_name(token.type));
    if (token.size == 0 || token.size > FERRY_WIRE_MAX_STOP_BYTES)
        return ferry_fail(error, FERRY_BAD_REQUEST, "stop[%u]: %u bytes is outside 1 to %d", index,
                          token.size, FERRY_WIRE_MAX_STOP_BYTES);
    if (ferry_utf8_valid_prefix((const char *)token.data, token.size) != token.size)
        return ferry_fail(error, FERRY_BAD_REQUEST, "stop[%u]: the string is not valid UTF-8",
                          index);
    *ret_stop = (struct ferry_view){(const char *)token.data, token.size};
    return FERRY_OK;
}

/* Opens the array and allocates its elements, of `size` bytes each. */
static enum ferry_status open_stops(struct ferry_msgpack_reader *reader, const char *key,
                                    const char *wanted, size_t size, struct ferry_arena *arena,
                                    void **ret_elements, uint32_t *ret_count,
                                    struct ferry_error *error) {
    struct ferry_msgpack_token token;
    enum ferry_status status = ferry_msgpack_next(reader, &token, error);
    if (status != FERRY_OK)
        return status;
    if (token.type != FERRY_MSGPACK_ARRAY)
        return ferry_wire_wrong_type(key, wanted, &token, error);
    if (token.size == 0 || token.size > FERRY_WIRE_MAX_STOPS)
        return ferry_fail(error, FERRY_BAD_REQUEST, "%s: %u entries is outside 1 to %d", key,
                          token.size, FERRY_WIRE_MAX_STOPS);
    *ret_elements = ferry_arena_allocate(arena, token.size * size);
    *ret_count = token.size;
    if (*ret_elements == NULL)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for the request's %s", key);
    return FERRY_OK;
}

/* One string is read as an array of one. */
static enum ferry_status open_one_stop(struct ferry_arena *arena, void **ret_elements,
                                       uint32_t *ret_count, struct ferry_error *error) {
    *ret_elements = ferry_arena_allocate(arena, sizeof(struct ferry_view));
    *ret_count = 1;
    if (*ret_elements == NULL)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for the request's stop");
    return FERRY_OK;
}

enum ferry_status ferry_wire_read_stop(struct ferry_msgpack_reader reader,
                                       struct ferry_arena *arena,
                                       struct ferry_wire_generation *generation,
                                       struct ferry_error *error) {
    struct ferry_msgpack_reader ahead = reader;
    struct ferry_msgpack_token token;
    void *elements = NULL;
    uint32_t count = 0;
    enum ferry_status status = ferry_msgpack_next(&ahead, &token, error);
    if (status == FERRY_OK && token.type == FERRY_MSGPACK_STR)
        status = open_one_stop(arena, &elements, &count, error);
    else if (status == FERRY_OK)
        status = open_stops(&reader, "stop", "a string or an array of strings",
                            sizeof *generation->stop, arena, &elements, &count, error);
    if (status != FERRY_OK || elements == NULL)
        return status;
    generation->stop = elements;
    generation->stop_count = count;
    for (uint32_t i = 0; status == FERRY_OK && i < count; i++)
        status = read_stop_string(&reader, i, &generation->stop[i], error);
    return status;
}

static enum ferry_status read_stop_id(struct ferry_msgpack_reader *reader, uint32_t index,
                                      int32_t *ret_id, struct ferry_error *error) {
    struct ferry_msgpack_token token;
    enum ferry_status status = ferry_msgpack_next(reader, &token, error);
    if (status != FERRY_OK)
        return status;
    if (token.type == FERRY_MSGPACK_NEGATIVE)
        return ferry_fail(error, FERRY_BAD_REQUEST, "stop_ids[%u]: %lld is outside 0 to %d", index,
                          (long long)token.negative, INT32_MAX);
    if (token.type != FERRY_MSGPACK_UINT)
        return ferry_fail(error, FERRY_BAD_REQUEST,
                          "stop_ids[%u]: wanted an unsigned integer, got %s", index,
                          ferry_msgpack_type_name(token.type));
    if (token.uint > INT32_MAX)
        return ferry_fail(error, FERRY_BAD_REQUEST, "stop_ids[%u]: %llu is outside 0 to %d", index,
                          (unsigned long long)token.uint, INT32_MAX);
    *ret_id = (int32_t)token.uint;
    return FERRY_OK;
}

enum ferry_status ferry_wire_read_stop_ids(struct ferry_msgpack_reader reader,
                                           struct ferry_arena *arena,
                                           struct ferry_wire_generation *generation,
                                           struct ferry_error *error) {
    void *ids = NULL;
    uint32_t count = 0;
    enum ferry_status status = open_stops(&reader, "stop_ids", "an array of unsigned integers",
                                          sizeof *generation->stop_ids, arena, &ids, &count, error);
    if (status != FERRY_OK || ids == NULL)
        return status;
    generation->stop_ids = ids;
    generation->stop_id_count = count;
    for (uint32_t i = 0; status == FERRY_OK && i < count; i++)
        status = read_stop_id(&reader, i, &generation->stop_ids[i], error);
    return status;
}
