#include "gpu/pooling.h"

#include <string.h>

static void pool_mean(const float *restrict tokens, uint32_t length, size_t width,
                      float *restrict row) {
    memcpy(row, tokens, width * sizeof *row);
    for (uint32_t token = 1; token < length; token++)
        for (size_t at = 0; at < width; at++)
            row[at] += tokens[token * width + at];
    float share = 1.0f / (float)length;
    for (size_t at = 0; at < width; at++)
        row[at] *= share;
}

static void pool_max(const float *restrict tokens, uint32_t length, size_t width,
                     float *restrict row) {
    memcpy(row, tokens, width * sizeof *row);
    for (uint32_t token = 1; token < length; token++)
        for (size_t at = 0; at < width; at++) {
            float value = tokens[token * width + at];
            /* The second comparison lets a NaN through; one that is in the row stays. */
            row[at] = value > row[at] || value != value ? value : row[at];
        }
}

void ferry_pool_sequence(const float *tokens, uint32_t length, size_t width,
                         enum ferry_pooling pooling, float *row) {
    switch (pooling) {
    case FERRY_POOLING_MEAN:
        pool_mean(tokens, length, width, row);
        break;
    case FERRY_POOLING_MAX:
        pool_max(tokens, length, width, row);
        break;
    case FERRY_POOLING_LAST:
        memcpy(row, tokens + (length - 1) * width, width * sizeof *row);
        break;
    case FERRY_POOLING_CLS:
    case FERRY_POOLING_NONE:
        memcpy(row, tokens, width * sizeof *row);
        break;
    }
}

bool ferry_all_finite(const float *values, size_t count) {
    /* Works on the bits, so that no compiler option about finite arithmetic can remove it, and
     * without a branch, so that it becomes vector code. */
    const uint32_t exponent = 0x7F800000u;
    uint32_t bad = 0;
    for (size_t at = 0; at < count; at++) {
        uint32_t bits;
        memcpy(&bits, &values[at], sizeof bits);
        bad |= (bits & exponent) == exponent;
    }
    return bad == 0;
}
