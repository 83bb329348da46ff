/* Rows of ids as people and programs write them. */
#include <criterion/criterion.h>
#include <string.h>

#include "clients/cli/id_row.h"

static struct ferry_buffer row;
static struct ferry_error error;

static void set_up(void) {
    ferry_buffer_init(&row, 1 << 20);
}

static void tear_down(void) {
    ferry_buffer_free(&row);
}

TestSuite(id_row, .init = set_up, .fini = tear_down);

static void expect(const char *text, size_t count, const int32_t *ids) {
    cr_assert_eq(id_row_parse(text, strlen(text), &row, &error), FERRY_OK, "%s", text);
    cr_assert_eq(row.size, count * sizeof *ids, "%s", text);
    if (count > 0)
        cr_assert_arr_eq(row.data, ids, row.size, "%s", text);
}

Test(id_row, what_is_a_row) {
    const int32_t ids[] = {1, -20, 2147483647, INT32_MIN};
    expect("1 -20 2147483647 -2147483648", 4, ids);
    expect("[1,-20,2147483647,-2147483648]", 4, ids);
    expect("  [ 1 , -20 ,2147483647,\t-2147483648 ]  ", 4, ids);
    expect("\t1   -20\r", 2, ids);
    expect("1", 1, ids);
    expect("[1]", 1, ids);
    expect("", 0, ids);
    expect("  ", 0, ids);
    expect("[]", 0, ids);
    expect("[ ]", 0, ids);
}

Test(id_row, what_is_not) {
    const char *const wrong[] = {"a",           "1 a",
                                 "1,2",         "[1 2]",
                                 "[1,]",        "[,1]",
                                 "[1,,2]",      "[1",
                                 "1]",          "[",
                                 "]",           "1.5",
                                 "-",           "- 1",
                                 "--1",         "2147483648",
                                 "-2147483649", "[[1]]",
                                 "0x10",        "1e3",
                                 "[1]2",        "99999999999999999999999999"};
    for (size_t at = 0; at < sizeof wrong / sizeof wrong[0]; at++) {
        cr_assert_eq(id_row_parse(wrong[at], strlen(wrong[at]), &row, &error), FERRY_INVALID_INPUT,
                     "%s", wrong[at]);
        cr_assert_str_eq(error.text, id_row_explanation);
    }
}

Test(id_row, a_row_that_does_not_fit) {
    ferry_buffer_free(&row);
    ferry_buffer_init(&row, 7);
    cr_assert_eq(id_row_parse("1", 1, &row, &error), FERRY_OK);
    cr_assert_eq(id_row_parse("1 2", 3, &row, &error), FERRY_OUT_OF_MEMORY);
}
