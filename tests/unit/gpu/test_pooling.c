/* Pooling on the CPU, against numbers worked out by hand. */
#include <criterion/criterion.h>
#include <math.h>

#include "gpu/pooling.h"

static const float tokens[] = {1, 10, -1, 3, 20, -3, 8, -30, -5}; /* three tokens of width 3 */

static void expect(enum ferry_pooling pooling, uint32_t length, float a, float b, float c) {
    float row[4] = {0, 0, 0, 777};
    ferry_pool_sequence(tokens, length, 3, pooling, row);
    cr_expect_float_eq(row[0], a, 1e-6);
    cr_expect_float_eq(row[1], b, 1e-6);
    cr_expect_float_eq(row[2], c, 1e-6);
    cr_expect_eq(row[3], 777);
}

Test(pooling, every_kind) {
    expect(FERRY_POOLING_MEAN, 3, 4, 0, -3);
    expect(FERRY_POOLING_MAX, 3, 8, 20, -1);
    expect(FERRY_POOLING_CLS, 3, 1, 10, -1);
    expect(FERRY_POOLING_LAST, 3, 8, -30, -5);
}

Test(pooling, tokens_beyond_the_length_are_padding) {
    expect(FERRY_POOLING_MEAN, 2, 2, 15, -2);
    expect(FERRY_POOLING_MAX, 2, 3, 20, -1);
    expect(FERRY_POOLING_LAST, 2, 3, 20, -3);
    expect(FERRY_POOLING_MEAN, 1, 1, 10, -1);
}

Test(pooling, what_is_not_a_number_is_seen_wherever_it_stands) {
    const enum ferry_pooling poolings[] = {FERRY_POOLING_MEAN, FERRY_POOLING_MAX};
    for (size_t kind = 0; kind < 2; kind++)
        for (uint32_t place = 0; place < 3; place++) {
            float values[] = {1, 2, 3};
            float row;
            values[place] = NAN;
            ferry_pool_sequence(values, 3, 1, poolings[kind], &row);
            cr_expect(isnan(row), "kind %zu place %u", kind, place);
        }
}

Test(pooling, finite) {
    float values[37];
    for (unsigned at = 0; at < 37; at++)
        values[at] = (float)at * 1e36f;
    cr_expect(ferry_all_finite(values, 37));
    cr_expect(ferry_all_finite(values, 0));
    const float bad[] = {NAN, -NAN, INFINITY, -INFINITY};
    for (unsigned kind = 0; kind < 4; kind++)
        for (unsigned place = 0; place < 37; place++) {
            float kept = values[place];
            values[place] = bad[kind];
            cr_expect_not(ferry_all_finite(values, 37));
            values[place] = kept;
        }
}
