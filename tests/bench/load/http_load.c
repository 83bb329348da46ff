/* Closed-loop load over HTTP/1.1 with kept connections, as light as zmq_load is for ZeroMQ, so that
 * Python servers are not held up by the program that measures them.
 *
 * A frame is the whole request: header and body. The endpoint is tcp://ADDRESS:PORT. One request is
 * open on each connection. Replies need a Content-Length. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/load/load_report.h"

enum { REPLY_BYTES = 1 << 20 };

struct client {
    int descriptor;
    uint64_t sent_ns;
    size_t filled;
    char reply[REPLY_BYTES];
};

struct run {
    const struct load_options *options;
    struct load_frames frames;
    struct load_latencies latencies;
    struct client *clients;
    int epoll;
    size_t to_send, to_receive, next_frame;
    uint64_t reply_bytes, give_up_ns;
};

/* "tcp://127.0.0.1:8000" */
static struct sockaddr_in parse_endpoint(const char *endpoint) {
    char address[INET_ADDRSTRLEN];
    struct sockaddr_in parsed = {.sin_family = AF_INET};
    const char *host = endpoint + strlen("tcp://");
    const char *colon = strrchr(endpoint, ':');
    if (strncmp(endpoint, "tcp://", strlen("tcp://")) != 0 || colon < host ||
        (size_t)(colon - host) >= sizeof address)
        load_fail("endpoint %s is not tcp://ADDRESS:PORT", endpoint);
    memcpy(address, host, (size_t)(colon - host));
    address[colon - host] = '\0';
    unsigned long port = strtoul(colon + 1, NULL, 10);
    if (port == 0 || port > 65535 || inet_pton(AF_INET, address, &parsed.sin_addr) != 1)
        load_fail("endpoint %s is not tcp://ADDRESS:PORT", endpoint);
    parsed.sin_port = htons((uint16_t)port);
    return parsed;
}

static int connect_client(const char *endpoint) {
    struct sockaddr_in to = parse_endpoint(endpoint);
    int descriptor = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    if (descriptor < 0 || connect(descriptor, (struct sockaddr *)&to, sizeof to) != 0)
        load_fail("connect %s: %s", endpoint, strerror(errno));
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return descriptor;
}

static void send_next(struct run *run, struct client *client) {
    size_t frame = run->next_frame++ % run->frames.count;
    const uint8_t *bytes = run->frames.bodies[frame];
    size_t left = run->frames.sizes[frame];
    client->sent_ns = load_now_ns();
    client->filled = 0;
    while (left) {
        ssize_t written = send(client->descriptor, bytes, left, MSG_NOSIGNAL);
        if (written < 0)
            load_fail("send: %s", strerror(errno));
        bytes += written;
        left -= (size_t)written;
    }
    run->to_send--;
}

/* Whole size of the reply, or 0 while its header is not complete. */
static size_t reply_size(const struct client *client) {
    const char *end = memmem(client->reply, client->filled, "\r\n\r\n", 4);
    if (!end)
        return 0;
    for (const char *line = client->reply; line < end; line++) {
        if (strncasecmp(line, "\r\ncontent-length:", 17) == 0)
            return (size_t)(end - client->reply) + 4 + strtoul(line + 17, NULL, 10);
    }
    load_fail("a reply without Content-Length: %.*s", (int)(end - client->reply), client->reply);
}

static void read_some(struct run *run, struct client *client) {
    ssize_t got =
        recv(client->descriptor, client->reply + client->filled, REPLY_BYTES - client->filled, 0);
    if (got <= 0)
        load_fail("the server closed a connection: %s", got ? strerror(errno) : "end of file");
    client->filled += (size_t)got;
    size_t size = reply_size(client);
    if (!size || client->filled < size) {
        if (client->filled == REPLY_BYTES)
            load_fail("a reply is over %d bytes", REPLY_BYTES);
        return;
    }
    load_latencies_add(&run->latencies, load_now_ns() - client->sent_ns);
    load_check_reply(run->options, client->reply, client->filled);
    run->reply_bytes += size;
    run->to_receive--;
    if (run->to_send)
        send_next(run, client);
}

static uint64_t measure(struct run *run, size_t requests) {
    run->to_send = run->to_receive = requests;
    run->latencies.count = run->reply_bytes = 0;
    uint64_t started = load_now_ns();
    for (size_t i = 0; i < run->options->clients && run->to_send; i++)
        send_next(run, &run->clients[i]);
    while (run->to_receive) {
        struct epoll_event events[64];
        int ready = epoll_wait(run->epoll, events, 64, 1000);
        for (int i = 0; i < ready; i++)
            read_some(run, events[i].data.ptr);
        if (load_now_ns() > run->give_up_ns)
            load_fail("%zu replies did not come in time", run->to_receive);
    }
    return load_now_ns() - started;
}

int main(int argument_count, char **arguments) {
    struct load_options options = load_parse_options(argument_count, arguments);
    if (options.in_flight != 1)
        load_fail("HTTP has one request in flight a connection; use more --clients");
    size_t longest = options.requests > options.warm_up ? options.requests : options.warm_up;
    struct run run = {.options = &options,
                      .frames = load_frames_read(options.frames_path),
                      .latencies = load_latencies_create(longest),
                      .clients = calloc(options.clients, sizeof(struct client)),
                      .epoll = epoll_create1(0),
                      .give_up_ns = load_now_ns() + (uint64_t)(options.limit_s * 1e9)};
    if (!run.clients || run.epoll < 0)
        load_fail("out of memory");
    for (size_t i = 0; i < options.clients; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &run.clients[i]};
        run.clients[i].descriptor = connect_client(options.endpoint);
        if (epoll_ctl(run.epoll, EPOLL_CTL_ADD, run.clients[i].descriptor, &event) != 0)
            load_fail("epoll: %s", strerror(errno));
    }
    if (options.warm_up)
        measure(&run, options.warm_up);
    uint64_t elapsed_ns = measure(&run, options.requests);
    load_print_report(&options, &run.latencies, elapsed_ns, run.reply_bytes);
    for (size_t i = 0; i < options.clients; i++)
        close(run.clients[i].descriptor);
    close(run.epoll);
    load_frames_free(&run.frames);
    free(run.clients);
    return 0;
}
