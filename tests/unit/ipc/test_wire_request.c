/* Requests: every error there is, with the text that names the key, and what comes back after
 * encoding. */
#include <criterion/criterion.h>
#include <string.h>

#include "ipc/wire_request.h"
#include "tests/unit/ipc/packed_body.h"

static struct ferry_buffer body;
static struct ferry_arena arena;
static struct ferry_wire_request request;
static struct ferry_error error;
static const struct ferry_wire_limits limits = {.max_items = 4, .max_ids_per_item = 8};

static void set_up(void) {
    ferry_buffer_init(&body, 1 << 20);
    ferry_arena_init(&arena, 1 << 20);
}

static void tear_down(void) {
    ferry_buffer_free(&body);
    ferry_arena_free(&arena);
}

TestSuite(wire_request, .init = set_up, .fini = tear_down);

static enum ferry_status decode(void) {
    error = (struct ferry_error){FERRY_OK, ""};
    return ferry_wire_request_decode(body.data, body.size, &limits, &arena, &request, &error);
}

/* Decodes the packed body, which must fail with this status and a text that contains this part. */
#define EXPECT(wanted, part, ...)                                                                  \
    do {                                                                                           \
        pack_body(&body, __VA_ARGS__);                                                             \
        enum ferry_status got = decode();                                                          \
        cr_assert_eq(got, wanted, "%s: %s", ferry_status_name(got), error.text);                   \
        cr_assert_eq(error.status, wanted);                                                        \
        cr_assert(strstr(error.text, part) != NULL, "text: %s", error.text);                       \
    } while (0)
#define EXPECT_OK(...)                                                                             \
    do {                                                                                           \
        pack_body(&body, __VA_ARGS__);                                                             \
        enum ferry_status got = decode();                                                          \
        cr_assert_eq(got, FERRY_OK, "%s: %s", ferry_status_name(got), error.text);                 \
    } while (0)

Test(wire_request, smallest_embed_has_the_defaults) {
    EXPECT_OK("{3 su ss s[1s", "v", 1, "op", "embed", "texts", "hi");
    cr_assert_eq(request.operation, FERRY_OPERATION_EMBED);
    cr_assert_eq(request.item_count, 1);
    cr_assert_eq(request.items[0].text.size, 2);
    cr_assert_arr_eq(request.items[0].text.data, "hi", 2);
    cr_assert_null(request.items[0].pair.data);
    cr_assert_null(request.items[0].ids);
    cr_assert_null(request.model.data);
    cr_assert_eq(request.id.size, 0);
    cr_assert_eq(request.normalize, -1);
    cr_assert_eq(request.dtype, FERRY_WIRE_F32);
    cr_assert_eq(request.priority, FERRY_WIRE_INTERACTIVE);
    cr_assert_eq(request.truncate, FERRY_WIRE_TRUNCATE_RIGHT);
    cr_assert_eq(request.deadline_ms, 0);
    cr_assert_eq(request.max_tokens, 0);
    cr_assert(request.add_special_tokens && request.skip_special_tokens);
    cr_assert(!request.special_tokens_as_text && !request.offsets && !request.windows);
}

Test(wire_request, every_key_of_embed) {
    EXPECT_OK("{9 su ss su ss su ss ss ss s[2 s[2ss", "v", 1, "op", "embed", "id", 9, "model", "m",
              "deadline_ms", 3600000, "priority", "bulk", "truncate", "error", "strategy",
              "only_second", "texts", "a", "b", "c");
    cr_assert_eq(request.deadline_ms, 3600000);
    cr_assert_eq(request.priority, FERRY_WIRE_BULK);
    cr_assert_eq(request.truncate, FERRY_WIRE_TRUNCATE_ERROR);
    cr_assert_eq(request.strategy, FERRY_WIRE_ONLY_SECOND);
    cr_assert_arr_eq(request.model.data, "m", 1);
    cr_assert_arr_eq(request.items[1].pair.data, "c", 1);
    EXPECT_OK("{7 su ss su ss sF ss s[1s", "v", 1, "op", "embed", "max_tokens", 5, "special_tokens",
              "text", "normalize", "dtype", "binary", "texts", "a");
    cr_assert_eq(request.max_tokens, 5);
    cr_assert(request.special_tokens_as_text);
    cr_assert_eq(request.normalize, 0);
    cr_assert_eq(request.dtype, FERRY_WIRE_BINARY);
}

Test(wire_request, every_key_of_the_other_operations) {
    EXPECT_OK("{7 su ss sF st st su s[1s", "v", 1, "op", "tokenize", "add_special_tokens",
              "offsets", "windows", "stride", 3, "texts", "a");
    cr_assert(!request.add_special_tokens && request.offsets && request.windows);
    cr_assert_eq(request.stride, 3);
    EXPECT_OK("{4 su ss sF s[1[2uu", "v", 1, "op", "detokenize", "skip_special_tokens", "ids", 5,
              6);
    cr_assert(!request.skip_special_tokens);
    cr_assert_eq(request.items[0].ids[1], 6);
    EXPECT_OK("{3 su ss ss", "v", 1, "op", "cancel", "target", "abc");
    cr_assert_eq(request.cancel_target.size, 4);
    EXPECT_OK("{2 su ss", "v", 1, "op", "ping");
    EXPECT_OK("{2 su ss", "v", 1, "op", "status");
}

Test(wire_request, ids_as_array_or_bin) {
    EXPECT_OK("{4 su ss s[2 [3uui b s[2 [3uuu b", "v", 1, "op", "embed", "ids", 101, 70000, -1,
              "\x05\0\0\0\xff\xff\xff\xff", 8, "type_ids", 0, 1, 255, "\1\0", 2);
    cr_assert_eq(request.items[0].id_count, 3);
    cr_assert_eq(request.items[0].ids[1], 70000);
    cr_assert_eq(request.items[0].ids[2], -1, "negative ids are refused where the model is known");
    cr_assert_eq(request.items[1].ids[0], 5);
    cr_assert_eq(request.items[1].ids[1], -1);
    cr_assert_eq(request.items[0].type_ids[2], 255);
    cr_assert_eq(request.items[1].type_ids[0], 1);
    EXPECT_OK("{3 su ss s[2 [0 b", "v", 1, "op", "embed", "ids", "", 0);
    cr_assert_not_null(request.items[0].ids);
    cr_assert_eq(request.items[0].id_count + request.items[1].id_count, 0);
}

Test(wire_request, the_body_itself) {
    EXPECT(FERRY_BAD_REQUEST, "msgpack ends", "");
    EXPECT(FERRY_BAD_REQUEST, "must be a map, got an array", "[1u", 1);
    EXPECT(FERRY_BAD_REQUEST, "must be a map, got a string", "s", "v");
    EXPECT(FERRY_BAD_REQUEST, "key must be a string", "{1uu", 1, 1);
    EXPECT(FERRY_BAD_REQUEST, "1 bytes follow", "{2 su ss u", "v", 1, "op", "ping", 1);
    EXPECT(FERRY_BAD_REQUEST, "not allowed", "{1 s r", "v", "\xc1", 1);
    EXPECT(FERRY_BAD_REQUEST, "not allowed", "{1 s r", "v", "\xd4\x01\x01", 3);
    EXPECT(FERRY_BAD_REQUEST, "deeper than 8", "{1 s [1[1[1[1[1[1[1[1u", "v", 1);
    EXPECT(FERRY_BAD_REQUEST, "bytes are left", "{1 s r", "texts", "\xdd\xff\0\0\0", 5);
}

Test(wire_request, version_and_operation) {
    EXPECT(FERRY_BAD_REQUEST, "\"v\" is missing", "{1 ss", "op", "ping");
    EXPECT(FERRY_UNSUPPORTED, "version 2", "{2 su ss", "v", 2, "op", "ping");
    EXPECT(FERRY_UNSUPPORTED, "version 2", "{3 su ss sn", "v", 2, "op", "ping", "new_key");
    EXPECT(FERRY_BAD_REQUEST, "v: wanted an unsigned integer, got a string", "{2 ss ss", "v", "1",
           "op", "ping");
    EXPECT(FERRY_BAD_REQUEST, "v: wanted an unsigned integer, got a float", "{2 sf ss", "v", 1.0,
           "op", "ping");
    EXPECT(FERRY_BAD_REQUEST, "\"op\" is missing", "{1 su", "v", 1);
    EXPECT(FERRY_BAD_REQUEST, "op: wanted a string, got an unsigned integer", "{2 su su", "v", 1,
           "op", 1);
    EXPECT(FERRY_UNSUPPORTED, "\"fly\"", "{2 su ss", "v", 1, "op", "fly");
    EXPECT(FERRY_UNSUPPORTED, "\"\\x1b[2J\"", "{2 su ss", "v", 1, "op", "\x1b[2J");
}

Test(wire_request, keys) {
    EXPECT(FERRY_BAD_REQUEST, "unknown key \"textz\"", "{3 su ss s[1s", "v", 1, "op", "embed",
           "textz", "a");
    EXPECT(FERRY_BAD_REQUEST, "unknown key \"\\x0a\"", "{3 su ss sn", "v", 1, "op", "ping", "\n");
    EXPECT(FERRY_BAD_REQUEST, "duplicate key \"v\"", "{3 su ss su", "v", 1, "op", "ping", "v", 1);
    EXPECT(FERRY_BAD_REQUEST, "\"ping\" does not take the key \"texts\"", "{3 su ss s[1s", "v", 1,
           "op", "ping", "texts", "a");
    EXPECT(FERRY_BAD_REQUEST, "\"tokenize\" does not take the key \"dtype\"", "{4 su ss s[1s ss",
           "v", 1, "op", "tokenize", "texts", "a", "dtype", "f32");
    EXPECT(FERRY_BAD_REQUEST, "does not take the key \"ids\"", "{3 su ss s[1[1u", "v", 1, "op",
           "tokenize", "ids", 1);
    EXPECT(FERRY_BAD_REQUEST, "does not take the key \"target\"", "{4 su ss s[1s su", "v", 1, "op",
           "embed", "texts", "a", "target", 1);
}

/* A broken request is answered under its own id, wherever in the map that stands. */
Test(wire_request, errors_find_their_request) {
    EXPECT(FERRY_BAD_REQUEST, "unknown key", "{4 su ss sn su", "v", 1, "op", "ping", "what", "id",
           5);
    cr_assert_eq(request.id.size, 1);
    EXPECT(FERRY_UNSUPPORTED, "version", "{2 su su", "v", 7, "id", 5);
    cr_assert_eq(request.id.size, 1);
    EXPECT(FERRY_BAD_REQUEST, "not allowed", "{3 su ss s r", "v", 1, "id", "xy", "texts", "\xc1",
           1);
    cr_assert_eq(request.id.size, 3);
    cr_assert_arr_eq(request.id.bytes, "\xa2xy", 3);
    EXPECT(FERRY_BAD_REQUEST, "follow", "{2 ss su u", "id", "xy", "v", 1, 1);
    cr_assert_eq(request.id.size, 3);
}

Test(wire_request, id_and_target) {
    char long_id[66];
    memset(long_id, 'i', 65);
    long_id[65] = '\0';
    EXPECT(FERRY_BAD_REQUEST, "id: 65 bytes, at most 64", "{3 su ss ss", "v", 1, "op", "ping", "id",
           long_id);
    long_id[64] = '\0';
    EXPECT_OK("{3 su ss ss", "v", 1, "op", "ping", "id", long_id);
    cr_assert_eq(request.id.size, 66);
    EXPECT_OK("{3 su ss s r b", "v", 1, "op", "ping", "id", "", 0, long_id, 64);
    EXPECT(FERRY_BAD_REQUEST, "id: wanted an unsigned integer, a string or a bin, got a float",
           "{3 su ss sf", "v", 1, "op", "ping", "id", 1.5);
    EXPECT(FERRY_BAD_REQUEST, "got a negative integer", "{3 su ss si", "v", 1, "op", "ping", "id",
           -4);
    EXPECT(FERRY_BAD_REQUEST, "got an array", "{3 su ss s[0", "v", 1, "op", "ping", "id");
    EXPECT(FERRY_BAD_REQUEST, "id: the string is not valid UTF-8", "{3 su ss ss", "v", 1, "op",
           "ping", "id", "\xff");
    EXPECT(FERRY_BAD_REQUEST, "\"target\" is missing", "{2 su ss", "v", 1, "op", "cancel");
    EXPECT(FERRY_BAD_REQUEST, "target: wanted", "{3 su ss sn", "v", 1, "op", "cancel", "target");
    long_id[64] = 'i';
    EXPECT(FERRY_BAD_REQUEST, "target: 65", "{3 su ss ss", "v", 1, "op", "cancel", "target",
           long_id);
}

#define EMBED_WITH "{4 su ss s[1s s"
#define EMBED_KEYS "v", 1, "op", "embed", "texts", "a"

Test(wire_request, plain_values) {
    EXPECT(FERRY_BAD_REQUEST, "deadline_ms: wanted an unsigned integer, got a float",
           EMBED_WITH "f", EMBED_KEYS, "deadline_ms", 5.0);
    EXPECT(FERRY_BAD_REQUEST, "deadline_ms: 0 is outside 1 to 3600000", EMBED_WITH "u", EMBED_KEYS,
           "deadline_ms", 0);
    EXPECT(FERRY_BAD_REQUEST, "deadline_ms: 3600001", EMBED_WITH "u", EMBED_KEYS, "deadline_ms",
           3600001);
    EXPECT(FERRY_BAD_REQUEST, "deadline_ms: -1 is outside 1 to 3600000", EMBED_WITH "i", EMBED_KEYS,
           "deadline_ms", -1);
    EXPECT(FERRY_BAD_REQUEST, "max_tokens: 0", EMBED_WITH "u", EMBED_KEYS, "max_tokens", 0);
    EXPECT(FERRY_BAD_REQUEST, "priority: \"high\" is not one of \"interactive\", \"bulk\"",
           EMBED_WITH "s", EMBED_KEYS, "priority", "high");
    EXPECT(FERRY_BAD_REQUEST, "priority: wanted a string, got a boolean", EMBED_WITH "t",
           EMBED_KEYS, "priority");
    EXPECT(FERRY_BAD_REQUEST, "truncate: \"middle\"", EMBED_WITH "s", EMBED_KEYS, "truncate",
           "middle");
    EXPECT(FERRY_BAD_REQUEST, "strategy: \"both\"", EMBED_WITH "s", EMBED_KEYS, "strategy", "both");
    EXPECT(FERRY_BAD_REQUEST, "dtype: \"f64\"", EMBED_WITH "s", EMBED_KEYS, "dtype", "f64");
    EXPECT(FERRY_BAD_REQUEST, "special_tokens: \"drop\"", EMBED_WITH "s", EMBED_KEYS,
           "special_tokens", "drop");
    EXPECT(FERRY_BAD_REQUEST, "normalize: wanted a boolean, got an unsigned", EMBED_WITH "u",
           EMBED_KEYS, "normalize", 1);
    EXPECT(FERRY_BAD_REQUEST, "model: wanted a string, got nil", EMBED_WITH "n", EMBED_KEYS,
           "model");
    EXPECT(FERRY_BAD_REQUEST, "model: 65 bytes", EMBED_WITH "s", EMBED_KEYS, "model",
           "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    EXPECT(FERRY_BAD_REQUEST, "model: the string is not valid UTF-8", EMBED_WITH "s", EMBED_KEYS,
           "model", "\xc3");
    EXPECT(FERRY_BAD_REQUEST, "stride: has a meaning only with windows", "{4 su ss s[1s su", "v", 1,
           "op", "tokenize", "texts", "a", "stride", 1);
    EXPECT(FERRY_BAD_REQUEST, "windows: wanted a boolean", "{4 su ss s[1s ss", "v", 1, "op",
           "tokenize", "texts", "a", "windows", "yes");
}

Test(wire_request, texts) {
    EXPECT(FERRY_BAD_REQUEST, "\"texts\" or \"ids\" is missing", "{2 su ss", "v", 1, "op", "embed");
    EXPECT(FERRY_BAD_REQUEST, "\"texts\" is missing", "{2 su ss", "v", 1, "op", "tokenize");
    EXPECT(FERRY_BAD_REQUEST, "\"ids\" is missing", "{2 su ss", "v", 1, "op", "detokenize");
    EXPECT(FERRY_BAD_REQUEST, "texts: the array is empty", "{3 su ss s[0", "v", 1, "op", "embed",
           "texts");
    EXPECT(FERRY_BAD_REQUEST, "texts: wanted an array, got a string", "{3 su ss ss", "v", 1, "op",
           "embed", "texts", "a");
    EXPECT(FERRY_BAD_REQUEST, "texts[1]: wanted a string or an array of 2 strings, got nil",
           "{3 su ss s[2sn", "v", 1, "op", "embed", "texts", "a");
    EXPECT(FERRY_BAD_REQUEST, "got a bin", "{3 su ss s[1b", "v", 1, "op", "embed", "texts", "a", 1);
    EXPECT(FERRY_BAD_REQUEST, "texts[0]: a pair has 2 texts, got 3", "{3 su ss s[1[3sss", "v", 1,
           "op", "embed", "texts", "a", "b", "c");
    EXPECT(FERRY_BAD_REQUEST, "texts[0][1]: wanted a string, got an unsigned", "{3 su ss s[1[2su",
           "v", 1, "op", "embed", "texts", "a", 5);
    EXPECT(FERRY_TOO_LARGE, "texts: 5 items, at most 4", "{3 su ss s[5sssss", "v", 1, "op", "embed",
           "texts", "a", "b", "c", "d", "e");
    EXPECT(FERRY_BAD_REQUEST, "only one of them", "{4 su ss s[1s s[1[1u", "v", 1, "op", "embed",
           "texts", "a", "ids", 1);
    EXPECT_OK("{3 su ss s[1s", "v", 1, "op", "embed", "texts", "\xff\xfe");
}

Test(wire_request, ids) {
    EXPECT(FERRY_BAD_REQUEST, "ids: wanted an array, got a bin", "{3 su ss sb", "v", 1, "op",
           "embed", "ids", "abcd", 4);
    EXPECT(FERRY_BAD_REQUEST, "ids: the array is empty", "{3 su ss s[0", "v", 1, "op", "embed",
           "ids");
    EXPECT(FERRY_BAD_REQUEST, "ids[0]: wanted an array or a bin of int32, got an unsigned",
           "{3 su ss s[1u", "v", 1, "op", "embed", "ids", 4);
    EXPECT(FERRY_BAD_REQUEST, "ids[0]: a bin of int32 has a multiple of 4 bytes, got 3",
           "{3 su ss s[1b", "v", 1, "op", "embed", "ids", "abc", 3);
    EXPECT(FERRY_BAD_REQUEST, "ids[0][1]: wanted an unsigned integer, got a float",
           "{3 su ss s[1[2uf", "v", 1, "op", "embed", "ids", 1, 2.0);
    EXPECT(FERRY_BAD_REQUEST, "ids[0][0]: does not fit 32 bits", "{3 su ss s[1[1u", "v", 1, "op",
           "embed", "ids", 0x80000000U);
    EXPECT(FERRY_TOO_LARGE, "ids[0]: 9 ids, at most 8", "{3 su ss s[1[9uuuuuuuuu", "v", 1, "op",
           "embed", "ids", 1, 1, 1, 1, 1, 1, 1, 1, 1);
    EXPECT(FERRY_TOO_LARGE, "ids: 5 items, at most 4", "{3 su ss s[5[0[0[0[0[0", "v", 1, "op",
           "embed", "ids");
    EXPECT(FERRY_BAD_REQUEST, "type_ids: has a meaning only with ids", "{4 su ss s[1s s[1[1u", "v",
           1, "op", "embed", "texts", "a", "type_ids", 1);
    EXPECT(FERRY_BAD_REQUEST, "type_ids: 2 items, but ids has 1", "{4 su ss s[1[1u s[2[1u[1u", "v",
           1, "op", "embed", "ids", 1, "type_ids", 0, 0);
    EXPECT(FERRY_BAD_REQUEST, "type_ids[0]: 2 type ids for 1 ids", "{4 su ss s[1[1u s[1[2uu", "v",
           1, "op", "embed", "ids", 1, "type_ids", 0, 0);
    EXPECT(FERRY_BAD_REQUEST, "type_ids[0]: wanted an array or a bin", "{4 su ss s[1[1u s[1u", "v",
           1, "op", "embed", "ids", 1, "type_ids", 0);
    EXPECT(FERRY_BAD_REQUEST, "type_ids[0][0]: wanted an unsigned integer below 256",
           "{4 su ss s[1[1u s[1[1u", "v", 1, "op", "embed", "ids", 1, "type_ids", 256);
    EXPECT(FERRY_BAD_REQUEST, "type_ids: wanted an array", "{4 su ss s[1[1u su", "v", 1, "op",
           "embed", "ids", 1, "type_ids", 1);
}

Test(wire_request, an_arena_that_is_full) {
    ferry_arena_free(&arena);
    ferry_arena_init(&arena, 64);
    EXPECT(FERRY_OUT_OF_MEMORY, "no memory", "{3 su ss s[4ssss", "v", 1, "op", "embed", "texts",
           "a", "b", "c", "d");
}

Test(wire_request, works_without_an_error_to_fill) {
    pack_body(&body, "{1 su", "v", 2);
    cr_assert_eq(ferry_wire_request_decode(body.data, body.size, &limits, &arena, &request, NULL),
                 FERRY_UNSUPPORTED);
}

static void encode_and_decode(const struct ferry_wire_request *sent) {
    body.size = 0;
    cr_assert_eq(ferry_wire_request_encode(sent, &body), FERRY_OK);
    cr_assert_eq(decode(), FERRY_OK, "%s", error.text);
    cr_assert_eq(request.operation, sent->operation);
    cr_assert(ferry_wire_id_equal(&request.id, &sent->id));
    cr_assert_eq(request.item_count, sent->item_count);
}

Test(wire_request, what_is_encoded_comes_back) {
    struct ferry_wire_request sent;
    ferry_wire_request_init(&sent, FERRY_OPERATION_EMBED);
    struct ferry_wire_item items[2] = {{.text = {"one", 3}, .pair = {"", 0}}, {.text = {"", 0}}};
    items[1].text.data = "";
    ferry_wire_id_from_uint(UINT64_MAX, &sent.id);
    sent.model = (struct ferry_view){"minilm", 6};
    sent.items = items;
    sent.item_count = 2;
    sent.deadline_ms = 70000;
    sent.priority = FERRY_WIRE_BULK;
    sent.truncate = FERRY_WIRE_TRUNCATE_LEFT;
    sent.strategy = FERRY_WIRE_ONLY_FIRST;
    sent.max_tokens = 300;
    sent.dtype = FERRY_WIRE_INT8;
    sent.normalize = 1;
    sent.special_tokens_as_text = true;
    encode_and_decode(&sent);
    uint64_t number = 0;
    cr_assert(ferry_wire_id_to_uint(&request.id, &number) && number == UINT64_MAX);
    cr_assert_eq(request.deadline_ms, 70000);
    cr_assert_eq(request.priority, FERRY_WIRE_BULK);
    cr_assert_eq(request.truncate, FERRY_WIRE_TRUNCATE_LEFT);
    cr_assert_eq(request.strategy, FERRY_WIRE_ONLY_FIRST);
    cr_assert_eq(request.max_tokens, 300);
    cr_assert_eq(request.dtype, FERRY_WIRE_INT8);
    cr_assert_eq(request.normalize, 1);
    cr_assert(request.special_tokens_as_text);
    cr_assert_not_null(request.items[0].pair.data, "an empty second text is still a pair");
    cr_assert_null(request.items[1].pair.data);
    cr_assert_arr_eq(request.model.data, "minilm", 6);
}

Test(wire_request, encoded_ids_and_other_operations_come_back) {
    static const int32_t ids[] = {101, -5, 30000};
    static const uint8_t types[] = {0, 1, 1};
    struct ferry_wire_request sent;
    ferry_wire_request_init(&sent, FERRY_OPERATION_EMBED);
    struct ferry_wire_item items[2] = {{.ids = ids, .type_ids = types, .id_count = 3},
                                       {.ids = ids, .id_count = 2}};
    sent.items = items;
    sent.item_count = 2;
    encode_and_decode(&sent);
    cr_assert_arr_eq(request.items[0].ids, ids, sizeof ids);
    cr_assert_arr_eq(request.items[0].type_ids, types, sizeof types);
    cr_assert_arr_eq(request.items[1].type_ids, "\0\0", 2);
    ferry_wire_request_init(&sent, FERRY_OPERATION_DETOKENIZE);
    sent.items = items + 1;
    sent.item_count = 1;
    sent.skip_special_tokens = false;
    encode_and_decode(&sent);
    cr_assert(!request.skip_special_tokens);
    ferry_wire_request_init(&sent, FERRY_OPERATION_CANCEL);
    ferry_wire_id_from_uint(3, &sent.cancel_target);
    encode_and_decode(&sent);
    cr_assert(ferry_wire_id_equal(&request.cancel_target, &sent.cancel_target));
    ferry_wire_request_init(&sent, FERRY_OPERATION_TOKENIZE);
    struct ferry_wire_item text = {.text = {"t", 1}};
    sent.items = &text;
    sent.item_count = 1;
    sent.windows = sent.offsets = true;
    sent.add_special_tokens = false;
    sent.stride = 2;
    encode_and_decode(&sent);
    cr_assert(request.windows && request.offsets && !request.add_special_tokens);
    cr_assert_eq(request.stride, 2);
}

Test(wire_request, encoding_respects_the_buffers_maximum) {
    struct ferry_wire_request sent;
    ferry_wire_request_init(&sent, FERRY_OPERATION_EMBED);
    struct ferry_wire_item item = {.text = {"long enough", 11}};
    sent.items = &item;
    sent.item_count = 1;
    for (size_t room = 0; room < 40; room++) {
        struct ferry_buffer small;
        ferry_buffer_init(&small, room);
        enum ferry_status status = ferry_wire_request_encode(&sent, &small);
        cr_assert(status == FERRY_OK ? small.size <= room : status == FERRY_TOO_LARGE);
        cr_assert(status == FERRY_OK || small.size == 0);
        ferry_buffer_free(&small);
    }
}

/* As the first bytes of a body over the limit are read. */
Test(wire_request, the_id_of_a_body_that_is_cut_off) {
    struct ferry_wire_id id;
    pack_body(&body, "{4 su ss ss s[1s", "v", 1, "op", "embed", "id", "xyz", "texts",
              "a text that goes on and on and on");
    for (size_t size = 0; size <= body.size; size++) {
        bool found = ferry_wire_request_read_id(body.data, size, &id);
        cr_assert_eq(found, size >= 20, "%zu bytes", size);
        if (found)
            cr_assert_arr_eq(id.bytes, "\xa3xyz", 4);
    }
    pack_body(&body, "{3 su s[1s su", "v", 1, "texts", "what comes first", "id", 5);
    cr_assert(!ferry_wire_request_read_id(body.data, body.size - 8, &id));
    cr_assert(ferry_wire_request_read_id(body.data, body.size, &id));
    pack_body(&body, "{2 sn ss", "unknown", "id", "xyz");
    cr_assert(ferry_wire_request_read_id(body.data, body.size, &id));
    pack_body(&body, "{1 sf", "id", 1.5);
    cr_assert(!ferry_wire_request_read_id(body.data, body.size, &id));
}
