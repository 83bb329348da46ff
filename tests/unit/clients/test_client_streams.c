/* Streams through libferry_client's threads, against a small daemon in this process: every part
 * comes once and in order, then one end, whoever takes, cancels or frees what. A plain program, so
 * that it runs under ThreadSanitizer. */
#include <string.h>

#include "base/clock.h"
#include "clients/c/ferry_client.h"
#include "ipc/wire_reply.h"
#include "tests/unit/clients/small_daemon.h"

/* ---- the daemon: max_new_tokens parts with the ids 0, 1, 2, ... ---- */

enum { GIVE_UP_MS = 1000 };

/* False: the reader is gone. While this thread sends it reads nothing, and libzmq tells that a
 * reader with a full pipe is gone only once everything that it had sent has been read: hence the
 * end of patience. The wait lets older replies to a slow reader leave. */
static bool send_body(struct small_daemon *daemon, struct ferry_message *message,
                      struct ferry_buffer *body) {
    enum ferry_send_result result = FERRY_SEND_BLOCKED;
    int64_t end = ferry_clock_now() + GIVE_UP_MS * FERRY_NANOSECONDS_PER_MILLISECOND;
    while (result == FERRY_SEND_BLOCKED && ferry_clock_now() < end) {
        result = ferry_server_endpoint_send_part(daemon->server, message, body);
        if (result == FERRY_SEND_BLOCKED)
            ferry_server_endpoint_wait(daemon->server, -1, 1);
    }
    body->size = 0;
    return result == FERRY_SEND_DONE;
}

static void answer_generate(struct small_daemon *daemon, struct ferry_message *message,
                            const struct ferry_wire_request *request) {
    uint32_t count = request->generation.max_new_tokens;
    struct ferry_buffer body;
    ferry_buffer_init(&body, 1 << 24);
    int32_t *ids = calloc(count, sizeof *ids);
    CHECK(ids != NULL && request->item_count == 1);
    bool is_there = true;
    for (uint32_t at = 0; at < count && is_there; at++) {
        ids[at] = (int32_t)at;
        struct ferry_wire_part part = {.part = at,
                                       .piece = {.text = {"t", 1},
                                                 .ids = &ids[at],
                                                 .count = 1,
                                                 .finish = FERRY_WIRE_FINISH_LENGTH},
                                       .is_last = at + 1 == count};
        CHECK(ferry_wire_part_encode(&request->id, &part, &body) == FERRY_OK);
        is_there = send_body(daemon, message, &body);
    }
    struct ferry_wire_choice choice = {
        .text = {"", 0}, .ids = ids, .count = count, .finish = FERRY_WIRE_FINISH_LENGTH};
    struct ferry_wire_choices choices = {&choice, 1, 3};
    struct ferry_wire_truth truth = {
        .tokens = &(uint32_t){1},
        .truncated = &(uint8_t){0},
        .item_count = 1,
        .model = {.name = "small", .digest = "", .engine = "", .precision = "", .device = ""}};
    CHECK(ferry_wire_reply_generate(&request->id, &truth, &choices, &body) == FERRY_OK);
    ferry_server_endpoint_reply(daemon->server, message, &body);
    ferry_buffer_free(&body);
    free(ids);
}

/* ---- requests ---- */

static struct ferry_client *connect_to(const struct small_daemon *daemon) {
    struct ferry_client *client = NULL;
    struct ferry_error error;
    CHECK(ferry_client_connect(daemon->endpoint, NULL, &client, &error) == FERRY_OK);
    return client;
}

static struct ferry_queue *new_queue(void) {
    struct ferry_queue *queue = NULL;
    CHECK(ferry_queue_create(&queue, NULL) == FERRY_OK);
    return queue;
}

static uint64_t submit(struct ferry_client *client, struct ferry_queue *queue, uint32_t parts,
                       void *tag) {
    struct ferry_client_item item = {.text = "prompt", .text_bytes = 6};
    struct ferry_client_request request = {.operation = FERRY_CLIENT_GENERATE,
                                           .items = &item,
                                           .item_count = 1,
                                           .generation = {.max_new_tokens = parts, .stream = true}};
    uint64_t ticket = 0;
    CHECK(ferry_client_submit(client, &request, queue, tag, &ticket, NULL) == FERRY_OK);
    return ticket;
}

/* ---- tests ---- */

static void streams_of_two_clients_come_in_order(const struct small_daemon *daemon) {
    enum { STREAMS = 40, PARTS = 100 };
    struct ferry_client *clients[2] = {connect_to(daemon), connect_to(daemon)};
    struct ferry_queue *queue = new_queue();
    int32_t next[STREAMS] = {0};
    for (size_t at = 0; at < STREAMS; at++)
        submit(clients[at % 2], queue, PARTS, &next[at]);
    struct ferry_completion completion;
    while (ferry_queue_pending(queue) > 0) {
        CHECK(ferry_queue_next(queue, 60000, &completion));
        int32_t *expected = completion.tag;
        if (completion.more) {
            CHECK(completion.part->piece.count == 1 && completion.reply == NULL);
            CHECK(completion.part->piece.ids[0] == (*expected)++);
            CHECK((completion.part->piece.finish_reason != NULL) == (*expected == PARTS));
            ferry_part_free(completion.part);
            continue;
        }
        CHECK(completion.status == FERRY_OK && completion.part == NULL && *expected == PARTS);
        struct ferry_reply_choice choice;
        CHECK(ferry_reply_get_choice(completion.reply, 0, 0, &choice) && choice.count == PARTS);
        *expected = -1;
        ferry_reply_free(completion.reply);
    }
    CHECK(!ferry_queue_next(queue, 0, &completion));
    ferry_queue_free(queue);
    ferry_client_free(clients[0]);
    ferry_client_free(clients[1]);
}

struct taken {
    struct ferry_queue *queue;
    size_t parts, ends;
};

static void *take_from_queue(void *argument) {
    struct taken *taken = argument;
    struct ferry_completion completion;
    while (ferry_queue_next(taken->queue, 1500, &completion)) {
        if (completion.more)
            CHECK(completion.part->piece.text_bytes == 1 && completion.part->piece.text[0] == 't');
        taken->parts += completion.more;
        taken->ends += !completion.more && completion.status == FERRY_OK;
        ferry_part_free(completion.part);
        ferry_reply_free(completion.reply);
    }
    return NULL;
}

static void several_threads_take_from_one_queue(const struct small_daemon *daemon) {
    enum { STREAMS = 30, PARTS = 50, TAKERS = 4 };
    struct ferry_client *client = connect_to(daemon);
    struct ferry_queue *queue = new_queue();
    struct taken taken[TAKERS] = {0};
    pthread_t threads[TAKERS];
    for (size_t at = 0; at < TAKERS; at++) {
        taken[at].queue = queue;
        CHECK(pthread_create(&threads[at], NULL, take_from_queue, &taken[at]) == 0);
    }
    for (size_t at = 0; at < STREAMS; at++)
        submit(client, queue, PARTS, NULL);
    size_t parts = 0, ends = 0;
    for (size_t at = 0; at < TAKERS; at++) {
        pthread_join(threads[at], NULL);
        parts += taken[at].parts;
        ends += taken[at].ends;
    }
    CHECK(parts == (size_t)STREAMS * PARTS && ends == STREAMS);
    ferry_queue_free(queue);
    ferry_client_free(client);
}

static void cancelled_in_the_middle(struct small_daemon *daemon) {
    struct ferry_client *client = connect_to(daemon);
    struct ferry_queue *queue = new_queue();
    uint64_t ticket = submit(client, queue, 3000, NULL);
    struct ferry_completion completion;
    size_t parts = 0;
    do {
        CHECK(ferry_queue_next(queue, 60000, &completion));
        if (completion.more && parts++ == 0)
            ferry_client_cancel(client, ticket);
        ferry_part_free(completion.part);
    } while (completion.more);
    CHECK(completion.status == FERRY_CANCELLED || completion.status == FERRY_OK);
    ferry_reply_free(completion.reply);
    CHECK(parts <= 3000 && ferry_queue_pending(queue) == 0);
    CHECK(!ferry_queue_next(queue, 100, &completion)); /* nothing after the end */
    ferry_queue_free(queue);
    ferry_client_free(client);
}

static void freed_in_the_middle(const struct small_daemon *daemon, bool queue_first) {
    struct ferry_client *client = connect_to(daemon);
    struct ferry_queue *queue = new_queue();
    for (size_t at = 0; at < 2; at++)
        submit(client, queue, 1500, NULL);
    struct ferry_completion completion;
    CHECK(ferry_queue_next(queue, 60000, &completion) && completion.more);
    ferry_part_free(completion.part);
    if (queue_first)
        ferry_queue_free(queue);
    ferry_client_free(client);
    for (size_t ends = 0; ends < 2 && !queue_first;) {
        CHECK(ferry_queue_next(queue, 0, &completion));
        ends += !completion.more;
        ferry_part_free(completion.part);
        ferry_reply_free(completion.reply);
    }
    if (!queue_first)
        ferry_queue_free(queue);
}

static void parts_outlive_their_reply_and_client(const struct small_daemon *daemon) {
    struct ferry_client *client = connect_to(daemon);
    struct ferry_queue *queue = new_queue();
    submit(client, queue, 2, NULL);
    struct ferry_part *kept[2] = {NULL, NULL};
    struct ferry_completion completion;
    for (size_t at = 0; at < 3; at++) {
        CHECK(ferry_queue_next(queue, 60000, &completion));
        CHECK(completion.more == (at < 2) && completion.status == FERRY_OK);
        if (completion.more)
            kept[at] = completion.part;
        ferry_reply_free(completion.reply);
    }
    ferry_queue_free(queue);
    ferry_client_free(client);
    for (size_t at = 0; at < 2; at++) {
        CHECK(kept[at]->piece.ids[0] == (int32_t)at && kept[at]->piece.text[0] == 't');
        ferry_part_free(kept[at]);
    }
    ferry_part_free(NULL);
}

static void a_call_that_waits_takes_no_stream(const struct small_daemon *daemon) {
    struct ferry_client *client = connect_to(daemon);
    struct ferry_client_item item = {.text = "prompt", .text_bytes = 6};
    struct ferry_client_request request = {.operation = FERRY_CLIENT_GENERATE,
                                           .items = &item,
                                           .item_count = 1,
                                           .generation = {.stream = true}};
    struct ferry_reply *reply = NULL;
    struct ferry_error error;
    CHECK(ferry_client_call(client, &request, &reply, &error) == FERRY_USAGE && reply == NULL);
    CHECK(strstr(error.text, "ferry_client_submit") != NULL);
    ferry_client_free(client);
}

int main(void) {
    struct small_daemon daemon;
    small_daemon_start(&daemon, answer_generate);
    streams_of_two_clients_come_in_order(&daemon);
    several_threads_take_from_one_queue(&daemon);
    cancelled_in_the_middle(&daemon);
    freed_in_the_middle(&daemon, true);
    freed_in_the_middle(&daemon, false);
    parts_outlive_their_reply_and_client(&daemon);
    a_call_that_waits_takes_no_stream(&daemon);
    small_daemon_stop(&daemon);
    return 0;
}
