#include "ipc/client_endpoint.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "base/clock.h"
#include "ipc/endpoint_address.h"

enum {
    DEFAULT_QUEUE = 1000,
    DEFAULT_HEARTBEAT_MS = 1000,
    RECONNECT_MS = 100, /* first pause between attempts; doubles up to */
    RECONNECT_MAX_MS = 1000,
    HANDSHAKE_MS = 2000,
    RENEW_MS = 3000,           /* after it a socket that is not connected is replaced */
    POLL_LIMIT_MS = 60 * 1000, /* no wait relies on one poll to end */
    DEFAULT_MAX_REPLY_BYTES = 256 << 20
};

struct ferry_client_reply {
    zmq_msg_t body;
};

struct ferry_client_endpoint {
    void *context;
    void *socket, *monitor; /* NULL between two connections that could not be made */
    int socket_fd, monitor_fd;
    uint64_t generation; /* of the sockets */
    struct ferry_client_endpoint_options options;
    struct ferry_endpoint_address address;
    enum ferry_client_state state;
    bool state_changed; /* since the last wait told so */
    uint64_t losses;
    int64_t last_heard;
    int64_t renew_at; /* while connecting */
};

static enum ferry_status fail_zmq(struct ferry_error *error, const char *doing, const char *what) {
    int cause = zmq_errno();
    enum ferry_status status = cause == ENOMEM   ? FERRY_OUT_OF_MEMORY
                               : cause == EINVAL ? FERRY_CONFIG
                                                 : FERRY_IO;
    return ferry_fail(error, status, "cannot %s %s: %s", doing, what, zmq_strerror(cause));
}

static bool set_int(void *socket, int option, int value) {
    return zmq_setsockopt(socket, option, &value, sizeof value) == 0;
}

/* IMMEDIATE: requests go only to a connection that exists, so none waits for a daemon that may
 * never come. */
static bool set_options(void *socket, const struct ferry_client_endpoint_options *options) {
    int heartbeat_ms = (int)options->heartbeat_ms;
    int64_t max_bytes = (int64_t)options->max_reply_bytes;
    return set_int(socket, ZMQ_IMMEDIATE, 1) && set_int(socket, ZMQ_LINGER, 0) &&
           set_int(socket, ZMQ_IPV6, 1) &&
           set_int(socket, ZMQ_SNDHWM, (int)options->queue_length) &&
           set_int(socket, ZMQ_RCVHWM, (int)options->queue_length) &&
           set_int(socket, ZMQ_RECONNECT_IVL, RECONNECT_MS) &&
           set_int(socket, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MS) &&
           set_int(socket, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS) &&
           set_int(socket, ZMQ_HEARTBEAT_IVL, heartbeat_ms) &&
           set_int(socket, ZMQ_HEARTBEAT_TIMEOUT, 3 * heartbeat_ms) &&
           set_int(socket, ZMQ_HEARTBEAT_TTL, 3 * heartbeat_ms) &&
           zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &max_bytes, sizeof max_bytes) == 0;
}

static bool get_fd(void *socket, int *ret_fd) {
    size_t size = sizeof *ret_fd;
    return zmq_getsockopt(socket, ZMQ_FD, ret_fd, &size) == 0;
}

/* The monitor is a PAIR socket on which libzmq tells what becomes of the connection. Its name is
 * new every time, as libzmq frees the old one only some time after the socket is closed. */
static bool open_monitor(struct ferry_client_endpoint *endpoint) {
    char monitor_name[64];
    snprintf(monitor_name, sizeof monitor_name, "inproc://monitor-%llu",
             (unsigned long long)++endpoint->generation);
    int events = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED;
    if (zmq_socket_monitor(endpoint->socket, monitor_name, events) != 0)
        return false;
    endpoint->monitor = zmq_socket(endpoint->context, ZMQ_PAIR);
    return endpoint->monitor != NULL && set_int(endpoint->monitor, ZMQ_LINGER, 0) &&
           zmq_connect(endpoint->monitor, monitor_name) == 0 &&
           get_fd(endpoint->monitor, &endpoint->monitor_fd);
}

static enum ferry_status open_sockets(struct ferry_client_endpoint *endpoint,
                                      struct ferry_error *error) {
    endpoint->socket = zmq_socket(endpoint->context, ZMQ_DEALER);
    if (endpoint->socket == NULL || !set_options(endpoint->socket, &endpoint->options) ||
        !get_fd(endpoint->socket, &endpoint->socket_fd) || !open_monitor(endpoint))
        return fail_zmq(error, "open a socket for", endpoint->address.zmq);
    if (zmq_connect(endpoint->socket, endpoint->address.zmq) != 0)
        return fail_zmq(error, "connect to", endpoint->address.zmq);
    return FERRY_OK;
}

static void close_sockets(struct ferry_client_endpoint *endpoint, int linger_ms) {
    if (endpoint->socket != NULL) {
        zmq_socket_monitor(endpoint->socket, NULL, 0);
        set_int(endpoint->socket, ZMQ_LINGER, linger_ms < 0 ? 0 : linger_ms);
        zmq_close(endpoint->socket);
    }
    if (endpoint->monitor != NULL)
        zmq_close(endpoint->monitor);
    endpoint->socket = NULL;
    endpoint->monitor = NULL;
}

static void renew_later(struct ferry_client_endpoint *endpoint) {
    endpoint->renew_at = ferry_clock_now() + RENEW_MS * FERRY_NANOSECONDS_PER_MILLISECOND;
}

static void set_defaults(struct ferry_client_endpoint_options *options) {
    if (options->max_reply_bytes == 0)
        options->max_reply_bytes = DEFAULT_MAX_REPLY_BYTES;
    if (options->queue_length == 0)
        options->queue_length = DEFAULT_QUEUE;
    if (options->heartbeat_ms == 0)
        options->heartbeat_ms = DEFAULT_HEARTBEAT_MS;
}

enum ferry_status ferry_client_endpoint_open(const struct ferry_client_endpoint_options *options,
                                             struct ferry_client_endpoint **ret_endpoint,
                                             struct ferry_error *error) {
    struct ferry_client_endpoint *endpoint = calloc(1, sizeof *endpoint);
    if (endpoint == NULL)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for the client endpoint");
    endpoint->options = *options;
    endpoint->options.endpoint = NULL; /* borrowed only for this call */
    set_defaults(&endpoint->options);
    enum ferry_status status =
        ferry_endpoint_address_to_connect(options->endpoint, &endpoint->address, error);
    if (status == FERRY_OK) {
        endpoint->context = zmq_ctx_new();
        status = endpoint->context == NULL ? fail_zmq(error, "start", "ZeroMQ")
                                           : open_sockets(endpoint, error);
    }
    if (status != FERRY_OK) {
        ferry_client_endpoint_close(endpoint, 0);
        return status;
    }
    renew_later(endpoint);
    *ret_endpoint = endpoint;
    return FERRY_OK;
}

void ferry_client_endpoint_close(struct ferry_client_endpoint *endpoint, int linger_ms) {
    if (endpoint == NULL)
        return;
    close_sockets(endpoint, linger_ms);
    while (endpoint->context != NULL && zmq_ctx_term(endpoint->context) != 0 && errno == EINTR)
        ;
    free(endpoint);
}

static void set_state(struct ferry_client_endpoint *endpoint, enum ferry_client_state state) {
    if (endpoint->state == state)
        return;
    if (state == FERRY_CLIENT_CONNECTED) {
        endpoint->last_heard = ferry_clock_now();
    } else {
        endpoint->losses++;
        renew_later(endpoint);
    }
    endpoint->state = state;
    endpoint->state_changed = true;
}

enum ferry_status ferry_client_endpoint_reconnect(struct ferry_client_endpoint *endpoint,
                                                  struct ferry_error *error) {
    close_sockets(endpoint, 0);
    set_state(endpoint, FERRY_CLIENT_CONNECTING);
    renew_later(endpoint);
    enum ferry_status status = open_sockets(endpoint, error);
    if (status != FERRY_OK)
        close_sockets(endpoint, 0);
    return status;
}

/* One event: a frame with its 16-bit number and 32-bit value, and a frame with the address. */
static void read_monitor(struct ferry_client_endpoint *endpoint) {
    uint8_t event[6];
    char address[FERRY_ADDRESS_BYTES];
    while (zmq_recv(endpoint->monitor, event, sizeof event, ZMQ_DONTWAIT) == (int)sizeof event) {
        uint16_t number;
        memcpy(&number, event, sizeof number);
        zmq_recv(endpoint->monitor, address, sizeof address, ZMQ_DONTWAIT);
        set_state(endpoint, number == ZMQ_EVENT_HANDSHAKE_SUCCEEDED ? FERRY_CLIENT_CONNECTED
                                                                    : FERRY_CLIENT_CONNECTING);
    }
}

/* Also makes libzmq take in what its thread has to say; socket_fd tells nothing new before that. */
static bool reply_waits(struct ferry_client_endpoint *endpoint) {
    int events = 0;
    size_t size = sizeof events;
    if (endpoint->socket != NULL)
        zmq_getsockopt(endpoint->socket, ZMQ_EVENTS, &events, &size);
    return (events & ZMQ_POLLIN) != 0;
}

/* libzmq connects anew by itself, except after a peer that broke the protocol (a reply over the
 * limit, something else than a daemon at the endpoint): then it gives up for good. */
static void renew_if_due(struct ferry_client_endpoint *endpoint, int64_t now) {
    if (endpoint->state == FERRY_CLIENT_CONNECTED || now < endpoint->renew_at)
        return;
    struct ferry_error ignored; /* it is tried again */
    enum ferry_status status = ferry_client_endpoint_reconnect(endpoint, &ignored);
    (void)status;
}

static unsigned bits_now(struct ferry_client_endpoint *endpoint, int64_t now) {
    if (endpoint->monitor != NULL)
        read_monitor(endpoint);
    unsigned bits = reply_waits(endpoint) ? FERRY_CLIENT_WAIT_REPLY : 0;
    if (bits == 0)
        renew_if_due(endpoint, now);
    if (endpoint->state_changed)
        bits |= FERRY_CLIENT_WAIT_STATE;
    endpoint->state_changed = false;
    return bits;
}

static int milliseconds_until(int64_t time, int64_t now) {
    if (time <= now)
        return 0;
    int64_t left = (time - now - 1) / FERRY_NANOSECONDS_PER_MILLISECOND + 1;
    return left > POLL_LIMIT_MS ? POLL_LIMIT_MS : (int)left;
}

/* True when extra_fd is readable. False also when a signal came: *ret_interrupted is set then. */
static bool poll_once(const struct ferry_client_endpoint *endpoint, int extra_fd, int wait_ms,
                      bool *ret_interrupted) {
    struct pollfd watched[3] = {
        {.fd = extra_fd, .events = POLLIN},
        {.fd = endpoint->socket == NULL ? -1 : endpoint->socket_fd, .events = POLLIN},
        {.fd = endpoint->monitor == NULL ? -1 : endpoint->monitor_fd, .events = POLLIN}};
    int ready = poll(watched, 3, wait_ms);
    *ret_interrupted = ready < 0;
    return ready > 0 && (watched[0].revents & (POLLIN | POLLERR | POLLHUP)) != 0;
}

unsigned ferry_client_endpoint_wait(struct ferry_client_endpoint *endpoint, int extra_fd,
                                    int timeout_ms) {
    int64_t now = ferry_clock_now();
    int64_t end = timeout_ms < 0 ? INT64_MAX : now + timeout_ms * FERRY_NANOSECONDS_PER_MILLISECOND;
    for (;;) {
        unsigned bits = bits_now(endpoint, now);
        int64_t wake_at = end;
        if (endpoint->state == FERRY_CLIENT_CONNECTING && endpoint->renew_at < end)
            wake_at = endpoint->renew_at;
        bool interrupted = false;
        if (poll_once(endpoint, extra_fd, bits != 0 ? 0 : milliseconds_until(wake_at, now),
                      &interrupted))
            bits |= FERRY_CLIENT_WAIT_EXTRA;
        now = ferry_clock_now();
        if (bits != 0 || interrupted || now >= end)
            return bits;
    }
}

/* A refusal may be out of date: libzmq's thread may have connected or sent meanwhile. */
static int send_frame(struct ferry_client_endpoint *endpoint, zmq_msg_t *frame) {
    int result = zmq_msg_send(frame, endpoint->socket, ZMQ_DONTWAIT);
    if (result < 0 && (errno == EAGAIN || errno == EINTR)) {
        reply_waits(endpoint);
        result = zmq_msg_send(frame, endpoint->socket, ZMQ_DONTWAIT);
    }
    return result;
}

static enum ferry_status refused(struct ferry_client_endpoint *endpoint,
                                 struct ferry_error *error) {
    if (errno != EAGAIN && errno != EINTR)
        return fail_zmq(error, "send to", endpoint->address.zmq);
    if (endpoint->state == FERRY_CLIENT_CONNECTED)
        return ferry_fail(error, FERRY_BUSY,
                          "%u requests already wait to be sent to %s: receive replies first",
                          endpoint->options.queue_length, endpoint->address.zmq);
    return ferry_fail(error, FERRY_UNAVAILABLE, "no daemon answers at %s: is ferryd running?",
                      endpoint->address.zmq);
}

enum ferry_status ferry_client_endpoint_send(struct ferry_client_endpoint *endpoint,
                                             const void *body, size_t size,
                                             struct ferry_error *error) {
    if (endpoint->socket == NULL)
        return ferry_fail(error, FERRY_UNAVAILABLE, "not connected to %s", endpoint->address.zmq);
    zmq_msg_t frame;
    if (zmq_msg_init_size(&frame, size) != 0)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for a request of %zu bytes", size);
    if (size > 0)
        memcpy(zmq_msg_data(&frame), body, size);
    if (send_frame(endpoint, &frame) >= 0)
        return FERRY_OK;
    int cause = errno;
    zmq_msg_close(&frame);
    read_monitor(endpoint);
    errno = cause;
    return refused(endpoint, error);
}

static int receive_frame(struct ferry_client_endpoint *endpoint, zmq_msg_t *frame) {
    int result;
    do
        result = zmq_msg_recv(frame, endpoint->socket, ZMQ_DONTWAIT);
    while (result < 0 && errno == EINTR);
    return result;
}

/* A daemon sends one frame; a message of more frames is no reply and is read past. */
static bool receive_message(struct ferry_client_endpoint *endpoint, zmq_msg_t *body) {
    while (receive_frame(endpoint, body) >= 0) {
        if (!zmq_msg_more(body))
            return true;
        while (zmq_msg_more(body) && receive_frame(endpoint, body) >= 0)
            ;
    }
    return false;
}

struct ferry_client_reply *ferry_client_endpoint_receive(struct ferry_client_endpoint *endpoint) {
    if (endpoint->socket == NULL)
        return NULL;
    struct ferry_client_reply *reply = malloc(sizeof *reply);
    if (reply == NULL)
        return NULL;
    zmq_msg_init(&reply->body);
    if (receive_message(endpoint, &reply->body)) {
        endpoint->last_heard = ferry_clock_now();
        return reply;
    }
    ferry_client_reply_free(reply);
    return NULL;
}

const uint8_t *ferry_client_reply_body(const struct ferry_client_reply *reply, size_t *size) {
    zmq_msg_t *body = (zmq_msg_t *)&reply->body; /* libzmq's readers are not const */
    *size = zmq_msg_size(body);
    return zmq_msg_data(body);
}

void ferry_client_reply_free(struct ferry_client_reply *reply) {
    if (reply == NULL)
        return;
    zmq_msg_close(&reply->body);
    free(reply);
}

enum ferry_client_state ferry_client_endpoint_state(const struct ferry_client_endpoint *endpoint) {
    return endpoint->state;
}

uint64_t ferry_client_endpoint_losses(const struct ferry_client_endpoint *endpoint) {
    return endpoint->losses;
}

int64_t ferry_client_endpoint_last_heard(const struct ferry_client_endpoint *endpoint) {
    return endpoint->last_heard;
}
