/* ferry's endpoint and wire format with nothing behind them: decodes each request and answers it
 * with rows of zeros. What is left between router_echo and ferryd is then the pipeline.
 *
 * endpoint_echo ENDPOINT WIDTH; ends on SIGTERM or SIGINT. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "ipc/server_endpoint.h"
#include "ipc/wire_reply.h"

enum { MAX_ITEMS = 64 };

static volatile sig_atomic_t stop;

static void on_signal(int number) {
    (void)number;
    stop = 1;
}

static enum ferry_status encode(const struct ferry_wire_request *request, uint32_t width,
                                struct ferry_buffer *body) {
    static float rows[MAX_ITEMS * 4096];
    static uint32_t tokens[MAX_ITEMS];
    static uint8_t truncated[MAX_ITEMS];
    struct ferry_wire_truth truth = {
        .model = {"model", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
                  "fake", "f32", "cpu", false},
        .times = {10, 20, 30, 60},
        .tokens = tokens,
        .truncated = truncated,
        .item_count = request->item_count};
    struct ferry_wire_matrix matrix = {.rows = request->item_count,
                                       .columns = width,
                                       .data = rows,
                                       .size = (size_t)request->item_count * width * sizeof *rows};
    return ferry_wire_reply_embed(&request->id, &truth, &matrix, body);
}

static void serve(struct ferry_server_endpoint *endpoint, uint32_t width) {
    static const struct ferry_wire_limits limits = {MAX_ITEMS, 512};
    struct ferry_arena arena;
    struct ferry_buffer body;
    ferry_arena_init(&arena, 1 << 20);
    ferry_buffer_init(&body, 64 << 20);
    while (!stop) {
        ferry_server_endpoint_wait(endpoint, -1, -1);
        struct ferry_message *message;
        while ((message = ferry_server_endpoint_receive(endpoint)) != NULL) {
            struct ferry_wire_request request;
            struct ferry_error error;
            size_t size;
            const uint8_t *bytes = ferry_message_body(message, &size);
            enum ferry_status status =
                ferry_wire_request_decode(bytes, size, &limits, &arena, &request, &error);
            if (status == FERRY_OK)
                status = encode(&request, width, &body);
            else
                status = ferry_wire_reply_error(&request.id, status, error.text, 0, &body);
            if (status == FERRY_OK)
                ferry_server_endpoint_reply(endpoint, message, &body);
            else
                ferry_message_free(message);
            ferry_arena_reset(&arena, 1 << 20);
        }
    }
    ferry_buffer_free(&body);
    ferry_arena_free(&arena);
}

int main(int argument_count, char **arguments) {
    unsigned long width = argument_count == 3 ? strtoul(arguments[2], NULL, 10) : 0;
    if (width == 0 || width > 4096) {
        fprintf(stderr, "usage: endpoint_echo ENDPOINT WIDTH\n");
        return 64;
    }
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    const char *listen = arguments[1];
    struct ferry_server_options options = {.listen = &listen,
                                           .listen_count = 1,
                                           .max_request_bytes = 1 << 20,
                                           .outbox_bytes = 64 << 20,
                                           .outbox_wait_ns = INT64_C(10000000000)};
    struct ferry_server_endpoint *endpoint;
    struct ferry_error error;
    if (ferry_server_endpoint_open(&options, &endpoint, &error) != FERRY_OK) {
        fprintf(stderr, "endpoint_echo: %s\n", error.text);
        return ferry_status_exit_code(error.status);
    }
    serve(endpoint, (uint32_t)width);
    ferry_server_endpoint_close(endpoint, 100);
    return 0;
}
