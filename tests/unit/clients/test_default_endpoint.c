#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ipc/default_endpoint.h"

static char endpoint[FERRY_ENDPOINT_BYTES];
static struct ferry_error error;

static void begin(void) {
    unsetenv("FERRY_ENDPOINT");
    unsetenv("RUNTIME_DIRECTORY");
    unsetenv("XDG_RUNTIME_DIR");
}

/* LeakSanitizer looks at the process when it ends, which an ordinary user's process may not. */
static void end(void) {
    if (geteuid() != getuid())
        cr_assert_eq(seteuid(getuid()), 0);
}

TestSuite(default_endpoint, .init = begin, .fini = end);

static void expect(const char *wanted) {
    cr_assert_eq(ferry_default_endpoint(endpoint, sizeof endpoint, false, &error), FERRY_OK, "%s",
                 error.text);
    cr_assert_str_eq(endpoint, wanted);
}

/* Tests may be run by root, for whom other rules hold. */
static void become_ordinary_user(void) {
    if (geteuid() == 0)
        cr_assert_eq(seteuid(65534), 0);
}

Test(default_endpoint, what_is_named_wins) {
    setenv("FERRY_ENDPOINT", "tcp://127.0.0.1:1", 1);
    expect("tcp://127.0.0.1:1");
    become_ordinary_user();
    setenv("XDG_RUNTIME_DIR", "/run/user/1", 1);
    expect("tcp://127.0.0.1:1");
    setenv("FERRY_ENDPOINT", "", 1);
    expect("ipc:///run/user/1/ferry.sock");
}

Test(default_endpoint, the_service_uses_run_ferry) {
    become_ordinary_user();
    setenv("XDG_RUNTIME_DIR", "/run/user/1", 1);
    setenv("RUNTIME_DIRECTORY", "/run/ferry", 1);
    expect("ipc:///run/ferry/ferry.sock");
}

Test(default_endpoint, a_name_that_does_not_fit_is_refused) {
    char longest[400];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    setenv("FERRY_ENDPOINT", longest, 1);
    cr_assert_eq(ferry_default_endpoint(endpoint, sizeof endpoint, false, &error), FERRY_CONFIG);
}

Test(default_endpoint, the_folder_under_tmp_must_be_the_users_own) {
    become_ordinary_user();
    char folder[64], wanted[96];
    snprintf(folder, sizeof folder, "/tmp/ferry-%u", geteuid());
    snprintf(wanted, sizeof wanted, "ipc://%s/ferry.sock", folder);
    if (access(folder, F_OK) == 0)
        cr_skip_test("%s is in use", folder);
    expect(wanted); /* not there: nobody listens, which is no error */
    cr_assert_eq(access(folder, F_OK), -1);
    cr_assert_eq(symlink("/tmp", folder), 0);
    cr_assert_eq(ferry_default_endpoint(endpoint, sizeof endpoint, true, &error), FERRY_PERMISSION);
    cr_assert_eq(unlink(folder), 0);
    cr_assert_eq(ferry_default_endpoint(endpoint, sizeof endpoint, true, &error), FERRY_OK);
    cr_assert_eq(access(folder, W_OK), 0);
    cr_assert_eq(rmdir(folder), 0);
}
