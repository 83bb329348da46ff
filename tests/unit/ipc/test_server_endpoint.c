/* The daemon's end of the wire against real libzmq clients and against sockets that are none. A
 * plain program, so that it runs under ThreadSanitizer too. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <zmq.h>

#include "base/clock.h"
#include "tests/unit/ipc/echo_server.h"

static void *context;

static void *connect_client(int type, const char *endpoint) {
    void *socket = zmq_socket(context, type);
    int limit_ms = 20000, linger = 0;
    zmq_setsockopt(socket, ZMQ_RCVTIMEO, &limit_ms, sizeof limit_ms);
    zmq_setsockopt(socket, ZMQ_SNDTIMEO, &limit_ms, sizeof limit_ms);
    zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
    CHECK(zmq_connect(socket, endpoint) == 0);
    return socket;
}

static void send_text(void *socket, const char *text, int flags) {
    CHECK(zmq_send(socket, text, strlen(text), flags) >= 0);
}

/* One frame; more says whether another one must follow it. */
static void expect_frame(void *socket, const char *text, bool more) {
    char frame[256];
    int size = zmq_recv(socket, frame, sizeof frame, 0);
    int follows;
    size_t option_size = sizeof follows;
    zmq_getsockopt(socket, ZMQ_RCVMORE, &follows, &option_size);
    CHECK(size == (int)strlen(text) && memcmp(frame, text, strlen(text)) == 0);
    CHECK((follows != 0) == more);
}

static void round_trip(void *socket, const char *text) {
    send_text(socket, text, 0);
    expect_frame(socket, text, false);
}

static void test_req_and_dealer(void) {
    struct echo_server *server = echo_server_start(test_endpoint("forms"), 1000);
    void *req = connect_client(ZMQ_REQ, echo_server_address(server));
    void *dealer = connect_client(ZMQ_DEALER, echo_server_address(server));
    round_trip(req, "from req");
    round_trip(dealer, "from dealer");
    round_trip(dealer, "");
    send_text(dealer, "", ZMQ_SNDMORE);
    send_text(dealer, "delimited", 0);
    expect_frame(dealer, "", true);
    expect_frame(dealer, "delimited", false);
    round_trip(req, "again");
    CHECK(echo_server_counters(server).sent == 5);
    zmq_close(req);
    zmq_close(dealer);
    echo_server_stop(server, 0);
}

static void test_tcp(void) {
    struct echo_server *server = echo_server_start("tcp://127.0.0.1:*", 1000);
    CHECK(strncmp(echo_server_address(server), "tcp://127.0.0.1:", 16) == 0);
    void *req = connect_client(ZMQ_REQ, echo_server_address(server));
    round_trip(req, "over tcp");
    zmq_close(req);
    echo_server_stop(server, 0);
}

static void test_many_in_flight(void) {
    enum { REQUESTS = 20000, WINDOW = 2000 };
    struct echo_server *server = echo_server_start(test_endpoint("many"), 10000);
    void *dealer = connect_client(ZMQ_DEALER, echo_server_address(server));
    static uint8_t seen[REQUESTS];
    memset(seen, 0, sizeof seen);
    for (int sent = 0, received = 0; received < REQUESTS; received++) {
        char text[16];
        for (; sent < REQUESTS && sent - received < WINDOW; sent++) {
            snprintf(text, sizeof text, "%08d", sent);
            send_text(dealer, text, 0);
        }
        CHECK(zmq_recv(dealer, text, sizeof text, 0) == 8);
        text[8] = '\0';
        unsigned long number = strtoul(text, NULL, 10);
        CHECK(number < REQUESTS && seen[number]++ == 0);
    }
    struct ferry_server_counters counters = echo_server_counters(server);
    CHECK(counters.received == REQUESTS && counters.sent == REQUESTS);
    CHECK(counters.dropped_slow_reader == 0 && counters.outbox_bytes == 0);
    zmq_close(dealer);
    echo_server_stop(server, 0);
}

static void test_malformed_envelopes(void) {
    struct echo_server *server = echo_server_start(test_endpoint("envelopes"), 1000);
    void *dealer = connect_client(ZMQ_DEALER, echo_server_address(server));
    send_text(dealer, "not empty", ZMQ_SNDMORE);
    send_text(dealer, "body", 0);
    send_text(dealer, "", ZMQ_SNDMORE);
    send_text(dealer, "body", ZMQ_SNDMORE);
    send_text(dealer, "one too many", 0);
    send_text(dealer, "", ZMQ_SNDMORE);
    send_text(dealer, "", ZMQ_SNDMORE);
    send_text(dealer, "", 0);
    for (int i = 0; i < 20000; i++)
        send_text(dealer, "flood", ZMQ_SNDMORE);
    send_text(dealer, "end", 0);
    for (int i = 0; i < 1000; i++) {
        send_text(dealer, "not empty", ZMQ_SNDMORE);
        send_text(dealer, "body", 0);
    }
    round_trip(dealer, "still served");
    struct ferry_server_counters counters = echo_server_counters(server);
    CHECK(counters.malformed_envelopes == 1004);
    CHECK(counters.received == 1);
    zmq_close(dealer);
    echo_server_stop(server, 0);
}

static void test_oversized(void) {
    struct echo_server *server = echo_server_start(test_endpoint("oversized"), 1000);
    void *dealer = connect_client(ZMQ_DEALER, echo_server_address(server));
    size_t largest = (size_t)64 << 20;
    char *bytes = calloc(1, largest + 1);
    CHECK(zmq_send(dealer, bytes, ECHO_MAX_REQUEST, 0) == ECHO_MAX_REQUEST);
    zmq_msg_t reply;
    zmq_msg_init(&reply);
    CHECK(zmq_msg_recv(&reply, dealer, 0) == ECHO_MAX_REQUEST);
    zmq_msg_close(&reply);
    CHECK(zmq_send(dealer, bytes, ECHO_MAX_REQUEST + 1, 0) > 0);
    expect_frame(dealer, "oversized", false);
    CHECK(zmq_send(dealer, bytes, largest, 0) > 0);
    expect_frame(dealer, "oversized", false);
    CHECK(echo_server_counters(server).oversized == 2);
    /* beyond what can be answered the connection is closed; libzmq connects anew */
    void *greedy = connect_client(ZMQ_DEALER, echo_server_address(server));
    CHECK(zmq_send(greedy, bytes, largest + 1, 0) > 0);
    round_trip(dealer, "others are served");
    CHECK(echo_server_counters(server).oversized == 2);
    zmq_close(greedy);
    zmq_close(dealer);
    free(bytes);
    echo_server_stop(server, 0);
}

/* The reader takes nothing; its replies must wait bounded in bytes and time, and a good client must
 * not notice. */
static void test_slow_reader(void) {
    enum { REPLIES = 2000, REPLY_BYTES = 64 << 10 };
    struct echo_server *server = echo_server_start(test_endpoint("slow"), 300);
    void *slow = zmq_socket(context, ZMQ_DEALER);
    int one = 1, linger = 0, limit_ms = 200;
    zmq_setsockopt(slow, ZMQ_RCVHWM, &one, sizeof one);
    zmq_setsockopt(slow, ZMQ_LINGER, &linger, sizeof linger);
    zmq_setsockopt(slow, ZMQ_RCVTIMEO, &limit_ms, sizeof limit_ms);
    CHECK(zmq_connect(slow, echo_server_address(server)) == 0);
    void *good = connect_client(ZMQ_DEALER, echo_server_address(server));
    for (int i = 0; i < REPLIES; i++) {
        send_text(slow, "r65536", 0);
        if (i % 100 == 0)
            round_trip(good, "good");
    }
    while (echo_server_counters(server).received < REPLIES + REPLIES / 100)
        sleep_ms(5);
    struct ferry_server_counters counters = echo_server_counters(server);
    CHECK(counters.outbox_bytes <= ECHO_OUTBOX_BYTES);
    CHECK(counters.dropped_slow_reader > 0);
    for (int i = 0; i < 200 && echo_server_counters(server).outbox_bytes > 0; i++)
        sleep_ms(50);
    counters = echo_server_counters(server);
    CHECK(counters.outbox_bytes == 0);
    round_trip(good, "good");
    uint64_t arrived = 0;
    zmq_msg_t reply;
    for (zmq_msg_init(&reply); zmq_msg_recv(&reply, slow, 0) == REPLY_BYTES;)
        arrived++;
    zmq_msg_close(&reply);
    counters = echo_server_counters(server);
    CHECK(arrived + counters.dropped_slow_reader == REPLIES);
    CHECK(counters.sent == arrived + REPLIES / 100 + 1);
    zmq_close(slow);
    zmq_close(good);
    echo_server_stop(server, 0);
}

/* libzmq would take 256 replies of any size for a reader that takes nothing. */
static void test_large_replies_for_a_slow_reader(void) {
    enum { REPLIES = 100, REPLY_BYTES = 1 << 20 };
    struct echo_server *server = echo_server_start(test_endpoint("large"), 100);
    void *slow = zmq_socket(context, ZMQ_DEALER);
    int one = 1, linger = 0;
    zmq_setsockopt(slow, ZMQ_RCVHWM, &one, sizeof one);
    zmq_setsockopt(slow, ZMQ_LINGER, &linger, sizeof linger);
    CHECK(zmq_connect(slow, echo_server_address(server)) == 0);
    for (int i = 0; i < REPLIES; i++)
        send_text(slow, "r1048576", 0);
    struct ferry_server_counters counters;
    do {
        sleep_ms(20);
        counters = echo_server_counters(server);
    } while (counters.sent + counters.dropped_slow_reader < REPLIES);
    CHECK(counters.sent <= 16 + 8); /* and what is on its way through the kernel */
    void *good = connect_client(ZMQ_DEALER, echo_server_address(server));
    zmq_msg_t reply;
    zmq_msg_init(&reply);
    for (int i = 0; i < REPLIES; i++) {
        send_text(good, "r1048576", 0);
        CHECK(zmq_msg_recv(&reply, good, 0) == REPLY_BYTES);
    }
    zmq_msg_close(&reply);
    zmq_close(slow);
    zmq_close(good);
    echo_server_stop(server, 0);
}

static void test_client_gone(void) {
    struct echo_server *server = echo_server_start(test_endpoint("gone"), 1000);
    void *leaving = connect_client(ZMQ_DEALER, echo_server_address(server));
    send_text(leaving, "hold", 0);
    send_text(leaving, "hold", 0);
    while (echo_server_counters(server).received < 2)
        sleep_ms(5);
    zmq_close(leaving);
    sleep_ms(300);
    echo_server_let_go(server);
    struct ferry_server_counters counters = echo_server_counters(server);
    CHECK(counters.dropped_client_gone == 2);
    CHECK(counters.sent == 0);
    echo_server_stop(server, 0);
}

/* Far more replies at once than libzmq takes for one reader: a reader that keeps reading gets them
 * all, and nothing else has to happen for it. */
static void test_burst_of_replies(void) {
    enum { REQUESTS = 4000 };
    struct echo_server *server = echo_server_start(test_endpoint("burst"), 60000);
    void *dealer = connect_client(ZMQ_DEALER, echo_server_address(server));
    for (int i = 0; i < REQUESTS; i++)
        send_text(dealer, "hold", 0);
    while (echo_server_counters(server).received < REQUESTS)
        sleep_ms(5);
    echo_server_let_go(server);
    for (int i = 0; i < REQUESTS; i++)
        expect_frame(dealer, "let go", false);
    CHECK(echo_server_counters(server).sent == REQUESTS);
    zmq_close(dealer);
    echo_server_stop(server, 0);
}

/* Replies that were given to the endpoint before it is closed still arrive. */
static void test_close_lingers(void) {
    struct echo_server *server = echo_server_start(test_endpoint("linger"), 5000);
    void *dealer = connect_client(ZMQ_DEALER, echo_server_address(server));
    for (int i = 0; i < 50; i++)
        send_text(dealer, "hold", 0);
    while (echo_server_counters(server).received < 50)
        sleep_ms(5);
    echo_server_let_go(server);
    echo_server_stop(server, 2000);
    for (int i = 0; i < 50; i++)
        expect_frame(dealer, "let go", false);
    zmq_close(dealer);
    CHECK(access(test_path("linger"), F_OK) != 0);
}

static void test_second_daemon(void) {
    struct echo_server *server = echo_server_start(test_endpoint("second"), 1000);
    const char *listen = test_endpoint("second");
    struct ferry_server_options options = {.listen = &listen, .listen_count = 1};
    struct ferry_server_endpoint *other = NULL;
    struct ferry_error error = {FERRY_OK, ""};
    CHECK(ferry_server_endpoint_open(&options, &other, &error) == FERRY_UNAVAILABLE);
    CHECK(strstr(error.text, "another daemon already listens") != NULL);
    listen = "tcp://0.0.0.0:1234";
    CHECK(ferry_server_endpoint_open(&options, &other, &error) == FERRY_CONFIG);
    options.listen_count = 0;
    CHECK(ferry_server_endpoint_open(&options, &other, &error) == FERRY_CONFIG);
    void *req = connect_client(ZMQ_REQ, echo_server_address(server));
    round_trip(req, "the first is not disturbed");
    zmq_close(req);
    echo_server_stop(server, 0);
}

/* The greeting, the READY command of a DEALER and one short message, as libzmq sends them
 * (ZMTP 3.0, NULL mechanism: https://rfc.zeromq.org/spec/23/). */
static size_t valid_stream(uint8_t *stream) {
    static const uint8_t greeting[64] = {0xff, 0,    0, 0, 0,   0,   0,   0,
                                         1,    0x7f, 3, 0, 'N', 'U', 'L', 'L'};
    static const uint8_t ready[] = "\x04\x1a\x05READY\x0bSocket-Type\0\0\0\x06"
                                   "DEALER";
    static const uint8_t message[] = "\0\x05hello";
    memcpy(stream, greeting, 64);
    memcpy(stream + 64, ready, sizeof ready - 1);
    memcpy(stream + 64 + sizeof ready - 1, message, sizeof message - 1);
    return 64 + sizeof ready - 1 + sizeof message - 1;
}

static int connect_raw(void) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    snprintf(to.sun_path, sizeof to.sun_path, "%s", test_path("frames"));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
    return fd;
}

static uint32_t next_random(uint32_t *state) { /* xorshift32: the same numbers in every run */
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

/* Valid streams with bytes changed, or cut, or followed by noise; each on its own connection. */
static void test_mutated_frames(void) {
    enum { STREAMS = 2000 };
    struct echo_server *server = echo_server_start(test_endpoint("frames"), 1000);
    void *good = connect_client(ZMQ_DEALER, echo_server_address(server));
    uint32_t state = 42;
    for (int i = 0; i < STREAMS; i++) {
        uint8_t stream[512];
        size_t size = valid_stream(stream);
        int changes = i == 0 ? 0 : 1 + (int)(next_random(&state) % 4);
        for (int change = 0; change < changes; change++)
            stream[next_random(&state) % size] = (uint8_t)next_random(&state);
        if (i % 5 == 1)
            size = next_random(&state) % size;
        for (; i % 7 == 2 && size < sizeof stream; size++)
            stream[size] = (uint8_t)next_random(&state);
        int fd = connect_raw();
        (void)!send(fd, stream, size, MSG_NOSIGNAL);
        if (i % 50 == 0)
            round_trip(good, "good");
        close(fd);
    }
    round_trip(good, "good");
    CHECK(echo_server_counters(server).received >= STREAMS / 50 + 1);
    zmq_close(good);
    echo_server_stop(server, 0);
}

/* Connections that say nothing end after the handshake interval of two seconds. */
static void test_silent_connections(void) {
    struct echo_server *server = echo_server_start(test_endpoint("frames"), 1000);
    int fd = connect_raw();
    int64_t start = ferry_clock_now();
    char byte[128];
    while (read(fd, byte, sizeof byte) > 0)
        ;
    CHECK(ferry_clock_now() - start < 10 * FERRY_NANOSECONDS_PER_SECOND);
    close(fd);
    echo_server_stop(server, 0);
}

int main(void) {
    context = zmq_ctx_new();
    test_req_and_dealer();
    test_tcp();
    test_many_in_flight();
    test_malformed_envelopes();
    test_oversized();
    test_slow_reader();
    test_large_replies_for_a_slow_reader();
    test_client_gone();
    test_burst_of_replies();
    test_close_lingers();
    test_second_daemon();
    test_mutated_frames();
    test_silent_connections();
    zmq_ctx_term(context);
    remove_test_folder();
    return 0;
}
