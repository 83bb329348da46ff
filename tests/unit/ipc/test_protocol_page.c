/* The examples of docs/protocol.md, byte by byte: what the page shows is what the encoders write,
 * and what the decoders read from it is what the page says. */
#include <criterion/criterion.h>
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/wire_keys.h"
#include "ipc/wire_reply_read.h"

static char *page;
static struct ferry_buffer body;  /* what an encoder wrote */
static struct ferry_buffer shown; /* what the page shows */
static struct ferry_arena arena;
static struct ferry_error error;

static void set_up(void) {
    const char *root = getenv("FERRY_SOURCE_DIR");
    char path[4096];
    snprintf(path, sizeof path, "%s/docs/protocol.md", root == NULL ? "." : root);
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file, "%s (set FERRY_SOURCE_DIR)", path);
    page = calloc(1, 1 << 20);
    cr_assert_gt(fread(page, 1, (1 << 20) - 1, file), 1000);
    fclose(file);
    ferry_buffer_init(&body, 1 << 20);
    ferry_buffer_init(&shown, 1 << 20);
    ferry_arena_init(&arena, 1 << 20);
}

static void tear_down(void) {
    free(page);
    ferry_buffer_free(&body);
    ferry_buffer_free(&shown);
    ferry_arena_free(&arena);
}

TestSuite(protocol_page, .init = set_up, .fini = tear_down);

/* Reads the hexadecimal bytes left of the # of each line of the block ```hex NAME. */
static void find_example(const char *name) {
    char fence[128];
    snprintf(fence, sizeof fence, "```hex %s\n", name);
    const char *at = strstr(page, fence);
    cr_assert_not_null(at, "the page has no example \"%s\"", name);
    shown.size = 0;
    for (at += strlen(fence); strncmp(at, "```", 3) != 0; at = strchr(at, '\n') + 1) {
        const char *byte = at;
        while (*byte != '#') {
            cr_assert(isxdigit((unsigned char)byte[0]) && isxdigit((unsigned char)byte[1]));
            const char digits[3] = {byte[0], byte[1], '\0'};
            uint8_t as_byte = (uint8_t)strtoul(digits, NULL, 16);
            cr_assert_eq(ferry_buffer_append(&shown, &as_byte, 1), FERRY_OK);
            byte += 2;
            byte += strspn(byte, " ");
        }
    }
    cr_assert_gt(shown.size, 0);
}

static void expect_shown(const char *name) {
    find_example(name);
    cr_assert_eq(body.size, shown.size, "%s: %zu bytes written, %zu shown", name, body.size,
                 shown.size);
    for (size_t i = 0; i < shown.size; i++)
        cr_assert_eq(body.data[i], shown.data[i], "%s: byte %zu: %02x written, %02x shown", name, i,
                     body.data[i], shown.data[i]);
}

static struct ferry_wire_id id_of(const char *encoded, uint8_t size) {
    struct ferry_wire_id id = {.size = size};
    memcpy(id.bytes, encoded, size);
    return id;
}

static struct ferry_wire_request decode_shown(const char *name) {
    static const struct ferry_wire_limits limits = {100, 100};
    struct ferry_wire_request request;
    find_example(name);
    cr_assert_eq(
        ferry_wire_request_decode(shown.data, shown.size, &limits, &arena, &request, &error),
        FERRY_OK, "%s: %s", name, error.text);
    return request;
}

/* Encodes what was decoded from the page: the same bytes must come out. */
static struct ferry_wire_request expect_request(const char *name, enum ferry_operation operation) {
    struct ferry_wire_request request = decode_shown(name);
    cr_assert_eq(request.operation, operation);
    body.size = 0;
    cr_assert_eq(ferry_wire_request_encode(&request, &body), FERRY_OK);
    expect_shown(name);
    return request;
}

Test(protocol_page, requests_without_items) {
    struct ferry_wire_request request = expect_request("request ping", FERRY_OPERATION_PING);
    uint64_t number = 0;
    cr_assert(ferry_wire_id_to_uint(&request.id, &number) && number == 1);
    request = expect_request("request cancel", FERRY_OPERATION_CANCEL);
    cr_assert(ferry_wire_id_to_uint(&request.cancel_target, &number) && number == 7);
    request = expect_request("request status", FERRY_OPERATION_STATUS);
    cr_assert_eq(request.id.size, 0);
}

Test(protocol_page, embed_requests) {
    struct ferry_wire_request request = expect_request("request embed", FERRY_OPERATION_EMBED);
    cr_assert_eq(request.item_count, 2);
    cr_assert_arr_eq(request.items[0].text.data, "Hello", 5);
    cr_assert_arr_eq(request.items[1].pair.data, "b", 1);
    request = expect_request("request embed-ids", FERRY_OPERATION_EMBED);
    cr_assert_arr_eq(request.id.bytes, "\xc4\x02\x01\xff", 4);
    cr_assert_eq(request.deadline_ms, 500);
    cr_assert_eq(request.priority, FERRY_WIRE_BULK);
    cr_assert_eq(request.truncate, FERRY_WIRE_TRUNCATE_LEFT);
    cr_assert_eq(request.strategy, FERRY_WIRE_ONLY_SECOND);
    cr_assert_eq(request.max_tokens, 128);
    cr_assert(request.special_tokens_as_text);
    cr_assert_eq(request.normalize, 0);
    cr_assert_eq(request.dtype, FERRY_WIRE_INT8);
    cr_assert_eq(request.items[0].ids[1], 7592);
    cr_assert_eq(request.items[1].type_ids[1], 1);
}

Test(protocol_page, tokenizer_requests) {
    struct ferry_wire_request request =
        expect_request("request tokenize", FERRY_OPERATION_TOKENIZE);
    cr_assert(!request.add_special_tokens && request.offsets && request.windows);
    cr_assert_eq(request.stride, 1);
    request = expect_request("request detokenize", FERRY_OPERATION_DETOKENIZE);
    cr_assert(!request.skip_special_tokens);
    cr_assert_eq(request.items[0].ids[0], 101);
}

Test(protocol_page, language_requests) {
    struct ferry_wire_request request = expect_request("request score", FERRY_OPERATION_SCORE);
    cr_assert(request.windows && request.stride == 2 && request.top == 1);
    request = expect_request("request next", FERRY_OPERATION_NEXT);
    cr_assert_eq(request.top, 2);
    request = expect_request("request generate", FERRY_OPERATION_GENERATE);
    cr_assert(request.generation.stream && request.generation.logprobs);
    cr_assert_eq(request.generation.max_new_tokens, 2);
    request = expect_request("request generate-sampled", FERRY_OPERATION_GENERATE);
    const struct ferry_wire_generation *generation = &request.generation;
    cr_assert_eq(generation->min_new_tokens, 2);
    cr_assert_eq(generation->choices, 2);
    cr_assert_eq(generation->top_k, 40);
    cr_assert(generation->temperature == 0.5F && generation->top_p == 0.875F);
    cr_assert(generation->min_p == 0.0625F && generation->repetition_penalty == 1.25F);
    cr_assert(generation->has_seed && generation->seed == 7);
    cr_assert(generation->echo && generation->ignore_end && !generation->stream);
    cr_assert_arr_eq(generation->stop[1].data, "END", 3);
    cr_assert_eq(generation->stop_ids[0], 50256);
    cr_assert(!request.skip_special_tokens && request.top == 1);
}

static struct ferry_wire_truth truth_of(const uint32_t *tokens, const uint8_t *truncated,
                                        uint32_t count, uint64_t padded_tokens) {
    return (struct ferry_wire_truth){.model = {"m", "0f", "torch", "f32", "cpu", false},
                                     .times = {12, 340, 2100, 2460},
                                     .tokens = tokens,
                                     .truncated = truncated,
                                     .item_count = count,
                                     .padded_tokens = padded_tokens};
}

static struct ferry_wire_reply read_shown(void) {
    struct ferry_wire_reply reply;
    cr_assert_eq(ferry_wire_reply_read(shown.data, shown.size, &arena, &reply, &error), FERRY_OK,
                 "%s", error.text);
    return reply;
}

Test(protocol_page, short_replies) {
    struct ferry_wire_id id = id_of("\x01", 1);
    cr_assert_eq(ferry_wire_reply_pong(&id, &body), FERRY_OK);
    expect_shown("reply ping");
    cr_assert_eq(read_shown().status, FERRY_OK);
    body.size = 0;
    id = id_of("\x0a", 1);
    cr_assert_eq(ferry_wire_reply_cancel(&id, true, &body), FERRY_OK);
    expect_shown("reply cancel");
    cr_assert(read_shown().cancelled);
    body.size = 0;
    id = id_of("\x07", 1);
    cr_assert_eq(ferry_wire_reply_error(&id, FERRY_BUSY, "the queue is full", 120, &body),
                 FERRY_OK);
    expect_shown("reply busy");
    cr_assert_eq(read_shown().retry_after_ms, 120);
}

Test(protocol_page, embed_replies) {
    static const uint32_t tokens[] = {3, 5};
    static const uint8_t truncated[] = {0, 0};
    static const float rows[] = {1.0F, 0.0F, -0.5F, 0.25F};
    struct ferry_wire_id id = id_of("\x07", 1);
    struct ferry_wire_truth truth = truth_of(tokens, truncated, 2, 2);
    struct ferry_wire_matrix matrix = {.rows = 2, .columns = 2, .data = rows, .size = sizeof rows};
    cr_assert_eq(ferry_wire_reply_embed(&id, &truth, &matrix, &body), FERRY_OK);
    expect_shown("reply embed");
    cr_assert_arr_eq(read_shown().matrix.data, rows, sizeof rows);
}

Test(protocol_page, embed_reply_with_an_error) {
    static const uint32_t tokens[] = {3, 0};
    static const uint8_t truncated[] = {1, 0};
    static const float scales[] = {0.5F, 0.0F};
    static const struct ferry_wire_item_error errors[] = {{1, FERRY_INVALID_INPUT, "why"}};
    struct ferry_wire_id id = id_of("\xc4\x02\x01\xff", 4);
    struct ferry_wire_truth truth = truth_of(tokens, truncated, 2, 0);
    truth.model.padding_affects_result = true;
    truth.errors = errors;
    truth.error_count = 1;
    struct ferry_wire_matrix matrix = {.dtype = FERRY_WIRE_INT8,
                                       .rows = 2,
                                       .columns = 2,
                                       .data = "\x02\xff\0\0",
                                       .size = 4,
                                       .scales = scales};
    cr_assert_eq(ferry_wire_reply_embed(&id, &truth, &matrix, &body), FERRY_OK);
    expect_shown("reply embed-int8");
    struct ferry_wire_reply reply = read_shown();
    cr_assert_eq(reply.truth.errors[0].status, FERRY_INVALID_INPUT);
    cr_assert(reply.truth.model.padding_affects_result);
}

Test(protocol_page, tokenizer_replies) {
    static const int32_t ids[] = {7592};
    static const uint32_t offsets[] = {0, 5};
    static const struct ferry_view token = {"hello", 5};
    static const uint32_t one_token[] = {1};
    static const uint32_t two_tokens[] = {2};
    static const uint8_t zero[] = {0};
    static const struct ferry_wire_tokens no_window;
    struct ferry_wire_tokens item = {ids, zero, zero, &token, offsets, &no_window, 1, 0};
    struct ferry_wire_truth truth = truth_of(one_token, zero, 1, 0);
    struct ferry_wire_id id = id_of("\xa2t1", 3);
    cr_assert_eq(ferry_wire_reply_tokenize(&id, &truth, &item, &body), FERRY_OK);
    expect_shown("reply tokenize");
    cr_assert_eq(read_shown().items[0].offsets[1], 5);
    static const struct ferry_view text = {"[CLS] hello", 11};
    truth = truth_of(two_tokens, zero, 1, 0);
    id = id_of("\x09", 1);
    body.size = 0;
    cr_assert_eq(ferry_wire_reply_detokenize(&id, &truth, &text, &body), FERRY_OK);
    expect_shown("reply detokenize");
    cr_assert_arr_eq(read_shown().texts[0].data, "[CLS] hello", 11);
}

Test(protocol_page, score_and_next_replies) {
    static const int32_t ids[] = {15496, 995}, top_ids[] = {0, 995}, next_ids[] = {11, 995};
    static const float logprobs[] = {(float)NAN, -1.5F}, next_logprobs[] = {-0.5F, -1.5F};
    static const struct ferry_view tokens[] = {{"Hello", 5}, {"\xc4\xa0world", 7}};
    static const struct ferry_view next_tokens[] = {{",", 1}, {"\xc4\xa0world", 7}};
    static const uint32_t counts[] = {2, 1};
    static const uint8_t zero[] = {0};
    struct ferry_wire_score score = {.ids = ids,
                                     .logprobs = logprobs,
                                     .tokens = tokens,
                                     .top_ids = top_ids,
                                     .top_logprobs = logprobs,
                                     .count = 2,
                                     .top = 1,
                                     .scored = 1,
                                     .logprob_sum = -1.5,
                                     .perplexity = 4.5};
    struct ferry_wire_truth truth = truth_of(counts, zero, 1, 0);
    struct ferry_wire_id id = id_of("\x0b", 1);
    cr_assert_eq(ferry_wire_reply_score(&id, &truth, &score, &body), FERRY_OK);
    expect_shown("reply score");
    cr_assert_eq(read_shown().scores[0].logprobs[1], -1.5F);
    struct ferry_wire_next next = {next_ids, next_logprobs, next_tokens, 2};
    truth = truth_of(counts + 1, zero, 1, 0);
    id = id_of("\x0c", 1);
    body.size = 0;
    cr_assert_eq(ferry_wire_reply_next(&id, &truth, &next, &body), FERRY_OK);
    expect_shown("reply next");
    cr_assert_eq(read_shown().nexts[0].ids[0], 11);
}

Test(protocol_page, a_stream) {
    static const int32_t ids[] = {11, 995};
    static const float logprobs[] = {-0.5F, -1.5F};
    static const uint32_t counts[] = {1};
    static const uint8_t zero[] = {0};
    struct ferry_wire_id id = id_of("\x0d", 1);
    struct ferry_wire_part part = {
        .piece = {.text = {",", 1}, .ids = ids, .logprobs = logprobs, .count = 1}};
    cr_assert_eq(ferry_wire_part_encode(&id, &part, &body), FERRY_OK);
    expect_shown("reply part");
    cr_assert(read_shown().is_part && !read_shown().part.is_last);
    part = (struct ferry_wire_part){.part = 1,
                                    .piece = {.text = {" world", 6},
                                              .ids = ids + 1,
                                              .logprobs = logprobs + 1,
                                              .count = 1,
                                              .finish = FERRY_WIRE_FINISH_LENGTH},
                                    .is_last = true};
    body.size = 0;
    cr_assert_eq(ferry_wire_part_encode(&id, &part, &body), FERRY_OK);
    expect_shown("reply part-last");
    cr_assert_eq(read_shown().part.piece.finish, FERRY_WIRE_FINISH_LENGTH);
    struct ferry_wire_choice choice = {.text = {", world", 7},
                                       .ids = ids,
                                       .logprobs = logprobs,
                                       .count = 2,
                                       .finish = FERRY_WIRE_FINISH_LENGTH};
    struct ferry_wire_choices choices = {&choice, 1, 7};
    struct ferry_wire_truth truth = truth_of(counts, zero, 1, 0);
    body.size = 0;
    cr_assert_eq(ferry_wire_reply_generate(&id, &truth, &choices, &body), FERRY_OK);
    expect_shown("reply generate");
    cr_assert_eq(read_shown().choices.seed, 7);
}

/* Every status that can be on the wire is in the page's table of errors. */
Test(protocol_page, names_every_error) {
    for (int status = FERRY_BAD_REQUEST; status <= FERRY_INTERNAL; status++) {
        char row[64];
        snprintf(row, sizeof row, "\n| `%s` |", ferry_status_name((enum ferry_status)status));
        cr_assert_not_null(strstr(page, row), "no row%s", row);
    }
}

Test(protocol_page, names_every_key_of_a_request) {
    for (int key = 0; key < FERRY_KEY_COUNT; key++) {
        char row[64];
        snprintf(row, sizeof row, "\n| `%s` |", ferry_wire_key_rows[key].name);
        cr_assert_not_null(strstr(page, row), "no row%s", row);
    }
}
