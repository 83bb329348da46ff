#include <criterion/criterion.h>
#include <string.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/status.h"
#include "base/utf8.h"

Test(buffer, stops_at_its_maximum_and_keeps_its_content) {
    struct ferry_buffer buffer;
    ferry_buffer_init(&buffer, 10);
    cr_assert_eq(ferry_buffer_append(&buffer, "12345678", 8), FERRY_OK);
    cr_assert_eq(ferry_buffer_append(&buffer, "abc", 3), FERRY_TOO_LARGE);
    cr_assert_eq(ferry_buffer_append(&buffer, "ab", 2), FERRY_OK);
    cr_assert_eq(buffer.size, 10);
    cr_assert_arr_eq(buffer.data, "12345678ab", 10);
    cr_assert_eq(ferry_buffer_reserve(&buffer, SIZE_MAX), FERRY_TOO_LARGE);
    ferry_buffer_free(&buffer);
}

Test(arena, aligns_bounds_and_reuses) {
    struct ferry_arena arena;
    ferry_arena_init(&arena, 100000);
    for (int round = 0; round < 3; round++) {
        size_t held = 0;
        unsigned char *piece;
        while ((piece = ferry_arena_allocate(&arena, 1001)) != NULL) {
            cr_assert_eq((uintptr_t)piece % 16, 0);
            memset(piece, round, 1001);
            held += 1001;
        }
        cr_assert(held > 50000 && held <= 100000);
        ferry_arena_reset(&arena, 100000);
    }
    cr_assert_null(ferry_arena_allocate(&arena, SIZE_MAX));
    ferry_arena_free(&arena);
}

Test(utf8, accepts_exactly_what_the_standard_allows) {
    cr_assert_eq(ferry_utf8_valid_prefix("plain ascii text", 16), 16);
    cr_assert_eq(ferry_utf8_valid_prefix("12345678\xC3\xA9", 10), 10);
    const char *broken[] = {"\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80",
                            "\xE2\x82", "\x80",         "\xFF"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
        cr_assert_eq(ferry_utf8_valid_prefix(broken[i], strlen(broken[i])), 0, "case %zu", i);
    for (uint32_t code_point = 1; code_point <= 0x10FFFF; code_point++) {
        if (code_point >= 0xD800 && code_point <= 0xDFFF)
            continue;
        char text[4];
        uint32_t back = 0;
        unsigned size = ferry_utf8_encode(code_point, text);
        cr_assert_eq(ferry_utf8_valid_prefix(text, size), size);
        cr_assert_eq(ferry_utf8_decode(text, &back), size);
        cr_assert_eq(back, code_point);
    }
}

Test(status, names_are_complete_and_found_again) {
    for (int status = 0; status < FERRY_STATUS_COUNT; status++) {
        const char *name = ferry_status_name((enum ferry_status)status);
        cr_assert_not_null(name);
        cr_assert_eq((int)ferry_status_from_name(name, strlen(name)), status);
    }
}

Test(status, long_texts_are_cut_between_characters) {
    struct ferry_error error;
    char text[FERRY_ERROR_TEXT_BYTES + 2];
    memset(text, 'x', sizeof text);
    memcpy(text + FERRY_ERROR_TEXT_BYTES - 2, "\xC3\xA9", 3);
    cr_assert_eq(ferry_fail(&error, FERRY_IO, "%s", text), FERRY_IO);
    cr_assert_eq(strlen(error.text), FERRY_ERROR_TEXT_BYTES - 2);
    cr_assert_eq(ferry_fail_within(&error, "outer"), FERRY_IO);
    cr_assert_eq(strncmp(error.text, "outer: xxx", 10), 0);
}
