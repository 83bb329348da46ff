/* libferry_client under many threads, against a small daemon in this process: nothing is lost,
 * doubled or mixed up, and everything ends. A plain program, so that it runs under ThreadSanitizer.
 */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "clients/c/ferry_client.h"
#include "ipc/wire_reply.h"
#include "tests/unit/clients/small_daemon.h"

/* ---- what the small daemon answers: a row tells the number in its text ---- */

enum { MOST_ITEMS = 64 };

static void answer_embed(struct small_daemon *daemon, struct ferry_message *message,
                         const struct ferry_wire_request *request) {
    uint32_t tokens[MOST_ITEMS];
    uint8_t truncated[MOST_ITEMS] = {0};
    float rows[MOST_ITEMS][2];
    CHECK(request->item_count <= MOST_ITEMS);
    for (uint32_t at = 0; at < request->item_count; at++) {
        tokens[at] = 1;
        char number[16] = "";
        CHECK(request->items[at].text.size < sizeof number);
        memcpy(number, request->items[at].text.data, request->items[at].text.size);
        rows[at][0] = strtof(number, NULL);
        rows[at][1] = -rows[at][0];
    }
    struct ferry_wire_truth truth = {
        .tokens = tokens,
        .truncated = truncated,
        .item_count = request->item_count,
        .model = {.name = "small", .digest = "", .engine = "", .precision = "", .device = ""}};
    struct ferry_wire_matrix matrix = {.dtype = FERRY_WIRE_F32,
                                       .rows = request->item_count,
                                       .columns = 2,
                                       .data = rows,
                                       .size = request->item_count * sizeof rows[0]};
    struct ferry_buffer body;
    ferry_buffer_init(&body, 1 << 20);
    CHECK(ferry_wire_reply_embed(&request->id, &truth, &matrix, &body) == FERRY_OK);
    ferry_server_endpoint_reply(daemon->server, message, &body);
    ferry_buffer_free(&body);
}

/* ---- requests ---- */

static struct ferry_client *connect_to(const struct small_daemon *daemon, uint32_t deadline_ms) {
    struct ferry_client_options options = {.deadline_ms = deadline_ms};
    struct ferry_client *client = NULL;
    struct ferry_error error;
    CHECK(ferry_client_connect(daemon->endpoint, &options, &client, &error) == FERRY_OK);
    return client;
}

static void call_and_check(struct ferry_client *client, unsigned number, size_t count) {
    char texts[200][16];
    const char *pointers[200];
    for (size_t at = 0; at < count; at++) {
        snprintf(texts[at], sizeof texts[at], "%zu", number + at);
        pointers[at] = texts[at];
    }
    struct ferry_reply *reply = NULL;
    struct ferry_error error = {.text = ""};
    enum ferry_status status = ferry_client_embed(client, pointers, count, &reply, &error);
    if (status != FERRY_OK)
        fprintf(stderr, "%s\n", error.text);
    CHECK(status == FERRY_OK);
    CHECK(ferry_reply_count(reply) == count && ferry_reply_width(reply) == 2);
    for (size_t at = 0; at < count; at++)
        CHECK(ferry_reply_rows(reply)[2 * at] == (float)(number + at));
    ferry_reply_free(reply);
}

static enum ferry_status submit(struct ferry_client *client, struct ferry_queue *queue,
                                uintptr_t number, uint64_t *ret_ticket) {
    char text[24];
    snprintf(text, sizeof text, "%zu", (size_t)number);
    struct ferry_client_item item = {.text = text, .text_bytes = strlen(text)};
    struct ferry_client_request request = {
        .operation = FERRY_CLIENT_EMBED, .items = &item, .item_count = 1};
    return ferry_client_submit(client, &request, queue, (void *)number, ret_ticket, NULL);
}

struct worker {
    struct ferry_client *client;
    unsigned number;
};

static void *call_often(void *argument) {
    const struct worker *worker = argument;
    for (unsigned step = 0; step < 40; step++)
        call_and_check(worker->client, worker->number * 1000 + step, 1 + step % 3 * 80);
    return NULL;
}

static void threads_share_a_client(const struct small_daemon *daemon) {
    enum { THREADS = 12 };
    struct ferry_client *client = connect_to(daemon, 60000);
    struct worker workers[THREADS];
    pthread_t threads[THREADS];
    for (unsigned at = 0; at < THREADS; at++) {
        workers[at] = (struct worker){.client = client, .number = at};
        CHECK(pthread_create(&threads[at], NULL, call_often, &workers[at]) == 0);
    }
    for (unsigned at = 0; at < THREADS; at++)
        pthread_join(threads[at], NULL);
    ferry_client_free(client);
}

/* ---- queues ---- */

static void many_in_flight_over_two_clients(const struct small_daemon *daemon) {
    enum { COUNT = 4000 };
    static unsigned char seen[COUNT];
    struct ferry_client *clients[2] = {connect_to(daemon, 60000), connect_to(daemon, 60000)};
    struct ferry_queue *queue = NULL;
    memset(seen, 0, sizeof seen);
    CHECK(ferry_queue_create(&queue, NULL) == FERRY_OK);
    for (uintptr_t number = 0; number < COUNT; number++)
        CHECK(submit(clients[number % 2], queue, number, NULL) == FERRY_OK);
    for (size_t taken = 0; taken < COUNT; taken++) {
        struct pollfd wait = {.fd = ferry_queue_event_fd(queue), .events = POLLIN};
        CHECK(poll(&wait, 1, 60000) == 1); /* the event fd tells every completion */
        struct ferry_completion completion;
        CHECK(ferry_queue_next(queue, 0, &completion));
        uintptr_t number = (uintptr_t)completion.tag;
        CHECK(completion.status == FERRY_OK && number < COUNT && !seen[number]);
        CHECK(ferry_reply_rows(completion.reply)[0] == (float)number);
        seen[number] = 1;
        ferry_reply_free(completion.reply);
    }
    struct ferry_completion none;
    CHECK(ferry_queue_pending(queue) == 0 && !ferry_queue_next(queue, 0, &none));
    struct pollfd wait = {.fd = ferry_queue_event_fd(queue), .events = POLLIN};
    CHECK(poll(&wait, 1, 0) == 0);
    ferry_queue_free(queue);
    ferry_client_free(clients[0]);
    ferry_client_free(clients[1]);
}

static void *take_from_queue(void *argument) {
    size_t *taken = calloc(1, sizeof *taken);
    struct ferry_completion completion;
    while (ferry_queue_next(argument, 1500, &completion)) {
        CHECK(completion.status == FERRY_OK);
        ferry_reply_free(completion.reply);
        (*taken)++;
    }
    return taken;
}

static void several_threads_take_from_one_queue(const struct small_daemon *daemon) {
    enum { COUNT = 2000, TAKERS = 4 };
    struct ferry_client *client = connect_to(daemon, 60000);
    struct ferry_queue *queue = NULL;
    pthread_t takers[TAKERS];
    CHECK(ferry_queue_create(&queue, NULL) == FERRY_OK);
    for (int at = 0; at < TAKERS; at++)
        CHECK(pthread_create(&takers[at], NULL, take_from_queue, queue) == 0);
    for (uintptr_t number = 0; number < COUNT; number++)
        CHECK(submit(client, queue, number, NULL) == FERRY_OK);
    size_t sum = 0;
    for (int at = 0; at < TAKERS; at++) {
        void *taken;
        pthread_join(takers[at], &taken);
        sum += *(size_t *)taken;
        free(taken);
    }
    CHECK(sum == COUNT);
    ferry_queue_free(queue);
    ferry_client_free(client);
}

/* ---- giving up ---- */

static void cancelled_tickets_complete_and_the_daemon_is_told(struct small_daemon *daemon) {
    enum { COUNT = 50 };
    daemon->is_mute = true;
    daemon->cancels = 0;
    struct ferry_client *client = connect_to(daemon, 60000);
    struct ferry_queue *queue = NULL;
    uint64_t tickets[COUNT];
    CHECK(ferry_queue_create(&queue, NULL) == FERRY_OK);
    CHECK(ferry_client_ping(client, 0, NULL, NULL) == FERRY_OK);
    for (uintptr_t number = 0; number < COUNT; number++)
        CHECK(submit(client, queue, number, &tickets[number]) == FERRY_OK);
    CHECK(ferry_client_ping(client, 0, NULL, NULL) == FERRY_OK); /* all of them have left */
    for (size_t at = 0; at < COUNT; at++)
        ferry_client_cancel(client, tickets[at]);
    struct ferry_completion completion;
    for (size_t at = 0; at < COUNT; at++) {
        CHECK(ferry_queue_next(queue, 10000, &completion));
        CHECK(completion.status == FERRY_CANCELLED && completion.reply == NULL);
    }
    CHECK(ferry_client_ping(client, 0, NULL, NULL) == FERRY_OK);
    CHECK(daemon->cancels == COUNT);
    ferry_client_cancel(client, 987654321); /* nobody's */
    ferry_queue_free(queue);
    ferry_client_free(client);
    daemon->is_mute = false;
}

static void freed_while_pending(struct small_daemon *daemon, bool queue_first) {
    daemon->is_mute = true;
    struct ferry_client *client = connect_to(daemon, 60000);
    struct ferry_queue *queue = NULL;
    CHECK(ferry_queue_create(&queue, NULL) == FERRY_OK);
    for (uintptr_t number = 0; number < 100; number++)
        CHECK(submit(client, queue, number, NULL) == FERRY_OK);
    if (queue_first)
        ferry_queue_free(queue);
    ferry_client_free(client);
    struct ferry_completion completion;
    for (size_t at = 0; at < 100 && !queue_first; at++) {
        CHECK(ferry_queue_next(queue, 0, &completion));
        CHECK(completion.status == FERRY_CANCELLED);
    }
    if (!queue_first)
        ferry_queue_free(queue);
    daemon->is_mute = false;
}

static void deadlines_are_kept(struct small_daemon *daemon) {
    daemon->is_mute = true;
    struct ferry_client *client = connect_to(daemon, 300);
    struct ferry_reply *reply = NULL;
    struct ferry_error error;
    const char *text = "1";
    int64_t begin = ferry_clock_now();
    CHECK(ferry_client_embed(client, &text, 1, &reply, &error) == FERRY_TIMEOUT);
    int64_t took = ferry_clock_now() - begin;
    CHECK(took > 290 * FERRY_NANOSECONDS_PER_MILLISECOND);
    CHECK(took < 2 * FERRY_NANOSECONDS_PER_SECOND);
    CHECK(strstr(error.text, "0.3 s") != NULL && reply == NULL);
    ferry_client_free(client);
    daemon->is_mute = false;
}

static void pending_bytes_are_bounded(struct small_daemon *daemon) {
    daemon->is_mute = true;
    struct ferry_client_options options = {.max_pending_bytes = 1000};
    struct ferry_client *client = NULL;
    struct ferry_queue *queue = NULL;
    CHECK(ferry_client_connect(daemon->endpoint, &options, &client, NULL) == FERRY_OK);
    CHECK(ferry_queue_create(&queue, NULL) == FERRY_OK);
    size_t accepted = 0;
    while (accepted < 1000 && submit(client, queue, 1, NULL) == FERRY_OK)
        accepted++;
    CHECK(accepted > 5 && accepted < 50);
    CHECK(submit(client, queue, 1, NULL) == FERRY_BUSY);
    CHECK(ferry_queue_pending(queue) == accepted);
    ferry_queue_free(queue);
    ferry_client_free(client);
    daemon->is_mute = false;
}

static void wrong_requests_are_refused(const struct small_daemon *daemon) {
    struct ferry_client *client = connect_to(daemon, 1000);
    struct ferry_reply *reply = NULL;
    struct ferry_error error;
    int32_t ids[] = {1, 2};
    struct ferry_client_item items[] = {{.text = "a", .text_bytes = 1},
                                        {.ids = ids, .id_count = 2}};
    struct ferry_client_request request = {.operation = FERRY_CLIENT_EMBED};
    CHECK(ferry_client_call(client, &request, &reply, &error) == FERRY_USAGE); /* no items */
    request.items = items;
    request.item_count = 2;
    CHECK(ferry_client_call(client, &request, &reply, &error) == FERRY_USAGE); /* mixed */
    request.item_count = 1;
    request.operation = FERRY_CLIENT_DETOKENIZE;
    CHECK(ferry_client_call(client, &request, &reply, &error) == FERRY_USAGE); /* text */
    request.operation = FERRY_CLIENT_PING;
    CHECK(ferry_client_call(client, &request, &reply, &error) == FERRY_USAGE); /* items */
    request.operation = (enum ferry_client_operation)77;
    CHECK(ferry_client_call(client, &request, &reply, NULL) == FERRY_USAGE);
    CHECK(reply == NULL);
    struct ferry_client *none = NULL;
    CHECK(ferry_client_connect("nonsense", NULL, &none, &error) == FERRY_CONFIG && none == NULL);
    ferry_client_free(client);
}

/* Without sanitizers' own threads in the way this is what every user of fork() meets. */
static void a_forked_child_is_told_to_connect_again(const struct small_daemon *daemon) {
    struct ferry_client *client = connect_to(daemon, 5000);
    CHECK(ferry_client_ping(client, 0, NULL, NULL) == FERRY_OK);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        struct ferry_error error;
        bool is_refused = ferry_client_ping(client, 0, NULL, &error) == FERRY_UNAVAILABLE &&
                          strstr(error.text, "fork") != NULL;
        ferry_client_cancel(client, 1);
        ferry_client_free(client); /* leaves the parent's connection alone */
        _exit(is_refused ? 0 : 1);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK(ferry_client_ping(client, 0, NULL, NULL) == FERRY_OK);
    ferry_client_free(client);
}

int main(void) {
    struct small_daemon daemon;
    small_daemon_start(&daemon, answer_embed);
    threads_share_a_client(&daemon);
    many_in_flight_over_two_clients(&daemon);
    several_threads_take_from_one_queue(&daemon);
    cancelled_tickets_complete_and_the_daemon_is_told(&daemon);
    freed_while_pending(&daemon, true);
    freed_while_pending(&daemon, false);
    deadlines_are_kept(&daemon);
    pending_bytes_are_bounded(&daemon);
    wrong_requests_are_refused(&daemon);
    a_forked_child_is_told_to_connect_again(&daemon);
    small_daemon_stop(&daemon);
    return 0;
}
