/* The client: calls hand requests to an inbox, one thread owns the socket and the exchange. */
#include "clients/c/ferry_client.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "clients/c/exchange.h"
#include "ipc/default_endpoint.h"

struct ferry_client {
    struct client_settings settings;          /* constant */
    char endpoint_name[FERRY_ENDPOINT_BYTES]; /* constant */
    pid_t pid;                                /* of the process that connected */
    pthread_t thread;
    int wake_fd; /* rung when inbox or cancelled stop being empty, or stopping is set */
    _Atomic uint64_t next_id;
    _Atomic size_t pending_bytes;

    pthread_mutex_t lock; /* of the next four */
    struct reply_list inbox;
    uint64_t *cancelled; /* tickets */
    size_t cancelled_count, cancelled_capacity;
    bool stopping;

    /* The owner thread's alone. */
    struct ferry_client_endpoint *endpoint;
    struct exchange exchange;
    uint64_t losses_seen;
};

enum { LINGER_MS = 100, WAIT_GRACE_S = 10 };

/* ---- the owner thread ---- */

static enum ferry_status send_body(void *context, const void *body, size_t size) {
    struct ferry_client *client = context;
    return ferry_client_endpoint_send(client->endpoint, body, size, NULL);
}

static void deliver(void *context, struct stream_part *part) {
    (void)context;
    ferry_stream_part_deliver(part);
}

static void finish(void *context, struct ferry_reply *reply) {
    struct ferry_client *client = context;
    atomic_fetch_sub(&client->pending_bytes, reply->body_bytes);
    ferry_reply_finish(reply);
}

static void clear_wake(struct ferry_client *client) {
    uint64_t value;
    ssize_t ignored = read(client->wake_fd, &value, sizeof value);
    (void)ignored;
}

/* False: the client is being freed. */
static bool take_inbox(struct ferry_client *client, int64_t now) {
    struct reply_list taken = TAILQ_HEAD_INITIALIZER(taken);
    pthread_mutex_lock(&client->lock);
    TAILQ_CONCAT(&taken, &client->inbox, place);
    uint64_t *cancelled = client->cancelled;
    size_t cancelled_count = client->cancelled_count;
    client->cancelled = NULL;
    client->cancelled_count = client->cancelled_capacity = 0;
    bool go_on = !client->stopping;
    pthread_mutex_unlock(&client->lock);
    while (!TAILQ_EMPTY(&taken)) {
        struct ferry_reply *reply = TAILQ_FIRST(&taken);
        TAILQ_REMOVE(&taken, reply, place);
        exchange_add(&client->exchange, reply, now);
    }
    for (size_t at = 0; at < cancelled_count; at++)
        exchange_cancel(&client->exchange, cancelled[at]);
    free(cancelled);
    return go_on;
}

static void receive_all(struct ferry_client *client, int64_t now) {
    struct ferry_client_reply *message;
    while ((message = ferry_client_endpoint_receive(client->endpoint)) != NULL) {
        size_t size;
        const uint8_t *body = ferry_client_reply_body(message, &size);
        exchange_receive(&client->exchange, message, body, size, now);
    }
}

static void follow_connection(struct ferry_client *client, int64_t now) {
    uint64_t losses = ferry_client_endpoint_losses(client->endpoint);
    if (losses != client->losses_seen)
        exchange_connection_lost(&client->exchange, now);
    client->losses_seen = losses;
}

/* Connected, yet silent: a stopped daemon, or something that is no ferryd. Only a fresh connection
 * makes sure that no reply to an older request is on its way. */
static void replace_silent_connection(struct ferry_client *client, int64_t now) {
    if (!client->exchange.gone)
        return;
    client->exchange.gone = false;
    exchange_connection_lost(&client->exchange, now);
    struct ferry_error error;
    if (ferry_client_endpoint_reconnect(client->endpoint, &error) != FERRY_OK)
        exchange_fail_all(&client->exchange, error.status, error.text);
    client->losses_seen = ferry_client_endpoint_losses(client->endpoint);
}

static void *own_the_socket(void *argument) {
    struct ferry_client *client = argument;
    int64_t now = ferry_clock_now();
    while (take_inbox(client, now)) {
        receive_all(client, now);
        follow_connection(client, now);
        bool is_connected = ferry_client_endpoint_state(client->endpoint) == FERRY_CLIENT_CONNECTED;
        exchange_advance(&client->exchange, now, is_connected);
        replace_silent_connection(client, now);
        int timeout_ms = exchange_timeout_ms(&client->exchange, ferry_clock_now());
        unsigned events = ferry_client_endpoint_wait(client->endpoint, client->wake_fd, timeout_ms);
        if (events & FERRY_CLIENT_WAIT_EXTRA)
            clear_wake(client);
        now = ferry_clock_now();
    }
    exchange_fail_all(&client->exchange, FERRY_CANCELLED, "the client was closed");
    return NULL;
}

/* ---- making and freeing ---- */

static size_t or_default(size_t value, size_t instead) {
    return value > 0 ? value : instead;
}

static struct client_settings settings_of(const struct ferry_client_options *options) {
    static const struct ferry_client_options defaults;
    const struct ferry_client_options *given = options != NULL ? options : &defaults;
    int64_t patience_ms = (int64_t)or_default(given->patience_ms, 4000);
    const size_t mebibyte = (size_t)1 << 20;
    return (struct client_settings){
        .deadline_ns =
            (int64_t)or_default(given->deadline_ms, 30000) * FERRY_NANOSECONDS_PER_MILLISECOND,
        .generate_deadline_ns =
            (int64_t)or_default(given->deadline_ms, 600000) * FERRY_NANOSECONDS_PER_MILLISECOND,
        .patience_ns = patience_ms * FERRY_NANOSECONDS_PER_MILLISECOND,
        .heartbeat_ns = patience_ms * FERRY_NANOSECONDS_PER_MILLISECOND / 4,
        .max_attempts = (uint32_t)or_default(given->max_attempts, 8),
        .max_in_flight = (uint32_t)or_default(given->max_in_flight, 1024),
        .items_per_piece = (uint32_t)or_default(given->items_per_piece, 64),
        .bytes_per_piece = or_default(given->bytes_per_piece, mebibyte / 4),
        .max_pending_bytes = or_default(given->max_pending_bytes, 256 * mebibyte),
        .max_reply_bytes = or_default(given->max_reply_bytes, 256 * mebibyte)};
}

static enum ferry_status choose_endpoint(struct ferry_client *client, const char *endpoint,
                                         struct ferry_error *error) {
    if (endpoint == NULL)
        return ferry_default_endpoint(client->endpoint_name, sizeof client->endpoint_name, false,
                                      error);
    size_t size = strlen(endpoint) + 1;
    if (size > sizeof client->endpoint_name)
        return ferry_fail(error, FERRY_CONFIG, "the endpoint is longer than %zu bytes",
                          sizeof client->endpoint_name - 1);
    memcpy(client->endpoint_name, endpoint, size);
    return FERRY_OK;
}

static enum ferry_status open_endpoint(struct ferry_client *client, struct ferry_error *error) {
    struct ferry_client_endpoint_options options = {
        .endpoint = client->endpoint_name,
        .max_reply_bytes = client->settings.max_reply_bytes,
        .queue_length = client->settings.max_in_flight + 64, /* heartbeats and cancels too */
        .heartbeat_ms =
            (uint32_t)(client->settings.heartbeat_ns / FERRY_NANOSECONDS_PER_MILLISECOND)};
    return ferry_client_endpoint_open(&options, &client->endpoint, error);
}

/* The user's signal handlers run in the user's own threads. */
static int start_thread(struct ferry_client *client) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failure = pthread_create(&client->thread, NULL, own_the_socket, client);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failure == 0)
        pthread_setname_np(client->thread, "ferry-client");
    return failure;
}

static void free_parts(struct ferry_client *client) {
    ferry_client_endpoint_close(client->endpoint, LINGER_MS);
    if (client->wake_fd >= 0)
        close(client->wake_fd);
    pthread_mutex_destroy(&client->lock);
    free(client->cancelled);
    free(client);
}

static enum ferry_status start(struct ferry_client *client, struct ferry_error *error) {
    client->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (client->wake_fd < 0)
        return ferry_fail(error, FERRY_IO, "cannot make an eventfd: %s", strerror(errno));
    enum ferry_status status = open_endpoint(client, error);
    if (status != FERRY_OK)
        return status;
    uint64_t seed = (uint64_t)ferry_clock_now();
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) < 0)
        seed ^= (uint64_t)client->pid << 32;
    struct exchange_output output = {
        .send = send_body, .deliver = deliver, .finish = finish, .context = client};
    exchange_init(&client->exchange, &client->settings, &output, client->endpoint_name, seed);
    int failure = start_thread(client);
    if (failure != 0)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "cannot start a thread: %s",
                          strerror(failure));
    return FERRY_OK;
}

enum ferry_status ferry_client_connect(const char *endpoint,
                                       const struct ferry_client_options *options,
                                       struct ferry_client **ret_client,
                                       struct ferry_error *error) {
    struct ferry_client *client = calloc(1, sizeof *client);
    if (client == NULL)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for a client");
    client->settings = settings_of(options);
    client->pid = getpid();
    client->wake_fd = -1;
    atomic_store(&client->next_id, 1);
    TAILQ_INIT(&client->inbox);
    pthread_mutex_init(&client->lock, NULL);
    enum ferry_status status = choose_endpoint(client, endpoint, error);
    if (status == FERRY_OK)
        status = start(client, error);
    if (status != FERRY_OK) {
        free_parts(client);
        return status;
    }
    *ret_client = client;
    return FERRY_OK;
}

static void wake(struct ferry_client *client) {
    uint64_t one = 1;
    ssize_t ignored = write(client->wake_fd, &one, sizeof one); /* fails only when set already */
    (void)ignored;
}

void ferry_client_free(struct ferry_client *client) {
    /* In a child of fork() the owner thread is not there and the socket is the parent's: leave all
     * as it is rather than disturb the parent's connection. */
    if (client == NULL || client->pid != getpid())
        return;
    pthread_mutex_lock(&client->lock);
    client->stopping = true;
    pthread_mutex_unlock(&client->lock);
    wake(client);
    pthread_join(client->thread, NULL);
    free_parts(client);
}

const char *ferry_client_endpoint_name(const struct ferry_client *client) {
    return client->endpoint_name;
}

/* ---- calls ---- */

static enum ferry_status check_pending(struct ferry_client *client, struct ferry_reply *reply,
                                       struct ferry_error *error) {
    size_t before = atomic_fetch_add(&client->pending_bytes, reply->body_bytes);
    if (before + reply->body_bytes <= client->settings.max_pending_bytes || before == 0)
        return FERRY_OK;
    atomic_fetch_sub(&client->pending_bytes, reply->body_bytes);
    return ferry_fail(error, FERRY_BUSY,
                      "%zu bytes of requests are pending in this client already: wait for some of "
                      "them first",
                      before);
}

static void post(struct ferry_client *client, struct ferry_reply *reply) {
    pthread_mutex_lock(&client->lock);
    bool was_empty = TAILQ_EMPTY(&client->inbox);
    TAILQ_INSERT_TAIL(&client->inbox, reply, place);
    pthread_mutex_unlock(&client->lock);
    if (was_empty)
        wake(client);
}

static enum ferry_status prepare(struct ferry_client *client,
                                 const struct ferry_client_request *request,
                                 struct ferry_reply **ret_reply, struct ferry_error *error) {
    if (client->pid != getpid())
        return ferry_fail(error, FERRY_UNAVAILABLE,
                          "this client was connected before fork(): connect again in the child");
    struct ferry_reply *reply;
    enum ferry_status status =
        ferry_reply_create(request, &client->settings, &client->next_id, &reply, error);
    if (status != FERRY_OK)
        return status;
    reply->client = client;
    reply->ticket = reply->pieces[0].id;
    status = check_pending(client, reply, error);
    if (status == FERRY_OK)
        *ret_reply = reply;
    else
        ferry_reply_free(reply);
    return status;
}

enum ferry_status ferry_client_submit(struct ferry_client *client,
                                      const struct ferry_client_request *request,
                                      struct ferry_queue *queue, void *tag, uint64_t *ret_ticket,
                                      struct ferry_error *error) {
    struct ferry_reply *reply = NULL;
    enum ferry_status status = prepare(client, request, &reply, error);
    if (status != FERRY_OK || reply == NULL)
        return status;
    reply->queue = queue;
    reply->tag = tag;
    if (ret_ticket != NULL)
        *ret_ticket = reply->ticket;
    ferry_queue_expect(queue, reply);
    post(client, reply);
    return FERRY_OK;
}

/* The owner thread ends every request by its deadline; the grace beyond it is there so that not
 * even a bug of ours can make a caller wait for ever. */
static bool wait_until_finished(struct ferry_reply *reply) {
    int64_t end = reply->deadline + WAIT_GRACE_S * FERRY_NANOSECONDS_PER_SECOND;
    struct timespec limit = {.tv_sec = end / FERRY_NANOSECONDS_PER_SECOND,
                             .tv_nsec = end % FERRY_NANOSECONDS_PER_SECOND};
    pthread_mutex_lock(&reply->lock);
    int failure = 0;
    while (!reply->finished && failure == 0)
        failure = pthread_cond_timedwait(&reply->changed, &reply->lock, &limit);
    bool is_finished = reply->finished;
    reply->abandoned = !is_finished;
    pthread_mutex_unlock(&reply->lock);
    return is_finished;
}

enum ferry_status ferry_client_call(struct ferry_client *client,
                                    const struct ferry_client_request *request,
                                    struct ferry_reply **ret_reply, struct ferry_error *error) {
    if (request->operation == FERRY_CLIENT_GENERATE && request->generation.stream)
        return ferry_fail(error, FERRY_USAGE,
                          "a stream comes out of a queue: use ferry_client_submit");
    struct ferry_reply *reply = NULL;
    enum ferry_status status = prepare(client, request, &reply, error);
    if (status != FERRY_OK || reply == NULL)
        return status;
    post(client, reply);
    if (!wait_until_finished(reply))
        return ferry_fail(error, FERRY_INTERNAL, "the client's inner thread is stuck");
    if (reply->status != FERRY_OK)
        status = ferry_fail(error, reply->status, "%s", reply->error.text);
    else
        status = ferry_reply_make_readable(reply, error);
    if (status == FERRY_OK)
        *ret_reply = reply;
    else
        ferry_reply_free(reply);
    return status;
}

static bool remember_cancelled(struct ferry_client *client, uint64_t ticket) {
    if (client->cancelled_count == client->cancelled_capacity) {
        size_t capacity = client->cancelled_capacity * 2 + 16;
        uint64_t *grown = realloc(client->cancelled, capacity * sizeof *grown);
        if (grown == NULL)
            return false; /* its deadline ends the request */
        client->cancelled = grown;
        client->cancelled_capacity = capacity;
    }
    client->cancelled[client->cancelled_count++] = ticket;
    return true;
}

void ferry_client_cancel(struct ferry_client *client, uint64_t ticket) {
    if (client->pid != getpid())
        return;
    pthread_mutex_lock(&client->lock);
    bool was_empty = client->cancelled_count == 0;
    bool is_remembered = remember_cancelled(client, ticket);
    pthread_mutex_unlock(&client->lock);
    if (was_empty && is_remembered)
        wake(client);
}
