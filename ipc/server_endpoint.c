#include "ipc/server_endpoint.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "base/clock.h"
#include "base/hash.h"
#include "ipc/accept_guard.h"
#include "ipc/endpoint_address.h"
#include "ipc/listen_socket.h"
#include "ipc/outbox.h"
#include "ipc/unread_bodies.h"

enum {
    MAX_LISTEN = 16,
    QUEUE_MESSAGES = 256,     /* per client, each way, inside libzmq */
    HANDSHAKE_MS = 2000,      /* a connection that says nothing is closed after this */
    HEARTBEAT_MS = 5000,      /* a silent client is asked; gone after three times as long */
    COPY_LIMIT_BYTES = 16384, /* below it a copy is cheaper than handing the buffer over */
    READER_BYTES = 16 << 20,  /* larger bodies that libzmq may hold for one reader */
    MALFORMED_A_CALL = 64,    /* skipped in one receive: whoever floods must not keep the thread */
    OUTBOX_LOOK_MS = 10,      /* while replies wait for slow readers, see flush_outbox */
    POLL_LIMIT_MS = 60 * 1000 /* no wait relies on one poll to end */
};

/* Frames up to this are taken in, so that a request that is too large gets an answer that says so;
 * beyond it libzmq closes the connection. */
static const int64_t answerable_bytes = INT64_C(64) << 20;

struct ferry_message {
    zmq_msg_t identity; /* the return address, as ROUTER gave it */
    zmq_msg_t body;
    uint64_t peer;
    bool delimited; /* an empty frame came before the body, as REQ sends it */
    bool oversized;
};

struct ferry_server_endpoint {
    void *context;
    void *socket;
    int ready_fd; /* ZMQ_FD: readable when ZMQ_EVENTS may have changed */
    size_t max_request_bytes;
    uint64_t hash_seed;
    struct ferry_outbox outbox;
    struct ferry_unread_bodies unread; /* in libzmq's hands */
    struct ferry_server_counters counters;
    struct ferry_listen_socket listeners[MAX_LISTEN];
    char addresses[MAX_LISTEN][FERRY_ADDRESS_BYTES];
    size_t listen_count;
};

/* ---- messages ---- */

const uint8_t *ferry_message_body(const struct ferry_message *message, size_t *size) {
    zmq_msg_t *body = (zmq_msg_t *)&message->body; /* libzmq's readers are not const */
    *size = zmq_msg_size(body);
    return zmq_msg_data(body);
}

bool ferry_message_is_oversized(const struct ferry_message *message) {
    return message->oversized;
}

uint64_t ferry_message_peer(const struct ferry_message *message) {
    return message->peer;
}

void ferry_message_drop_body(struct ferry_message *message) {
    zmq_msg_close(&message->body);
    zmq_msg_init(&message->body);
}

void ferry_message_free(struct ferry_message *message) {
    if (message == NULL)
        return;
    zmq_msg_close(&message->body);
    zmq_msg_close(&message->identity);
    free(message);
}

/* ---- receiving ---- */

static bool receive_frame(struct ferry_server_endpoint *endpoint, zmq_msg_t *frame) {
    int result;
    do
        result = zmq_msg_recv(frame, endpoint->socket, ZMQ_DONTWAIT);
    while (result < 0 && errno == EINTR);
    return result >= 0;
}

/* Reads the frames after the identity; true when they are a body, or an empty frame and a body.
 * What is beyond is read and forgotten, so that the next receive starts at a message. */
static bool receive_body(struct ferry_server_endpoint *endpoint, struct ferry_message *message) {
    if (!zmq_msg_more(&message->identity) || !receive_frame(endpoint, &message->body))
        return false;
    if (!zmq_msg_more(&message->body))
        return true;
    message->delimited = zmq_msg_size(&message->body) == 0;
    bool accepted = receive_frame(endpoint, &message->body) && message->delimited &&
                    !zmq_msg_more(&message->body);
    while (zmq_msg_more(&message->body) && receive_frame(endpoint, &message->body))
        ;
    return accepted;
}

/* libzmq's own identities are a zero byte and a number; a client that names itself begins with
 * another byte, and its hash is marked so that it can never equal such a number. */
static uint64_t peer_number(const struct ferry_server_endpoint *endpoint, zmq_msg_t *identity) {
    const uint8_t *bytes = zmq_msg_data(identity);
    size_t size = zmq_msg_size(identity);
    uint32_t number;
    if (size != 1 + sizeof number || bytes[0] != 0)
        return ferry_hash(bytes, size, endpoint->hash_seed) | UINT64_C(1) << 63;
    memcpy(&number, bytes + 1, sizeof number);
    return number;
}

static struct ferry_message *new_message(void) {
    struct ferry_message *message = malloc(sizeof *message);
    if (message == NULL)
        return NULL;
    message->delimited = false;
    message->oversized = false;
    zmq_msg_init(&message->identity);
    zmq_msg_init(&message->body);
    return message;
}

struct ferry_message *ferry_message_copy_address(struct ferry_message *message) {
    struct ferry_message *copy = new_message();
    if (copy == NULL)
        return NULL;
    copy->peer = message->peer;
    copy->delimited = message->delimited;
    if (zmq_msg_copy(&copy->identity, &message->identity) == 0)
        return copy;
    ferry_message_free(copy);
    return NULL;
}

/* Lets the memory of a large body go at once. */
static void cut_body(struct ferry_message *message) {
    zmq_msg_t kept;
    size_t size = zmq_msg_size(&message->body);
    if (size > FERRY_OVERSIZED_KEPT)
        size = FERRY_OVERSIZED_KEPT;
    if (zmq_msg_init_size(&kept, size) != 0) {
        ferry_message_drop_body(message);
        return;
    }
    memcpy(zmq_msg_data(&kept), zmq_msg_data(&message->body), size);
    zmq_msg_move(&message->body, &kept);
    zmq_msg_close(&kept);
}

struct ferry_message *ferry_server_endpoint_receive(struct ferry_server_endpoint *endpoint) {
    struct ferry_message *message = new_message();
    if (message == NULL)
        return NULL;
    for (int malformed = 0;
         malformed < MALFORMED_A_CALL && receive_frame(endpoint, &message->identity);) {
        message->delimited = false;
        if (!receive_body(endpoint, message)) {
            endpoint->counters.malformed_envelopes++;
            malformed++;
            continue;
        }
        message->peer = peer_number(endpoint, &message->identity);
        message->oversized = zmq_msg_size(&message->body) > endpoint->max_request_bytes;
        endpoint->counters.received++;
        endpoint->counters.oversized += message->oversized;
        if (message->oversized)
            cut_body(message);
        return message;
    }
    ferry_message_free(message);
    return NULL;
}

/* ---- sending ---- */

static void free_body(void *data, void *unread) { /* on libzmq's thread */
    free(data);
    ferry_unread_body_give_back(unread);
}

static bool hand_over(struct ferry_server_endpoint *endpoint, uint64_t peer,
                      struct ferry_buffer *body, zmq_msg_t *frame) {
    struct ferry_unread_body *unread =
        ferry_unread_body_hand_over(&endpoint->unread, peer, body->size);
    if (unread == NULL)
        return false;
    if (zmq_msg_init_data(frame, body->data, body->size, free_body, unread) != 0) {
        ferry_unread_body_give_back(unread);
        return false;
    }
    *body = (struct ferry_buffer){.maximum = body->maximum};
    return true;
}

/* Empties *body either by copying or by handing its memory to libzmq. */
static bool take_body(struct ferry_server_endpoint *endpoint, uint64_t peer,
                      struct ferry_buffer *body, zmq_msg_t *frame) {
    if (body->size > COPY_LIMIT_BYTES)
        return hand_over(endpoint, peer, body, frame);
    if (zmq_msg_init_size(frame, body->size) != 0)
        return false;
    if (body->size > 0)
        memcpy(zmq_msg_data(frame), body->data, body->size);
    body->size = 0;
    return true;
}

static int send_frame(struct ferry_server_endpoint *endpoint, zmq_msg_t *frame, int flags) {
    int result;
    do
        result = zmq_msg_send(frame, endpoint->socket, flags | ZMQ_DONTWAIT);
    while (result < 0 && errno == EINTR);
    return result;
}

/* Only the first frame can be refused: after it, libzmq has room for the whole message. */
static enum ferry_send_result send_reply(void *context, struct ferry_message *message,
                                         struct ferry_buffer *body) {
    struct ferry_server_endpoint *endpoint = context;
    zmq_msg_t frame;
    if (body->size > COPY_LIMIT_BYTES &&
        !ferry_unread_bodies_has_room(&endpoint->unread, message->peer, body->size))
        return FERRY_SEND_BLOCKED;
    if (send_frame(endpoint, &message->identity, ZMQ_SNDMORE) < 0)
        return errno == EAGAIN ? FERRY_SEND_BLOCKED : FERRY_SEND_GONE;
    if (message->delimited) {
        zmq_msg_init(&frame);
        send_frame(endpoint, &frame, ZMQ_SNDMORE);
    }
    if (!take_body(endpoint, message->peer, body, &frame))
        zmq_msg_init(&frame); /* no memory: an empty body, which no client takes for a result */
    if (send_frame(endpoint, &frame, 0) < 0)
        zmq_msg_close(&frame);
    return FERRY_SEND_DONE;
}

void ferry_server_endpoint_reply(struct ferry_server_endpoint *endpoint,
                                 struct ferry_message *message, struct ferry_buffer *body) {
    enum ferry_send_result result = FERRY_SEND_BLOCKED;
    if (endpoint->outbox.peers == NULL || !ferry_outbox_has_peer(&endpoint->outbox, message->peer))
        result = send_reply(endpoint, message, body);
    if (result == FERRY_SEND_BLOCKED) {
        ferry_message_drop_body(message);
        ferry_outbox_put(&endpoint->outbox, message->peer, message, body, ferry_clock_now());
        return;
    }
    if (result == FERRY_SEND_DONE)
        endpoint->counters.sent++;
    else
        endpoint->counters.dropped_client_gone++;
    body->size = 0;
    ferry_message_free(message);
}

enum ferry_send_result ferry_server_endpoint_send_part(struct ferry_server_endpoint *endpoint,
                                                       struct ferry_message *message,
                                                       struct ferry_buffer *body) {
    if (endpoint->outbox.peers != NULL && ferry_outbox_has_peer(&endpoint->outbox, message->peer))
        return FERRY_SEND_BLOCKED;
    struct ferry_message *address = ferry_message_copy_address(message);
    if (address == NULL)
        return FERRY_SEND_BLOCKED;
    enum ferry_send_result result = send_reply(endpoint, address, body);
    endpoint->counters.sent += result == FERRY_SEND_DONE;
    ferry_message_free(address);
    return result;
}

/* ---- waiting ---- */

/* Also makes libzmq take in what its thread has to say; ready_fd tells nothing new before that. */
static bool request_waits(struct ferry_server_endpoint *endpoint) {
    int events = 0;
    size_t size = sizeof events;
    zmq_getsockopt(endpoint->socket, ZMQ_EVENTS, &events, &size);
    return (events & ZMQ_POLLIN) != 0;
}

static int milliseconds_until(int64_t time, int64_t now) {
    if (time <= now)
        return 0;
    int64_t left = (time - now - 1) / FERRY_NANOSECONDS_PER_MILLISECOND + 1;
    return left > POLL_LIMIT_MS ? POLL_LIMIT_MS : (int)left;
}

/* Returns when to look again. libzmq takes in that a reader has room on any call, also while
 * another reply is sent, and then ready_fd does not tell: so it is asked first, and again soon. */
static int64_t flush_outbox(struct ferry_server_endpoint *endpoint, int64_t now) {
    if (endpoint->outbox.peers == NULL)
        return INT64_MAX;
    request_waits(endpoint);
    int64_t give_up_at = ferry_outbox_flush(&endpoint->outbox, now);
    int64_t look_at = now + OUTBOX_LOOK_MS * FERRY_NANOSECONDS_PER_MILLISECOND;
    return endpoint->outbox.peers != NULL && look_at < give_up_at ? look_at : give_up_at;
}

unsigned ferry_server_endpoint_wait(struct ferry_server_endpoint *endpoint, int extra_fd,
                                    int timeout_ms) {
    int64_t now = ferry_clock_now();
    int64_t end = timeout_ms < 0 ? INT64_MAX : now + timeout_ms * FERRY_NANOSECONDS_PER_MILLISECOND;
    struct pollfd watched[2] = {{.fd = extra_fd, .events = POLLIN},
                                {.fd = endpoint->ready_fd, .events = POLLIN}};
    for (;;) {
        int64_t wake_at = flush_outbox(endpoint, now);
        unsigned bits = request_waits(endpoint) ? FERRY_WAIT_REQUEST : 0;
        int wait_ms = bits != 0 ? 0 : milliseconds_until(wake_at < end ? wake_at : end, now);
        int ready = poll(watched, 2, wait_ms);
        if (ready < 0)
            return bits;
        if (ready > 0 && (watched[0].revents & (POLLIN | POLLERR | POLLHUP)) != 0)
            bits |= FERRY_WAIT_EXTRA;
        now = ferry_clock_now();
        if (bits != 0 || now >= end)
            return bits;
    }
}

/* ---- opening and closing ---- */

static enum ferry_status fail_zmq(struct ferry_error *error, const char *doing, const char *what) {
    int cause = zmq_errno();
    enum ferry_status status = cause == EADDRINUSE                  ? FERRY_UNAVAILABLE
                               : cause == EACCES                    ? FERRY_PERMISSION
                               : cause == ENOMEM                    ? FERRY_OUT_OF_MEMORY
                               : cause == EINVAL || cause == ENODEV ? FERRY_CONFIG
                                                                    : FERRY_IO;
    return ferry_fail(error, status, "cannot %s %s: %s", doing, what, zmq_strerror(cause));
}

static bool set_int(void *socket, int option, int value) {
    return zmq_setsockopt(socket, option, &value, sizeof value) == 0;
}

static enum ferry_status set_options(struct ferry_server_endpoint *endpoint,
                                     struct ferry_error *error) {
    void *socket = endpoint->socket;
    int64_t max_bytes = (int64_t)endpoint->max_request_bytes;
    if (max_bytes < answerable_bytes)
        max_bytes = answerable_bytes;
    bool all =
        set_int(socket, ZMQ_ROUTER_MANDATORY, 1) && set_int(socket, ZMQ_SNDHWM, QUEUE_MESSAGES) &&
        set_int(socket, ZMQ_RCVHWM, QUEUE_MESSAGES) && set_int(socket, ZMQ_LINGER, 0) &&
        set_int(socket, ZMQ_BACKLOG, 4096) && set_int(socket, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS) &&
        set_int(socket, ZMQ_HEARTBEAT_IVL, HEARTBEAT_MS) &&
        set_int(socket, ZMQ_HEARTBEAT_TIMEOUT, 3 * HEARTBEAT_MS) &&
        set_int(socket, ZMQ_HEARTBEAT_TTL, 3 * HEARTBEAT_MS) &&
        zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &max_bytes, sizeof max_bytes) == 0;
    if (!all)
        return fail_zmq(error, "set the options of", "the ROUTER socket");
    return FERRY_OK;
}

static enum ferry_status open_socket(struct ferry_server_endpoint *endpoint,
                                     struct ferry_error *error) {
    endpoint->context = zmq_ctx_new();
    endpoint->socket = endpoint->context == NULL ? NULL : zmq_socket(endpoint->context, ZMQ_ROUTER);
    if (endpoint->socket == NULL)
        return fail_zmq(error, "open", "a ROUTER socket");
    size_t size = sizeof endpoint->ready_fd;
    if (zmq_getsockopt(endpoint->socket, ZMQ_FD, &endpoint->ready_fd, &size) != 0)
        return fail_zmq(error, "open", "a ROUTER socket");
    return set_options(endpoint, error);
}

static enum ferry_status bind_one(struct ferry_server_endpoint *endpoint, const char *name,
                                  struct ferry_error *error) {
    size_t index = endpoint->listen_count;
    struct ferry_listen_socket *listener = &endpoint->listeners[index];
    struct ferry_endpoint_address address;
    enum ferry_status status = ferry_endpoint_address_to_listen(name, &address, error);
    if (status == FERRY_OK && address.is_ipc)
        status = ferry_listen_socket_open(address.path, listener, error);
    if (status != FERRY_OK)
        return status;
    endpoint->listen_count++;
    bool ipv6 = strchr(address.zmq, '[') != NULL; /* always set, it would rewrite IPv4 addresses */
    if (!set_int(endpoint->socket, ZMQ_USE_FD, listener->fd) ||
        !set_int(endpoint->socket, ZMQ_IPV6, ipv6) || zmq_bind(endpoint->socket, address.zmq) != 0)
        return fail_zmq(error, "listen on", name);
    listener->fd = -1; /* libzmq closes it */
    char *bound = endpoint->addresses[index];
    size_t size = FERRY_ADDRESS_BYTES;
    if (zmq_getsockopt(endpoint->socket, ZMQ_LAST_ENDPOINT, bound, &size) != 0)
        return fail_zmq(error, "listen on", name);
    return FERRY_OK;
}

static enum ferry_status bind_all(struct ferry_server_endpoint *endpoint,
                                  const struct ferry_server_options *options,
                                  struct ferry_error *error) {
    if (options->listen_count == 0 || options->listen_count > MAX_LISTEN)
        return ferry_fail(error, FERRY_CONFIG, "%zu endpoints to listen on, wanted 1 to %d",
                          options->listen_count, MAX_LISTEN);
    for (size_t i = 0; i < options->listen_count; i++) {
        enum ferry_status status = bind_one(endpoint, options->listen[i], error);
        if (status != FERRY_OK)
            return status;
    }
    return FERRY_OK;
}

enum ferry_status ferry_server_endpoint_open(const struct ferry_server_options *options,
                                             struct ferry_server_endpoint **ret_endpoint,
                                             struct ferry_error *error) {
    static const struct ferry_outbox_calls calls = {send_reply, ferry_message_free};
    struct ferry_server_endpoint *endpoint = calloc(1, sizeof *endpoint);
    if (endpoint == NULL)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for the server endpoint");
    ferry_accept_guard_install();
    endpoint->max_request_bytes = options->max_request_bytes;
    endpoint->hash_seed = ferry_hash_random_seed();
    ferry_unread_bodies_init(&endpoint->unread, READER_BYTES);
    for (size_t i = 0; i < MAX_LISTEN; i++)
        endpoint->listeners[i] = (struct ferry_listen_socket){.fd = -1, .lock_fd = -1};
    ferry_outbox_init(&endpoint->outbox, &calls, endpoint, options->outbox_bytes,
                      options->outbox_wait_ns);
    enum ferry_status status = open_socket(endpoint, error);
    if (status == FERRY_OK)
        status = bind_all(endpoint, options, error);
    if (status != FERRY_OK) {
        ferry_server_endpoint_close(endpoint, 0);
        return status;
    }
    *ret_endpoint = endpoint;
    return FERRY_OK;
}

const char *ferry_server_endpoint_address(const struct ferry_server_endpoint *endpoint,
                                          size_t index) {
    return index < endpoint->listen_count ? endpoint->addresses[index] : NULL;
}

void ferry_server_endpoint_counters(const struct ferry_server_endpoint *endpoint,
                                    struct ferry_server_counters *ret_counters) {
    const struct ferry_outbox *outbox = &endpoint->outbox;
    *ret_counters = endpoint->counters;
    ret_counters->sent += outbox->sent;
    ret_counters->dropped_client_gone += outbox->dropped_gone;
    ret_counters->dropped_slow_reader += outbox->dropped_slow;
    ret_counters->outbox_bytes = outbox->bytes;
    ret_counters->turned_away = ferry_accept_guard_turned_away();
}

/* Sends what the outbox holds until it is empty or the time is over; returns what is left of it. */
static int drain_outbox(struct ferry_server_endpoint *endpoint, int linger_ms) {
    int64_t now = ferry_clock_now();
    int64_t end = now + (linger_ms < 0 ? 0 : linger_ms) * FERRY_NANOSECONDS_PER_MILLISECOND;
    struct pollfd ready = {.fd = endpoint->ready_fd, .events = POLLIN};
    while (endpoint->outbox.peers != NULL) {
        ferry_outbox_flush(&endpoint->outbox, now);
        request_waits(endpoint);
        int wait_ms = milliseconds_until(end, now);
        if (wait_ms == 0 || endpoint->outbox.peers == NULL)
            break;
        poll(&ready, 1, wait_ms > 10 ? 10 : wait_ms);
        now = ferry_clock_now();
    }
    return milliseconds_until(end, ferry_clock_now());
}

void ferry_server_endpoint_close(struct ferry_server_endpoint *endpoint, int linger_ms) {
    if (endpoint == NULL)
        return;
    if (endpoint->socket != NULL) {
        set_int(endpoint->socket, ZMQ_LINGER, drain_outbox(endpoint, linger_ms));
        ferry_outbox_free(&endpoint->outbox);
        zmq_close(endpoint->socket);
    }
    while (endpoint->context != NULL && zmq_ctx_term(endpoint->context) != 0 && errno == EINTR)
        ;
    for (size_t i = 0; i < MAX_LISTEN; i++)
        ferry_listen_socket_close(&endpoint->listeners[i]);
    ferry_unread_bodies_free(&endpoint->unread); /* the context's end gave all bodies back */
    free(endpoint);
}
