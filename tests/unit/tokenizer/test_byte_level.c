/* The parts of byte-level tokenizers that need no vocabulary, and decoding token by token. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tokenizer/byte_level.h"
#include "tokenizer/ferry_tokenizer.h"
#include "tokenizer/pretoken_scan.h"
#include "tokenizer/tokenizer_model.h"

size_t pretoken_end_portable(struct ferry_pretoken_scan *scan, size_t at);

Test(byte_level, every_byte_has_a_character_of_its_own) {
    bool is_taken[0x200] = {false};
    for (unsigned byte = 0; byte < 256; byte++) {
        char text[2], back = 0;
        size_t count = 0;
        unsigned length = ferry_byte_level_put((uint8_t)byte, text);
        cr_assert(ferry_byte_level_bytes(text, length, &back, &count) && count == 1);
        cr_expect_eq((unsigned char)back, byte);
        unsigned character =
            length == 1 ? (unsigned char)text[0]
                        : ((unsigned char)text[0] & 0x1FU) << 6 | ((unsigned char)text[1] & 0x3FU);
        cr_expect(character > 0x20 && !is_taken[character], "byte %u", byte);
        is_taken[character] = true;
    }
    char bytes[4];
    size_t count = 0;
    cr_expect_not(ferry_byte_level_bytes("a b", 3, bytes, &count), "a space stands for no byte");
    cr_expect_not(ferry_byte_level_bytes("\xE4\xB8\xAD", 3, bytes, &count));
}

/* The text with "|" between its pre-tokens. */
static void expect_split(const char *expected) {
    char text[256];
    size_t size = 0, at = 0;
    for (const char *from = expected; *from; from++)
        if (*from != '|')
            text[size++] = *from;
    struct ferry_pretoken_scan scan = {text, size, size, SIZE_MAX};
    for (const char *from = expected; *from; from++) {
        const char *end = strchr(from, '|') ? strchr(from, '|') : from + strlen(from);
        size_t portable = pretoken_end_portable(&scan, at);
        size_t next = ferry_pretoken_end(&scan, at);
        cr_expect_eq(next, portable);
        cr_expect_eq(next - at, (size_t)(end - from), "\"%s\" at byte %zu", expected, at);
        at = next;
        from = *end ? end : end - 1;
    }
    cr_expect_eq(at, size);
}

Test(byte_level, text_is_split_as_the_pattern_says) {
    static const char *const splits[] = {
        "Hello| world|!",
        "I|'ll|'d| don|'t| '|s| ''|s",
        "a|\t|\t|b",
        "a|  | b|\n\n|\n|c|  ",
        " | x",
        "12|ab| 34|.|5",
        "\xC3\xA9t\xC3\xA9| \xE4\xB8\xAD\xE5\x9B\xBD|\xC2\xA0|b",
        "\xC2\xBD|x|\xF0\x9F\x98\x80| \xF0\x9F\x98\x80!",
        "x|'|S|'", /* contractions are of small letters */
    };
    for (size_t at = 0; at < sizeof splits / sizeof *splits; at++)
        expect_split(splits[at]);
}

Test(byte_level, broken_utf8_is_found) {
    static const char text[] = "ab\xFF";
    struct ferry_pretoken_scan scan = {text, 3, 3, SIZE_MAX};
    (void)ferry_pretoken_end(&scan, 0);
    cr_expect_eq(scan.invalid, 2);
}

/* A rank file of the 256 bytes alone. */
static struct ferry_tokenizer *open_bytes(void) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char ranks[256 * 16];
    size_t size = 0;
    for (unsigned byte = 0; byte < 256; byte++)
        size += (size_t)snprintf(ranks + size, sizeof ranks - size, "%c%c== %u\n",
                                 digits[byte >> 2], digits[(byte & 3) << 4], byte);
    const struct ferry_tokenizer_file file = {"bytes.tiktoken", ranks, size};
    struct ferry_tokenizer *tokenizer = NULL;
    struct ferry_error error = {0};
    cr_assert_eq(ferry_tokenizer_load_files(&file, 1, NULL, &tokenizer, &error), FERRY_OK, "%s",
                 error.text);
    return tokenizer;
}

static void push(struct ferry_text_stream *stream, uint8_t byte, struct ferry_buffer *text,
                 const char *expected) {
    struct ferry_error error = {0};
    size_t before = text->size;
    cr_assert_eq(ferry_text_stream_push(stream, byte, text, &error), FERRY_OK, "%s", error.text);
    size_t size = text->size - before;
    cr_expect(size == strlen(expected) &&
                  (size == 0 || memcmp(text->data + before, expected, size) == 0),
              "byte 0x%02x", byte);
}

Test(byte_level, a_character_is_written_when_it_is_whole) {
    struct ferry_tokenizer *tokenizer = open_bytes();
    struct ferry_text_stream stream;
    struct ferry_buffer text;
    struct ferry_error error = {0};
    ferry_buffer_init(&text, 64);
    cr_assert_eq(ferry_text_stream_begin(&stream, tokenizer, true, &error), FERRY_OK);
    push(&stream, 'a', &text, "a");
    push(&stream, 0xF0, &text, "");
    push(&stream, 0x9F, &text, "");
    struct ferry_text_stream copy = stream;
    push(&stream, 0x98, &text, "");
    push(&stream, 0x80, &text, "\xF0\x9F\x98\x80");
    push(&copy, 'b', &text,
         "\xEF\xBF\xBD"
         "b");
    push(&stream, 0xE4, &text, "");
    push(&stream, 0xE4, &text, "\xEF\xBF\xBD");
    cr_assert_eq(ferry_text_stream_end(&stream, &text, &error), FERRY_OK);
    cr_expect_eq(memcmp(text.data + text.size - 3, "\xEF\xBF\xBD", 3), 0);
    ferry_buffer_free(&text);
    ferry_tokenizer_free(tokenizer);
}

Test(byte_level, a_stream_stays_as_it_was_after_an_error) {
    struct ferry_tokenizer *tokenizer = open_bytes();
    struct ferry_text_stream stream;
    struct ferry_buffer text;
    struct ferry_error error = {0};
    ferry_buffer_init(&text, 2);
    cr_assert_eq(ferry_text_stream_begin(&stream, tokenizer, true, &error), FERRY_OK);
    push(&stream, 0xE4, &text, "");
    push(&stream, 0xB8, &text, "");
    cr_expect_eq(ferry_text_stream_push(&stream, 0xAD, &text, &error), FERRY_TOO_LARGE);
    cr_expect_eq(ferry_text_stream_push(&stream, 256, &text, &error), FERRY_INVALID_INPUT);
    cr_expect(strstr(error.text, "256") != NULL);
    text.maximum = 3;
    push(&stream, 0xAD, &text, "\xE4\xB8\xAD");
    ferry_buffer_free(&text);
    ferry_tokenizer_free(tokenizer);
}

static const char *const letters[] = {"a",
                                      "b",
                                      " ",
                                      "1",
                                      ".",
                                      "'",
                                      "\n",
                                      "s",
                                      "\xC3\xA9",
                                      "\xD1\x8F",
                                      "\xE4\xB8\xAD",
                                      "\xE3\x80\x82",
                                      "\xC2\xA0"};
enum { LETTERS = sizeof letters / sizeof *letters, ALPHABET = 8 /* of them one byte each */ };

/* Every byte, and every two of the first letters: where pre-tokens begin shows in the ids. */
static struct ferry_tokenizer *open_pairs(void) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    static char lines[(256 + ALPHABET * ALPHABET) * 12];
    size_t used = 0;
    unsigned rank = 0;
    for (unsigned byte = 0; byte < 256; byte++)
        used += (size_t)snprintf(lines + used, sizeof lines - used, "%c%c== %u\n",
                                 digits[byte >> 2], digits[(byte & 3) << 4], rank++);
    for (unsigned left = 0; left < ALPHABET; left++)
        for (unsigned right = 0; right < ALPHABET; right++) {
            unsigned first = (unsigned char)letters[left][0];
            unsigned second = (unsigned char)letters[right][0];
            used += (size_t)snprintf(lines + used, sizeof lines - used, "%c%c%c= %u\n",
                                     digits[first >> 2], digits[(first & 3) << 4 | second >> 4],
                                     digits[(second & 15) << 2], rank++);
        }
    struct ferry_tokenizer_file file = {"pairs.tiktoken", lines, used};
    struct ferry_tokenizer *tokenizer = NULL;
    struct ferry_error error = {0};
    cr_assert_eq(ferry_tokenizer_load_files(&file, 1, NULL, &tokenizer, &error), FERRY_OK, "%s",
                 error.text);
    return tokenizer;
}

static struct ferry_encoding encode(struct ferry_tokenizer_session *session, const char *text) {
    const struct ferry_encode_options options = {.max_tokens = 0};
    struct ferry_encodings encodings;
    cr_assert_eq(
        ferry_tokenizer_encode(session, text, strlen(text), NULL, 0, &options, &encodings, NULL),
        FERRY_OK);
    return encodings.windows[0];
}

Test(byte_level, both_readers_give_the_same) {
    struct ferry_tokenizer *tokenizers[] = {open_pairs(), open_pairs()};
    struct ferry_tokenizer_session *sessions[2];
    tokenizers[0]->has_bmi2 = false;
    for (int i = 0; i < 2; i++)
        cr_assert_eq(ferry_tokenizer_session_create(tokenizers[i], 0, &sessions[i], NULL),
                     FERRY_OK);
    srand(1);
    for (int round = 0; round < 20000; round++) {
        char text[1024] = "";
        size_t used = 0;
        int wanted = rand() % 200;
        int kinds = 1 + rand() % LETTERS;
        for (int at = 0; at < wanted; at++)
            used +=
                (size_t)snprintf(text + used, sizeof text - used, "%s", letters[rand() % kinds]);
        struct ferry_encoding plain = encode(sessions[0], text), other = encode(sessions[1], text);
        cr_assert_eq(plain.count, other.count, "\"%s\"", text);
        cr_assert(plain.count == 0 ||
                      memcmp(plain.ids, other.ids, plain.count * sizeof *plain.ids) == 0,
                  "\"%s\"", text);
    }
    for (int i = 0; i < 2; i++) {
        ferry_tokenizer_session_free(sessions[i]);
        ferry_tokenizer_free(tokenizers[i]);
    }
}
