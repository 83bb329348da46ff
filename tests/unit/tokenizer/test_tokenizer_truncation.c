#include <criterion/criterion.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "small_tokenizer.h"

static struct ferry_encode_options limit(uint32_t max_tokens) {
    struct ferry_encode_options options = small_tokenizer_options();
    options.max_tokens = max_tokens;
    return options;
}

static void expect(struct small_tokenizer *small, const char *text, const char *pair,
                   const struct ferry_encode_options *options, const char *tokens) {
    cr_expect_str_eq(small_tokenizer_show(small, text, pair, options), tokens);
}

static void expect_failure(struct small_tokenizer *small, const char *text, const char *pair,
                           const struct ferry_encode_options *options, enum ferry_status status) {
    struct ferry_encodings encodings;
    struct ferry_error error = {0};
    cr_expect_eq(ferry_tokenizer_encode(small->session, text, strlen(text), pair,
                                        pair ? strlen(pair) : 0, options, &encodings, &error),
                 status);
    cr_expect_eq(error.status, status);
    cr_expect(strlen(error.text) > 10);
}

Test(tokenizer_truncation, one_text) {
    struct small_tokenizer small = small_tokenizer_open(NULL);
    struct ferry_encode_options options = limit(5);
    expect(&small, "a b c", NULL, &options, "[CLS]* a b c [SEP]*");
    expect(&small, "a b c d e", NULL, &options, "[CLS]* a b c [SEP]*");
    options.side = FERRY_TRUNCATE_LEFT;
    expect(&small, "a b c d e", NULL, &options, "[CLS]* c d e [SEP]*");
    options = limit(2);
    expect(&small, "a b", NULL, &options, "[CLS]* [SEP]*");
    options.windows = true; /* they would have no room */
    expect_failure(&small, "a b", NULL, &options, FERRY_INVALID_INPUT);
    expect(&small, "", NULL, &options, "[CLS]* [SEP]*");
    options = limit(1);
    expect_failure(&small, "a b", NULL, &options, FERRY_INVALID_INPUT);
    options.add_special_tokens = false;
    expect(&small, "a b", NULL, &options, "a");
    small_tokenizer_close(&small);
}

Test(tokenizer_truncation, longest_first) {
    struct small_tokenizer small = small_tokenizer_open(NULL);
    struct ferry_encode_options options = limit(7);
    expect(&small, "a b c d", "e f", &options, "[CLS]* a b [SEP]* e|1 f|1 [SEP]|1*");
    expect(&small, "a", "b c d e f", &options, "[CLS]* a [SEP]* b|1 c|1 d|1 [SEP]|1*");
    expect(&small, "a b c d", "a b c d", &options, "[CLS]* a b [SEP]* a|1 b|1 [SEP]|1*");
    options = limit(8); /* of an odd number the second gets more, unless it was the shorter */
    expect(&small, "a b c d", "a b c d e", &options, "[CLS]* a b [SEP]* a|1 b|1 c|1 [SEP]|1*");
    expect(&small, "a b c d e", "a b c d", &options, "[CLS]* a b c [SEP]* a|1 b|1 [SEP]|1*");
    small_tokenizer_close(&small);
}

/* The odd token goes to the longer text, however far beyond the cut it is the longer one. */
Test(tokenizer_truncation, the_longer_text_is_told_by_its_true_length) {
    struct small_tokenizer small = small_tokenizer_open(NULL);
    static char longer[2001], shorter[1999];
    for (size_t at = 0; at < sizeof longer - 1; at++)
        longer[at] = at % 2 ? ' ' : 'a';
    memcpy(shorter, longer, sizeof shorter - 1);
    struct ferry_encode_options options = limit(6);
    for (int unit = 0; unit < 3; unit++) {
        options.offsets = (enum ferry_offset_unit)unit;
        expect(&small, longer, shorter, &options, "[CLS]* a a [SEP]* a|1 [SEP]|1*");
        expect(&small, shorter, longer, &options, "[CLS]* a [SEP]* a|1 a|1 [SEP]|1*");
        expect(&small, longer, longer, &options, "[CLS]* a [SEP]* a|1 a|1 [SEP]|1*");
        expect(&small, "eeeee", "abab", &options, "[CLS]* [UNK] [SEP]* a|1 ##b|1 [SEP]|1*");
    }
    small_tokenizer_close(&small);
}

Test(tokenizer_truncation, only_one_of_two) {
    struct small_tokenizer small = small_tokenizer_open(NULL);
    struct ferry_encode_options options = limit(6);
    options.strategy = FERRY_TRUNCATE_ONLY_FIRST;
    expect(&small, "a b c", "d", &options, "[CLS]* a b [SEP]* d|1 [SEP]|1*");
    expect_failure(&small, "a b c", "d e f", &options, FERRY_TOO_LONG);
    options.strategy = FERRY_TRUNCATE_ONLY_SECOND;
    expect(&small, "a b", "d e f", &options, "[CLS]* a b [SEP]* d|1 [SEP]|1*");
    expect_failure(&small, "a b c", "d", &options, FERRY_TOO_LONG);
    expect_failure(&small, "a b c d e", NULL, &options, FERRY_TOO_LONG);
    small_tokenizer_close(&small);
}

Test(tokenizer_truncation, windows) {
    struct small_tokenizer small = small_tokenizer_open(NULL);
    struct ferry_encode_options options = limit(5);
    options.windows = true;
    options.stride = 1;
    expect(&small, "a b c", NULL, &options, "[CLS]* a b c [SEP]*");
    expect(&small, "a b c d e f", NULL, &options,
           "[CLS]* a b c [SEP]* // [CLS]* c d e [SEP]* // [CLS]* e f [SEP]*");
    options.side = FERRY_TRUNCATE_LEFT;
    expect(&small, "a b c d e f", NULL, &options,
           "[CLS]* d e f [SEP]* // [CLS]* b c d [SEP]* // [CLS]* a b [SEP]*");
    options.stride = 3;
    expect_failure(&small, "a b c d e f", NULL, &options, FERRY_INVALID_INPUT);
    small_tokenizer_close(&small);
}

/* In the order of the reference. */
Test(tokenizer_truncation, windows_of_pairs) {
    struct small_tokenizer small = small_tokenizer_open(NULL);
    struct ferry_encode_options options = limit(5);
    options.windows = true;
    expect(&small, "a b c", "d e", &options,
           "[CLS]* a [SEP]* d|1 [SEP]|1* // [CLS]* b [SEP]* d|1 [SEP]|1* // "
           "[CLS]* b [SEP]* e|1 [SEP]|1* // [CLS]* c [SEP]* d|1 [SEP]|1* // "
           "[CLS]* c [SEP]* e|1 [SEP]|1* // [CLS]* a [SEP]* e|1 [SEP]|1*");
    small_tokenizer_close(&small);
}

Test(tokenizer_truncation, too_many_windows_are_refused) {
    struct small_tokenizer small = small_tokenizer_open(NULL);
    struct ferry_encode_options options = limit(5);
    options.windows = true;
    static char text[200001];
    for (size_t at = 0; at < sizeof text - 1; at++)
        text[at] = at % 2 ? ' ' : 'a';
    expect_failure(&small, text, text, &options, FERRY_TOO_LARGE);
    small_tokenizer_close(&small);
}

Test(tokenizer_truncation, truncated_and_bytes_read_tell_the_truth) {
    struct small_tokenizer small = small_tokenizer_open(NULL);
    struct ferry_encodings encodings;
    struct ferry_error error;
    const char text[] = "hello world hello   ";
    for (int unit = 0; unit < 3; unit++)
        for (uint32_t tokens = 3; tokens < 7; tokens++) {
            struct ferry_encode_options options = limit(tokens);
            options.offsets = (enum ferry_offset_unit)unit;
            cr_assert_eq(ferry_tokenizer_encode(small.session, text, strlen(text), NULL, 0,
                                                &options, &encodings, &error),
                         FERRY_OK);
            cr_expect_eq(encodings.windows[0].truncated, tokens < 5);
            if (tokens >= 5)
                cr_expect_eq(encodings.bytes_read[0], strlen(text));
            else if (options.offsets == FERRY_OFFSETS_NONE) /* else some characters ahead */
                cr_expect(encodings.bytes_read[0] < strlen(text));
        }
    small_tokenizer_close(&small);
}

/* The text seems to have a gigabyte, but only its first pages can be read: a little more than what
 * the limit needs. */
Test(tokenizer_truncation, what_lies_behind_the_cut_is_not_read) {
    struct small_tokenizer small = small_tokenizer_open(NULL);
    size_t page = (size_t)sysconf(_SC_PAGESIZE), readable = 2 * page, size = (size_t)1 << 30;
    char *text = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    cr_assert_neq(text, MAP_FAILED);
    cr_assert_eq(mprotect(text, readable, PROT_READ | PROT_WRITE), 0);
    static const char *const fillings[] = {"hello worlds! ", "中", "hello, ", "zé文"};
    for (size_t filling = 0; filling < 4; filling++)
        for (int unit = 0; unit < 2; unit++) {
            size_t step = strlen(fillings[filling]);
            for (size_t at = 0; at + step <= readable; at += step)
                memcpy(text + at, fillings[filling], step);
            struct ferry_encode_options options = limit(256);
            options.offsets = unit ? FERRY_OFFSETS_CHARACTERS : FERRY_OFFSETS_NONE;
            struct ferry_encodings encodings;
            struct ferry_error error;
            cr_assert_eq(ferry_tokenizer_encode(small.session, text, size, NULL, 0, &options,
                                                &encodings, &error),
                         FERRY_OK);
            cr_expect_eq(encodings.windows[0].count, 256);
            cr_expect(encodings.windows[0].truncated);
            cr_expect(encodings.bytes_read[0] < page);
        }
    munmap(text, size);
    small_tokenizer_close(&small);
}

Test(tokenizer_truncation, all_windows_together_have_a_limit) {
    struct small_tokenizer small = small_tokenizer_open(NULL);
    struct ferry_encode_options options = limit(4);
    options.windows = true;
    options.stride = 1;
    options.max_window_tokens = 12; /* a b, b c, c d: 4 tokens each */
    expect(&small, "a b c d", NULL, &options,
           "[CLS]* a b [SEP]* // [CLS]* b c [SEP]* // [CLS]* c d [SEP]*");
    expect_failure(&small, "a b c d e", NULL, &options, FERRY_TOO_LARGE);
    options.max_window_tokens = 1; /* one window is bound by its own limit */
    expect(&small, "a b", NULL, &options, "[CLS]* a b [SEP]*");
    small_tokenizer_close(&small);
}

Test(tokenizer_truncation, a_trimmed_session_works_as_before) {
    struct small_tokenizer small = small_tokenizer_open(NULL);
    struct ferry_encode_options options = limit(7);
    options.offsets = FERRY_OFFSETS_BYTES;
    for (size_t keep = 0; keep < 3; keep++) {
        expect(&small, "a b c d", "e f", &options, "[CLS]* a b [SEP]* e|1 f|1 [SEP]|1*");
        ferry_tokenizer_session_trim(small.session, keep == 1 ? SIZE_MAX : 0);
    }
    small_tokenizer_close(&small);
}
