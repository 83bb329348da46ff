#include <criterion/criterion.h>
#include <string.h>

#include "small_tokenizer.h"

static void expect(struct small_tokenizer *small, const int32_t *ids, size_t count, bool skip,
                   const char *expected) {
    const char *text = NULL;
    size_t size = 0;
    struct ferry_error error = {0};
    cr_assert_eq(ferry_tokenizer_decode(small->session, ids, count, skip, &text, &size, &error),
                 FERRY_OK, "%s", error.text);
    cr_expect(size == strlen(expected) && memcmp(text, expected, size) == 0, "got \"%.*s\"",
              (int)size, text);
}

Test(tokenizer_decode, pieces_join_and_punctuation_is_cleaned_up) {
    struct small_tokenizer small = small_tokenizer_open(NULL);
    const int32_t ids[] = {2, 14, 18, 15, 16, 19, 3};
    expect(&small, ids, 7, true, "hello, worlds!");
    expect(&small, ids, 7, false, "[CLS] hello, worlds! [SEP]");
    expect(&small, ids, 0, true, "");
    const int32_t continuation_first[] = {16, 16, 14};
    expect(&small, continuation_first, 3, true, "##ss hello");
    small_tokenizer_close(&small);
}

Test(tokenizer_decode, without_clean_up_and_without_a_decoder) {
    struct small_tokenizer_parts parts = {
        .decoder = "{\"type\": \"WordPiece\", \"prefix\": \"##\", \"cleanup\": false}"};
    const int32_t ids[] = {14, 16, 17};
    struct small_tokenizer small = small_tokenizer_open(&parts);
    expect(&small, ids, 3, true, "hellos .");
    small_tokenizer_close(&small);
    parts.decoder = "null";
    small = small_tokenizer_open(&parts);
    expect(&small, ids, 3, true, "hello ##s .");
    small_tokenizer_close(&small);
}

Test(tokenizer_decode, clean_up_works_inside_an_added_token) {
    struct small_tokenizer_parts parts = {
        .added_tokens = "[{\"content\": \"do not ' x 's .\", \"normalized\": false}]"};
    struct small_tokenizer small = small_tokenizer_open(&parts);
    const int32_t ids[] = {5, 30};
    expect(&small, ids, 2, true, "a don't'x's.");
    small_tokenizer_close(&small);
}

Test(tokenizer_decode, an_id_that_does_not_exist_is_named) {
    struct small_tokenizer small = small_tokenizer_open(NULL);
    const int32_t unknown[] = {99, -1};
    const char *text = NULL;
    size_t size = 0;
    struct ferry_error error = {0};
    cr_assert_eq(ferry_tokenizer_decode(small.session, unknown, 1, true, &text, &size, &error),
                 FERRY_INVALID_INPUT);
    cr_assert(strstr(error.text, "99") != NULL, "%s", error.text);
    cr_assert_eq(ferry_tokenizer_decode(small.session, unknown + 1, 1, true, &text, &size, &error),
                 FERRY_INVALID_INPUT);
    small_tokenizer_close(&small);
}
