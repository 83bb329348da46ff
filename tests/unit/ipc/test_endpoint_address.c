/* Which endpoints are allowed, and the socket file that the daemon makes. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "ipc/endpoint_address.h"
#include "ipc/listen_socket.h"

static struct ferry_endpoint_address address;
static struct ferry_error error;

static void expect_listen(const char *endpoint, const char *as_zmq) {
    cr_assert_eq(ferry_endpoint_address_to_listen(endpoint, &address, &error), FERRY_OK, "%s: %s",
                 endpoint, error.text);
    cr_assert_str_eq(address.zmq, as_zmq);
}

static void expect_refused(const char *endpoint, const char *part) {
    cr_assert_eq(ferry_endpoint_address_to_listen(endpoint, &address, &error), FERRY_CONFIG, "%s",
                 endpoint);
    cr_assert(strstr(error.text, part) != NULL, "%s: %s", endpoint, error.text);
}

Test(endpoint_address, what_a_daemon_may_listen_on) {
    expect_listen("ipc:///run/ferry/ferry.sock", "ipc:///run/ferry/ferry.sock");
    cr_assert(address.is_ipc);
    cr_assert_str_eq(address.path, "/run/ferry/ferry.sock");
    expect_listen("tcp://127.0.0.1:5555", "tcp://127.0.0.1:5555");
    cr_assert(!address.is_ipc);
    expect_listen("tcp://127.9.9.9:1", "tcp://127.9.9.9:1");
    expect_listen("tcp://localhost:65535", "tcp://127.0.0.1:65535");
    expect_listen("tcp://[::1]:5555", "tcp://[::1]:5555");
    expect_listen("tcp://127.0.0.1:*", "tcp://127.0.0.1:*");
}

Test(endpoint_address, what_it_may_not) {
    static const char *const beyond[] = {"tcp://0.0.0.0:1",     "tcp://*:1",
                                         "tcp://10.0.0.1:1",    "tcp://example.com:1",
                                         "tcp://[::]:1",        "tcp://127.0.0.1.example:1",
                                         "tcp://eth0:1",        "tcp://[fe80::1]:1",
                                         "tcp://127.0.0.1 :80", "tcp://1270.0.0.1:80"};
    for (size_t i = 0; i < sizeof beyond / sizeof beyond[0]; i++)
        expect_refused(beyond[i], "loopback");
    static const char *const ports[] = {"tcp://127.0.0.1",   "tcp://127.0.0.1:",
                                        "tcp://127.0.0.1:0", "tcp://127.0.0.1:65536",
                                        "tcp://127.0.0.1:x", "tcp://127.0.0.1:-1",
                                        "tcp://:80",         "tcp://127.0.0.1:99999999999"};
    for (size_t i = 0; i < sizeof ports / sizeof ports[0]; i++)
        expect_refused(ports[i], "1 to 65535");
    expect_refused("ipc://relative.sock", "absolute");
    expect_refused("ipc://@abstract", "absolute");
    expect_refused("ipc://*", "absolute");
    expect_refused("", "wanted ipc");
    expect_refused("inproc://x", "wanted ipc");
    expect_refused("/run/ferry.sock", "wanted ipc");
}

Test(endpoint_address, paths_have_at_most_107_bytes) {
    char endpoint[200] = "ipc:///";
    memset(endpoint + 7, 'p', 107);
    expect_refused(endpoint, "108 bytes");
    endpoint[6 + 107] = '\0';
    expect_listen(endpoint, endpoint);
    cr_assert_eq(strlen(address.path), 107);
}

Test(endpoint_address, clients_may_connect_anywhere) {
    cr_assert_eq(ferry_endpoint_address_to_connect("tcp://example.com:5555", &address, &error),
                 FERRY_OK);
    cr_assert_eq(ferry_endpoint_address_to_connect("ipc:///x", &address, &error), FERRY_OK);
    cr_assert_eq(ferry_endpoint_address_to_connect("tcp://localhost:*", &address, &error),
                 FERRY_CONFIG);
    cr_assert_eq(ferry_endpoint_address_to_connect("pgm://x", &address, &error), FERRY_CONFIG);
}

static char folder[64];
static char path[100];
static char lock_path[110];
static struct ferry_listen_socket listener;

static void make_folder(void) {
    snprintf(folder, sizeof folder, "/tmp/ferry-test-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/s", folder);
    snprintf(lock_path, sizeof lock_path, "%s.lock", path);
}

static void remove_folder(void) {
    unlink(path);
    unlink(lock_path);
    rmdir(folder);
}

TestSuite(listen_socket, .init = make_folder, .fini = remove_folder);

static int connect_result(void) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    snprintf(to.sun_path, sizeof to.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    int result = connect(fd, (struct sockaddr *)&to, sizeof to);
    close(fd);
    return result;
}

Test(listen_socket, opens_with_mode_0660_and_removes_its_files) {
    umask(022);
    cr_assert_eq(ferry_listen_socket_open(path, &listener, &error), FERRY_OK, "%s", error.text);
    struct stat found;
    cr_assert_eq(lstat(path, &found), 0);
    cr_assert(S_ISSOCK(found.st_mode));
    cr_assert_eq(found.st_mode & 07777, 0660);
    cr_assert_eq(connect_result(), 0);
    ferry_listen_socket_close(&listener);
    cr_assert_neq(access(path, F_OK), 0);
    cr_assert_neq(access(lock_path, F_OK), 0);
    ferry_listen_socket_close(&listener);
}

Test(listen_socket, refuses_a_second_one) {
    struct ferry_listen_socket second;
    cr_assert_eq(ferry_listen_socket_open(path, &listener, &error), FERRY_OK);
    cr_assert_eq(ferry_listen_socket_open(path, &second, &error), FERRY_UNAVAILABLE);
    cr_assert(strstr(error.text, "another daemon already listens") != NULL, "%s", error.text);
    cr_assert_eq(connect_result(), 0, "the first one is not disturbed");
    ferry_listen_socket_close(&listener);
    cr_assert_eq(ferry_listen_socket_open(path, &second, &error), FERRY_OK);
    ferry_listen_socket_close(&second);
}

static int listen_without_lock(void) {
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    cr_assert_eq(listen(fd, 5), 0);
    return fd;
}

Test(listen_socket, takes_nothing_from_another_program) {
    int fd = listen_without_lock();
    cr_assert_eq(ferry_listen_socket_open(path, &listener, &error), FERRY_UNAVAILABLE);
    cr_assert(strstr(error.text, "another process") != NULL, "%s", error.text);
    cr_assert_eq(connect_result(), 0);
    close(fd);
}

Test(listen_socket, replaces_a_stale_one) {
    close(listen_without_lock());
    cr_assert_neq(connect_result(), 0);
    cr_assert_eq(ferry_listen_socket_open(path, &listener, &error), FERRY_OK, "%s", error.text);
    cr_assert_eq(connect_result(), 0);
    ferry_listen_socket_close(&listener);
}

Test(listen_socket, leaves_other_files_alone) {
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    cr_assert_eq(write(fd, "keep me", 7), 7);
    close(fd);
    cr_assert_eq(ferry_listen_socket_open(path, &listener, &error), FERRY_CONFIG);
    cr_assert(strstr(error.text, "is not a socket") != NULL, "%s", error.text);
    struct stat found;
    cr_assert(stat(path, &found) == 0 && found.st_size == 7);
    cr_assert_neq(access(lock_path, F_OK), 0, "no lock file stays behind");
}

Test(listen_socket, says_when_the_folder_is_missing) {
    cr_assert_eq(ferry_listen_socket_open("/nowhere/at/all/s", &listener, &error), FERRY_IO);
    cr_assert(strstr(error.text, "folder does not exist") != NULL, "%s", error.text);
}
