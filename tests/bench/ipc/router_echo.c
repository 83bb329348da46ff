/* The least that a ROUTER server can do: answers every request with REPLY_BYTES bytes, by plain
 * blocking calls. What ferryd costs is measured against it.
 *
 * Its queues have no limit: with libzmq's own of 1,000 messages it loses replies at 512 in flight,
 * since the reader reports what it has read only every 500 messages.
 *
 * router_echo ENDPOINT REPLY_BYTES; ends on SIGTERM or SIGINT. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

static volatile sig_atomic_t stop;

static void on_signal(int number) {
    (void)number;
    stop = 1;
}

static void fail(const char *what) {
    fprintf(stderr, "router_echo: %s: %s\n", what, zmq_strerror(zmq_errno()));
    exit(1);
}

/* Sends the frames before the body back as they are, then the reply. False when interrupted. */
static int answer(void *socket, const void *reply, size_t reply_size) {
    for (;;) {
        zmq_msg_t frame;
        zmq_msg_init(&frame);
        if (zmq_msg_recv(&frame, socket, 0) < 0) {
            if (errno == EINTR)
                return 0;
            fail("receive");
        }
        if (!zmq_msg_more(&frame)) {
            zmq_msg_close(&frame);
            if (zmq_msg_init_size(&frame, reply_size) != 0)
                fail("allocate");
            memcpy(zmq_msg_data(&frame), reply, reply_size);
            if (zmq_msg_send(&frame, socket, 0) < 0 && errno != EHOSTUNREACH)
                fail("send");
            return 1;
        }
        if (zmq_msg_send(&frame, socket, ZMQ_SNDMORE) < 0)
            fail("send");
    }
}

int main(int argument_count, char **arguments) {
    size_t reply_size = argument_count == 3 ? strtoul(arguments[2], NULL, 10) : 0;
    if (reply_size == 0) {
        fprintf(stderr, "usage: router_echo ENDPOINT REPLY_BYTES\n");
        return 64;
    }
    struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART: receive must end */
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    void *reply = calloc(1, reply_size);
    void *context = zmq_ctx_new();
    void *socket = zmq_socket(context, ZMQ_ROUTER);
    int none = 0;
    zmq_setsockopt(socket, ZMQ_SNDHWM, &none, sizeof none);
    zmq_setsockopt(socket, ZMQ_RCVHWM, &none, sizeof none);
    zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof none);
    int no_limit = 0; /* at a high-water mark this ROUTER would drop replies without a word */
    zmq_setsockopt(socket, ZMQ_SNDHWM, &no_limit, sizeof no_limit);
    zmq_setsockopt(socket, ZMQ_RCVHWM, &no_limit, sizeof no_limit);
    if (reply == NULL || socket == NULL || zmq_bind(socket, arguments[1]) != 0)
        fail(arguments[1]);
    while (!stop)
        answer(socket, reply, reply_size);
    zmq_close(socket);
    zmq_ctx_term(context);
    free(reply);
    return 0;
}
