#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "small_tokenizer.h"

/* The usual tokenizer, with everything default but the added tokens given. */
static struct small_tokenizer open_with_added(const char *added_tokens) {
    struct small_tokenizer_parts parts = {.added_tokens = added_tokens};
    return small_tokenizer_open(&parts);
}

static void expect(struct small_tokenizer *small, const char *text, const char *tokens) {
    struct ferry_encode_options options = small_tokenizer_options();
    cr_expect_str_eq(small_tokenizer_show(small, text, NULL, &options), tokens);
    options.offsets =
        FERRY_OFFSETS_NONE; /* the fast way: first from nothing, then from the cache */
    cr_expect_str_eq(small_tokenizer_show(small, text, NULL, &options), tokens);
    cr_expect_str_eq(small_tokenizer_show(small, text, NULL, &options), tokens);
}

static void expect_offsets(struct small_tokenizer *small, const char *text,
                           enum ferry_offset_unit unit, const char *offsets) {
    struct ferry_encode_options options = small_tokenizer_options();
    options.offsets = unit;
    cr_expect_str_eq(small_tokenizer_show_offsets(small, text, &options), offsets);
}

Test(tokenizer_encode, words_and_pieces) {
    struct small_tokenizer small = small_tokenizer_open(NULL);
    expect(&small, "", "[CLS]* [SEP]*");
    expect(&small, " \t\r\n ", "[CLS]* [SEP]*");
    expect(&small, "Hello, worlds!", "[CLS]* hello , world ##s ! [SEP]*");
    expect(&small, "abcab helloz", "[CLS]* a ##b ##c ##a ##b [UNK] [SEP]*");
    expect(&small, "Café\u00a0中文 don't", "[CLS]* cafe 中 文 don ' t [SEP]*");
    small_tokenizer_close(&small);
}

Test(tokenizer_encode, removed_characters_join_their_neighbours) {
    struct small_tokenizer small = small_tokenizer_open(NULL);
    expect(&small, "hel\vlo wor\u00adld", "[CLS]* hello world [SEP]*");
    small_tokenizer_close(&small);
}

Test(tokenizer_encode, a_word_of_more_than_the_longest_is_unknown) {
    struct small_tokenizer small = small_tokenizer_open(NULL);
    char text[201] = {0}, expected[2000];
    memset(text, 'a', 100);
    size_t size = (size_t)snprintf(expected, sizeof expected, "[CLS]* a");
    for (int at = 1; at < 100; at++)
        size += (size_t)snprintf(expected + size, sizeof expected - size, " ##a");
    snprintf(expected + size, sizeof expected - size, " [SEP]*");
    expect(&small, text, expected);
    memset(text, 'a', 101);
    expect(&small, text, "[CLS]* [UNK] [SEP]*");
    memset(text, 'a', 200);
    expect(&small, text, "[CLS]* [UNK] [SEP]*");
    small_tokenizer_close(&small);
}

/* Words that are longer than what is searched ahead, at every place around its end. */
Test(tokenizer_encode, long_texts_are_read_without_seams) {
    struct small_tokenizer small = small_tokenizer_open(NULL);
    static char text[8192];
    struct ferry_encode_options options = small_tokenizer_options();
    for (int begin = 1950; begin < 2150; begin++) {
        int size = snprintf(text, sizeof text, "%*s ", begin, "worlds");
        memset(text + size, 'z', 3000);
        snprintf(text + size + 3000, sizeof text - 3000 - (size_t)size, " hello ");
        options.offsets = begin % 2 ? FERRY_OFFSETS_NONE : FERRY_OFFSETS_BYTES;
        cr_assert_str_eq(small_tokenizer_show(&small, text, NULL, &options),
                         "[CLS]* world ##s [UNK] hello [SEP]*");
    }
    small_tokenizer_close(&small);
}

Test(tokenizer_encode, special_tokens_in_the_text) {
    struct small_tokenizer small = small_tokenizer_open(NULL);
    expect(&small, "a [SEP] b", "[CLS]* a [SEP] b [SEP]*");
    expect(&small, "hello[MASK]s [sep] [ MASK ]",
           "[CLS]* hello [MASK] [UNK] [ sep ] [ mask ] [SEP]*");
    struct ferry_encode_options options = small_tokenizer_options();
    options.special_tokens_as_text = true;
    cr_assert_str_eq(small_tokenizer_show(&small, "a [SEP]", NULL, &options),
                     "[CLS]* a [ sep ] [SEP]*");
    options.add_special_tokens = false;
    cr_assert_str_eq(small_tokenizer_show(&small, "a", "b", &options), "a b|1");
    small_tokenizer_close(&small);
}

Test(tokenizer_encode, offsets_in_bytes_and_characters) {
    struct small_tokenizer small = small_tokenizer_open(NULL);
    expect_offsets(&small, "Café 中s!", FERRY_OFFSETS_BYTES, "0-0 0-5 6-9 9-10 10-11 0-0");
    expect_offsets(&small, "Café 中s!", FERRY_OFFSETS_CHARACTERS, "0-0 0-4 5-6 6-7 7-8 0-0");
    expect_offsets(&small, "worlds [SEP]", FERRY_OFFSETS_BYTES, "0-0 0-5 5-6 7-12 0-0");
    small_tokenizer_close(&small);
}

Test(tokenizer_encode, pairs) {
    struct small_tokenizer small = small_tokenizer_open(NULL);
    struct ferry_encode_options options = small_tokenizer_options();
    cr_assert_str_eq(small_tokenizer_show(&small, "a b", "c", &options),
                     "[CLS]* a b [SEP]* c|1 [SEP]|1*");
    cr_assert_str_eq(small_tokenizer_show(&small, "", "", &options), "[CLS]* [SEP]* [SEP]|1*");
    small_tokenizer_close(&small);
}

Test(tokenizer_encode, added_tokens_that_must_stand_alone) {
    struct small_tokenizer small =
        open_with_added("[{\"content\": \"cd\", \"single_word\": true, \"normalized\": false}]");
    expect(&small, "cd acd cdd (cd) écd cd",
           "[CLS]* cd [UNK] [UNK] [UNK] cd [UNK] [UNK] cd [SEP]*");
    small_tokenizer_close(&small);
}

Test(tokenizer_encode, added_tokens_that_take_spaces) {
    struct small_tokenizer small =
        open_with_added("[{\"content\": \"<x>\", \"lstrip\": true, \"rstrip\": true,"
                        " \"normalized\": false}]");
    expect(&small, "a  <x>  b <x><x> ", "[CLS]* a <x> b <x> <x> [SEP]*");
    expect_offsets(&small, "a  <x>  b <x><x> ", FERRY_OFFSETS_BYTES,
                   "0-0 0-1 1-8 8-9 9-13 13-17 0-0");
    small_tokenizer_close(&small);
}

Test(tokenizer_encode, the_longest_added_token_wins) {
    struct small_tokenizer small = open_with_added(
        "[{\"content\": \"<a\", \"normalized\": false}, {\"content\": \"<ab\", \"normalized\":"
        " false}, {\"content\": \"b>\", \"normalized\": false}]");
    expect(&small, "<ab><a", "[CLS]* <ab [UNK] <a [SEP]*");
    small_tokenizer_close(&small);
}

Test(tokenizer_encode, added_tokens_in_the_normalised_text) {
    struct small_tokenizer small =
        open_with_added("[{\"content\": \"New Yórk\", \"normalized\": true}]");
    expect(&small, "a NEW york b new\tYork", "[CLS]* a new york b new york [SEP]*");
    expect_offsets(&small, "é NÉW york b", FERRY_OFFSETS_CHARACTERS, "0-0 0-1 2-10 11-12 0-0");
    small_tokenizer_close(&small);
}

/* The raw token takes the end of the text with it, so that nothing is left behind what was
 * searched. */
Test(tokenizer_encode, spaces_of_a_raw_token_before_normalised_ones) {
    struct small_tokenizer small = open_with_added(
        "[{\"content\": \" lead\", \"lstrip\": true, \"rstrip\": true, \"normalized\": false},"
        " {\"content\": \"A\", \"normalized\": true}]");
    expect(&small, " lead\n", "[CLS]*  lead [SEP]*");
    expect(&small, "b lead  xa", "[CLS]* b  lead [UNK] a [SEP]*");
    small_tokenizer_close(&small);
}

/* With a limit, only a part of the text is normalised at first. */
Test(tokenizer_encode, added_tokens_in_a_long_normalised_text) {
    struct small_tokenizer small =
        open_with_added("[{\"content\": \"b b\", \"normalized\": true}]");
    static char text[60001];
    for (size_t at = 0; at < sizeof text - 1; at++)
        text[at] = at % 2 ? ' ' : 'b';
    struct ferry_encode_options options = small_tokenizer_options();
    struct ferry_encodings encodings;
    struct ferry_error error;
    for (uint32_t limit = 3; limit < 12000; limit = limit * 3 + 1) {
        options.max_tokens = limit;
        cr_assert_eq(ferry_tokenizer_encode(small.session, text, 60000, NULL, 0, &options,
                                            &encodings, &error),
                     FERRY_OK);
        cr_assert_eq(encodings.windows[0].count, limit);
        for (uint32_t at = 1; at + 1 < limit; at++)
            cr_assert_eq(encodings.windows[0].offsets[at].begin, (at - 1) * 4);
        cr_assert(encodings.windows[0].truncated);
    }
    small_tokenizer_close(&small);
}

Test(tokenizer_encode, options_of_the_normaliser) {
    struct small_tokenizer_parts parts = {
        .normalizer = "{\"type\": \"BertNormalizer\", \"clean_text\": false,"
                      " \"handle_chinese_chars\": false, \"strip_accents\": false,"
                      " \"lowercase\": false}"};
    struct small_tokenizer small = small_tokenizer_open(&parts);
    expect(&small, "hello Hello hel\x01lo b\vb café 中文 中",
           "[CLS]* hello [UNK] [UNK] b b [UNK] [UNK] 中 [SEP]*");
    small_tokenizer_close(&small);
    parts.normalizer = "null";
    small = small_tokenizer_open(&parts);
    expect(&small, "hello Hello 中文", "[CLS]* hello [UNK] [UNK] [SEP]*");
    small_tokenizer_close(&small);
}

Test(tokenizer_encode, invalid_utf8_is_told_with_its_place) {
    static const struct {
        const char *text;
        const char *place;
    } cases[] = {{"ab \xff", "offset 3"},         {"\xc3", "offset 0"},
                 {"a\xe4\xb8 b", "offset 1"},     {"\xed\xa0\x80", "offset 0"},
                 {"x\xc0\x80", "offset 1"},       {"[SEP]\x80", "offset 5"},
                 {"\xf4\x90\x80\x80", "offset 0"}};
    struct small_tokenizer small = small_tokenizer_open(NULL);
    struct ferry_encodings encodings;
    for (size_t at = 0; at < sizeof cases / sizeof *cases; at++)
        for (int unit = FERRY_OFFSETS_NONE; unit <= FERRY_OFFSETS_CHARACTERS; unit++) {
            struct ferry_error error = {0};
            struct ferry_encode_options options = small_tokenizer_options();
            options.offsets = (enum ferry_offset_unit)unit;
            cr_expect_eq(ferry_tokenizer_encode(small.session, cases[at].text,
                                                strlen(cases[at].text), NULL, 0, &options,
                                                &encodings, &error),
                         FERRY_INVALID_INPUT);
            cr_expect(strstr(error.text, cases[at].place) != NULL, "%s", error.text);
        }
    expect(&small, "hello", "[CLS]* hello [SEP]*"); /* nothing is left of the failures */
    small_tokenizer_close(&small);
}
