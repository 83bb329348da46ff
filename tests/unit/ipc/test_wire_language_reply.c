/* The replies of language models and the parts of a stream: what the daemon encodes the client
 * reads back, and what contradicts itself is refused. */
#include <criterion/criterion.h>
#include <math.h>
#include <msgpack.h>
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

TestSuite(wire_language_reply, .init = set_up, .fini = tear_down);

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
}

static const uint32_t tokens[] = {3, 0};
static const uint8_t truncated[] = {0, 0};
static const struct ferry_wire_item_error item_errors[] = {{1, FERRY_TOO_LONG, "too long"}};
static const struct ferry_wire_truth truth = {.model = {"gpt2", "abc", "packed", "f32", "cpu", 0},
                                              .tokens = tokens,
                                              .truncated = truncated,
                                              .item_count = 2,
                                              .errors = item_errors,
                                              .error_count = 1};
static const int32_t ids[] = {15496, 11, 995};
static const float logprobs[] = {(float)NAN, -1.5F, -0.25F};
static const struct ferry_view texts[] = {{"Hello", 5}, {",", 1}, {"\xc4\xa0world", 7}};
static const int32_t top_ids[] = {0, 0, 11, 13, 995, 2159};
static const float top_logprobs[] = {(float)NAN, (float)NAN, -1.5F, -2.0F, -0.25F, -4.0F};

Test(wire_language_reply, score) {
    struct ferry_wire_score scores[2] = {{.ids = ids,
                                          .logprobs = logprobs,
                                          .tokens = texts,
                                          .top_ids = top_ids,
                                          .top_logprobs = top_logprobs,
                                          .count = 3,
                                          .top = 2,
                                          .scored = 2,
                                          .logprob_sum = -1.75,
                                          .perplexity = exp(1.75 / 2)}};
    cr_assert_eq(ferry_wire_reply_score(&id, &truth, scores, &body), FERRY_OK);
    check_and_read();
    cr_assert(reply.has_truth && !reply.is_part);
    const struct ferry_wire_score *read = &reply.scores[0];
    cr_assert_eq(read->count, 3);
    cr_assert_eq(read->top, 2);
    cr_assert_eq(read->scored, 2);
    cr_assert_arr_eq(read->ids, ids, sizeof ids);
    cr_assert_arr_eq(read->logprobs, logprobs, sizeof logprobs, "bit by bit, NaN too");
    cr_assert_arr_eq(read->top_ids, top_ids, sizeof top_ids);
    cr_assert_arr_eq(read->top_logprobs, top_logprobs, sizeof top_logprobs);
    cr_assert_eq(read->logprob_sum, -1.75);
    cr_assert_eq(read->perplexity, exp(1.75 / 2));
    cr_assert_arr_eq(read->tokens[2].data, "\xc4\xa0world", 7);
    cr_assert_eq(reply.scores[1].count, 0);
    cr_assert_null(reply.scores[1].tokens);
    cr_assert_null(reply.scores[1].top_ids);
}

Test(wire_language_reply, next) {
    struct ferry_wire_next nexts[2] = {{ids, logprobs, texts, 3}, {ids, logprobs, NULL, 2}};
    cr_assert_eq(ferry_wire_reply_next(&id, &truth, nexts, &body), FERRY_OK);
    check_and_read();
    cr_assert_eq(reply.nexts[0].count, 3);
    cr_assert_arr_eq(reply.nexts[0].ids, ids, sizeof ids);
    cr_assert_arr_eq(reply.nexts[0].logprobs, logprobs, sizeof logprobs);
    cr_assert_eq(reply.nexts[0].tokens[0].size, 5);
    cr_assert_eq(reply.nexts[1].count, 2);
    cr_assert_null(reply.nexts[1].tokens);
}

static struct ferry_wire_choice whole_choice(enum ferry_wire_finish finish) {
    return (struct ferry_wire_choice){.text = {"Hello, world", 12},
                                      .ids = ids,
                                      .logprobs = logprobs,
                                      .top_ids = top_ids,
                                      .top_logprobs = top_logprobs,
                                      .count = 3,
                                      .top = 2,
                                      .finish = finish};
}

static void check_choice(const struct ferry_wire_choice *choice) {
    cr_assert_eq(choice->text.size, 12);
    cr_assert_arr_eq(choice->text.data, "Hello, world", 12);
    cr_assert_eq(choice->count, 3);
    cr_assert_eq(choice->top, 2);
    cr_assert_arr_eq(choice->ids, ids, sizeof ids);
    cr_assert_arr_eq(choice->logprobs, logprobs, sizeof logprobs);
    cr_assert_arr_eq(choice->top_ids, top_ids, sizeof top_ids);
    cr_assert_arr_eq(choice->top_logprobs, top_logprobs, sizeof top_logprobs);
}

Test(wire_language_reply, generate) {
    struct ferry_wire_choice choices[4] = {
        whole_choice(FERRY_WIRE_FINISH_STOP),
        {.ids = ids, .count = 1, .finish = FERRY_WIRE_FINISH_LENGTH}};
    struct ferry_wire_choices sent = {choices, 2, UINT64_MAX};
    cr_assert_eq(ferry_wire_reply_generate(&id, &truth, &sent, &body), FERRY_OK);
    check_and_read();
    cr_assert(reply.has_choices);
    cr_assert_eq(reply.choices.n, 2);
    cr_assert_eq(reply.choices.seed, UINT64_MAX);
    const struct ferry_wire_choice *read = reply.choices.choices;
    check_choice(&read[0]);
    cr_assert_eq(read[0].finish, FERRY_WIRE_FINISH_STOP);
    cr_assert_null(read[1].text.data, "no tokenizer");
    cr_assert_null(read[1].logprobs);
    cr_assert_null(read[1].top_ids);
    cr_assert_eq(read[1].count, 1);
    cr_assert_eq(read[1].finish, FERRY_WIRE_FINISH_LENGTH);
    cr_assert_eq(read[2].finish, FERRY_WIRE_FINISH_NONE, "an item with an error");
    cr_assert_eq(read[3].count, 0);
}

Test(wire_language_reply, parts) {
    struct ferry_wire_part part = {.part = 70000, .index = 5, .choice = 63};
    part.piece = whole_choice(FERRY_WIRE_FINISH_END);
    for (int last = 0; last < 2; last++) {
        part.is_last = last != 0;
        body.size = 0;
        cr_assert_eq(ferry_wire_part_encode(&id, &part, &body), FERRY_OK);
        check_and_read();
        cr_assert(reply.is_part && !reply.has_truth);
        cr_assert_eq(reply.status, FERRY_OK);
        cr_assert_eq(reply.part.part, 70000);
        cr_assert_eq(reply.part.index, 5);
        cr_assert_eq(reply.part.choice, 63);
        cr_assert_eq(reply.part.is_last, last != 0);
        check_choice(&reply.part.piece);
        cr_assert_eq(reply.part.piece.finish,
                     last ? FERRY_WIRE_FINISH_END : FERRY_WIRE_FINISH_NONE);
    }
    struct ferry_wire_part text_only = {.piece = {.text = {"", 0}}};
    text_only.piece.text.data = "";
    body.size = 0;
    cr_assert_eq(ferry_wire_part_encode(&id, &text_only, &body), FERRY_OK);
    check_and_read();
    cr_assert_eq(reply.part.piece.count, 0);
    cr_assert_not_null(reply.part.piece.text.data);
}

/* Random sizes, each with numbers that are anything. */
Test(wire_language_reply, random_choices_come_back) {
    static uint8_t noise[8192];
    uint64_t state = 1;
    for (size_t i = 0; i < sizeof noise; i++) {
        state = state * 6364136223846793005U + 1442695040888963407U;
        noise[i] = (uint8_t)(state >> 56);
    }
    for (uint32_t round = 0; round < 3000; round++) {
        state = state * 6364136223846793005U + 1442695040888963407U;
        uint32_t count = (uint32_t)(state >> 40) % 40;
        uint32_t top = (uint32_t)(state >> 50) % 20;
        struct ferry_wire_choice choice = {.ids = (const void *)noise,
                                           .logprobs = (const void *)(noise + 400),
                                           .top_ids = top > 0 ? (const void *)(noise + 800) : NULL,
                                           .top_logprobs = (const void *)(noise + 4000),
                                           .count = count,
                                           .top = top,
                                           .finish = 1 + round % 3};
        struct ferry_wire_choice choices[2] = {choice, choice};
        struct ferry_wire_choices sent = {choices, 1, state};
        body.size = 0;
        cr_assert_eq(ferry_wire_reply_generate(&id, &truth, &sent, &body), FERRY_OK);
        ferry_arena_reset(&arena, 1 << 16);
        check_and_read();
        const struct ferry_wire_choice *read = &reply.choices.choices[1];
        cr_assert_eq(read->count, count);
        cr_assert_eq(read->top, count > 0 ? top : 0);
        cr_assert_eq(read->finish, choice.finish);
        cr_assert_eq(memcmp(read->ids, choice.ids, count * 4UL), 0);
        cr_assert_eq(memcmp(read->logprobs, choice.logprobs, count * 4UL), 0);
        if (top > 0)
            cr_assert_eq(memcmp(read->top_logprobs, choice.top_logprobs, (size_t)count * top * 4),
                         0);
        cr_assert_eq(reply.choices.seed, state);
    }
}

#define EXPECT_REFUSED(part, ...)                                                                  \
    do {                                                                                           \
        pack_body(&body, __VA_ARGS__);                                                             \
        cr_assert_eq(read_body(), FERRY_BAD_DATA, "accepted, wanted: %s", part);                   \
        cr_assert(strstr(error.text, part) != NULL, "text: %s", error.text);                       \
    } while (0)
#define TRUTH "{5 ss s{0 s[1u s[1F"
#define TRUTH_KEYS "status", "OK", "model", "tokens", 1, "truncated"

Test(wire_language_reply, refuses_results_that_contradict_themselves) {
    EXPECT_REFUSED("without model", "{2 ss s[0", "status", "OK", "scores");
    EXPECT_REFUSED("scores has 2", TRUTH "s[2{0{0", TRUTH_KEYS, "scores");
    EXPECT_REFUSED("nexts has 0", TRUTH "s[0", TRUTH_KEYS, "nexts");
    EXPECT_REFUSED("choices has 2", TRUTH "s[2[0[0", TRUTH_KEYS, "choices");
    EXPECT_REFUSED("scores: 1 ids with 0 logprobs", TRUTH "s[1{1sb", TRUTH_KEYS, "scores", "ids",
                   "abcd", 4);
    EXPECT_REFUSED("1 of them scored", TRUTH "s[1{1su", TRUTH_KEYS, "scores", "scored", 1);
    EXPECT_REFUSED("1 tokens", TRUTH "s[1{1s[1s", TRUTH_KEYS, "scores", "tokens", "a");
    EXPECT_REFUSED("bin of 32-bit numbers has 3", TRUTH "s[1{1sb", TRUTH_KEYS, "scores", "logprobs",
                   "abc", 3);
    EXPECT_REFUSED("1 top_ids and 0 top_logprobs for 0 tokens", TRUTH "s[1{1sb", TRUTH_KEYS,
                   "scores", "top_ids", "abcd", 4);
    EXPECT_REFUSED("nexts: 0 ids with 1 logprobs", TRUTH "s[1{1sb", TRUTH_KEYS, "nexts", "logprobs",
                   "abcd", 4);
    EXPECT_REFUSED("perplexity: wanted a float", TRUTH "s[1{1su", TRUTH_KEYS, "scores",
                   "perplexity", 1);
}

Test(wire_language_reply, refuses_choices_that_contradict_themselves) {
    EXPECT_REFUSED("choices: wanted an array", TRUTH "s[1u", TRUTH_KEYS, "choices", 1);
    EXPECT_REFUSED("choices: 1 of one item, 2 of the first", "{5 ss s{0 s[2uu s[2FF s[2[2{0{0[1{0",
                   "status", "OK", "model", "tokens", 1, 1, "truncated", "choices");
    EXPECT_REFUSED("choices: 65 of an item", TRUTH "s[1r", TRUTH_KEYS, "choices",
                   "\xdc\0\x41\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80"
                   "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80"
                   "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80"
                   "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80",
                   68);
    EXPECT_REFUSED("finish_reason: \"tired\" is not known", TRUTH "s[1[1{1ss", TRUTH_KEYS,
                   "choices", "finish_reason", "tired");
    EXPECT_REFUSED("finish_reason: \"none\" is not known", TRUTH "s[1[1{1ss", TRUTH_KEYS, "choices",
                   "finish_reason", "none");
    EXPECT_REFUSED("text: not valid UTF-8", TRUTH "s[1[1{1ss", TRUTH_KEYS, "choices", "text",
                   "\xc3");
    EXPECT_REFUSED("choices: 0 ids with 1 logprobs", TRUTH "s[1[1{1sb", TRUTH_KEYS, "choices",
                   "logprobs", "abcd", 4);
    EXPECT_REFUSED("seed: wanted an unsigned integer", TRUTH "si", TRUTH_KEYS, "seed", -1);
}

Test(wire_language_reply, refuses_parts_that_contradict_themselves) {
    EXPECT_REFUSED("both part and status", "{2 su ss", "part", 0, "status", "OK");
    EXPECT_REFUSED("choice: 64 is not below 64", "{2 su su", "part", 0, "choice", 64);
    EXPECT_REFUSED("status is missing", "{2 su ss", "index", 0, "text", "a");
    EXPECT_REFUSED("0 ids with 1 logprobs", "{2 su sb", "part", 0, "logprobs", "abcd", 4);
    EXPECT_REFUSED("part: wanted an unsigned integer", "{1 ss", "part", "first");
}

Test(wire_language_reply, encoding_respects_the_buffers_maximum) {
    struct ferry_wire_choice choices[2] = {whole_choice(FERRY_WIRE_FINISH_END)};
    struct ferry_wire_choices sent = {choices, 1, 1};
    for (size_t room = 0; room < 600; room += 7) {
        struct ferry_buffer small;
        ferry_buffer_init(&small, room);
        enum ferry_status status = ferry_wire_reply_generate(&id, &truth, &sent, &small);
        cr_assert(status == FERRY_OK ? small.size <= room : status == FERRY_TOO_LARGE);
        cr_assert(status == FERRY_OK || small.size == 0);
        ferry_buffer_free(&small);
    }
}

Test(wire_language_reply, a_full_arena_is_an_error) {
    struct ferry_wire_choice choices[2] = {whole_choice(FERRY_WIRE_FINISH_END)};
    struct ferry_wire_choices sent = {choices, 1, 1};
    cr_assert_eq(ferry_wire_reply_generate(&id, &truth, &sent, &body), FERRY_OK);
    enum ferry_status status = FERRY_OUT_OF_MEMORY;
    for (size_t room = 0; status != FERRY_OK; room += 64) {
        cr_assert_lt(room, 1 << 20);
        ferry_arena_free(&arena);
        ferry_arena_init(&arena, room);
        status = read_body();
        cr_assert(status == FERRY_OK || status == FERRY_OUT_OF_MEMORY);
    }
}
