/* The inner loops of the packed engine, each instruction set that this machine has against plain
 * loops in double precision. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "gpu/packed/cpu/cpu_kernels.h"

enum { COLUMNS = FERRY_PANEL_COLUMNS, MOST_ROWS = 19, BLOCK = FERRY_BLOCK_TOKENS };

static const char *const names[] = {"generic", "avx2", "avx512"};

static float random_float(unsigned *state) {
    *state = *state * 1664525u + 1013904223u;
    return (float)(*state >> 8) / (float)(1 << 23) - 1.0f;
}

static float *random_floats(size_t count, unsigned seed) {
    float *floats = malloc(count * sizeof *floats);
    cr_assert_not_null(floats);
    for (size_t at = 0; at < count; at++)
        floats[at] = random_float(&seed);
    return floats;
}

static double activate(double x, enum ferry_activation activation) {
    switch (activation) {
    case FERRY_ACTIVATION_GELU_TANH:
        return 0.5 * x * (1 + tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
    case FERRY_ACTIVATION_GELU_ERF:
        return 0.5 * x * (1 + erf(x * 0.7071067811865476));
    case FERRY_ACTIVATION_RELU:
        return x > 0 ? x : 0;
    case FERRY_ACTIVATION_NONE:
        break;
    }
    return x;
}

static void check_product(const struct ferry_cpu_kernels *kernels, size_t rows, size_t inner,
                          enum ferry_activation activation, bool residual) {
    const size_t in_stride = inner + 3;
    const size_t out_stride = COLUMNS + 5;
    float *in = random_floats(rows * in_stride, 1);
    float *panel = random_floats(2 * inner * COLUMNS, 2);
    float *bias = random_floats(COLUMNS, 3);
    float *out = random_floats(rows * out_stride, 4);
    float *before = random_floats(rows * out_stride, 4);
    const struct ferry_panel_product product = {
        .in = in,
        .in_stride = in_stride,
        .rows = rows,
        .panel = panel,
        .inner = inner,
        .prefetch = rows % 2 == 0 ? panel + inner * COLUMNS : NULL,
        .bias = bias,
        .residual = residual ? out : NULL,
        .out = out,
        .out_stride = out_stride,
        .activation = activation,
    };
    kernels->panel_product(&product);
    for (size_t row = 0; row < rows; row++)
        for (size_t column = 0; column < out_stride; column++) {
            size_t at = row * out_stride + column;
            if (column >= COLUMNS) {
                cr_assert_eq(out[at], before[at], "%s wrote beyond the panel", kernels->name);
                continue;
            }
            double sum = bias[column];
            for (size_t k = 0; k < inner; k++)
                sum += (double)in[row * in_stride + k] * (double)panel[k * COLUMNS + column];
            double expected = activate(sum, activation) + (residual ? (double)before[at] : 0);
            cr_assert_float_eq((double)out[at], expected, 2e-5, "%s, %zu rows, %zu inner: %g, %g",
                               kernels->name, rows, inner, (double)out[at], expected);
        }
    free(in);
    free(panel);
    free(bias);
    free(out);
    free(before);
}

static void for_each_variant(void (*check)(const struct ferry_cpu_kernels *kernels)) {
    for (size_t at = 0; at < sizeof names / sizeof *names; at++) {
        const struct ferry_cpu_kernels *kernels = ferry_cpu_kernels_named(names[at]);
        if (kernels != NULL)
            check(kernels);
        else
            cr_log_warn("this processor has no %s: that variant was not run", names[at]);
    }
}

static void check_products(const struct ferry_cpu_kernels *kernels) {
    for (size_t rows = 1; rows <= MOST_ROWS; rows++)
        check_product(kernels, rows, 37 + rows, FERRY_ACTIVATION_NONE, rows % 3 == 0);
    check_product(kernels, 5, 64, FERRY_ACTIVATION_GELU_TANH, false);
    check_product(kernels, 5, 64, FERRY_ACTIVATION_GELU_ERF, true);
    check_product(kernels, 8, 64, FERRY_ACTIVATION_RELU, false);
}

Test(cpu_kernels, products) {
    for_each_variant(check_products);
}

Test(cpu_kernels, there_is_always_one) {
    cr_assert_not_null(ferry_best_cpu_kernels());
    cr_assert_not_null(ferry_cpu_kernels_named("generic"));
    cr_assert_null(ferry_cpu_kernels_named("abacus"));
}

/* ---- attention ---- */

struct attention_case {
    uint32_t head_width;
    uint32_t first_position;
    uint32_t count;
};

enum { POOL_BLOCKS = 12 };

/* Blocks of the pool in an order of their own; what lies beyond the sequence is not a number. */
static float *make_pool(const struct attention_case *one, const uint32_t *blocks, size_t half) {
    float *pool = malloc(2 * half * POOL_BLOCKS * sizeof *pool);
    cr_assert_not_null(pool);
    for (size_t at = 0; at < 2 * half * POOL_BLOCKS; at++)
        pool[at] = NAN;
    unsigned state = 77;
    const size_t stride = half / BLOCK;
    for (uint32_t at = 0; at < one->first_position + one->count; at++) {
        float *block = pool + (size_t)blocks[at / BLOCK] * 2 * half;
        for (uint32_t d = 0; d < one->head_width; d++) {
            block[(size_t)d * BLOCK + at % BLOCK] = random_float(&state);
            block[half + (size_t)(at % BLOCK) * stride + d] = random_float(&state);
        }
        for (size_t d = one->head_width; d < stride; d++)
            block[half + (size_t)(at % BLOCK) * stride + d] = 0;
    }
    return pool;
}

static void expect_row(const struct attention_case *one, const float *pool, const uint32_t *blocks,
                       size_t half, const float *query, uint32_t position, const float *out) {
    const size_t stride = half / BLOCK;
    double weights[POOL_BLOCKS * BLOCK];
    double sum = 0;
    for (uint32_t at = 0; at <= position; at++) {
        double score = 0;
        for (uint32_t d = 0; d < one->head_width; d++)
            score +=
                (double)query[d] *
                (double)
                    pool[(size_t)blocks[at / BLOCK] * 2 * half + (size_t)d * BLOCK + at % BLOCK];
        sum += weights[at] = exp(score * 0.25);
    }
    for (uint32_t d = 0; d < one->head_width; d++) {
        double mixed = 0;
        for (uint32_t at = 0; at <= position; at++)
            mixed += weights[at] / sum *
                     (double)pool[(size_t)blocks[at / BLOCK] * 2 * half + half +
                                  (size_t)(at % BLOCK) * stride + d];
        cr_assert_float_eq((double)out[d], mixed, 3e-6, "width %u, position %u", one->head_width,
                           position);
    }
}

static void check_attention_case(const struct ferry_cpu_kernels *kernels,
                                 const struct attention_case *one) {
    static const uint32_t blocks[POOL_BLOCKS] = {5, 0, 11, 2, 7, 1, 9, 3, 10, 4, 8, 6};
    const uint32_t stride = (one->head_width + 15) / 16 * 16;
    const size_t half = (size_t)stride * BLOCK;
    float *pool = make_pool(one, blocks, half);
    float *queries = random_floats((size_t)one->count * 100, 5);
    float *out = random_floats((size_t)one->count * 90, 6);
    float *scores = random_floats((size_t)FERRY_QUERY_TILE * POOL_BLOCKS * BLOCK, 7);
    const struct ferry_attention task = {
        .queries = queries,
        .query_stride = 100,
        .count = one->count,
        .first_position = one->first_position,
        .pool = pool,
        .block_stride = 2 * half,
        .blocks = blocks,
        .keys_offset = 0,
        .values_offset = half,
        .head_width = one->head_width,
        .value_stride = stride,
        .scale = 0.25f,
        .scores = scores,
        .score_stride = (size_t)POOL_BLOCKS * BLOCK,
        .out = out,
        .out_stride = 90,
    };
    kernels->attention(&task);
    for (uint32_t query = 0; query < one->count; query++)
        expect_row(one, pool, blocks, half, queries + (size_t)query * 100,
                   one->first_position + query, out + (size_t)query * 90);
    free(pool);
    free(queries);
    free(out);
    free(scores);
}

static void check_attention(const struct ferry_cpu_kernels *kernels) {
    static const uint32_t widths[] = {1, 7, 16, 24, 64, 80};
    static const uint32_t counts[] = {1, 2, 4, 5, 37};
    static const uint32_t positions[] = {0, 1, 15, 16, 17, 100};
    for (size_t width = 0; width < 6; width++)
        for (size_t count = 0; count < 5; count++)
            for (size_t position = 0; position < 6; position++)
                check_attention_case(
                    kernels,
                    &(struct attention_case){widths[width], positions[position], counts[count]});
}

Test(cpu_kernels, attention) {
    for_each_variant(check_attention);
}

/* ---- layer norm ---- */

static void check_norm(const struct ferry_cpu_kernels *kernels) {
    for (size_t width = 1; width < 70; width += 11) {
        float *in = random_floats(width, 1);
        float *weight = random_floats(width, 2);
        float *bias = random_floats(width, 3);
        float *out = random_floats(width + 1, 4);
        float beyond = out[width];
        double mean = 0;
        double variance = 0;
        for (size_t at = 0; at < width; at++)
            mean += (double)in[at] / (double)width;
        for (size_t at = 0; at < width; at++)
            variance += ((double)in[at] - mean) * ((double)in[at] - mean) / (double)width;
        kernels->layer_norm(in, weight, bias, width, 1e-3f, out);
        for (size_t at = 0; at < width; at++)
            cr_assert_float_eq((double)out[at],
                               ((double)in[at] - mean) / sqrt(variance + 1e-3) *
                                       (double)weight[at] +
                                   (double)bias[at],
                               5e-6, "%s, width %zu", kernels->name, width);
        cr_assert_eq(out[width], beyond);
        free(in);
        free(weight);
        free(bias);
        free(out);
    }
}

Test(cpu_kernels, layer_norm) {
    for_each_variant(check_norm);
}

static void check_not_finite(const struct ferry_cpu_kernels *kernels) {
    const float strange[] = {NAN, INFINITY, -INFINITY};
    for (size_t at = 0; at < 3; at++) {
        float *in = random_floats(16, 1);
        float *panel = random_floats((size_t)16 * COLUMNS, 2);
        float *bias = random_floats(COLUMNS, 3);
        float out[COLUMNS];
        in[7] = strange[at];
        const struct ferry_panel_product product = {.in = in,
                                                    .in_stride = 16,
                                                    .rows = 1,
                                                    .panel = panel,
                                                    .inner = 16,
                                                    .bias = bias,
                                                    .out = out,
                                                    .out_stride = COLUMNS};
        kernels->panel_product(&product);
        for (size_t column = 0; column < COLUMNS; column++)
            cr_assert(!isfinite(out[column]));
        kernels->layer_norm(in, panel, bias, 16, 1e-5f, out);
        for (size_t column = 0; column < 16; column++)
            cr_assert(!isfinite(out[column]));
        free(in);
        free(panel);
        free(bias);
    }
}

Test(cpu_kernels, what_is_not_finite_stays_so) {
    for_each_variant(check_not_finite);
}
