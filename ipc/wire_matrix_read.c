#include <string.h>

#include "ipc/wire_names.h"
#include "ipc/wire_reply_parts.h"

struct matrix_reading {
    struct ferry_arena *arena;
    struct ferry_wire_matrix *matrix;
    bool has_dtype, has_shape, has_data;
    uint32_t scale_count;
};

static enum ferry_status read_dtype(struct matrix_reading *reading,
                                    const struct ferry_wire_value *value,
                                    struct ferry_error *error) {
    struct ferry_msgpack_token token;
    enum ferry_status status = ferry_wire_read_token(value, FERRY_MSGPACK_STR, &token, error);
    if (status != FERRY_OK)
        return status;
    int index = ferry_wire_name_index(ferry_wire_dtype_names, token.data, token.size);
    char text[FERRY_PRINTABLE_BYTES];
    if (index < 0)
        return ferry_fail(error, FERRY_BAD_DATA, "reply: vectors: dtype \"%s\" is not known",
                          ferry_printable(token.data, token.size, text));
    reading->matrix->dtype = (enum ferry_wire_dtype)index;
    reading->has_dtype = true;
    return FERRY_OK;
}

static enum ferry_status read_shape(struct matrix_reading *reading,
                                    const struct ferry_wire_value *value,
                                    struct ferry_error *error) {
    struct ferry_wire_value element = *value;
    uint32_t count = 0;
    enum ferry_status status = ferry_wire_open_array(&element, &count, error);
    if (status == FERRY_OK && count != 2)
        status = ferry_fail(error, FERRY_BAD_DATA, "reply: vectors: shape has %u numbers, wanted 2",
                            count);
    if (status == FERRY_OK)
        status = ferry_wire_read_uint32(&element, &reading->matrix->rows, error);
    if (status == FERRY_OK)
        status = ferry_wire_next_element(&element, error);
    if (status == FERRY_OK)
        status = ferry_wire_read_uint32(&element, &reading->matrix->columns, error);
    reading->has_shape = true;
    return status;
}

static enum ferry_status read_scales(struct matrix_reading *reading,
                                     const struct ferry_wire_value *value,
                                     struct ferry_error *error) {
    struct ferry_msgpack_token token;
    enum ferry_status status = ferry_wire_read_token(value, FERRY_MSGPACK_BIN, &token, error);
    if (status != FERRY_OK)
        return status;
    if (token.size % sizeof(float) != 0)
        return ferry_fail(error, FERRY_BAD_DATA, "reply: vectors: scales has %u bytes", token.size);
    float *scales = NULL;
    status = ferry_wire_allocate(reading->arena, token.size, 1, &scales, error);
    if (status != FERRY_OK)
        return status;
    memcpy(scales, token.data, token.size);
    reading->matrix->scales = scales;
    reading->scale_count = token.size / (uint32_t)sizeof(float);
    return FERRY_OK;
}

static enum ferry_status read_data(struct matrix_reading *reading,
                                   const struct ferry_wire_value *value,
                                   struct ferry_error *error) {
    struct ferry_msgpack_token token;
    enum ferry_status status = ferry_wire_read_token(value, FERRY_MSGPACK_BIN, &token, error);
    reading->matrix->data = token.data;
    reading->matrix->size = token.size;
    reading->has_data = true;
    return status;
}

static enum ferry_status read_pair(void *context, const struct ferry_msgpack_token *key,
                                   const struct ferry_wire_value *value,
                                   struct ferry_error *error) {
    struct matrix_reading *reading = context;
    if (ferry_wire_key_is(key, "dtype"))
        return read_dtype(reading, value, error);
    if (ferry_wire_key_is(key, "shape"))
        return read_shape(reading, value, error);
    if (ferry_wire_key_is(key, "scales"))
        return read_scales(reading, value, error);
    if (ferry_wire_key_is(key, "data"))
        return read_data(reading, value, error);
    return FERRY_OK;
}

static uint64_t row_bytes(const struct ferry_wire_matrix *matrix) {
    switch (matrix->dtype) {
    case FERRY_WIRE_F32:
        return (uint64_t)matrix->columns * 4;
    case FERRY_WIRE_F16:
        return (uint64_t)matrix->columns * 2;
    case FERRY_WIRE_INT8:
        return matrix->columns;
    default:
        return ((uint64_t)matrix->columns + 7) / 8;
    }
}

static enum ferry_status check_matrix(const struct matrix_reading *reading,
                                      struct ferry_error *error) {
    const struct ferry_wire_matrix *matrix = reading->matrix;
    if (!reading->has_dtype || !reading->has_shape || !reading->has_data)
        return ferry_fail(error, FERRY_BAD_DATA,
                          "reply: vectors: dtype, shape and data are not all there");
    uint64_t row = row_bytes(matrix);
    if (row == 0 ? matrix->size != 0
                 : matrix->size % row != 0 || matrix->size / row != matrix->rows)
        return ferry_fail(error, FERRY_BAD_DATA,
                          "reply: vectors: %zu bytes of data for %u rows of %u numbers as %s",
                          matrix->size, matrix->rows, matrix->columns,
                          ferry_wire_dtype_names[matrix->dtype]);
    if (matrix->dtype == FERRY_WIRE_INT8 && reading->scale_count != matrix->rows)
        return ferry_fail(error, FERRY_BAD_DATA, "reply: vectors: %u scales for %u rows",
                          reading->scale_count, matrix->rows);
    return FERRY_OK;
}

enum ferry_status ferry_wire_read_matrix(const struct ferry_wire_value *value,
                                         struct ferry_arena *arena,
                                         struct ferry_wire_matrix *ret_matrix,
                                         struct ferry_error *error) {
    struct matrix_reading reading = {.arena = arena, .matrix = ret_matrix};
    *ret_matrix = (struct ferry_wire_matrix){0};
    enum ferry_status status = ferry_wire_each_pair(value, read_pair, &reading, error);
    return status == FERRY_OK ? check_matrix(&reading, error) : status;
}
