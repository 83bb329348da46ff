/* Closed-loop load over ZeroMQ, as light as it can be: DEALER sockets, ready-made bodies.
 *
 * With more than one request in flight on a connection, a latency is counted from the oldest open
 * request, which is exact when replies come in order and an estimate otherwise; a report of
 * throughput needs none, and reports of latency use one request in flight a connection. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <zmq.h>

#include "tests/bench/load/load_report.h"

struct client {
    void *socket;
    uint64_t *sent_ns; /* ring of options.in_flight send times, oldest at head */
    size_t head, open;
};

struct run {
    const struct load_options *options;
    struct load_frames frames;
    struct load_latencies latencies;
    struct client *clients;
    zmq_pollitem_t *items;
    size_t to_send, to_receive, next_frame;
    uint64_t reply_bytes, give_up_ns;
};

static void send_next(struct run *run, struct client *client) {
    size_t frame = run->next_frame++ % run->frames.count;
    size_t slot = (client->head + client->open++) % run->options->in_flight;
    client->sent_ns[slot] = load_now_ns();
    if (zmq_send(client->socket, run->frames.bodies[frame], run->frames.sizes[frame], 0) < 0)
        load_fail("send: %s", zmq_strerror(zmq_errno()));
    run->to_send--;
}

/* Takes one reply if there is one; returns whether there was. */
static bool receive_one(struct run *run, struct client *client, int flags) {
    zmq_msg_t message;
    zmq_msg_init(&message);
    if (zmq_msg_recv(&message, client->socket, flags) < 0) {
        if (zmq_errno() == EAGAIN && (flags & ZMQ_DONTWAIT))
            return false;
        load_fail("no reply: %s", zmq_strerror(zmq_errno()));
    }
    load_latencies_add(&run->latencies, load_now_ns() - client->sent_ns[client->head]);
    client->head = (client->head + 1) % run->options->in_flight;
    client->open--;
    load_check_reply(run->options, zmq_msg_data(&message), zmq_msg_size(&message));
    run->reply_bytes += zmq_msg_size(&message);
    run->to_receive--;
    zmq_msg_close(&message);
    return true;
}

static void serve_client(struct run *run, struct client *client) {
    while (client->open && receive_one(run, client, ZMQ_DONTWAIT)) {
        if (run->to_send)
            send_next(run, client);
    }
}

/* A blocking receive costs less than a poll, and is all that one client needs. */
static void loop_single(struct run *run) {
    while (run->to_receive) {
        receive_one(run, run->clients, 0);
        if (run->to_send)
            send_next(run, run->clients);
    }
}

static void loop_many(struct run *run) {
    while (run->to_receive) {
        if (zmq_poll(run->items, (int)run->options->clients, 1000) < 0)
            load_fail("poll: %s", zmq_strerror(zmq_errno()));
        for (size_t i = 0; i < run->options->clients; i++) {
            if (run->items[i].revents & ZMQ_POLLIN)
                serve_client(run, &run->clients[i]);
        }
        if (load_now_ns() > run->give_up_ns)
            load_fail("%zu replies did not come in time", run->to_receive);
    }
}

static uint64_t measure(struct run *run, size_t requests) {
    run->to_send = run->to_receive = requests;
    run->latencies.count = run->reply_bytes = 0;
    uint64_t started = load_now_ns();
    for (size_t slot = 0; slot < run->options->in_flight; slot++) {
        for (size_t i = 0; i < run->options->clients && run->to_send; i++)
            send_next(run, &run->clients[i]);
    }
    if (run->options->clients == 1)
        loop_single(run);
    else
        loop_many(run);
    return load_now_ns() - started;
}

static void *connect_client(void *context, const struct load_options *options) {
    void *socket = zmq_socket(context, ZMQ_DEALER);
    int linger = 0, no_limit = 0, wait_ms = (int)(options->limit_s * 1000);
    zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
    zmq_setsockopt(socket, ZMQ_SNDHWM, &no_limit, sizeof no_limit);
    zmq_setsockopt(socket, ZMQ_RCVHWM, &no_limit, sizeof no_limit);
    zmq_setsockopt(socket, ZMQ_RCVTIMEO, &wait_ms, sizeof wait_ms);
    if (zmq_connect(socket, options->endpoint) != 0)
        load_fail("connect %s: %s", options->endpoint, zmq_strerror(zmq_errno()));
    return socket;
}

int main(int argument_count, char **arguments) {
    struct load_options options = load_parse_options(argument_count, arguments);
    size_t longest = options.requests > options.warm_up ? options.requests : options.warm_up;
    struct run run = {.options = &options,
                      .frames = load_frames_read(options.frames_path),
                      .latencies = load_latencies_create(longest),
                      .give_up_ns = load_now_ns() + (uint64_t)(options.limit_s * 1e9)};
    run.clients = calloc(options.clients, sizeof *run.clients);
    run.items = calloc(options.clients, sizeof *run.items);
    if (!run.clients || !run.items)
        load_fail("out of memory");
    void *context = zmq_ctx_new();
    for (size_t i = 0; i < options.clients; i++) {
        run.clients[i].socket = connect_client(context, &options);
        run.clients[i].sent_ns = calloc(options.in_flight, sizeof(uint64_t));
        if (!run.clients[i].sent_ns)
            load_fail("out of memory");
        run.items[i] = (zmq_pollitem_t){.socket = run.clients[i].socket, .events = ZMQ_POLLIN};
    }
    if (options.warm_up)
        measure(&run, options.warm_up);
    uint64_t elapsed_ns = measure(&run, options.requests);
    load_print_report(&options, &run.latencies, elapsed_ns, run.reply_bytes);
    for (size_t i = 0; i < options.clients; i++) {
        zmq_close(run.clients[i].socket);
        free(run.clients[i].sent_ns);
    }
    zmq_ctx_term(context);
    load_frames_free(&run.frames);
    free(run.clients);
    free(run.items);
    return 0;
}
