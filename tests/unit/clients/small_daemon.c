#include "tests/unit/clients/small_daemon.h"

#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "ipc/wire_reply.h"

static void answer(struct small_daemon *daemon, struct ferry_message *message) {
    size_t size;
    const uint8_t *body = ferry_message_body(message, &size);
    struct ferry_wire_limits limits = {.max_items = 1000, .max_ids_per_item = 1000};
    struct ferry_wire_request request;
    struct ferry_arena arena;
    struct ferry_error error;
    ferry_arena_init(&arena, 1 << 24);
    CHECK(ferry_wire_request_decode(body, size, &limits, &arena, &request, &error) == FERRY_OK);
    daemon->cancels += request.operation == FERRY_OPERATION_CANCEL;
    if (request.operation == FERRY_OPERATION_PING) {
        struct ferry_buffer pong;
        ferry_buffer_init(&pong, 1000);
        CHECK(ferry_wire_reply_pong(&request.id, &pong) == FERRY_OK);
        ferry_server_endpoint_reply(daemon->server, message, &pong);
        ferry_buffer_free(&pong);
    } else if (request.item_count > 0 && !daemon->is_mute) {
        daemon->answer(daemon, message, &request);
    } else {
        ferry_message_free(message);
    }
    ferry_arena_free(&arena);
}

static void *serve(void *argument) {
    struct small_daemon *daemon = argument;
    while (!daemon->stopping) {
        ferry_server_endpoint_wait(daemon->server, -1, 20);
        struct ferry_message *message;
        while ((message = ferry_server_endpoint_receive(daemon->server)) != NULL)
            answer(daemon, message);
    }
    return NULL;
}

void small_daemon_start(struct small_daemon *daemon, small_daemon_answer *answer_work) {
    struct ferry_error error;
    memset(daemon, 0, sizeof *daemon);
    strcpy(daemon->folder, "/tmp/ferry-threads-XXXXXX");
    CHECK(mkdtemp(daemon->folder) != NULL);
    snprintf(daemon->endpoint, sizeof daemon->endpoint, "ipc://%s/s", daemon->folder);
    daemon->listen[0] = daemon->endpoint;
    daemon->answer = answer_work;
    struct ferry_server_options options = {.listen = daemon->listen,
                                           .listen_count = 1,
                                           .max_request_bytes = 1 << 20,
                                           .outbox_bytes = 1 << 24,
                                           .outbox_wait_ns = FERRY_NANOSECONDS_PER_SECOND};
    CHECK(ferry_server_endpoint_open(&options, &daemon->server, &error) == FERRY_OK);
    CHECK(pthread_create(&daemon->thread, NULL, serve, daemon) == 0);
}

void small_daemon_stop(struct small_daemon *daemon) {
    char lock[140];
    daemon->stopping = true;
    pthread_join(daemon->thread, NULL);
    ferry_server_endpoint_close(daemon->server, 0);
    snprintf(lock, sizeof lock, "%s/s.lock", daemon->folder);
    unlink(lock);
    rmdir(daemon->folder);
}
