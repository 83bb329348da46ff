/* Nanoseconds that decoding a request and encoding or reading a reply take, best of five rounds.
 * One JSON line each. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "ipc/wire_reply_read.h"

enum { WIDTH = 384, CALLS = 20000, ROUNDS = 5 };

static const char text[] = "Sixty bytes of text, as long as a short question would be it.";
static struct ferry_buffer body;
static struct ferry_arena arena;
static struct ferry_wire_request request;
static struct ferry_wire_item items[32];
static float rows[32 * WIDTH];
static uint32_t tokens[32];
static uint8_t truncated[32];
static struct ferry_wire_truth truth = {
    .model = {"minilm", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "torch",
              "f32", "cpu", false},
    .times = {10, 20, 3000, 3060},
    .tokens = tokens,
    .truncated = truncated};

static enum ferry_status encode_request(void) {
    body.size = 0;
    return ferry_wire_request_encode(&request, &body);
}

static enum ferry_status decode_request(void) {
    static const struct ferry_wire_limits limits = {64, 512};
    struct ferry_wire_request decoded;
    ferry_arena_reset(&arena, 1 << 20);
    return ferry_wire_request_decode(body.data, body.size, &limits, &arena, &decoded, NULL);
}

static enum ferry_status encode_reply(void) {
    struct ferry_wire_matrix matrix = {.rows = truth.item_count,
                                       .columns = WIDTH,
                                       .data = rows,
                                       .size = (size_t)truth.item_count * WIDTH * sizeof *rows};
    body.size = 0;
    return ferry_wire_reply_embed(&request.id, &truth, &matrix, &body);
}

static enum ferry_status read_reply(void) {
    struct ferry_wire_reply reply;
    ferry_arena_reset(&arena, 1 << 20);
    return ferry_wire_reply_read(body.data, body.size, &arena, &reply, NULL);
}

static bool measure(const char *name, enum ferry_status (*call)(void)) {
    int64_t best = INT64_MAX;
    for (int round = 0; round < ROUNDS; round++) {
        int64_t start = ferry_clock_now();
        for (int i = 0; i < CALLS; i++) {
            if (call() != FERRY_OK)
                return false;
        }
        int64_t taken = ferry_clock_now() - start;
        best = taken < best ? taken : best;
    }
    printf("{\"what\": \"%s\", \"items\": %u, \"bytes\": %zu, \"nanoseconds\": %.1f}\n", name,
           truth.item_count, body.size, (double)best / CALLS);
    return true;
}

static bool measure_all(uint32_t item_count) {
    ferry_wire_request_init(&request, FERRY_OPERATION_EMBED);
    ferry_wire_id_from_uint(12345, &request.id);
    for (uint32_t i = 0; i < item_count; i++)
        items[i].text = (struct ferry_view){text, sizeof text - 1};
    request.items = items;
    request.item_count = item_count;
    truth.item_count = item_count;
    memset(tokens, 17, sizeof tokens);
    return measure("encode request", encode_request) && measure("decode request", decode_request) &&
           measure("encode embed reply", encode_reply) && measure("read embed reply", read_reply);
}

int main(void) {
    ferry_buffer_init(&body, 1 << 20);
    ferry_arena_init(&arena, 1 << 20);
    bool all = measure_all(1) && measure_all(32);
    ferry_buffer_free(&body);
    ferry_arena_free(&arena);
    return all ? 0 : 1;
}
