/* The text of a continuation: stop strings over the borders of tokens and characters, and what a
 * stream may already show. The tokenizer has one token a byte: its id is the byte. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/tasks/choice_text.h"

enum { MOST = 256 };

static struct ferry_tokenizer *tokenizer;
static struct ferry_arena arena;
static struct ferry_choice_text choice;
static struct ferry_wire_request request;
static struct ferry_view stops[FERRY_WIRE_MAX_STOPS];

/* "QQ== 65": the byte in base64, and its rank. */
static void load_bytes(void) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char lines[256 * 10];
    size_t used = 0;
    for (unsigned byte = 0; byte < 256; byte++)
        used += (size_t)snprintf(lines + used, sizeof lines - used, "%c%c== %u\n",
                                 digits[byte >> 2], digits[(byte & 3) << 4], byte);
    struct ferry_tokenizer_file file = {"bytes.tiktoken", lines, used};
    struct ferry_error error;
    cr_assert_eq(ferry_tokenizer_load_files(&file, 1, NULL, &tokenizer, &error), FERRY_OK, "%s",
                 error.text);
}

static void start(const char *const *wanted) {
    struct ferry_error error;
    load_bytes();
    ferry_arena_init(&arena, 1 << 20);
    ferry_wire_request_init(&request, FERRY_OPERATION_GENERATE);
    uint32_t count = 0;
    for (; wanted[count] != NULL; count++)
        stops[count] =
            (struct ferry_view){.data = wanted[count], .size = (uint32_t)strlen(wanted[count])};
    request.generation.stop = stops;
    request.generation.stop_count = count;
    cr_assert_eq(
        ferry_choice_text_begin(&choice, tokenizer, &request, MOST, 1 << 16, &arena, &error),
        FERRY_OK);
}

static void end(void) {
    ferry_choice_text_free(&choice);
    ferry_arena_free(&arena);
    ferry_tokenizer_free(tokenizer);
}

/* What was safe before must stay as it is. */
static void add(const char *bytes, bool may_stop) {
    for (; *bytes != '\0'; bytes++) {
        size_t safe = choice.safe;
        uint32_t safe_tokens = choice.safe_tokens;
        int32_t id = (unsigned char)*bytes;
        cr_assert_eq(ferry_choice_text_add(&choice, &id, 1, may_stop, NULL), FERRY_OK);
        cr_assert_geq(choice.safe, safe);
        cr_assert_geq(choice.safe_tokens, safe_tokens);
        cr_assert_leq(choice.safe, choice.text.size);
        cr_assert_leq(choice.safe_tokens, choice.token_count);
    }
}

static void expect(const char *text, uint32_t tokens) {
    cr_assert_eq(ferry_choice_text_end(&choice, NULL), FERRY_OK);
    cr_assert_eq(choice.text.size, strlen(text), "\"%.*s\", not \"%s\"", (int)choice.text.size,
                 (const char *)choice.text.data, text);
    cr_assert(choice.text.size == 0 || memcmp(choice.text.data, text, choice.text.size) == 0);
    cr_assert_eq(choice.token_count, tokens);
    cr_assert_eq(choice.safe, choice.text.size);
}

static const char *const none[] = {NULL};

Test(choice_text, everything_is_safe_without_stop_strings) {
    start(none);
    add("hello", true);
    cr_assert_eq(choice.safe, 5);
    expect("hello", 5);
    end();
}

Test(choice_text, half_a_character_is_not_shown) {
    start(none);
    add("a\xC3", true);
    cr_assert_eq(choice.safe, 1);
    add("\xA4", true);
    cr_assert_eq(choice.safe, 3);
    add("\xE6\xB8", true);
    expect("a\xC3\xA4\xEF\xBF\xBD", 5);
    end();
}

Test(choice_text, stops_before_the_string) {
    const char *const wanted[] = {"END", NULL};
    start(wanted);
    add("go on E", true);
    cr_assert_eq(choice.safe, 6, "the E may be the beginning of END");
    add("N", true);
    cr_assert_eq(choice.safe, 6);
    add("N", true);
    cr_assert_eq(choice.safe, 9, "it was not");
    add(" END", true);
    cr_assert(choice.stopped);
    expect("go on ENN ", 10);
    end();
}

Test(choice_text, the_first_of_several_wins) {
    const char *const wanted[] = {"xyz", "y", NULL};
    start(wanted);
    add("abxy", true);
    cr_assert(choice.stopped);
    expect("abx", 3);
    end();
}

Test(choice_text, overlapping_beginnings) {
    const char *const wanted[] = {"aab", NULL};
    start(wanted);
    add("xaaa", true);
    cr_assert_eq(choice.safe, 2);
    add("b", true);
    cr_assert(choice.stopped);
    expect("xa", 2);
    end();
}

Test(choice_text, a_stop_string_of_several_bytes_a_character) {
    const char *const wanted[] = {"\xE6\xB8\xA1", NULL};
    start(wanted);
    add("a\xE6\xB8", true);
    cr_assert_eq(choice.safe, 1);
    add("\xA1", true);
    cr_assert(choice.stopped);
    cr_assert_eq(ferry_choice_text_end(&choice, NULL), FERRY_OK);
    cr_assert_eq(choice.text.size, 1);
    end();
}

Test(choice_text, not_before_it_may) {
    const char *const wanted[] = {"stop", NULL};
    start(wanted);
    add("stop and ", false);
    cr_assert_not(choice.stopped);
    add("stop", true);
    cr_assert(choice.stopped);
    expect("stop and ", 9);
    end();
}

Test(choice_text, the_echoed_prompt_is_no_place_to_stop) {
    const char *const wanted[] = {"ab", NULL};
    start(wanted);
    add("xab a", false);
    add("b", true);
    cr_assert_not(choice.stopped, "it begins in the prompt");
    add("ab", true);
    cr_assert(choice.stopped);
    expect("xab ab", 6);
    end();
}

Test(choice_text, without_a_tokenizer_tokens_are_counted) {
    struct ferry_error error;
    const int32_t ids[3] = {1, 2, 3};
    ferry_arena_init(&arena, 1 << 16);
    ferry_wire_request_init(&request, FERRY_OPERATION_GENERATE);
    cr_assert_eq(ferry_choice_text_begin(&choice, NULL, &request, 8, 100, &arena, &error),
                 FERRY_OK);
    cr_assert_eq(ferry_choice_text_add(&choice, ids, 3, true, NULL), FERRY_OK);
    cr_assert_eq(choice.token_count, 3);
    cr_assert_eq(choice.safe_tokens, 3);
    request.generation.stop = stops;
    request.generation.stop_count = 1;
    cr_assert_eq(ferry_choice_text_begin(&choice, NULL, &request, 8, 100, &arena, &error),
                 FERRY_UNSUPPORTED);
    ferry_arena_free(&arena);
}

/* Against a plain search in the whole text, over random texts of few letters. */
Test(choice_text, random_texts) {
    srand(1);
    for (int round = 0; round < 3000; round++) {
        char texts[3][8] = {{0}};
        const char *wanted[4] = {NULL};
        int count = 1 + rand() % 3;
        for (int i = 0; i < count; i++) {
            int size = 1 + rand() % 5;
            for (int at = 0; at < size; at++)
                texts[i][at] = (char)('a' + rand() % 2);
            wanted[i] = texts[i];
        }
        char whole[41] = {0};
        for (int at = 0; at < 40; at++)
            whole[at] = (char)('a' + rand() % 3);
        size_t first = 40, ends = 41; /* which ends first, there which begins first */
        for (size_t at = 1; at <= 40; at++)
            for (int i = 0; i < count; i++) {
                size_t size = strlen(wanted[i]);
                if (at >= size && memcmp(whole + at - size, wanted[i], size) == 0 &&
                    (at < ends || (at == ends && at - size < first))) {
                    ends = at;
                    first = at - size;
                }
            }
        start(wanted);
        add(whole, true);
        cr_assert_eq(choice.stopped, ends <= 40);
        whole[ends <= 40 ? first : 40] = '\0';
        expect(whole, (uint32_t)strlen(whole));
        end();
    }
}
