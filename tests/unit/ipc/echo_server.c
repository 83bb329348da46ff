#include "tests/unit/ipc/echo_server.h"

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { MAX_HELD = 4096, LONG_WAIT_MS = 60000 };
enum command { COMMAND_NONE, COMMAND_LET_GO, COMMAND_COUNT, COMMAND_STOP };

struct echo_server {
    struct ferry_server_endpoint *endpoint;
    pthread_t thread;
    int wake_fd;
    _Atomic enum command command; /* back to NONE when done */
    int linger_ms;
    struct ferry_server_counters counters;
    struct ferry_message *held[MAX_HELD];
    size_t held_count;
};

void check_failed(const char *condition, const char *file, int line) {
    fprintf(stderr, "%s:%d: failed: %s\n", file, line, condition);
    remove_test_folder();
    _exit(1);
}

static char folder[64];

const char *test_path(const char *name) {
    static char path[128];
    if (folder[0] == '\0') {
        strcpy(folder, "/tmp/ferry-test-XXXXXX");
        CHECK(mkdtemp(folder) != NULL);
    }
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

const char *test_endpoint(const char *name) {
    static char endpoint[160];
    snprintf(endpoint, sizeof endpoint, "ipc://%s", test_path(name));
    return endpoint;
}

void remove_test_folder(void) {
    DIR *entries = folder[0] == '\0' ? NULL : opendir(folder);
    for (struct dirent *entry; entries != NULL && (entry = readdir(entries)) != NULL;)
        unlinkat(dirfd(entries), entry->d_name, 0);
    if (entries != NULL) {
        closedir(entries);
        rmdir(folder);
    }
}

void sleep_ms(int milliseconds) {
    struct timespec pause = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
    nanosleep(&pause, NULL);
}

static void reply_with(struct echo_server *server, struct ferry_message *message, const void *bytes,
                       size_t size) {
    struct ferry_buffer body;
    ferry_buffer_init(&body, 64 << 20);
    CHECK(ferry_buffer_append(&body, bytes, size) == FERRY_OK);
    ferry_server_endpoint_reply(server->endpoint, message, &body);
    CHECK(body.size == 0);
    ferry_buffer_free(&body);
}

static void reply_with_size(struct echo_server *server, struct ferry_message *message,
                            size_t size) {
    uint8_t *bytes = malloc(size + 1);
    memset(bytes, 'z', size);
    reply_with(server, message, bytes, size);
    free(bytes);
}

static void answer(struct echo_server *server, struct ferry_message *message) {
    size_t size;
    const uint8_t *bytes = ferry_message_body(message, &size);
    char digits[16] = "";
    if (ferry_message_is_oversized(message)) {
        CHECK(size == FERRY_OVERSIZED_KEPT);
        reply_with(server, message, "oversized", 9);
    } else if (size > 0 && bytes[0] == 'h') {
        CHECK(server->held_count < MAX_HELD);
        server->held[server->held_count++] = message;
    } else if (size > 1 && size < sizeof digits && bytes[0] == 'r') {
        memcpy(digits, bytes + 1, size - 1);
        reply_with_size(server, message, strtoul(digits, NULL, 10));
    } else {
        reply_with(server, message, bytes, size);
    }
}

static void let_go(struct echo_server *server) {
    for (size_t i = 0; i < server->held_count; i++)
        reply_with(server, server->held[i], "let go", 6);
    server->held_count = 0;
}

static bool obey(struct echo_server *server) {
    enum command command = server->command;
    if (command == COMMAND_LET_GO)
        let_go(server);
    ferry_server_endpoint_counters(server->endpoint, &server->counters);
    if (command == COMMAND_STOP) {
        for (size_t i = 0; i < server->held_count; i++)
            ferry_message_free(server->held[i]);
        ferry_server_endpoint_close(server->endpoint, server->linger_ms);
    }
    server->command = COMMAND_NONE;
    return command != COMMAND_STOP;
}

static void *serve(void *argument) {
    struct echo_server *server = argument;
    for (;;) {
        unsigned bits = ferry_server_endpoint_wait(server->endpoint, server->wake_fd, LONG_WAIT_MS);
        uint64_t count;
        if ((bits & FERRY_WAIT_EXTRA) != 0) {
            CHECK(read(server->wake_fd, &count, sizeof count) == sizeof count);
            if (!obey(server))
                return NULL;
        }
        struct ferry_message *message;
        while ((message = ferry_server_endpoint_receive(server->endpoint)) != NULL)
            answer(server, message);
    }
}

struct echo_server *echo_server_start(const char *listen, int outbox_wait_ms) {
    struct echo_server *server = calloc(1, sizeof *server);
    struct ferry_server_options options = {.listen = &listen,
                                           .listen_count = 1,
                                           .max_request_bytes = ECHO_MAX_REQUEST,
                                           .outbox_bytes = ECHO_OUTBOX_BYTES,
                                           .outbox_wait_ns = outbox_wait_ms * INT64_C(1000000)};
    struct ferry_error error = {FERRY_OK, ""};
    if (ferry_server_endpoint_open(&options, &server->endpoint, &error) != FERRY_OK) {
        fprintf(stderr, "cannot listen: %s\n", error.text);
        CHECK(false);
    }
    server->wake_fd = eventfd(0, EFD_CLOEXEC);
    CHECK(server->wake_fd >= 0);
    CHECK(pthread_create(&server->thread, NULL, serve, server) == 0);
    return server;
}

const char *echo_server_address(const struct echo_server *server) {
    return ferry_server_endpoint_address(server->endpoint, 0);
}

static void command_server(struct echo_server *server, enum command command) {
    server->command = command;
    uint64_t one = 1;
    CHECK(write(server->wake_fd, &one, sizeof one) == sizeof one);
    for (int i = 0; i < 3000 && server->command != COMMAND_NONE; i++)
        sleep_ms(10);
    CHECK(server->command == COMMAND_NONE);
}

void echo_server_let_go(struct echo_server *server) {
    command_server(server, COMMAND_LET_GO);
}

struct ferry_server_counters echo_server_counters(struct echo_server *server) {
    command_server(server, COMMAND_COUNT);
    return server->counters;
}

void echo_server_stop(struct echo_server *server, int linger_ms) {
    server->linger_ms = linger_ms;
    command_server(server, COMMAND_STOP);
    pthread_join(server->thread, NULL);
    close(server->wake_fd);
    free(server);
}
