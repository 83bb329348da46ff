#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "tokenizer/bert_normalizer.h"
#include "tokenizer/unicode_tables.h"

/* The normalised text as "U+0061@0-1 ..." : code point and the bytes that it came from. */
static const char *show(const char *text, struct ferry_bert_options options) {
    static char shown[8192];
    struct ferry_normalizer normalizer = {.options = options};
    size_t size = 0;
    ferry_normalizer_begin(&normalizer);
    for (size_t at = 0; at < strlen(text);) {
        uint32_t code_point = 0;
        unsigned length = ferry_utf8_decode(text + at, &code_point);
        struct ferry_token_offsets source = {(uint32_t)at, (uint32_t)(at + length)};
        cr_assert(ferry_normalizer_push(&normalizer, code_point, source));
        at += length;
    }
    cr_assert(ferry_normalizer_finish(&normalizer));
    shown[0] = '\0';
    for (size_t at = 0; at < normalizer.count && size < sizeof shown - 32; at++)
        size +=
            (size_t)snprintf(shown + size, sizeof shown - size, "%sU+%04X@%u-%u", at > 0 ? " " : "",
                             normalizer.output[at].code_point, normalizer.output[at].source.begin,
                             normalizer.output[at].source.end);
    ferry_normalizer_free(&normalizer);
    return shown;
}

static const struct ferry_bert_options none = {0};
static const struct ferry_bert_options clean = {.clean_text = true};
static const struct ferry_bert_options chinese = {.handle_chinese_chars = true};
static const struct ferry_bert_options strip = {.strip_accents = true};
static const struct ferry_bert_options lower = {.lowercase = true};

Test(bert_normalizer, without_options_nothing_changes) {
    cr_assert_str_eq(show("A\tÉ", none), "U+0041@0-1 U+0009@1-2 U+00C9@2-4");
}

Test(bert_normalizer, clean_text_removes_and_makes_spaces) {
    cr_assert_str_eq(show("a\vb", clean), "U+0061@0-1 U+0062@2-3");
    cr_assert_str_eq(show("a\tb", clean), "U+0061@0-1 U+0020@1-2 U+0062@2-3");
    cr_assert_str_eq(show("\u00a0\u00ad\ufffd\u2028", clean), "U+0020@0-2 U+0020@7-10");
}

Test(bert_normalizer, ideographs_get_spaces_with_the_same_source) {
    cr_assert_str_eq(show("a中", chinese), "U+0061@0-1 U+0020@1-4 U+4E2D@1-4 U+0020@1-4");
    cr_assert_str_eq(show("\U0002B820", chinese), "U+2B820@0-4"); /* not one for the reference */
}

Test(bert_normalizer, accents_go) {
    cr_assert_str_eq(show("é", strip), "U+0065@0-2");
    cr_assert_str_eq(show("e\u0301x", strip), "U+0065@0-1 U+0078@3-4");
    cr_assert_str_eq(show("한", strip), "U+1112@0-3 U+1161@0-3 U+11AB@0-3");
    cr_assert_str_eq(show("가", strip), "U+1100@0-3 U+1161@0-3");
}

/* U+302E (class 224) and U+1D165 (class 216) are marks that the reference keeps: it sorts them, and
 * gives the sources out by position. */
Test(bert_normalizer, marks_that_stay_are_sorted) {
    cr_assert_str_eq(show("a\u302e\U0001D165", strip), "U+0061@0-1 U+1D165@1-4 U+302E@4-8");
    cr_assert_str_eq(show("a\U0001D165\u302e", strip), "U+0061@0-1 U+1D165@1-5 U+302E@5-8");
}

Test(bert_normalizer, long_runs_of_marks_are_sorted_alike) {
    char text[400], expected[8192];
    size_t source = 1, size = (size_t)snprintf(text, sizeof text, "a");
    for (int at = 0; at < 20; at++)
        size += (size_t)snprintf(text + size, sizeof text - size, "\u302e\U0001D165");
    size = (size_t)snprintf(expected, sizeof expected, "U+0061@0-1");
    for (int at = 0; at < 40; at++) {
        size_t length = at % 2 == 0 ? 3 : 4; /* of the mark that stood here */
        size += (size_t)snprintf(expected + size, sizeof expected - size, " U+%04X@%zu-%zu",
                                 at < 20 ? 0x1D165 : 0x302E, source, source + length);
        source += length;
    }
    cr_assert_str_eq(show(text, strip), expected);
}

Test(bert_normalizer, lower_case_is_by_character) {
    cr_assert_str_eq(show("ΟΣ", lower), "U+03BF@0-2 U+03C3@2-4"); /* no final sigma */
    cr_assert_str_eq(show("\u0130", lower), "U+0069@0-2 U+0307@0-2");
    struct ferry_bert_options both = {.strip_accents = true, .lowercase = true};
    cr_assert_str_eq(show("\u0130", both), "U+0069@0-2");
}

/* The sizes of the sets, as they were counted when the reference was measured by other means. */
Test(unicode_tables, sets_have_the_measured_sizes) {
    size_t removed = 0, punctuation = 0, whitespace = 0, ideographs = 0;
    for (uint32_t code_point = 0; code_point < 0x110000; code_point++) {
        uint32_t entry = ferry_unicode_lookup(code_point);
        removed += (entry & FERRY_UNICODE_REMOVED) != 0;
        punctuation += (entry & FERRY_UNICODE_PUNCTUATION) != 0;
        whitespace += (entry & FERRY_UNICODE_WHITESPACE) != 0;
        ideographs += (entry & FERRY_UNICODE_IDEOGRAPH) != 0;
    }
    cr_assert_eq(removed, 137681);
    cr_assert_eq(punctuation, 726);
    cr_assert_eq(whitespace, 25);
    cr_assert_eq(ideographs, 6592 + 20992 + 512 + 42720 + 4384 + 5520 + 544);
    cr_assert_eq(ferry_unicode_lower_count, 1488);
    cr_assert_eq(ferry_unicode_decomposition_count, 2060);
}
