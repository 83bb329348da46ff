#include "daemon/tasks/embed_rows.h"

#include <math.h>
#include <string.h>

#include "daemon/tasks/half_float.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "rows are sent as they lie in memory, which must be little-endian"
#endif

enum { LANES = 8, INT8_MAGNITUDE = 127 };

size_t ferry_embed_row_bytes(enum ferry_wire_dtype dtype, uint32_t width) {
    switch (dtype) {
    case FERRY_WIRE_F16:
        return (size_t)width * 2;
    case FERRY_WIRE_INT8:
        return width;
    case FERRY_WIRE_BINARY:
        return ((size_t)width + 7) / 8;
    case FERRY_WIRE_F32:
        break;
    }
    return (size_t)width * 4;
}

/* Several sums side by side: a single one would wait for each addition. */
static double sum_of_squares(const float *row, uint32_t width) {
    double sums[LANES] = {0};
    uint32_t at = 0;
    for (; at + LANES <= width; at += LANES)
        for (unsigned lane = 0; lane < LANES; lane++)
            sums[lane] += (double)row[at + lane] * (double)row[at + lane];
    for (; at < width; at++)
        sums[0] += (double)row[at] * (double)row[at];
    double sum = 0;
    for (unsigned lane = 0; lane < LANES; lane++)
        sum += sums[lane];
    return sum;
}

void ferry_embed_normalize(float *row, uint32_t width) {
    double length = sqrt(sum_of_squares(row, width));
    if (!(length > 0))
        return;
    float factor = (float)(1.0 / length);
    for (uint32_t i = 0; i < width; i++)
        row[i] *= factor;
}

static void encode_half(const float *row, uint32_t width, uint8_t *bytes) {
    for (uint32_t i = 0; i < width; i++) {
        uint16_t half = ferry_half_from_float(row[i]);
        memcpy(bytes + (size_t)i * 2, &half, sizeof half);
    }
}

static int8_t quantize(float value, float factor) {
    float scaled = rintf(value * factor);
    if (scaled >= INT8_MAGNITUDE)
        return INT8_MAGNITUDE;
    if (scaled <= -INT8_MAGNITUDE)
        return -INT8_MAGNITUDE;
    return scaled == scaled ? (int8_t)scaled : 0; /* NaN has no integer */
}

static void encode_int8(const float *row, uint32_t width, int8_t *bytes, float *scale) {
    float largest = 0;
    for (uint32_t i = 0; i < width; i++)
        largest = fmaxf(largest, fabsf(row[i]));
    *scale = largest / INT8_MAGNITUDE;
    float factor = largest > 0 ? INT8_MAGNITUDE / largest : 0;
    for (uint32_t i = 0; i < width; i++)
        bytes[i] = quantize(row[i], factor);
}

static void encode_binary(const float *row, uint32_t width, uint8_t *bytes) {
    memset(bytes, 0, ferry_embed_row_bytes(FERRY_WIRE_BINARY, width));
    for (uint32_t i = 0; i < width; i++)
        if (row[i] > 0)
            bytes[i / 8] = (uint8_t)(bytes[i / 8] | 0x80 >> i % 8);
}

void ferry_embed_encode_row(enum ferry_wire_dtype dtype, const float *row, uint32_t width,
                            void *bytes, float *scale) {
    switch (dtype) {
    case FERRY_WIRE_F16:
        encode_half(row, width, bytes);
        return;
    case FERRY_WIRE_INT8:
        encode_int8(row, width, bytes, scale);
        return;
    case FERRY_WIRE_BINARY:
        encode_binary(row, width, bytes);
        return;
    case FERRY_WIRE_F32:
        break;
    }
    memcpy(bytes, row, (size_t)width * sizeof *row);
}
