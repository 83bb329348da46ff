/* Replies: what the daemon encodes, the client reads back the same, msgpack-c takes as well, and a
 * reply that contradicts itself is refused. */
#include <criterion/criterion.h>
#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/wire_reply_read.h"
#include "tests/unit/ipc/packed_body.h"

static struct ferry_buffer body;
static struct ferry_arena arena;
static struct ferry_wire_reply reply;
static struct ferry_error error;
static struct ferry_wire_id id;

static void set_up(void) {
    ferry_buffer_init(&body, 1 << 20);
    ferry_arena_init(&arena, 1 << 20);
    ferry_wire_id_from_uint(77, &id);
}

static void tear_down(void) {
    ferry_buffer_free(&body);
    ferry_arena_free(&arena);
}

TestSuite(wire_reply, .init = set_up, .fini = tear_down);

static enum ferry_status read_body(void) {
    error = (struct ferry_error){FERRY_OK, ""};
    return ferry_wire_reply_read(body.data, body.size, &arena, &reply, &error);
}

/* The body is one value for msgpack-c, and this client reads it. */
static void check_and_read(void) {
    msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    size_t offset = 0;
    cr_assert_eq(msgpack_unpack_next(&unpacked, (const char *)body.data, body.size, &offset),
                 MSGPACK_UNPACK_SUCCESS);
    cr_assert_eq(offset, body.size);
    msgpack_unpacked_destroy(&unpacked);
    cr_assert_eq(read_body(), FERRY_OK, "%s", error.text);
    cr_assert(ferry_wire_id_equal(&reply.id, &id));
    struct ferry_wire_id alone;
    cr_assert(ferry_wire_reply_read_id(body.data, body.size, &alone));
    cr_assert(ferry_wire_id_equal(&alone, &id));
}

static const uint32_t tokens[] = {5, 0, 300};
static const uint8_t truncated[] = {0, 0, 1};
static const struct ferry_wire_item_error item_errors[] = {{1, FERRY_TOO_LONG, "too long"}};

static struct ferry_wire_truth three_items(void) {
    return (struct ferry_wire_truth){.model = {"minilm", "abc", "torch", "f32", "cpu", true},
                                     .times = {1, 200, 70000, UINT32_MAX},
                                     .tokens = tokens,
                                     .truncated = truncated,
                                     .item_count = 3,
                                     .padded_tokens = 1234567,
                                     .errors = item_errors,
                                     .error_count = 1};
}

static void check_truth(void) {
    cr_assert_eq(reply.status, FERRY_OK);
    cr_assert(reply.has_truth);
    const struct ferry_wire_truth *truth = &reply.truth;
    cr_assert_str_eq(truth->model.name, "minilm");
    cr_assert_str_eq(truth->model.digest, "abc");
    cr_assert_str_eq(truth->model.engine, "torch");
    cr_assert_str_eq(truth->model.precision, "f32");
    cr_assert_str_eq(truth->model.device, "cpu");
    cr_assert(truth->model.padding_affects_result);
    cr_assert_eq(truth->times.queue, 200);
    cr_assert_eq(truth->times.total, UINT32_MAX);
    cr_assert_eq(truth->item_count, 3);
    cr_assert_arr_eq(truth->tokens, tokens, sizeof tokens);
    cr_assert_arr_eq(truth->truncated, truncated, sizeof truncated);
    cr_assert_eq(truth->padded_tokens, 1234567);
    cr_assert_eq(truth->error_count, 1);
    cr_assert_eq(truth->errors[0].index, 1);
    cr_assert_eq(truth->errors[0].status, FERRY_TOO_LONG);
    cr_assert_str_eq(truth->errors[0].message, "too long");
}

Test(wire_reply, embed_in_every_dtype) {
    static const uint8_t data[3 * 5 * 4] = {1, 2, 3, 4, 5, 6, 7, 8};
    static const float scales[] = {0.5F, 0.0F, 2.0F};
    static const size_t row_bytes[] = {20, 10, 5, 1};
    for (int dtype = FERRY_WIRE_F32; dtype <= FERRY_WIRE_BINARY; dtype++) {
        struct ferry_wire_truth truth = three_items();
        struct ferry_wire_matrix matrix = {.dtype = (enum ferry_wire_dtype)dtype,
                                           .rows = 3,
                                           .columns = 5,
                                           .data = data,
                                           .size = 3 * row_bytes[dtype],
                                           .scales = scales};
        body.size = 0;
        cr_assert_eq(ferry_wire_reply_embed(&id, &truth, &matrix, &body), FERRY_OK);
        check_and_read();
        check_truth();
        cr_assert(reply.has_matrix);
        cr_assert_eq(reply.matrix.dtype, matrix.dtype);
        cr_assert_eq(reply.matrix.rows, 3);
        cr_assert_eq(reply.matrix.columns, 5);
        cr_assert_eq(reply.matrix.size, matrix.size);
        cr_assert_arr_eq(reply.matrix.data, data, matrix.size);
        cr_assert_eq(reply.matrix.scales != NULL, dtype == FERRY_WIRE_INT8);
        if (dtype == FERRY_WIRE_INT8)
            cr_assert_arr_eq(reply.matrix.scales, scales, sizeof scales);
    }
}

Test(wire_reply, tokenize_with_offsets_and_windows) {
    static const int32_t ids[] = {101, 7592, 102};
    static const uint8_t types[] = {0, 0, 1};
    static const uint8_t special[] = {1, 0, 1};
    static const struct ferry_view texts[] = {{"[CLS]", 5}, {"hello", 5}, {"[SEP]", 5}};
    static const uint32_t offsets[] = {0, 0, 0, 5, 0, 0};
    struct ferry_wire_tokens window = {ids, types, special, texts, offsets, NULL, 3, 0};
    struct ferry_wire_tokens items[3] = {window, {0}, window};
    items[0].windows = &window;
    items[0].window_count = 1;
    items[2].offsets = NULL;
    struct ferry_wire_truth truth = three_items();
    cr_assert_eq(ferry_wire_reply_tokenize(&id, &truth, items, &body), FERRY_OK);
    check_and_read();
    check_truth();
    cr_assert_eq(reply.items[0].count, 3);
    cr_assert_eq(reply.items[0].window_count, 1);
    const struct ferry_wire_tokens *read = &reply.items[0].windows[0];
    cr_assert_arr_eq(read->ids, ids, sizeof ids);
    cr_assert_arr_eq(read->type_ids, types, sizeof types);
    cr_assert_arr_eq(read->special, special, sizeof special);
    cr_assert_arr_eq(read->offsets, offsets, sizeof offsets);
    cr_assert_eq(read->tokens[1].size, 5);
    cr_assert_arr_eq(read->tokens[1].data, "hello", 5);
    cr_assert_eq(reply.items[1].count, 0);
    cr_assert_null(reply.items[2].offsets);
    cr_assert_null(reply.items[2].windows);
}

Test(wire_reply, detokenize) {
    static const struct ferry_view texts[] = {{"one", 3}, {"", 0}, {"\xc3\xa9", 2}};
    struct ferry_wire_truth truth = three_items();
    cr_assert_eq(ferry_wire_reply_detokenize(&id, &truth, texts, &body), FERRY_OK);
    check_and_read();
    check_truth();
    cr_assert_eq(reply.texts[0].size, 3);
    cr_assert_eq(reply.texts[1].size, 0);
    cr_assert_arr_eq(reply.texts[2].data, "\xc3\xa9", 2);
}

Test(wire_reply, error_cancel_and_pong) {
    for (int status = FERRY_BAD_REQUEST; status <= FERRY_INTERNAL; status++) {
        body.size = 0;
        cr_assert_eq(
            ferry_wire_reply_error(&id, (enum ferry_status)status, "what and why", 250, &body),
            FERRY_OK);
        check_and_read();
        cr_assert_eq(reply.status, status);
        cr_assert_str_eq(reply.message, "what and why");
        cr_assert_eq(reply.retry_after_ms, 250);
        cr_assert(!reply.has_truth);
    }
    char long_message[2000];
    memset(long_message, 'm', sizeof long_message - 1);
    long_message[sizeof long_message - 1] = '\0';
    body.size = 0;
    cr_assert_eq(ferry_wire_reply_error(&id, FERRY_BUSY, long_message, 0, &body), FERRY_OK);
    check_and_read();
    cr_assert_eq(strlen(reply.message), 511);
    cr_assert_eq(reply.retry_after_ms, 0);
    for (int cancelled = 0; cancelled < 2; cancelled++) {
        body.size = 0;
        cr_assert_eq(ferry_wire_reply_cancel(&id, cancelled != 0, &body), FERRY_OK);
        check_and_read();
        cr_assert(reply.has_cancelled && reply.cancelled == (cancelled != 0));
    }
    body.size = 0;
    cr_assert_eq(ferry_wire_reply_pong(&id, &body), FERRY_OK);
    check_and_read();
    cr_assert_eq(reply.status, FERRY_OK);
    struct ferry_wire_id none = {.size = 0};
    body.size = 0;
    cr_assert_eq(ferry_wire_reply_pong(&none, &body), FERRY_OK);
    cr_assert_eq(read_body(), FERRY_OK);
    cr_assert_eq(reply.id.size, 0);
    cr_assert(!ferry_wire_reply_read_id(body.data, body.size, &none));
}

Test(wire_reply, status_comes_back_field_by_field) {
    static const char *const endpoints[] = {"ipc:///a", "tcp://127.0.0.1:1"};
    static const struct ferry_wire_status_model models[] = {{.name = "one",
                                                             .digest = "d1",
                                                             .task = "generate",
                                                             .engine = "torch",
                                                             .precision = "f32",
                                                             .device = "cpu",
                                                             .pooling = "mean",
                                                             .proof = "batch and length vary",
                                                             .max_length = 256,
                                                             .width = 384,
                                                             .vocabulary_size = 30522,
                                                             .workers = 2,
                                                             .decode_running = 3,
                                                             .decode_blocks = 4,
                                                             .decode_steps = UINT64_MAX,
                                                             .decode_new_tokens = 5,
                                                             .normalize = true,
                                                             .pads = true},
                                                            {.name = "two",
                                                             .digest = "d2",
                                                             .task = "embed",
                                                             .engine = "fake",
                                                             .precision = "f32",
                                                             .device = "cpu",
                                                             .max_length = 8,
                                                             .width = 4,
                                                             .vocabulary_size = 100,
                                                             .fixed_length = 8,
                                                             .fixed_batch = 2,
                                                             .workers = 1,
                                                             .pads = true,
                                                             .equal_lengths_only = true,
                                                             .padding_affects_result = true}};
    struct ferry_wire_status sent;
    /* every byte different, so that a field written or read at the wrong place shows */
    for (size_t i = 0; i < sizeof sent; i++)
        ((uint8_t *)&sent)[i] = (uint8_t)(i * 7 + 1);
    sent.version = "0.1.0";
    sent.state = "ready";
    sent.endpoints = endpoints;
    sent.endpoint_count = 2;
    sent.models = models;
    sent.model_count = 2;
    cr_assert_eq(ferry_wire_reply_status(&id, &sent, &body), FERRY_OK);
    check_and_read();
    const struct ferry_wire_status *read = reply.server;
    cr_assert_str_eq(read->version, "0.1.0");
    cr_assert_str_eq(read->state, "ready");
    cr_assert_eq(read->pid, sent.pid);
    cr_assert_eq(read->uptime_s, sent.uptime_s);
    cr_assert_eq(read->endpoint_count, 2);
    cr_assert_str_eq(read->endpoints[1], "tcp://127.0.0.1:1");
    cr_assert_eq(read->limits.max_request_bytes, sent.limits.max_request_bytes);
    cr_assert_eq(read->limits.max_items, sent.limits.max_items);
    cr_assert_eq(read->limits.max_ids_per_item, sent.limits.max_ids_per_item);
    cr_assert_eq(read->limits.queue_items, sent.limits.queue_items);
    cr_assert_eq(read->limits.queue_tokens, sent.limits.queue_tokens);
    cr_assert_eq(read->limits.queue_bytes, sent.limits.queue_bytes);
    cr_assert_eq(read->limits.batch_tokens, sent.limits.batch_tokens);
    cr_assert_eq(read->limits.default_deadline_ms, sent.limits.default_deadline_ms);
    cr_assert_eq(read->limits.max_deadline_ms, sent.limits.max_deadline_ms);
    cr_assert_arr_eq(read->requests, sent.requests, sizeof sent.requests);
    cr_assert_eq(read->items, sent.items);
    cr_assert_eq(read->tokens, sent.tokens);
    cr_assert_eq(read->padded_tokens, sent.padded_tokens);
    cr_assert_eq(read->batches, sent.batches);
    cr_assert_eq(read->duplicates, sent.duplicates);
    cr_assert_eq(read->queued_items, sent.queued_items);
    cr_assert_eq(read->queued_tokens, sent.queued_tokens);
    cr_assert_eq(read->queued_bytes, sent.queued_bytes);
    cr_assert_arr_eq(&read->tokenize, &sent.tokenize, sizeof sent.tokenize);
    cr_assert_arr_eq(&read->queue, &sent.queue, sizeof sent.queue);
    cr_assert_arr_eq(&read->compute, &sent.compute, sizeof sent.compute);
    cr_assert_arr_eq(&read->total, &sent.total, sizeof sent.total);
    cr_assert_arr_eq(&read->endpoint, &sent.endpoint, sizeof sent.endpoint);
    cr_assert_eq(read->model_count, 2);
    cr_assert_str_eq(read->models[0].proof, "batch and length vary");
    cr_assert_eq(read->models[0].workers, 2);
    cr_assert_eq(read->models[0].decode_running, 3);
    cr_assert_eq(read->models[0].decode_blocks, 4);
    cr_assert_eq(read->models[0].decode_steps, UINT64_MAX);
    cr_assert_eq(read->models[0].decode_new_tokens, 5);
    cr_assert(read->models[0].normalize && !read->models[0].equal_lengths_only);
    cr_assert_str_eq(read->models[1].pooling, "");
    cr_assert_eq(read->models[1].fixed_length, 8);
    cr_assert_eq(read->models[1].vocabulary_size, 100);
    cr_assert(read->models[1].equal_lengths_only && read->models[1].padding_affects_result);
}

#define EXPECT_REFUSED(part, ...)                                                                  \
    do {                                                                                           \
        pack_body(&body, __VA_ARGS__);                                                             \
        cr_assert_eq(read_body(), FERRY_BAD_DATA, "accepted, wanted: %s", part);                   \
        cr_assert(strstr(error.text, part) != NULL, "text: %s", error.text);                       \
    } while (0)

Test(wire_reply, refuses_what_contradicts_itself) {
    EXPECT_REFUSED("msgpack ends", "");
    EXPECT_REFUSED("wanted a map", "[0");
    EXPECT_REFUSED("status is missing", "{1 su", "v", 1);
    EXPECT_REFUSED("protocol version 2", "{2 su ss", "v", 2, "status", "OK");
    EXPECT_REFUSED("status: wanted a string", "{2 su su", "v", 1, "status", 1);
    EXPECT_REFUSED("id: not one", "{2 sf ss", "id", 1.0, "status", "OK");
    EXPECT_REFUSED("without model", "{2 ss s[0", "status", "OK", "texts");
    EXPECT_REFUSED("not valid UTF-8", "{2 ss ss", "status", "BUSY", "message", "\xff");
#define TRUTH "{5 ss s{0 s[1u s[1F"
#define TRUTH_KEYS "status", "OK", "model", "tokens", 1, "truncated"
    EXPECT_REFUSED("truncated has 2", "{4 ss s{0 s[1u s[2FF", TRUTH_KEYS);
    EXPECT_REFUSED("texts has 2", TRUTH "s[2ss", TRUTH_KEYS, "texts", "a", "b");
    EXPECT_REFUSED("items has 0", TRUTH "s[0", TRUTH_KEYS, "items");
    EXPECT_REFUSED("error for item 1 of 1", TRUTH "s[1{1su", TRUTH_KEYS, "errors", "index", 1);
    EXPECT_REFUSED("vectors has 2", TRUTH "s{3 ss s[2uu s b", TRUTH_KEYS, "vectors", "dtype", "f32",
                   "shape", 2, 0, "data", "", 0);
}

Test(wire_reply, refuses_a_matrix_that_contradicts_itself) {
#define MATRIX TRUTH "s{3 ss s[2uu sb"
    EXPECT_REFUSED("3 bytes of data for 1 rows of 1 numbers", MATRIX, TRUTH_KEYS, "vectors",
                   "dtype", "f32", "shape", 1, 1, "data", "abc", 3);
    EXPECT_REFUSED("0 bytes of data", MATRIX, TRUTH_KEYS, "vectors", "dtype", "f16", "shape", 1, 1,
                   "data", "", 0);
    EXPECT_REFUSED("bytes of data", MATRIX, TRUTH_KEYS, "vectors", "dtype", "f32", "shape",
                   0x40000001U, 4, "data", "abcdefghijklmnop", 16);
    EXPECT_REFUSED("0 scales for 1 rows", MATRIX, TRUTH_KEYS, "vectors", "dtype", "int8", "shape",
                   1, 1, "data", "a", 1);
    EXPECT_REFUSED("dtype \"f8\" is not known", MATRIX, TRUTH_KEYS, "vectors", "dtype", "f8",
                   "shape", 1, 1, "data", "a", 1);
    EXPECT_REFUSED("not all there", TRUTH "s{1 ss", TRUTH_KEYS, "vectors", "dtype", "f32");
    EXPECT_REFUSED("shape has 3", TRUTH "s{1 s[3uuu", TRUTH_KEYS, "vectors", "shape", 1, 1, 1);
}

Test(wire_reply, refuses_tokens_that_contradict_themselves) {
    EXPECT_REFUSED("same length", TRUTH "s[1{2 sb s[1s", TRUTH_KEYS, "items", "ids", "", 0,
                   "tokens", "a");
    EXPECT_REFUSED("32-bit numbers has 3", TRUTH "s[1{1 sb", TRUTH_KEYS, "items", "ids", "abc", 3);
    EXPECT_REFUSED("same length", TRUTH "s[1{1 sb", TRUTH_KEYS, "items", "offsets", "abcd", 4);
    EXPECT_REFUSED("window has windows", TRUTH "s[1{1 s[1{1 s[0", TRUTH_KEYS, "items", "windows",
                   "windows");
}

/* A newer daemon may say more, and may fail in ways that this client does not know. */
Test(wire_reply, skips_what_it_does_not_know) {
    pack_body(&body, "{4 su ss s[2 {1sn f s{1 sn", "v", 1, "status", "OK", "news", "x", 1.5,
              "server", "weather");
    cr_assert_eq(read_body(), FERRY_OK, "%s", error.text);
    cr_assert_not_null(reply.server);
    cr_assert_str_eq(reply.server->version, "");
    pack_body(&body, "{2 ss ss", "status", "TIRED", "message", "asleep");
    cr_assert_eq(read_body(), FERRY_OK);
    cr_assert_eq(reply.status, FERRY_INTERNAL);
    cr_assert_str_eq(reply.message, "asleep");
}

Test(wire_reply, encoding_respects_the_buffers_maximum) {
    struct ferry_wire_truth truth = three_items();
    struct ferry_wire_matrix matrix = {.rows = 3, .columns = 1, .data = tokens, .size = 12};
    for (size_t room = 0; room < 600; room += 7) {
        struct ferry_buffer small;
        ferry_buffer_init(&small, room);
        enum ferry_status status = ferry_wire_reply_embed(&id, &truth, &matrix, &small);
        cr_assert(status == FERRY_OK ? small.size <= room : status == FERRY_TOO_LARGE);
        cr_assert(status == FERRY_OK || small.size == 0);
        ferry_buffer_free(&small);
    }
}

Test(wire_reply, a_full_arena_is_an_error) {
    struct ferry_wire_truth truth = three_items();
    struct ferry_wire_matrix matrix = {.rows = 3, .columns = 1, .data = tokens, .size = 12};
    cr_assert_eq(ferry_wire_reply_embed(&id, &truth, &matrix, &body), FERRY_OK);
    ferry_arena_free(&arena);
    ferry_arena_init(&arena, 16);
    cr_assert_eq(read_body(), FERRY_OUT_OF_MEMORY);
}
