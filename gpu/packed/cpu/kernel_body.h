/* The kernels themselves, in GCC's vector types. Included once for each instruction set by a file
 * that is compiled for it and defines:
 *   KERNEL_FLOATS   floats of one vector register
 *   KERNEL_ROWS     rows of one tile of a product
 *   KERNEL_SLICE    rows of a panel that are read together
 *   KERNEL_TABLE    name of the table, KERNEL_NAME its text
 * Everything here is static: code of a large instruction set must not reach another file. */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "gpu/packed/cpu/cpu_kernels.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

enum { FLOATS = KERNEL_FLOATS, TILE_ROWS = KERNEL_ROWS, TILE_VECTORS = 3 };
enum { TILE_COLUMNS = TILE_VECTORS * FLOATS };

typedef float vector __attribute__((vector_size(4 * FLOATS), aligned(4), may_alias));
typedef int32_t vector_int __attribute__((vector_size(4 * FLOATS), aligned(4), may_alias));

ALWAYS_INLINE vector load(const float *from) {
    return *(const vector *)from;
}

ALWAYS_INLINE void store(float *to, vector value) {
    *(vector *)to = value;
}

ALWAYS_INLINE vector all(float value) {
    return value - (vector){0};
}

ALWAYS_INLINE vector select(vector_int mask, vector yes, vector no) {
    return (vector)((mask & (vector_int)yes) | (~mask & (vector_int)no));
}

ALWAYS_INLINE vector larger(vector left, vector right) {
    return select(left > right, left, right);
}

ALWAYS_INLINE float sum_lanes(vector value) {
    float sum = 0;
    for (int lane = 0; lane < FLOATS; lane++)
        sum += value[lane];
    return sum;
}

ALWAYS_INLINE float largest_lane(vector value) {
    float largest = value[0];
    for (int lane = 1; lane < FLOATS; lane++)
        largest = value[lane] > largest ? value[lane] : largest;
    return largest;
}

/* Relative error below 2e-7 where the result is a normal number; NaN stays NaN. */
ALWAYS_INLINE vector exponential(vector x) {
    const float shift = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer */
    x = select(x < all(-87.3f), all(-87.3f), x);
    x = select(x > all(88.0f), all(88.0f), x);
    vector shifted = x * 1.44269504f + shift;
    vector whole = shifted - shift;
    vector rest = x - whole * 0.693359375f + whole * 2.12194440e-4f;
    vector sum = rest * 1.9875691500e-4f + 1.3981999507e-3f;
    sum = sum * rest + 8.3334519073e-3f;
    sum = sum * rest + 4.1665795894e-2f;
    sum = sum * rest + 1.6666665459e-1f;
    sum = sum * rest + 5.0000001201e-1f;
    sum = sum * rest * rest + rest + 1.0f;
    vector_int power = ((vector_int)shifted - 0x4B400000 + 127) << 23;
    return sum * (vector)power;
}

/* x * (1 + tanh(u)) / 2 = x / (1 + exp(-2u)) */
ALWAYS_INLINE vector gelu_tanh(vector x) {
    vector u = 0.7978845608f * (x + 0.044715f * x * x * x);
    return x / (1.0f + exponential(-2.0f * u));
}

ALWAYS_INLINE vector activate(vector x, enum ferry_activation activation) {
    if (activation == FERRY_ACTIVATION_GELU_TANH)
        return gelu_tanh(x);
    if (activation == FERRY_ACTIVATION_RELU)
        return select(x < all(0), all(0), x);
    if (activation == FERRY_ACTIVATION_GELU_ERF)
        for (int lane = 0; lane < FLOATS; lane++)
            x[lane] = 0.5f * x[lane] * (1.0f + erff(x[lane] * 0.70710678f));
    return x;
}

/* ---- products ---- */

/* A product goes over the inner dimension in slices that stay in the second-level cache while all
 * tiles of rows pass over them; the last tile reads the next slice ahead. A single tile does not:
 * it reads as fast as the memory gives, and the processor itself reads ahead better. */
enum { SLICE = KERNEL_SLICE, BLOCK_ROWS = 64 };

struct slice {
    const struct ferry_panel_product *product;
    size_t row; /* first of the block of rows that `sums` are of */
    size_t first;
    size_t count;
    float (*sums)[FERRY_PANEL_COLUMNS];
};

/* Bias, activation and residual. */
static void finish_row(const struct ferry_panel_product *product, size_t row, const float *sums) {
    for (size_t at = 0; at < FERRY_PANEL_COLUMNS; at += FLOATS) {
        size_t to = row * product->out_stride + at;
        vector value = activate(load(sums + at) + load(product->bias + at), product->activation);
        if (product->residual != NULL)
            value += load(product->residual + to);
        store(product->out + to, value);
    }
}

/* `rows` is a constant wherever this is inlined, so the sums stay in registers. */
ALWAYS_INLINE void multiply_tile(const struct slice *slice, size_t row, size_t column,
                                 const float *prefetch, const size_t rows) {
    const struct ferry_panel_product *product = slice->product;
    vector sums[TILE_ROWS][TILE_VECTORS];
    for (size_t r = 0; r < rows; r++)
        for (size_t at = 0; at < TILE_VECTORS; at++)
            sums[r][at] =
                slice->first == 0 ? all(0) : load(&slice->sums[row + r][column + at * FLOATS]);
    const float *in = product->in + (slice->row + row) * product->in_stride + slice->first;
    const float *panel = product->panel + slice->first * FERRY_PANEL_COLUMNS + column;
    for (size_t k = 0; k < slice->count; k++, panel += FERRY_PANEL_COLUMNS) {
        vector weights[TILE_VECTORS];
#pragma GCC unroll 3
        for (size_t at = 0; at < TILE_VECTORS; at++) {
            weights[at] = load(panel + at * FLOATS);
            if (prefetch != NULL)
                __builtin_prefetch(prefetch + k * FERRY_PANEL_COLUMNS + at * 16, 0, 2);
        }
#pragma GCC unroll 16
        for (size_t r = 0; r < rows; r++) {
            vector value = all(in[r * product->in_stride + k]);
#pragma GCC unroll 3
            for (size_t at = 0; at < TILE_VECTORS; at++)
                sums[r][at] += value * weights[at];
        }
    }
    for (size_t r = 0; r < rows; r++)
        for (size_t at = 0; at < TILE_VECTORS; at++)
            store(&slice->sums[row + r][column + at * FLOATS], sums[r][at]);
}

/* One loop for each number of rows, with and without reading ahead. */
#define TILE_CASE(count)                                                                           \
    case count:                                                                                    \
        if (prefetch != NULL)                                                                      \
            multiply_tile(slice, row, column, prefetch, count);                                    \
        else                                                                                       \
            multiply_tile(slice, row, column, NULL, count);                                        \
        break;

static void multiply_rows(const struct slice *slice, size_t row, size_t column,
                          const float *prefetch, size_t rows) {
    switch (rows) {
        TILE_CASE(1)
        TILE_CASE(2)
        TILE_CASE(3)
        TILE_CASE(4)
#if KERNEL_ROWS > 4
        TILE_CASE(5)
        TILE_CASE(6)
        TILE_CASE(7)
        TILE_CASE(8)
#endif
    default:
        break;
    }
}

static void multiply_slice(const struct slice *slice, size_t rows, const float *prefetch) {
    for (size_t row = 0; row < rows; row += TILE_ROWS) {
        size_t count = rows - row < TILE_ROWS ? rows - row : TILE_ROWS;
        bool last = row > 0 && row + count == rows;
        for (size_t column = 0; column < FERRY_PANEL_COLUMNS; column += TILE_COLUMNS)
            multiply_rows(slice, row, column, last && column == 0 ? prefetch : NULL, count);
    }
}

static void multiply_block(const struct ferry_panel_product *product, size_t first, size_t rows,
                           const float *prefetch) {
    float sums[BLOCK_ROWS][FERRY_PANEL_COLUMNS];
    struct slice slice = {.product = product, .row = first, .sums = sums};
    for (; slice.first < product->inner; slice.first += SLICE) {
        size_t left = product->inner - slice.first;
        slice.count = left < SLICE ? left : SLICE;
        bool ends = slice.count == left;
        multiply_slice(&slice, rows,
                       ends ? prefetch
                            : product->panel + (slice.first + SLICE) * FERRY_PANEL_COLUMNS);
    }
    for (size_t row = 0; row < rows; row++)
        finish_row(product, first + row, sums[row]);
}

static void panel_product(const struct ferry_panel_product *product) {
    for (size_t row = 0; row < product->rows; row += BLOCK_ROWS) {
        size_t left = product->rows - row;
        multiply_block(product, row, left < BLOCK_ROWS ? left : BLOCK_ROWS,
                       left <= BLOCK_ROWS ? product->prefetch : NULL);
    }
}

/* ---- attention ---- */

enum { BLOCK_VECTORS = FERRY_BLOCK_TOKENS / FLOATS };

/* Blocks lie far apart, so that the processor does not foresee the next one: what is read of it is
 * asked for, into the second-level cache, while the one before is in hand. */
ALWAYS_INLINE const float *block_at(const struct ferry_attention *attention, size_t position) {
    return attention->pool +
           attention->blocks[position / FERRY_BLOCK_TOKENS] * attention->block_stride;
}

/* Scores of `count` queries with the 16 keys of one block. */
ALWAYS_INLINE void score_block(const struct ferry_attention *attention, const float *queries,
                               const float *keys, float *scores, const size_t count) {
    vector sums[FERRY_QUERY_TILE][BLOCK_VECTORS];
    for (size_t q = 0; q < count; q++)
        for (size_t at = 0; at < BLOCK_VECTORS; at++)
            sums[q][at] = all(0);
    for (size_t d = 0; d < attention->head_width; d++, keys += FERRY_BLOCK_TOKENS)
#pragma GCC unroll 4
        for (size_t q = 0; q < count; q++)
#pragma GCC unroll 4
            for (size_t at = 0; at < BLOCK_VECTORS; at++)
                sums[q][at] += queries[q * attention->query_stride + d] * load(keys + at * FLOATS);
    for (size_t q = 0; q < count; q++)
        for (size_t at = 0; at < BLOCK_VECTORS; at++)
            store(scores + q * attention->score_stride + at * FLOATS,
                  sums[q][at] * attention->scale);
}

/* One query alone: four sums, so that no addition waits for the one before. */
ALWAYS_INLINE void score_block_alone(const struct ferry_attention *attention, const float *query,
                                     const float *keys, const float *next, float *scores) {
    vector sums[4][BLOCK_VECTORS];
    for (size_t way = 0; way < 4; way++)
        for (size_t at = 0; at < BLOCK_VECTORS; at++)
            sums[way][at] = all(0);
    size_t d = 0;
    for (; d + 4 <= attention->head_width; d += 4, keys += (size_t)4 * FERRY_BLOCK_TOKENS)
#pragma GCC unroll 4
        for (size_t way = 0; way < 4; way++) {
            __builtin_prefetch(next + (d + way) * FERRY_BLOCK_TOKENS, 0, 2);
#pragma GCC unroll 4
            for (size_t at = 0; at < BLOCK_VECTORS; at++)
                sums[way][at] +=
                    query[d + way] * load(keys + way * FERRY_BLOCK_TOKENS + at * FLOATS);
        }
    for (; d < attention->head_width; d++, keys += FERRY_BLOCK_TOKENS)
        for (size_t at = 0; at < BLOCK_VECTORS; at++)
            sums[0][at] += query[d] * load(keys + at * FLOATS);
    for (size_t at = 0; at < BLOCK_VECTORS; at++)
        store(scores + at * FLOATS,
              (sums[0][at] + sums[1][at] + sums[2][at] + sums[3][at]) * attention->scale);
}

/* Turns the first `visible` scores into weights that sum to 1, all others up to `rounded` into 0.
 */
static void softmax(float *scores, size_t visible, size_t rounded) {
    for (size_t at = visible; at < rounded; at++)
        scores[at] = -INFINITY;
    vector largest = all(-INFINITY);
    for (size_t at = 0; at < rounded; at += FLOATS)
        largest = larger(load(scores + at), largest);
    float highest = largest_lane(largest);
    vector sums = all(0);
    for (size_t at = 0; at < rounded; at += FLOATS) {
        vector score = load(scores + at);
        vector weight = exponential(score - highest);
        weight = select(score == all(-INFINITY), all(0), weight);
        store(scores + at, weight);
        sums += weight;
    }
    float factor = 1.0f / sum_lanes(sums);
    for (size_t at = 0; at < rounded; at += FLOATS)
        store(scores + at, load(scores + at) * factor);
}

/* `vectors` columns of the values, weighted, for `count` queries; all positions below `end`. */
ALWAYS_INLINE void mix_columns(const struct ferry_attention *attention, size_t end, size_t column,
                               float *mixed, const size_t count, const size_t vectors) {
    vector sums[FERRY_QUERY_TILE][4];
    for (size_t q = 0; q < count; q++)
        for (size_t at = 0; at < vectors; at++)
            sums[q][at] = all(0);
    for (size_t first = 0; first < end; first += FERRY_BLOCK_TOKENS) {
        const size_t offset = attention->values_offset + column;
        const float *values = block_at(attention, first) + offset;
        const float *next = first + FERRY_BLOCK_TOKENS < end
                                ? block_at(attention, first + FERRY_BLOCK_TOKENS) + offset
                                : values;
        const float *weights = attention->scores + first;
        size_t tokens = end - first < FERRY_BLOCK_TOKENS ? end - first : FERRY_BLOCK_TOKENS;
        for (size_t token = 0; token < tokens; token++, values += attention->value_stride) {
            if (count == 1)
                for (size_t line = 0; line < vectors * FLOATS; line += 16)
                    __builtin_prefetch(next + token * attention->value_stride + line, 0, 2);
#pragma GCC unroll 4
            for (size_t q = 0; q < count; q++)
#pragma GCC unroll 4
                for (size_t at = 0; at < vectors; at++)
                    sums[q][at] +=
                        weights[q * attention->score_stride + token] * load(values + at * FLOATS);
        }
    }
    for (size_t q = 0; q < count; q++)
        for (size_t at = 0; at < vectors; at++)
            store(mixed + q * 4 * FLOATS + at * FLOATS, sums[q][at]);
}

ALWAYS_INLINE void mix_values(const struct ferry_attention *attention, uint32_t query, size_t end,
                              const size_t count) {
    float mixed[FERRY_QUERY_TILE * 4 * FLOATS];
    for (size_t column = 0; column < attention->head_width;) {
        size_t vectors = column + (size_t)4 * FLOATS <= attention->value_stride ? 4 : 1;
        if (vectors == 4)
            mix_columns(attention, end, column, mixed, count, 4);
        else
            mix_columns(attention, end, column, mixed, count, 1);
        size_t left = attention->head_width - column;
        size_t columns = left < vectors * FLOATS ? left : vectors * FLOATS;
        for (size_t q = 0; q < count; q++)
            memcpy(attention->out + (query + q) * attention->out_stride + column,
                   mixed + q * 4 * FLOATS, columns * sizeof *mixed);
        column += columns;
    }
}

ALWAYS_INLINE void attend_tile(const struct ferry_attention *attention, uint32_t query,
                               const size_t count) {
    size_t end = (size_t)attention->first_position + query + count; /* of the last query */
    const float *queries = attention->queries + query * attention->query_stride;
    for (size_t first = 0; first < end; first += FERRY_BLOCK_TOKENS) {
        const float *keys = block_at(attention, first) + attention->keys_offset;
        const float *next =
            first + FERRY_BLOCK_TOKENS < end
                ? block_at(attention, first + FERRY_BLOCK_TOKENS) + attention->keys_offset
                : block_at(attention, 0) + attention->values_offset;
        if (count == 1)
            score_block_alone(attention, queries, keys, next, attention->scores + first);
        else
            score_block(attention, queries, keys, attention->scores + first, count);
    }
    size_t rounded = (end + FERRY_BLOCK_TOKENS - 1) / FERRY_BLOCK_TOKENS * FERRY_BLOCK_TOKENS;
    for (size_t q = 0; q < count; q++)
        softmax(attention->scores + q * attention->score_stride, end - count + 1 + q, rounded);
    mix_values(attention, query, end, count);
}

static void attention(const struct ferry_attention *task) {
    uint32_t query = 0;
    for (; query + FERRY_QUERY_TILE <= task->count; query += FERRY_QUERY_TILE)
        attend_tile(task, query, FERRY_QUERY_TILE);
    for (; query < task->count; query++)
        attend_tile(task, query, 1);
}

/* ---- rows ---- */

static void layer_norm(const float *in, const float *weight, const float *bias, size_t width,
                       float epsilon, float *out) {
    vector sums = all(0);
    float rest = 0;
    size_t at = 0;
    for (; at + FLOATS <= width; at += FLOATS)
        sums += load(in + at);
    for (; at < width; at++)
        rest += in[at];
    float mean = (sum_lanes(sums) + rest) / (float)width;
    sums = all(0);
    rest = 0;
    for (at = 0; at + FLOATS <= width; at += FLOATS)
        sums += (load(in + at) - mean) * (load(in + at) - mean);
    for (; at < width; at++)
        rest += (in[at] - mean) * (in[at] - mean);
    float factor = 1.0f / sqrtf((sum_lanes(sums) + rest) / (float)width + epsilon);
    for (at = 0; at + FLOATS <= width; at += FLOATS)
        store(out + at, (load(in + at) - mean) * factor * load(weight + at) + load(bias + at));
    for (; at < width; at++)
        out[at] = (in[at] - mean) * factor * weight[at] + bias[at];
}

const struct ferry_cpu_kernels KERNEL_TABLE = {
    KERNEL_NAME,
    panel_product,
    attention,
    layer_norm,
};
