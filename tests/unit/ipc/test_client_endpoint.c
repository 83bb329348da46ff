/* The client's end of the wire: a daemon that is not there yet, goes, comes back, or is slow. A
 * plain program, so that it runs under ThreadSanitizer too. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "ipc/client_endpoint.h"
#include "tests/unit/ipc/echo_server.h"

static struct ferry_error error;

static struct ferry_client_endpoint *open_client(const char *endpoint, uint32_t queue_length) {
    struct ferry_client_endpoint_options options = {.endpoint = endpoint,
                                                    .queue_length = queue_length};
    struct ferry_client_endpoint *client = NULL;
    CHECK(ferry_client_endpoint_open(&options, &client, &error) == FERRY_OK);
    return client;
}

static void wait_for_state(struct ferry_client_endpoint *client, enum ferry_client_state state) {
    int64_t end = ferry_clock_now() + 20 * FERRY_NANOSECONDS_PER_SECOND;
    while (ferry_client_endpoint_state(client) != state) {
        CHECK(ferry_clock_now() < end);
        ferry_client_endpoint_wait(client, -1, 1000);
    }
}

static enum ferry_status send_text(struct ferry_client_endpoint *client, const char *text) {
    return ferry_client_endpoint_send(client, text, strlen(text), &error);
}

/* The next reply as text, in static memory; NULL when none comes in time. */
static const char *receive_text(struct ferry_client_endpoint *client, int timeout_ms) {
    static char text[256];
    int64_t end = ferry_clock_now() + timeout_ms * FERRY_NANOSECONDS_PER_MILLISECOND;
    struct ferry_client_reply *reply;
    while ((reply = ferry_client_endpoint_receive(client)) == NULL) {
        int64_t left = (end - ferry_clock_now()) / FERRY_NANOSECONDS_PER_MILLISECOND;
        if (left <= 0)
            return NULL;
        ferry_client_endpoint_wait(client, -1, (int)left);
    }
    size_t size;
    const uint8_t *body = ferry_client_reply_body(reply, &size);
    CHECK(size < sizeof text);
    memcpy(text, body, size);
    text[size] = '\0';
    ferry_client_reply_free(reply);
    return text;
}

static void round_trip(struct ferry_client_endpoint *client, const char *text) {
    CHECK(send_text(client, text) == FERRY_OK);
    const char *reply = receive_text(client, 20000);
    CHECK(reply != NULL && strcmp(reply, text) == 0);
}

static void test_refuses_bad_endpoints(void) {
    struct ferry_client_endpoint_options options = {.endpoint = "pgm://nothing"};
    struct ferry_client_endpoint *client = NULL;
    CHECK(ferry_client_endpoint_open(&options, &client, &error) == FERRY_CONFIG);
    CHECK(client == NULL);
    ferry_client_endpoint_close(NULL, 0);
    ferry_client_reply_free(NULL);
}

/* Connects before the daemon is there, is told when it comes, goes and comes back. */
static void test_comes_and_goes(void) {
    struct ferry_client_endpoint *client = open_client(test_endpoint("comes"), 0);
    CHECK(ferry_client_endpoint_state(client) == FERRY_CLIENT_CONNECTING);
    CHECK(ferry_client_endpoint_last_heard(client) == 0);
    CHECK(send_text(client, "nobody") == FERRY_UNAVAILABLE);
    CHECK(strstr(error.text, "no daemon answers at ipc://") != NULL);
    CHECK(ferry_client_endpoint_wait(client, -1, 50) == 0);
    struct echo_server *server = echo_server_start(test_endpoint("comes"), 1000);
    wait_for_state(client, FERRY_CLIENT_CONNECTED);
    CHECK(ferry_client_endpoint_last_heard(client) > 0);
    round_trip(client, "first");
    CHECK(ferry_client_endpoint_losses(client) == 0);
    int64_t start = ferry_clock_now();
    echo_server_stop(server, 0);
    wait_for_state(client, FERRY_CLIENT_CONNECTING);
    CHECK(ferry_clock_now() - start < 5 * FERRY_NANOSECONDS_PER_SECOND);
    CHECK(ferry_client_endpoint_losses(client) == 1);
    CHECK(send_text(client, "gone") == FERRY_UNAVAILABLE);
    server = echo_server_start(test_endpoint("comes"), 1000);
    wait_for_state(client, FERRY_CLIENT_CONNECTED);
    round_trip(client, "second");
    ferry_client_endpoint_close(client, 0);
    echo_server_stop(server, 0);
}

/* What was asked before a fresh socket is never answered on it. */
static void test_reconnect_forgets(void) {
    struct echo_server *server = echo_server_start(test_endpoint("fresh"), 1000);
    struct ferry_client_endpoint *client = open_client(test_endpoint("fresh"), 0);
    for (int round = 0; round < 20; round++) {
        wait_for_state(client, FERRY_CLIENT_CONNECTED);
        CHECK(send_text(client, "hold") == FERRY_OK);
        while (echo_server_counters(server).received < (uint64_t)round * 2 + 1)
            sleep_ms(2);
        CHECK(ferry_client_endpoint_reconnect(client, &error) == FERRY_OK);
        CHECK(ferry_client_endpoint_state(client) == FERRY_CLIENT_CONNECTING);
        wait_for_state(client, FERRY_CLIENT_CONNECTED);
        echo_server_let_go(server);
        round_trip(client, "new");
    }
    CHECK(receive_text(client, 100) == NULL);
    CHECK(ferry_client_endpoint_losses(client) == 20);
    ferry_client_endpoint_close(client, 0);
    echo_server_stop(server, 0);
}

static void test_wakes_for_the_extra_descriptor(void) {
    struct echo_server *server = echo_server_start(test_endpoint("extra"), 1000);
    struct ferry_client_endpoint *client = open_client(test_endpoint("extra"), 0);
    wait_for_state(client, FERRY_CLIENT_CONNECTED);
    int fd = eventfd(0, EFD_CLOEXEC);
    uint64_t one = 1;
    CHECK(ferry_client_endpoint_wait(client, fd, 10) == 0);
    CHECK(write(fd, &one, sizeof one) == sizeof one);
    CHECK(ferry_client_endpoint_wait(client, fd, -1) == FERRY_CLIENT_WAIT_EXTRA);
    CHECK(send_text(client, "both") == FERRY_OK);
    unsigned bits = 0;
    for (int i = 0; i < 1000 && (bits & FERRY_CLIENT_WAIT_REPLY) == 0; i++) {
        bits = ferry_client_endpoint_wait(client, fd, 20);
        CHECK((bits & FERRY_CLIENT_WAIT_EXTRA) != 0);
        sleep_ms(1);
    }
    CHECK(bits == (FERRY_CLIENT_WAIT_REPLY | FERRY_CLIENT_WAIT_EXTRA));
    close(fd);
    ferry_client_endpoint_close(client, 0);
    echo_server_stop(server, 0);
}

/* The daemon reads, the client does not: its queue fills, and it is told so instead of waiting. */
static void test_says_when_it_is_full(void) {
    struct echo_server *server = echo_server_start(test_endpoint("full"), 200);
    struct ferry_client_endpoint *client = open_client(test_endpoint("full"), 4);
    wait_for_state(client, FERRY_CLIENT_CONNECTED);
    char *large = calloc(1, 90000);
    enum ferry_status status = FERRY_OK;
    for (int i = 0; i < 100000 && status == FERRY_OK; i++)
        status = ferry_client_endpoint_send(client, large, 90000, &error);
    CHECK(status == FERRY_BUSY);
    CHECK(strstr(error.text, "receive replies first") != NULL);
    free(large);
    ferry_client_endpoint_close(client, 0);
    echo_server_stop(server, 0);
}

static void test_large_replies_break_the_connection(void) {
    struct echo_server *server = echo_server_start(test_endpoint("limit"), 1000);
    struct ferry_client_endpoint_options options = {.endpoint = test_endpoint("limit"),
                                                    .max_reply_bytes = 1000};
    struct ferry_client_endpoint *client = NULL;
    CHECK(ferry_client_endpoint_open(&options, &client, &error) == FERRY_OK);
    wait_for_state(client, FERRY_CLIENT_CONNECTED);
    CHECK(send_text(client, "r1001") == FERRY_OK);
    wait_for_state(client, FERRY_CLIENT_CONNECTING);
    wait_for_state(client, FERRY_CLIENT_CONNECTED);
    round_trip(client, "small");
    ferry_client_endpoint_close(client, 0);
    echo_server_stop(server, 0);
}

int main(void) {
    test_refuses_bad_endpoints();
    test_comes_and_goes();
    test_reconnect_forgets();
    test_wakes_for_the_extra_descriptor();
    test_says_when_it_is_full();
    test_large_replies_break_the_connection();
    remove_test_folder();
    return 0;
}
