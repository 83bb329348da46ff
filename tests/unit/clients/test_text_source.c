#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clients/cli/text_source.h"

static struct text_source source;
static struct ferry_error error;

static void open_with(const char *content, size_t size, bool pairs) {
    char path[] = "/tmp/ferry-text-source-XXXXXX";
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    for (size_t written = 0; written < size;) {
        ssize_t got = write(fd, content + written, size - written);
        cr_assert_gt(got, 0);
        written += (size_t)got;
    }
    close(fd);
    struct cli_options options = {.command = CLI_EMBED, .file = path, .pair = pairs};
    cr_assert_eq(text_source_open(&options, &source, &error), FERRY_OK, "%s", error.text);
    unlink(path);
}

static enum text_result next(struct ferry_client_item *item) {
    enum text_result result;
    while ((result = text_source_next(&source, item, &error)) == TEXT_NOT_YET)
        cr_assert_eq(text_source_read(&source, &error), FERRY_OK);
    return result;
}

static void expect_text(const char *wanted) {
    struct ferry_client_item item;
    cr_assert_eq(next(&item), TEXT_IS_THERE, "wanted %s", wanted);
    cr_assert_eq(item.text_bytes, strlen(wanted));
    cr_assert_eq(memcmp(item.text, wanted, item.text_bytes), 0);
}

static void expect_end(void) {
    struct ferry_client_item item;
    cr_assert_eq(next(&item), TEXT_AT_END);
    text_source_close(&source);
}

Test(text_source, lines) {
    open_with("one\ntwo\r\n\n\r\nlast", 16, false);
    expect_text("one");
    expect_text("two");
    expect_text("");
    expect_text("");
    expect_text("last");
    expect_end();
    open_with("", 0, false);
    expect_end();
    open_with("a\n", 2, false);
    expect_text("a");
    expect_end();
}

Test(text_source, nul_bytes_stay_in_their_line) {
    open_with("a\0b\nc", 5, false);
    struct ferry_client_item item;
    cr_assert_eq(next(&item), TEXT_IS_THERE);
    cr_assert_eq(item.text_bytes, 3u);
    expect_text("c");
    expect_end();
}

Test(text_source, pairs_need_a_tab) {
    open_with("a\tb\nnone\n\t\nx\ty\tz\n", 17, true);
    struct ferry_client_item item;
    expect_text("a");
    cr_assert_eq(next(&item), TEXT_IS_WRONG);
    cr_assert_eq(error.status, FERRY_BAD_DATA);
    cr_assert_eq(next(&item), TEXT_IS_THERE);
    cr_assert_eq(item.text_bytes, 0u);
    cr_assert_eq(item.pair_bytes, 0u);
    cr_assert_not_null(item.pair);
    cr_assert_eq(next(&item), TEXT_IS_THERE);
    cr_assert_eq(item.pair_bytes, 3u);
    expect_end();
}

/* More lines than one read brings, of lengths around its size. */
Test(text_source, many_lines_of_all_lengths) {
    size_t size = 0, lines = 400;
    char *content = malloc(60 << 20);
    for (size_t line = 0; line < lines; line++) {
        memset(content + size, 'a' + (int)(line % 26), line * 331);
        size += line * 331;
        content[size++] = '\n';
    }
    open_with(content, size, false);
    for (size_t line = 0; line < lines; line++) {
        struct ferry_client_item item;
        cr_assert_eq(next(&item), TEXT_IS_THERE);
        cr_assert_eq(item.text_bytes, line * 331);
        cr_assert(line == 0 || item.text[item.text_bytes - 1] == 'a' + (int)(line % 26));
    }
    expect_end();
    free(content);
}

Test(text_source, a_line_without_end_is_skipped_and_memory_stays_bounded) {
    size_t size = (size_t)LONGEST_LINE * 2;
    char *content = malloc(size + 8);
    memset(content, 'x', size);
    snprintf(content + size, 8, "\nnext\n");
    open_with(content, size + 6, false);
    free(content);
    struct ferry_client_item item;
    cr_assert_eq(next(&item), TEXT_IS_WRONG);
    cr_assert_eq(error.status, FERRY_TOO_LARGE);
    cr_assert_leq(source.bytes.capacity, (size_t)LONGEST_LINE + (1 << 20));
    expect_text("next");
    expect_end();
}

Test(text_source, arguments) {
    const char *texts[] = {"one", "", "three", "four"};
    struct cli_options options = {.command = CLI_EMBED, .texts = texts, .text_count = 4};
    cr_assert_eq(text_source_open(&options, &source, &error), FERRY_OK);
    expect_text("one");
    expect_text("");
    expect_text("three");
    expect_text("four");
    expect_end();
    options.pair = 1;
    cr_assert_eq(text_source_open(&options, &source, &error), FERRY_OK);
    struct ferry_client_item item;
    cr_assert_eq(next(&item), TEXT_IS_THERE);
    cr_assert_eq(item.pair_bytes, 0u);
    cr_assert_not_null(item.pair);
    cr_assert_eq(next(&item), TEXT_IS_THERE);
    cr_assert_eq(memcmp(item.pair, "four", 4), 0);
    expect_end();
    options.text_count = 3;
    cr_assert_eq(text_source_open(&options, &source, &error), FERRY_USAGE);
}

Test(text_source, files_that_are_not_there) {
    struct cli_options options = {.command = CLI_EMBED, .file = "/nonexistent/file"};
    cr_assert_eq(text_source_open(&options, &source, &error), FERRY_NO_INPUT);
    cr_assert_not_null(strstr(error.text, "/nonexistent/file"));
    options.file = "/tmp";
    cr_assert_eq(text_source_open(&options, &source, &error), FERRY_NO_INPUT);
    text_source_close(&source);
    const char *texts[] = {"one"};
    options = (struct cli_options){.file = "x", .texts = texts, .text_count = 1};
    cr_assert_eq(text_source_open(&options, &source, &error), FERRY_USAGE);
}
