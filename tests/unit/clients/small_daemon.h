/* A daemon in this process for tests of libferry_client: it answers pings, counts cancels, and
 * leaves work to the test. */
#ifndef FERRY_TESTS_UNIT_CLIENTS_SMALL_DAEMON_H
#define FERRY_TESTS_UNIT_CLIENTS_SMALL_DAEMON_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "ipc/server_endpoint.h"
#include "ipc/wire_request.h"

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

struct small_daemon;
/* Answers the message, which it takes. On the daemon's thread. */
typedef void small_daemon_answer(struct small_daemon *daemon, struct ferry_message *message,
                                 const struct ferry_wire_request *request);

struct small_daemon {
    char folder[64], endpoint[128];
    const char *listen[1];
    struct ferry_server_endpoint *server;
    small_daemon_answer *answer;
    pthread_t thread;
    atomic_bool stopping;
    atomic_bool is_mute; /* reads requests and answers none but pings */
    atomic_size_t cancels;
};

void small_daemon_start(struct small_daemon *daemon, small_daemon_answer *answer);
void small_daemon_stop(struct small_daemon *daemon);

#endif
