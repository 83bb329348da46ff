/* Float rows out of what the wire carries. Runs in the thread that takes the reply, so that large
 * conversions do not hold up the owner thread. */
#include <stdlib.h>
#include <string.h>

#include "clients/c/client_parts.h"

/* IEEE 754 binary16 to binary32; every half is exact in a float. */
static float float_of_half(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    uint32_t exponent = half >> 10 & 0x1F;
    uint32_t fraction = half & 0x3FF;
    uint32_t bits;
    if (exponent == 0) { /* zero or subnormal: fraction * 2^-24 */
        float value = (float)fraction * 0x1p-24f;
        return sign != 0 ? -value : value;
    }
    if (exponent == 31)
        bits = sign | 0x7F800000u | fraction << 13;
    else
        bits = sign | (exponent + 112) << 23 | fraction << 13;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void convert_halves(const uint8_t *data, size_t count, float *rows) {
    for (size_t at = 0; at < count; at++)
        rows[at] = float_of_half((uint16_t)(data[2 * at] | data[2 * at + 1] << 8));
}

static void convert_bytes(const struct ferry_wire_matrix *matrix, float *rows) {
    const int8_t *data = matrix->data;
    for (size_t row = 0; row < matrix->rows; row++) {
        float scale = matrix->scales != NULL ? matrix->scales[row] : 1.0f;
        for (size_t column = 0; column < matrix->columns; column++)
            *rows++ = scale * (float)*data++;
    }
}

static void convert_bits(const struct ferry_wire_matrix *matrix, float *rows) {
    size_t row_bytes = ((size_t)matrix->columns + 7) / 8;
    const uint8_t *data = matrix->data;
    for (size_t row = 0; row < matrix->rows; row++, data += row_bytes)
        for (size_t column = 0; column < matrix->columns; column++)
            *rows++ = (float)(data[column / 8] >> (7 - column % 8) & 1);
}

static void convert_matrix(const struct ferry_wire_matrix *matrix, float *rows) {
    switch (matrix->dtype) {
    case FERRY_WIRE_F32: /* the wire is little-endian, and so is every machine ferry runs on */
        memcpy(rows, matrix->data, matrix->size);
        return;
    case FERRY_WIRE_F16:
        convert_halves(matrix->data, (size_t)matrix->rows * matrix->columns, rows);
        return;
    case FERRY_WIRE_INT8:
        convert_bytes(matrix, rows);
        return;
    case FERRY_WIRE_BINARY:
        convert_bits(matrix, rows);
        return;
    }
}
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "rows are copied as they come");

static enum ferry_status find_width(struct ferry_reply *reply, struct ferry_error *error) {
    const struct ferry_wire_matrix *first = NULL;
    for (size_t at = 0; at < reply->piece_count; at++) {
        const struct request_piece *piece = &reply->pieces[at];
        if (piece->too_large)
            continue;
        if (first == NULL)
            first = &piece->wire.matrix;
        /* A daemon restarted with another model in the middle of a split call. */
        if (piece->wire.matrix.columns != first->columns ||
            piece->wire.matrix.dtype != first->dtype)
            return ferry_fail(error, FERRY_BAD_DATA,
                              "parts of the answer have %u and %u columns: the model changed while "
                              "it was asked; ask again",
                              first->columns, piece->wire.matrix.columns);
    }
    reply->width = first == NULL ? 0 : first->columns;
    return FERRY_OK;
}

static enum ferry_status make_rows(struct ferry_reply *reply, struct ferry_error *error) {
    enum ferry_status status = find_width(reply, error);
    if (status != FERRY_OK || reply->width == 0)
        return status;
    reply->rows = calloc(reply->item_count * reply->width, sizeof *reply->rows);
    if (reply->rows == NULL)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for %zu rows of %zu numbers",
                          reply->item_count, reply->width);
    for (size_t at = 0; at < reply->piece_count; at++) {
        const struct request_piece *piece = &reply->pieces[at];
        if (!piece->too_large)
            convert_matrix(&piece->wire.matrix, reply->rows + piece->first_item * reply->width);
    }
    return FERRY_OK;
}

enum ferry_status ferry_reply_make_readable(struct ferry_reply *reply, struct ferry_error *error) {
    if (reply->operation == FERRY_CLIENT_EMBED)
        return make_rows(reply, error);
    if (reply->operation != FERRY_CLIENT_STATUS)
        return FERRY_OK;
    reply->status_json = ferry_status_to_json(ferry_reply_wire_status(reply));
    return reply->status_json != NULL
               ? FERRY_OK
               : ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for the status");
}
