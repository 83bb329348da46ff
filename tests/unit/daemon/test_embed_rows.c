#include <criterion/criterion.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "daemon/tasks/embed_rows.h"
#include "daemon/tasks/half_float.h"

/* Known values of IEEE 754 binary16. */
Test(half_float, known_values) {
    static const struct {
        float value;
        uint16_t half;
    } cases[] = {
        {0.0f, 0x0000},           {-0.0f, 0x8000},      {1.0f, 0x3C00},
        {-2.0f, 0xC000},          {65504.0f, 0x7BFF},   {65519.96f, 0x7BFF},
        {65520.0f, 0x7C00},       {1e9f, 0x7C00},       {-1e9f, 0xFC00},
        {INFINITY, 0x7C00},       {0x1p-14f, 0x0400},   {0x1p-24f, 0x0001},
        {0x1p-25f, 0x0000},       {0x1.8p-25f, 0x0001}, {0x1.ff8p-15f, 0x03FF},
        {0x1.ffep-15f, 0x0400},   {1.0f / 3, 0x3555},   {0.1f, 0x2E66},
        {1.00048828125f, 0x3C00}, /* a tie: to even */
        {1.00146484375f, 0x3C02}, /* a tie: to even, upwards */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_assert_eq(ferry_half_from_float(cases[i].value), cases[i].half, "%a gave %04x",
                     (double)cases[i].value, ferry_half_from_float(cases[i].value));
    cr_assert_eq(ferry_half_from_float(NAN) & 0x7E00, 0x7E00);
}

static float half_to_float(uint16_t half) {
    int exponent = half >> 10 & 31;
    float fraction = (float)(half & 1023);
    float value = exponent == 0 ? ldexpf(fraction, -24) : ldexpf(1024 + fraction, exponent - 25);
    return half & 0x8000 ? -value : value;
}

/* Every finite half comes back, and every float between two neighbours goes to the nearer one. */
Test(half_float, rounds_to_the_nearest_everywhere) {
    for (uint32_t bits = 0; bits < 0x7BFF; bits++) {
        float lower = half_to_float((uint16_t)bits);
        float upper = half_to_float((uint16_t)(bits + 1));
        float middle = lower + (upper - lower) / 2;
        cr_assert_eq(ferry_half_from_float(lower), bits);
        cr_assert_eq(ferry_half_from_float(nextafterf(middle, 0)), bits);
        cr_assert_eq(ferry_half_from_float(nextafterf(middle, INFINITY)), bits + 1);
        cr_assert_eq(ferry_half_from_float(middle), bits + (bits & 1));
        cr_assert_eq(ferry_half_from_float(-lower), bits | 0x8000);
    }
}

Test(embed_rows, normalised_rows_have_length_1) {
    float row[13];
    double sum = 0;
    for (int i = 0; i < 13; i++)
        row[i] = (float)(i - 5) * 3;
    ferry_embed_normalize(row, 13);
    for (int i = 0; i < 13; i++)
        sum += (double)row[i] * (double)row[i];
    cr_assert_float_eq(sum, 1.0, 1e-6);
    cr_assert_float_eq(row[6] * 5, -row[0], 1e-6);
    float zeros[3] = {0};
    ferry_embed_normalize(zeros, 3);
    cr_assert_eq(zeros[0], 0.0f);
    float tiny[2] = {3e-30f, 4e-30f}; /* squares underflow in float, not in double */
    ferry_embed_normalize(tiny, 2);
    cr_assert_float_eq(tiny[1], 0.8, 1e-6);
}

Test(embed_rows, sizes) {
    cr_assert_eq(ferry_embed_row_bytes(FERRY_WIRE_F32, 384), 1536);
    cr_assert_eq(ferry_embed_row_bytes(FERRY_WIRE_F16, 384), 768);
    cr_assert_eq(ferry_embed_row_bytes(FERRY_WIRE_INT8, 384), 384);
    cr_assert_eq(ferry_embed_row_bytes(FERRY_WIRE_BINARY, 384), 48);
    cr_assert_eq(ferry_embed_row_bytes(FERRY_WIRE_BINARY, 9), 2);
}

Test(embed_rows, f32_is_copied_and_f16_is_little_endian) {
    float row[2] = {1.0f, -2.0f};
    uint8_t bytes[8];
    ferry_embed_encode_row(FERRY_WIRE_F32, row, 2, bytes, NULL);
    cr_assert_arr_eq(bytes, row, sizeof row);
    ferry_embed_encode_row(FERRY_WIRE_F16, row, 2, bytes, NULL);
    cr_assert_arr_eq(bytes, "\x00\x3C\x00\xC0", 4);
}

Test(embed_rows, int8_is_within_half_a_step) {
    float row[200];
    int8_t bytes[200];
    float scale = 0;
    for (int i = 0; i < 200; i++)
        row[i] = sinf((float)i) * 0.3f;
    row[17] = -0.7f;
    ferry_embed_encode_row(FERRY_WIRE_INT8, row, 200, bytes, &scale);
    cr_assert_float_eq(scale, 0.7f / 127, 1e-9);
    cr_assert_eq(bytes[17], -127);
    for (int i = 0; i < 200; i++)
        cr_assert_leq(fabsf(row[i] - scale * (float)bytes[i]), scale * 0.5001f);
    float odd[3] = {NAN, 0, 0};
    ferry_embed_encode_row(FERRY_WIRE_INT8, odd, 3, bytes, &scale);
    cr_assert(bytes[0] == 0 && bytes[1] == 0);
    float zeros[2] = {0};
    ferry_embed_encode_row(FERRY_WIRE_INT8, zeros, 2, bytes, &scale);
    cr_assert(scale == 0 && bytes[0] == 0);
}

Test(embed_rows, binary_has_the_first_number_in_the_highest_bit) {
    float row[10] = {1, -1, 0, 0.5f, -0.0f, 1e-30f, -3, 2, 9, -9};
    uint8_t bytes[2];
    ferry_embed_encode_row(FERRY_WIRE_BINARY, row, 10, bytes, NULL);
    cr_assert_eq(bytes[0], 0x95); /* 1001 0101 */
    cr_assert_eq(bytes[1], 0x80);
}
