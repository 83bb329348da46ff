/* More connections than file descriptors: without the guard libzmq 4.3.4 ends the process with
 * SIGABRT "Too many open files (src/ipc_listener.cpp:325)". The daemon is a child process here, so
 * that it alone has the low limit. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include "tests/unit/ipc/echo_server.h"

enum { CHILD_DESCRIPTORS = 64, ATTACKERS = 300 };

static void serve_with_few_descriptors(const char *listen) {
    struct rlimit limit = {CHILD_DESCRIPTORS, CHILD_DESCRIPTORS};
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    echo_server_start(listen, 1000);
    for (;;)
        pause();
}

static int connect_raw(const char *path) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t size = strlen(path);
    CHECK(size < sizeof to.sun_path);
    memcpy(to.sun_path, path, size);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    CHECK(fd >= 0);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    close(fd);
    return -1;
}

static void wait_until_it_listens(const char *path) {
    int fd = -1;
    for (int i = 0; i < 1000 && fd < 0; i++) {
        fd = access(path, F_OK) == 0 ? connect_raw(path) : -1;
        sleep_ms(10);
    }
    CHECK(fd >= 0);
    close(fd);
}

static bool round_trip(const char *endpoint) {
    void *context = zmq_ctx_new();
    void *socket = zmq_socket(context, ZMQ_REQ);
    int limit_ms = 20000, linger = 0;
    zmq_setsockopt(socket, ZMQ_RCVTIMEO, &limit_ms, sizeof limit_ms);
    zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
    char reply[8];
    bool answered = zmq_connect(socket, endpoint) == 0 && zmq_send(socket, "well", 4, 0) == 4 &&
                    zmq_recv(socket, reply, sizeof reply, 0) == 4;
    zmq_close(socket);
    zmq_ctx_term(context);
    return answered;
}

static bool is_alive(pid_t child) {
    int status;
    return waitpid(child, &status, WNOHANG) == 0;
}

static void attack(const char *path, pid_t child) {
    int fds[ATTACKERS];
    for (int i = 0; i < ATTACKERS; i++)
        fds[i] = connect_raw(path);
    sleep_ms(500);
    CHECK(is_alive(child));
    for (int i = 0; i < ATTACKERS; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
}

int main(void) {
    char endpoint[160];
    char path[160];
    snprintf(endpoint, sizeof endpoint, "%s", test_endpoint("guarded"));
    snprintf(path, sizeof path, "%s", test_path("guarded"));
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0)
        serve_with_few_descriptors(endpoint);
    wait_until_it_listens(path);
    CHECK(round_trip(endpoint));
    for (int round = 0; round < 3; round++)
        attack(path, child);
    CHECK(round_trip(endpoint));
    CHECK(is_alive(child));
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    remove_test_folder();
    return 0;
}
