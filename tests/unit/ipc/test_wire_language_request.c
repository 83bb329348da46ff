/* Requests to language models: every key with its range, every error with the text that names key,
 * value and what is allowed, and random requests that come back from encoding as they were. */
#include <criterion/criterion.h>
#include <math.h>
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
    ferry_arena_init(&arena, 1 << 24);
}

static void tear_down(void) {
    ferry_buffer_free(&body);
    ferry_arena_free(&arena);
}

TestSuite(wire_language_request, .init = set_up, .fini = tear_down);

static enum ferry_status decode(void) {
    error = (struct ferry_error){FERRY_OK, ""};
    return ferry_wire_request_decode(body.data, body.size, &limits, &arena, &request, &error);
}

#define EXPECT(part, ...)                                                                          \
    do {                                                                                           \
        pack_body(&body, __VA_ARGS__);                                                             \
        enum ferry_status got = decode();                                                          \
        cr_assert_eq(got, FERRY_BAD_REQUEST, "%s: %s", ferry_status_name(got), error.text);        \
        cr_assert(strstr(error.text, part) != NULL, "text: %s", error.text);                       \
    } while (0)
#define EXPECT_OK(...)                                                                             \
    do {                                                                                           \
        pack_body(&body, __VA_ARGS__);                                                             \
        enum ferry_status got = decode();                                                          \
        cr_assert_eq(got, FERRY_OK, "%s: %s", ferry_status_name(got), error.text);                 \
    } while (0)
#define ONE "{4 su ss s[1s s"
#define SCORE "v", 1, "op", "score", "texts", "a"
#define NEXT "v", 1, "op", "next", "texts", "a"
#define GENERATE "v", 1, "op", "generate", "texts", "a"

Test(wire_language_request, smallest_requests_have_the_defaults) {
    EXPECT_OK("{3 su ss s[1s", GENERATE);
    const struct ferry_wire_generation *generation = &request.generation;
    cr_assert_eq(request.operation, FERRY_OPERATION_GENERATE);
    cr_assert_eq(generation->max_new_tokens, 128);
    cr_assert_eq(generation->min_new_tokens, 0);
    cr_assert_eq(generation->choices, 1);
    cr_assert_eq(generation->top_k, 0);
    cr_assert_eq(generation->temperature, 0.0F);
    cr_assert_eq(generation->top_p, 1.0F);
    cr_assert_eq(generation->min_p, 0.0F);
    cr_assert_eq(generation->repetition_penalty, 1.0F);
    cr_assert(!generation->has_seed && !generation->logprobs && !generation->echo);
    cr_assert(!generation->ignore_end && !generation->stream);
    cr_assert_eq(generation->stop_count + generation->stop_id_count, 0);
    cr_assert_eq(request.top, 0);
    cr_assert(request.add_special_tokens && request.skip_special_tokens);
    EXPECT_OK("{4 ss su ss s[1s", "id", "before the operation", NEXT);
    cr_assert_eq(request.top, 10);
    cr_assert_eq(request.id.size, 21, "the operation's defaults leave the id alone");
    EXPECT_OK("{3 su ss s[1s", SCORE);
    cr_assert_eq(request.top, 0);
    cr_assert(!request.windows);
    EXPECT_OK("{3 su ss s[1[2uu", "v", 1, "op", "generate", "ids", 5, 6);
    cr_assert_eq(request.items[0].ids[1], 6);
}

Test(wire_language_request, every_key_of_generate) {
    EXPECT_OK("{8 su ss s[1s su su su sf su", GENERATE, "max_new_tokens", 7, "min_new_tokens", 7,
              "n", 64, "temperature", 0.7, "top_k", 40);
    cr_assert_eq(request.generation.max_new_tokens, 7);
    cr_assert_eq(request.generation.min_new_tokens, 7);
    cr_assert_eq(request.generation.choices, 64);
    cr_assert_eq(request.generation.temperature, 0.7F);
    cr_assert_eq(request.generation.top_k, 40);
    EXPECT_OK("{9 su ss s[1s sf sf sf su st su", GENERATE, "top_p", 0.9, "min_p", 0.05,
              "repetition_penalty", 1.3, "seed", 0, "logprobs", "top", 100);
    cr_assert_eq(request.generation.top_p, 0.9F);
    cr_assert_eq(request.generation.min_p, 0.05F);
    cr_assert_eq(request.generation.repetition_penalty, 1.3F);
    cr_assert(request.generation.has_seed && request.generation.seed == 0);
    cr_assert(request.generation.logprobs);
    cr_assert_eq(request.top, 100);
    EXPECT_OK("{9 su ss s[1s st st st sF s[2ss s[3uuu", GENERATE, "echo", "ignore_end", "stream",
              "skip_special_tokens", "stop", "\n\n", "END", "stop_ids", 0, 50256, 0x7fffffff);
    cr_assert(request.generation.echo && request.generation.ignore_end);
    cr_assert(request.generation.stream && !request.skip_special_tokens);
    cr_assert_eq(request.generation.stop_count, 2);
    cr_assert_arr_eq(request.generation.stop[1].data, "END", 3);
    cr_assert_eq(request.generation.stop_id_count, 3);
    cr_assert_eq(request.generation.stop_ids[2], 0x7fffffff);
    EXPECT_OK("{9 su ss s[1s ss su ss ss ss su", GENERATE, "stop", "one", "max_tokens", 5,
              "truncate", "left", "special_tokens", "text", "priority", "bulk", "deadline_ms", 9);
    cr_assert_eq(request.generation.stop_count, 1);
    cr_assert_arr_eq(request.generation.stop[0].data, "one", 3);
    cr_assert_eq(request.max_tokens, 5);
}

Test(wire_language_request, every_key_of_score_and_next) {
    EXPECT_OK("{7 su ss s[1s st su su sF", SCORE, "windows", "stride", 256, "top", 100,
              "add_special_tokens");
    cr_assert(request.windows && !request.add_special_tokens);
    cr_assert_eq(request.stride, 256);
    cr_assert_eq(request.top, 100);
    EXPECT_OK(ONE "u", SCORE, "top", 0);
    EXPECT_OK(ONE "u", NEXT, "top", 1);
    cr_assert_eq(request.top, 1);
    EXPECT("top: 0 is outside 1 to 100", ONE "u", NEXT, "top", 0);
    EXPECT("top: 101 is outside 0 to 100", ONE "u", NEXT, "top", 101);
    EXPECT("top: 101 is outside 0 to 100", ONE "u", SCORE, "top", 101);
    EXPECT("stride: has a meaning only with windows", ONE "u", SCORE, "stride", 1);
    EXPECT("\"next\" does not take the key \"windows\"", ONE "t", NEXT, "windows");
    EXPECT("\"score\" does not take the key \"temperature\"", ONE "f", SCORE, "temperature", 1.0);
    EXPECT("\"score\" does not take the key \"strategy\"", ONE "s", SCORE, "strategy",
           "only_first");
    EXPECT("\"generate\" does not take the key \"type_ids\"", ONE "[1[1u", GENERATE, "type_ids", 1);
}

Test(wire_language_request, pairs_are_refused) {
    EXPECT("texts[0]: wanted a string, got an array; \"score\" takes no pairs", "{3 su ss s[1[2ss",
           "v", 1, "op", "score", "texts", "a", "b");
    EXPECT("texts[1]: wanted a string, got an array; \"generate\" takes no pairs",
           "{3 su ss s[2s[2ss", "v", 1, "op", "generate", "texts", "a", "b", "c");
    EXPECT("texts[0]: wanted a string, got nil; \"next\" takes no pairs", "{3 su ss s[1n", "v", 1,
           "op", "next", "texts");
    EXPECT("\"texts\" or \"ids\" is missing", "{2 su ss", "v", 1, "op", "score");
}

/* The keys of other programs: refused by name, so that nobody believes in an option without effect.
 */
Test(wire_language_request, unknown_keys) {
    EXPECT("unknown key \"top-p\"", ONE "f", GENERATE, "top-p", 0.9);
    EXPECT("unknown key \"max_length\"", ONE "u", GENERATE, "max_length", 20);
    EXPECT("unknown key \"max_new_token\"", ONE "u", GENERATE, "max_new_token", 20);
    EXPECT("duplicate key \"n\"", "{5 su ss s[1s su su", GENERATE, "n", 1, "n", 1);
}

Test(wire_language_request, floats) {
    EXPECT_OK(ONE "u", GENERATE, "temperature", 2);
    cr_assert_eq(request.generation.temperature, 2.0F);
    EXPECT_OK(ONE "u", GENERATE, "top_p", 1);
    EXPECT_OK(ONE "f", GENERATE, "temperature", -0.0);
    cr_assert(!signbit(request.generation.temperature));
    EXPECT_OK(ONE "f", GENERATE, "temperature", 1000.0);
    EXPECT_OK(ONE "r", GENERATE, "temperature", "\xca\x3f\0\0\0", 5); /* float 32: 0.5 */
    cr_assert_eq(request.generation.temperature, 0.5F);
    EXPECT("temperature: nan is outside 0 to 1000", ONE "f", GENERATE, "temperature", (double)NAN);
    EXPECT("temperature: inf is outside 0 to 1000", ONE "f", GENERATE, "temperature",
           (double)INFINITY);
    EXPECT("temperature: -0.1 is outside 0 to 1000", ONE "f", GENERATE, "temperature", -0.1);
    EXPECT("temperature: -3 is outside 0 to 1000", ONE "i", GENERATE, "temperature", -3);
    EXPECT("temperature: 1e+300 is outside", ONE "f", GENERATE, "temperature", 1e300);
    EXPECT("temperature: wanted a number, got a string", ONE "s", GENERATE, "temperature", "1");
    EXPECT("temperature: wanted a number, got nil", ONE "n", GENERATE, "temperature");
    EXPECT("top_p: 2 is outside 0 (excluded) to 1", ONE "u", GENERATE, "top_p", 2);
    EXPECT("top_p: 0 is outside 0 (excluded) to 1", ONE "f", GENERATE, "top_p", 0.0);
    EXPECT("top_p: 1e-60 is outside 0 (excluded) to 1", ONE "f", GENERATE, "top_p", 1e-60);
    EXPECT("min_p: 1.5 is outside 0 to 1", ONE "f", GENERATE, "min_p", 1.5);
    EXPECT("repetition_penalty: 0 is outside 0 (excluded) to 1000", ONE "u", GENERATE,
           "repetition_penalty", 0);
    EXPECT("repetition_penalty: wanted a number, got a boolean", ONE "t", GENERATE,
           "repetition_penalty");
}

Test(wire_language_request, integers) {
    EXPECT("max_new_tokens: 0 is outside 1 to 1048576", ONE "u", GENERATE, "max_new_tokens", 0);
    EXPECT("max_new_tokens: -1 is outside", ONE "i", GENERATE, "max_new_tokens", -1);
    EXPECT("max_new_tokens: wanted an unsigned integer, got a float", ONE "f", GENERATE,
           "max_new_tokens", 5.0);
    EXPECT("min_new_tokens: 129 is more than max_new_tokens, which is 128", ONE "u", GENERATE,
           "min_new_tokens", 129);
    EXPECT("n: 0 is outside 1 to 64", ONE "u", GENERATE, "n", 0);
    EXPECT("n: 65 is outside 1 to 64", ONE "u", GENERATE, "n", 65);
    EXPECT("top_k: -1 is outside 0 to 2147483647", ONE "i", GENERATE, "top_k", -1);
    EXPECT("top_k: 2147483648 is outside", ONE "u", GENERATE, "top_k", 0x80000000U);
    EXPECT("top: has a meaning only with logprobs", ONE "u", GENERATE, "top", 5);
    EXPECT("stream: wanted a boolean, got a string", ONE "s", GENERATE, "stream", "yes");
}

Test(wire_language_request, seeds) {
    EXPECT_OK(ONE "r", GENERATE, "seed", "\xcf\xff\xff\xff\xff\xff\xff\xff\xff", 9);
    cr_assert_eq(request.generation.seed, UINT64_MAX);
    EXPECT("seed: -5 is outside 0 to 18446744073709551615", ONE "i", GENERATE, "seed", -5);
    EXPECT("seed: wanted an unsigned integer, got a float", ONE "f", GENERATE, "seed", 1.0);
    EXPECT("seed: wanted an unsigned integer, got nil", ONE "n", GENERATE, "seed");
}

Test(wire_language_request, stops) {
    char long_stop[258];
    memset(long_stop, 's', 257);
    long_stop[257] = '\0';
    EXPECT("stop[1]: 257 bytes is outside 1 to 256", ONE "[2ss", GENERATE, "stop", "a", long_stop);
    long_stop[256] = '\0';
    EXPECT_OK(ONE "s", GENERATE, "stop", long_stop);
    EXPECT("stop[0]: 0 bytes is outside 1 to 256", ONE "s", GENERATE, "stop", "");
    EXPECT("stop[0]: wanted a string, got an unsigned integer", ONE "[1u", GENERATE, "stop", 1);
    EXPECT("stop[0]: the string is not valid UTF-8", ONE "s", GENERATE, "stop", "\xe2\x82");
    EXPECT("stop: 0 entries is outside 1 to 16", ONE "[0", GENERATE, "stop");
    EXPECT("stop: 17 entries", ONE "r", GENERATE, "stop",
           "\xdc\0\x11\xa1s\xa1s\xa1s\xa1s\xa1s\xa1s\xa1s\xa1s\xa1s"
           "\xa1s\xa1s\xa1s\xa1s\xa1s\xa1s\xa1s\xa1s",
           37);
    EXPECT("stop: wanted a string or an array of strings, got a boolean", ONE "t", GENERATE,
           "stop");
    EXPECT("stop_ids: wanted an array of unsigned integers, got an unsigned integer", ONE "u",
           GENERATE, "stop_ids", 5);
    EXPECT("stop_ids[0]: -1 is outside 0 to 2147483647", ONE "[1i", GENERATE, "stop_ids", -1);
    EXPECT("stop_ids[1]: 2147483648 is outside", ONE "[2uu", GENERATE, "stop_ids", 1, 0x80000000U);
    EXPECT("stop_ids[0]: wanted an unsigned integer, got a string", ONE "[1s", GENERATE, "stop_ids",
           "a");
    EXPECT("stop_ids: 0 entries", ONE "[0", GENERATE, "stop_ids");
}

Test(wire_language_request, an_arena_that_is_full) {
    for (size_t room = 0; room < 400; room += 8) {
        ferry_arena_free(&arena);
        ferry_arena_init(&arena, room);
        pack_body(&body, "{5 su ss s[1s s[2ss s[2uu", GENERATE, "stop", "a", "b", "stop_ids", 1, 2);
        enum ferry_status status = decode();
        cr_assert(status == FERRY_OK || status == FERRY_OUT_OF_MEMORY);
        cr_assert(status == FERRY_OK || strstr(error.text, "no memory") != NULL);
    }
}

/* A small generator of numbers: the same in every run. */
static uint64_t random_state = 1;

static uint32_t below(uint32_t bound) {
    random_state = random_state * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)(random_state >> 33) % bound;
}

static bool coin(void) {
    return below(2) == 1;
}

/* Half of the fields stay at their defaults. */
static void make_random(struct ferry_wire_request *sent, struct ferry_view *stops,
                        int32_t *stop_ids) {
    static const enum ferry_operation operations[] = {FERRY_OPERATION_SCORE, FERRY_OPERATION_NEXT,
                                                      FERRY_OPERATION_GENERATE};
    ferry_wire_request_init(sent, operations[below(3)]);
    bool generates = sent->operation == FERRY_OPERATION_GENERATE;
    struct ferry_wire_generation *generation = &sent->generation;
    sent->add_special_tokens = coin();
    sent->windows = sent->operation == FERRY_OPERATION_SCORE && coin();
    sent->stride = sent->windows ? below(100) : 0;
    generation->logprobs = generates && coin();
    if ((!generates || generation->logprobs) && coin())
        sent->top = 1 + below(100);
    if (!generates)
        return;
    sent->skip_special_tokens = coin();
    generation->max_new_tokens = coin() ? 128 : 1 + below(1U << 20);
    generation->min_new_tokens = coin() ? 0 : below(generation->max_new_tokens + 1);
    generation->choices = 1 + below(64);
    generation->temperature = coin() ? 0 : (float)below(1000000) / 1000;
    generation->top_k = coin() ? 0 : below(0x7fffffff);
    generation->top_p = coin() ? 1 : (float)(1 + below(1000)) / 1000;
    generation->min_p = coin() ? 0 : (float)below(1001) / 1000;
    generation->repetition_penalty = coin() ? 1 : (float)(1 + below(1000000)) / 1000;
    generation->has_seed = coin();
    generation->seed = generation->has_seed ? random_state : 0;
    generation->echo = coin();
    generation->ignore_end = coin();
    generation->stream = coin();
    generation->stop = stops;
    generation->stop_count = coin() ? 0 : 1 + below(16);
    generation->stop_ids = stop_ids;
    generation->stop_id_count = coin() ? 0 : 1 + below(16);
    for (uint32_t i = 0; i < 16; i++) {
        stops[i] = (struct ferry_view){"a stop of some length \xc3\xa9", 1 + below(22)};
        stop_ids[i] = (int32_t)below(0x7fffffff);
    }
}

static void check_same(const struct ferry_wire_request *sent) {
    const struct ferry_wire_generation *left = &sent->generation, *right = &request.generation;
    cr_assert_eq(request.operation, sent->operation);
    cr_assert_eq(request.add_special_tokens, sent->add_special_tokens);
    cr_assert_eq(request.windows, sent->windows);
    cr_assert_eq(request.stride, sent->stride);
    cr_assert_eq(request.top, sent->top);
    cr_assert_eq(request.skip_special_tokens, sent->skip_special_tokens);
    cr_assert_eq(right->max_new_tokens, left->max_new_tokens);
    cr_assert_eq(right->min_new_tokens, left->min_new_tokens);
    cr_assert_eq(right->choices, left->choices);
    cr_assert_eq(right->top_k, left->top_k);
    cr_assert_eq(right->temperature, left->temperature);
    cr_assert_eq(right->top_p, left->top_p);
    cr_assert_eq(right->min_p, left->min_p);
    cr_assert_eq(right->repetition_penalty, left->repetition_penalty);
    cr_assert_eq(right->has_seed, left->has_seed);
    cr_assert_eq(right->seed, left->seed);
    cr_assert(right->logprobs == left->logprobs && right->echo == left->echo);
    cr_assert(right->ignore_end == left->ignore_end && right->stream == left->stream);
    cr_assert_eq(right->stop_count, left->stop_count);
    for (uint32_t i = 0; i < left->stop_count; i++) {
        cr_assert_eq(right->stop[i].size, left->stop[i].size);
        cr_assert_arr_eq(right->stop[i].data, left->stop[i].data, left->stop[i].size);
    }
    cr_assert_eq(right->stop_id_count, left->stop_id_count);
    for (uint32_t i = 0; i < left->stop_id_count; i++)
        cr_assert_eq(right->stop_ids[i], left->stop_ids[i]);
}

Test(wire_language_request, random_requests_come_back) {
    struct ferry_view stops[16];
    int32_t stop_ids[16];
    static const int32_t ids[] = {50256, 11};
    struct ferry_wire_item items[2] = {{.ids = ids, .id_count = 2}, {.ids = ids, .id_count = 1}};
    struct ferry_wire_item texts[2] = {{.text = {"one", 3}}, {.text = {"two", 3}}};
    for (int round = 0; round < 20000; round++) {
        struct ferry_wire_request sent;
        make_random(&sent, stops, stop_ids);
        sent.items = coin() ? items : texts;
        sent.item_count = 1 + below(2);
        body.size = 0;
        cr_assert_eq(ferry_wire_request_encode(&sent, &body), FERRY_OK);
        ferry_arena_reset(&arena, 1 << 16);
        cr_assert_eq(decode(), FERRY_OK, "round %d: %s", round, error.text);
        check_same(&sent);
    }
}
