#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/ops/options.h"

static struct ferry_options options;
static struct ferry_error error;

#define READ(...) read_options((char *[]){"serve", __VA_ARGS__, NULL})

static enum ferry_status read_options(char **arguments) {
    int count = 0;
    while (arguments[count] != NULL)
        count++;
    return ferry_options_read(count, arguments, &options, &error);
}

static void clear_environment(void) {
    unsetenv("FERRY_MODEL");
    unsetenv("FERRY_LISTEN");
    unsetenv("FERRY_DEVICE");
    unsetenv("FERRY_MAX_ITEMS");
    unsetenv("FERRY_MKL_INTEL_PATH");
}

TestSuite(options, .init = clear_environment);

Test(options, defaults) {
    char *nothing[] = {"serve", NULL};
    cr_assert_eq(ferry_options_read(1, nothing, &options, &error), FERRY_OK);
    cr_assert_str_eq(options.device, "auto");
    cr_assert_eq(options.models.count, 0);
    cr_assert_eq(options.max_request_bytes, 16 << 20);
    cr_assert_eq(options.mkl_intel_path, 1);
    ferry_options_free(&options);
}

Test(options, both_forms_lists_and_suffixes) {
    cr_assert_eq(READ("--model", "a=x", "--model=y", "--max-request-bytes", "2M",
                      "--mkl-intel-path=no", "--listen=ipc:///a=b"),
                 FERRY_OK);
    cr_assert_eq(options.models.count, 2);
    cr_assert_str_eq(options.models.values[0], "a=x");
    cr_assert_str_eq(options.models.values[1], "y");
    cr_assert_eq(options.max_request_bytes, 2 << 20);
    cr_assert_eq(options.mkl_intel_path, 0);
    cr_assert_str_eq(options.listen.values[0], "ipc:///a=b");
    ferry_options_free(&options);
}

Test(options, an_option_goes_before_the_environment) {
    setenv("FERRY_MODEL", "one,two=/x", 1);
    setenv("FERRY_DEVICE", "cuda:1", 1);
    setenv("FERRY_MAX_ITEMS", "300", 1);
    cr_assert_eq(READ("--device", "cpu"), FERRY_OK);
    cr_assert_str_eq(options.device, "cpu");
    cr_assert_eq(options.max_items, 300);
    cr_assert_eq(options.models.count, 2);
    cr_assert_str_eq(options.models.values[1], "two=/x");
    ferry_options_free(&options);
    cr_assert_eq(READ("--model", "three"), FERRY_OK);
    cr_assert_eq(options.models.count, 1);
    cr_assert_str_eq(options.models.values[0], "three");
    ferry_options_free(&options);
}

Test(options, wrong_ones_are_named) {
    cr_assert_eq(READ("--no-such-option", "1"), FERRY_USAGE);
    cr_assert_not_null(strstr(error.text, "--no-such-option"));
    cr_assert_eq(READ("stray"), FERRY_USAGE);
    cr_assert_eq(READ("--device"), FERRY_USAGE);
    static const char *const wrong[] = {"0", "-1", "x", "12x", "99999999999999999999", "", " 300"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cr_assert_eq(READ("--max-items", (char *)wrong[i]), FERRY_USAGE, "\"%s\"", wrong[i]);
        cr_assert_not_null(strstr(error.text, "--max-items"));
        cr_assert_not_null(strstr(error.text, "256 to 1048576"));
    }
    cr_assert_eq(READ("--mkl-intel-path", "maybe"), FERRY_USAGE);
    cr_assert_eq(READ("--queue-bytes", "17179869184G"), FERRY_USAGE);
    setenv("FERRY_MAX_ITEMS", "many", 1);
    cr_assert_eq(READ("--device", "cpu"), FERRY_CONFIG);
    cr_assert_not_null(strstr(error.text, "FERRY_MAX_ITEMS"));
}

Test(options, a_list_has_a_bound) {
    char *arguments[2 * FERRY_OPTIONS_MAX_LIST + 4] = {"serve"};
    int count = 1;
    for (int i = 0; i <= FERRY_OPTIONS_MAX_LIST; i++) {
        arguments[count++] = "--model";
        arguments[count++] = "x";
    }
    cr_assert_eq(ferry_options_read(count, arguments, &options, &error), FERRY_USAGE);
    cr_assert_not_null(strstr(error.text, "--model"));
}
