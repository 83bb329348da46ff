#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "clients/c/json_text.h"

static struct ferry_buffer buffer;
static struct json_text json;

static void begin(void) {
    ferry_buffer_init(&buffer, 1 << 20);
    json_begin(&json, &buffer);
}

static void end(void) {
    ferry_buffer_free(&buffer);
}

TestSuite(json_text, .init = begin, .fini = end);

static void expect(const char *wanted) {
    cr_assert_eq(json_finish(&json), FERRY_OK);
    cr_assert_eq(buffer.size, strlen(wanted), "%.*s", (int)buffer.size, (char *)buffer.data);
    cr_assert_eq(memcmp(buffer.data, wanted, buffer.size), 0, "%.*s", (int)buffer.size,
                 (char *)buffer.data);
}

Test(json_text, structure_and_commas) {
    json_open(&json, '{');
    json_name(&json, "a");
    json_open(&json, '[');
    json_put_unsigned(&json, 0);
    json_put_unsigned(&json, UINT64_MAX);
    json_put_signed(&json, INT64_MIN);
    json_close(&json, ']');
    json_name(&json, "b");
    json_open(&json, '{');
    json_close(&json, '}');
    json_name(&json, "c");
    json_put_boolean(&json, true);
    json_name(&json, "d");
    json_put_text(&json, NULL);
    json_close(&json, '}');
    expect("{\"a\":[0,18446744073709551615,-9223372036854775808],\"b\":{},\"c\":true,\"d\":null}");
}

Test(json_text, escapes) {
    json_put_string(&json, "\"\\\b\f\n\r\t\x01\x1f\x7f/\0z", 14 - 1);
    expect("\"\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f\\u007f/\\u0000z\"");
}

Test(json_text, text_that_is_not_utf8_becomes_replacement_characters) {
    json_put_string(&json,
                    "a\xff"
                    "b\xed\xa0\x80"
                    "c\xe2\x82",
                    9);
    expect("\"a\xEF\xBF\xBD"
           "b\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"
           "c\xEF\xBF\xBD\xEF\xBF\xBD\"");
}

Test(json_text, floats_come_back_the_same) {
    srand(3);
    json_open(&json, '[');
    float values[2000];
    for (size_t at = 0; at < 2000; at++) {
        uint32_t bits = (uint32_t)rand() << 16 ^ (uint32_t)rand();
        memcpy(&values[at], &bits, sizeof bits);
        if (!isfinite(values[at]))
            values[at] = -0.1f;
        json_put_float(&json, values[at]);
    }
    json_close(&json, ']');
    json_error_t error;
    json_t *read = json_loadb((const char *)buffer.data, buffer.size, JSON_DECODE_ANY, &error);
    cr_assert_not_null(read, "%s", error.text);
    for (size_t at = 0; at < 2000; at++)
        cr_assert_eq((float)json_number_value(json_array_get(read, at)), values[at]);
    json_decref(read);
}

Test(json_text, what_is_no_number_is_null) {
    json_open(&json, '[');
    json_put_float(&json, NAN);
    json_put_float(&json, INFINITY);
    json_put_fixed(&json, (double)-INFINITY, 2);
    json_put_fixed(&json, 1.005, 1);
    json_put_fixed(&json, 1e300, 0);
    json_close(&json, ']');
    cr_assert_eq(json_finish(&json), FERRY_OK);
    cr_assert_eq(memcmp(buffer.data, "[null,null,null,1.0,1", 21), 0);
}

/* Every byte string is valid JSON afterwards, by another JSON reader's judgement. */
Test(json_text, any_bytes_make_valid_json) {
    srand(5);
    for (int round = 0; round < 20000; round++) {
        char text[24];
        size_t bytes = (size_t)rand() % sizeof text;
        for (size_t at = 0; at < bytes; at++)
            text[at] = (char)(rand() % 3 == 0 ? 0x80 | rand() : rand());
        buffer.size = 0;
        json_begin(&json, &buffer);
        json_put_string(&json, text, bytes);
        cr_assert_eq(json_finish(&json), FERRY_OK);
        json_error_t error;
        json_t *read = json_loadb((const char *)buffer.data, buffer.size,
                                  JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
        cr_assert_not_null(read, "%s", error.text);
        json_decref(read);
    }
}

Test(json_text, the_cap_is_kept_and_reported) {
    struct ferry_buffer small;
    ferry_buffer_init(&small, 10);
    json_begin(&json, &small);
    json_put_text(&json, "longer than ten bytes");
    json_put_unsigned(&json, 1);
    cr_assert_eq(json_finish(&json), FERRY_TOO_LARGE);
    cr_assert_leq(small.size, 10u);
    ferry_buffer_free(&small);
}
