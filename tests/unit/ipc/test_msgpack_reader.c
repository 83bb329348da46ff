/* The reader against the format's own cases, and against msgpack-c: whatever the reader accepts,
 * msgpack-c accepts as well, to the same last byte. */
#include <criterion/criterion.h>
#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/msgpack_reader.h"

struct token_case {
    const char *bytes;
    size_t size;
    enum ferry_msgpack_type type;
    uint64_t number; /* uint, size of a string or container, or the negative as bits */
};

#define BYTES(literal) literal, sizeof(literal) - 1

static const struct token_case token_cases[] = {
    {BYTES("\x00"), FERRY_MSGPACK_UINT, 0},
    {BYTES("\x7f"), FERRY_MSGPACK_UINT, 127},
    {BYTES("\xcc\xff"), FERRY_MSGPACK_UINT, 255},
    {BYTES("\xcd\x01\x00"), FERRY_MSGPACK_UINT, 256},
    {BYTES("\xce\xff\xff\xff\xff"), FERRY_MSGPACK_UINT, UINT32_MAX},
    {BYTES("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"), FERRY_MSGPACK_UINT, UINT64_MAX},
    {BYTES("\xd0\x05"), FERRY_MSGPACK_UINT, 5},
    {BYTES("\xd1\x7f\xff"), FERRY_MSGPACK_UINT, 32767},
    {BYTES("\xd2\x00\x00\x00\x07"), FERRY_MSGPACK_UINT, 7},
    {BYTES("\xd3\x7f\xff\xff\xff\xff\xff\xff\xff"), FERRY_MSGPACK_UINT, INT64_MAX},
    {BYTES("\xff"), FERRY_MSGPACK_NEGATIVE, (uint64_t)-1},
    {BYTES("\xe0"), FERRY_MSGPACK_NEGATIVE, (uint64_t)-32},
    {BYTES("\xd0\x80"), FERRY_MSGPACK_NEGATIVE, (uint64_t)-128},
    {BYTES("\xd1\x80\x00"), FERRY_MSGPACK_NEGATIVE, (uint64_t)-32768},
    {BYTES("\xd2\x80\x00\x00\x00"), FERRY_MSGPACK_NEGATIVE, (uint64_t)INT32_MIN},
    {BYTES("\xd3\x80\x00\x00\x00\x00\x00\x00\x00"), FERRY_MSGPACK_NEGATIVE, (uint64_t)INT64_MIN},
    {BYTES("\xc0"), FERRY_MSGPACK_NIL, 0},
    {BYTES("\xc2"), FERRY_MSGPACK_BOOLEAN, 0},
    {BYTES("\xc3"), FERRY_MSGPACK_BOOLEAN, 1},
    {BYTES("\xa0"), FERRY_MSGPACK_STR, 0},
    {BYTES("\xa3"
           "abc"),
     FERRY_MSGPACK_STR, 3},
    {BYTES("\xd9\x01"
           "a"),
     FERRY_MSGPACK_STR, 1},
    {BYTES("\xda\x00\x01"
           "a"),
     FERRY_MSGPACK_STR, 1},
    {BYTES("\xdb\x00\x00\x00\x01"
           "a"),
     FERRY_MSGPACK_STR, 1},
    {BYTES("\xc4\x02"
           "ab"),
     FERRY_MSGPACK_BIN, 2},
    {BYTES("\xc5\x00\x00"), FERRY_MSGPACK_BIN, 0},
    {BYTES("\xc6\x00\x00\x00\x01"
           "a"),
     FERRY_MSGPACK_BIN, 1},
    {BYTES("\x80"), FERRY_MSGPACK_MAP, 0},
    {BYTES("\x90"), FERRY_MSGPACK_ARRAY, 0},
    {BYTES("\xdc\x00\x01\x01"), FERRY_MSGPACK_ARRAY, 1},
    {BYTES("\xdd\x00\x00\x00\x01\x01"), FERRY_MSGPACK_ARRAY, 1},
    {BYTES("\xde\x00\x01\x01\x01"), FERRY_MSGPACK_MAP, 1},
    {BYTES("\xdf\x00\x00\x00\x01\x01\x01"), FERRY_MSGPACK_MAP, 1},
};

static uint64_t number_of(const struct ferry_msgpack_token *token) {
    switch (token->type) {
    case FERRY_MSGPACK_UINT:
        return token->uint;
    case FERRY_MSGPACK_NEGATIVE:
        return (uint64_t)token->negative;
    case FERRY_MSGPACK_BOOLEAN:
        return token->boolean;
    default:
        return token->size;
    }
}

Test(msgpack_reader, reads_every_kind_of_token) {
    for (size_t i = 0; i < sizeof token_cases / sizeof token_cases[0]; i++) {
        const struct token_case *wanted = &token_cases[i];
        struct ferry_msgpack_reader reader;
        struct ferry_msgpack_token token;
        struct ferry_error error;
        ferry_msgpack_reader_init(&reader, (const uint8_t *)wanted->bytes, wanted->size);
        cr_assert_eq(ferry_msgpack_next(&reader, &token, &error), FERRY_OK, "case %zu", i);
        cr_assert_eq(token.type, wanted->type, "case %zu", i);
        cr_assert_eq(number_of(&token), wanted->number, "case %zu", i);
    }
}

Test(msgpack_reader, reads_floats) {
    static const uint8_t single[] = {0xca, 0x3f, 0xc0, 0, 0};
    static const uint8_t twice[] = {0xcb, 0xbf, 0xf8, 0, 0, 0, 0, 0, 0};
    struct ferry_msgpack_reader reader;
    struct ferry_msgpack_token token;
    ferry_msgpack_reader_init(&reader, single, sizeof single);
    cr_assert_eq(ferry_msgpack_next(&reader, &token, NULL), FERRY_OK);
    cr_assert(token.type == FERRY_MSGPACK_FLOAT && token.real == 1.5);
    ferry_msgpack_reader_init(&reader, twice, sizeof twice);
    cr_assert_eq(ferry_msgpack_next(&reader, &token, NULL), FERRY_OK);
    cr_assert(token.type == FERRY_MSGPACK_FLOAT && token.real == -1.5);
}

/* Every token, cut at every byte before its end, is an error; so is what follows its end. */
Test(msgpack_reader, refuses_every_cut) {
    for (size_t i = 0; i < sizeof token_cases / sizeof token_cases[0]; i++) {
        const struct token_case *whole = &token_cases[i];
        for (size_t size = 0; size < whole->size; size++) {
            uint8_t *copy = malloc(size + 1); /* its end is the end of what may be read */
            memcpy(copy, whole->bytes, size);
            struct ferry_error error = {FERRY_OK, ""};
            cr_assert_eq(ferry_msgpack_validate(copy, size, &error), FERRY_BAD_DATA,
                         "case %zu cut to %zu", i, size);
            cr_assert(strlen(error.text) > 0);
            free(copy);
        }
    }
}

static enum ferry_status validate(const void *bytes, size_t size) {
    return ferry_msgpack_validate(bytes, size, NULL);
}

Test(msgpack_reader, refuses_what_the_protocol_has_no_use_for) {
    for (int first = 0xc7; first <= 0xc9; first++) {
        uint8_t extension[16] = {(uint8_t)first};
        cr_assert_eq(validate(extension, sizeof extension), FERRY_BAD_DATA);
    }
    for (int first = 0xd4; first <= 0xd8; first++) {
        uint8_t extension[32] = {(uint8_t)first};
        cr_assert_eq(validate(extension, sizeof extension), FERRY_BAD_DATA);
    }
    cr_assert_eq(validate(BYTES("\xc1")), FERRY_BAD_DATA);
    cr_assert_eq(validate(BYTES("\x01\x02")), FERRY_BAD_DATA, "trailing byte");
    cr_assert_eq(validate(BYTES("")), FERRY_BAD_DATA, "nothing at all");
}

Test(msgpack_reader, bounds_depth) {
    uint8_t nested[FERRY_MSGPACK_MAX_DEPTH + 2];
    memset(nested, 0x91, sizeof nested);
    nested[FERRY_MSGPACK_MAX_DEPTH] = 0x01;
    cr_assert_eq(validate(nested, FERRY_MSGPACK_MAX_DEPTH + 1), FERRY_OK);
    nested[FERRY_MSGPACK_MAX_DEPTH] = 0x91;
    nested[FERRY_MSGPACK_MAX_DEPTH + 1] = 0x01;
    cr_assert_eq(validate(nested, sizeof nested), FERRY_BAD_DATA);
}

/* Sizes that fit on each level alone but not together: [[[...x 200], x 200], x 200] in few bytes.
 */
Test(msgpack_reader, bounds_declared_sizes_in_total) {
    uint8_t bytes[400] = {0};
    for (size_t level = 0; level < 4; level++) {
        bytes[level * 3] = 0xdc;
        bytes[level * 3 + 2] = 200;
    }
    struct ferry_error error = {FERRY_OK, ""};
    cr_assert_eq(ferry_msgpack_validate(bytes, sizeof bytes, &error), FERRY_BAD_DATA);
    cr_assert(strstr(error.text, "more values") != NULL, "%s", error.text);
    cr_assert_eq(validate(BYTES("\xdd\xff\x00\x00\x00")), FERRY_BAD_DATA, "msgpack-c issue 1013");
    cr_assert_eq(validate(BYTES("\xdf\xff\xff\xff\xff")), FERRY_BAD_DATA);
    cr_assert_eq(validate(BYTES("\xdb\xff\xff\xff\xff")), FERRY_BAD_DATA);
    cr_assert_eq(validate(BYTES("\xc6\xff\xff\xff\xff")), FERRY_BAD_DATA);
}

static uint64_t next_random(uint64_t *state) { /* xorshift64: the same numbers in every run */
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Mostly bytes that begin containers and small values, so that much of it is well formed. */
static size_t random_body(uint64_t *state, uint8_t *bytes, size_t room) {
    static const uint8_t likely[] = {0x80, 0x81, 0x82, 0x90, 0x91, 0x92, 0x93, 0xa0, 0xa1, 0xa2,
                                     0xc0, 0xc2, 0xc3, 0xc4, 0xcc, 0xcd, 0xd0, 0xd9, 0xdc, 0xde,
                                     0x00, 0x01, 0x02, 0x7f, 0xff, 0xca, 0xcb, 0xc1, 0xc7, 0xd4};
    size_t size = 1 + next_random(state) % room;
    for (size_t i = 0; i < size; i++) {
        uint64_t random = next_random(state);
        bytes[i] = random % 8 == 0 ? (uint8_t)(random >> 8) : likely[(random >> 8) % sizeof likely];
    }
    return size;
}

Test(msgpack_reader, accepts_only_what_msgpack_c_accepts) {
    uint64_t state = 20261123;
    size_t accepted = 0;
    for (int i = 0; i < 300000; i++) {
        uint8_t bytes[24];
        size_t size = random_body(&state, bytes, sizeof bytes);
        if (validate(bytes, size) != FERRY_OK)
            continue;
        accepted++;
        msgpack_unpacked unpacked;
        msgpack_unpacked_init(&unpacked);
        size_t offset = 0;
        msgpack_unpack_return result =
            msgpack_unpack_next(&unpacked, (const char *)bytes, size, &offset);
        cr_assert_eq(result, MSGPACK_UNPACK_SUCCESS);
        cr_assert_eq(offset, size);
        msgpack_unpacked_destroy(&unpacked);
    }
    cr_assert_gt(accepted, 3000, "only %zu of the bodies were well formed", accepted);
}

Test(msgpack_reader, makes_client_strings_printable) {
    char text[FERRY_PRINTABLE_BYTES];
    cr_assert_str_eq(ferry_printable("plain", 5, text), "plain");
    cr_assert_str_eq(ferry_printable("a\nb\x1b[31m\\", 9, text), "a\\x0ab\\x1b[31m\\x5c");
    cr_assert_str_eq(ferry_printable("\xc3\xa9", 2, text), "\\xc3\\xa9");
    char long_text[500];
    memset(long_text, 'x', sizeof long_text);
    ferry_printable(long_text, sizeof long_text, text);
    cr_assert_eq(strlen(text), 67);
    cr_assert_str_eq(text + 64, "...");
    memset(long_text, 1, sizeof long_text);
    cr_assert_leq(strlen(ferry_printable(long_text, sizeof long_text, text)), 67);
}
