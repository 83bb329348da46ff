#include <criterion/criterion.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/schedule/sequence.h"
#include "daemon/serve/admission.h"
#include "tests/unit/daemon/small_model.h"

static struct ferry_admission admission;
static struct ferry_error error;
static uint32_t retry;

static void set_up(void) {
    admission = (struct ferry_admission){.limit = {.items = 10, .tokens = 1000, .bytes = 100000}};
}

TestSuite(admission, .init = set_up);

static enum ferry_status check(uint64_t items, uint64_t tokens, uint64_t bytes) {
    struct ferry_request_load load = {items, tokens, bytes};
    return ferry_admission_check(&admission, &load, &retry, &error);
}

Test(admission, each_limit_counts) {
    struct ferry_request_load load = {9, 900, 90000};
    cr_assert_eq(check(10, 1000, 100000), FERRY_OK);
    ferry_admission_enter(&admission, &load, 0);
    cr_assert_eq(check(1, 100, 10000), FERRY_OK);
    cr_assert_eq(check(2, 1, 1), FERRY_BUSY);
    cr_assert_not_null(strstr(error.text, "9 of 10 items"));
    cr_assert_eq(check(1, 101, 1), FERRY_BUSY);
    cr_assert_eq(check(1, 1, 10001), FERRY_BUSY);
    ferry_admission_leave(&admission, &load, 900, 1);
    cr_assert_eq(check(10, 1000, 100000), FERRY_OK);
    cr_assert_eq(admission.used.items + admission.used.tokens + admission.used.bytes, 0);
}

Test(admission, what_never_fits_is_too_large_not_busy) {
    cr_assert_eq(check(11, 1, 1), FERRY_TOO_LARGE);
    cr_assert_eq(check(1, 1001, 1), FERRY_TOO_LARGE);
    cr_assert_eq(check(1, 1, 100001), FERRY_TOO_LARGE);
    cr_assert_not_null(strstr(error.text, "100000"));
}

Test(admission, retry_time_follows_the_measured_drain_rate) {
    struct ferry_request_load load = {1, 100, 1};
    cr_assert_eq(admission.tokens_per_second, 0);
    int64_t now = 0;
    for (int i = 0; i < 10; i++)
        ferry_admission_enter(&admission, &load, now);
    cr_assert_eq(check(1, 1, 1), FERRY_BUSY);
    cr_assert(retry >= 1 && retry <= 1000, "without a measurement: %u", retry);
    for (int i = 0; i < 40; i++) { /* 100 tokens every 100 ms: 1,000 a second */
        now += 100 * FERRY_NANOSECONDS_PER_MILLISECOND;
        ferry_admission_leave(&admission, &load, 100, now);
        ferry_admission_enter(&admission, &load, now);
    }
    cr_assert_float_eq(admission.tokens_per_second, 1000, 50);
    cr_assert_eq(check(1, 1, 1), FERRY_BUSY); /* one item of ten must go: 100 tokens */
    cr_assert(retry >= 90 && retry <= 110, "%u", retry);
    cr_assert_eq(check(1, 500, 1), FERRY_BUSY);
    cr_assert(retry >= 90, "%u", retry);
}

Test(admission, a_text_counts_at_most_a_token_a_byte_and_the_models_limit) {
    struct ferry_loaded_model *model = small_model_open("");
    struct ferry_wire_item items[3] = {{.text = {"0123456789", 10}},
                                       {.text = {"x", 1000000}},
                                       {.ids = (const int32_t[]){1, 2}, .id_count = 2}};
    struct ferry_wire_request wire;
    ferry_wire_request_init(&wire, FERRY_OPERATION_EMBED);
    wire.items = items;
    wire.item_count = 3;
    struct ferry_request_load load = ferry_admission_load(&wire, model, 1000, 1 << 20);
    cr_assert_eq(load.items, 3);
    cr_assert_eq(load.tokens, 13 + SMALL_MODEL_LENGTH + 2);
    cr_assert_geq(load.bytes, 1000 + 3 * 2 * SMALL_MODEL_WIDTH * 4);
    small_model_close(model);
}

static uint64_t bytes_of(enum ferry_operation operation, struct ferry_wire_item item,
                         uint32_t stride) {
    struct ferry_loaded_model *model = small_model_open("");
    struct ferry_wire_request wire;
    ferry_wire_request_init(&wire, operation);
    wire.items = &item;
    wire.item_count = 1;
    wire.windows = operation == FERRY_OPERATION_TOKENIZE;
    wire.stride = stride;
    struct ferry_request_load load = ferry_admission_load(&wire, model, 0, 4 << 20);
    cr_assert_leq(load.tokens, SMALL_MODEL_LENGTH);
    small_model_close(model);
    return load.bytes;
}

Test(admission, what_a_short_body_grows_to_is_counted) {
    struct ferry_wire_item text = {.text = {"x", 1000}};
    struct ferry_wire_item pair = {.text = {"x", 1000}, .pair = {"y", 1}};
    struct ferry_wire_item huge = {.text = {"x", 1000000}};
    uint64_t window = SMALL_MODEL_LENGTH * sizeof(int32_t);
    cr_assert_geq(bytes_of(FERRY_OPERATION_TOKENIZE, text, 0), 1000 * sizeof(int32_t));
    cr_assert_geq(bytes_of(FERRY_OPERATION_TOKENIZE, text, SMALL_MODEL_LENGTH - 4), 1000 * window);
    cr_assert_geq(bytes_of(FERRY_OPERATION_TOKENIZE, pair, 0), 1000 * window);
    uint64_t most = bytes_of(FERRY_OPERATION_TOKENIZE, huge, SMALL_MODEL_LENGTH - 4);
    cr_assert(most >= 8 << 20 && most < (8 << 20) + 4096, "what one request may hold: %lu", most);
    static const int32_t id = 1;
    struct ferry_wire_item ids = {.ids = &id, .id_count = 50000}; /* before it is cut */
    cr_assert_geq(bytes_of(FERRY_OPERATION_EMBED, ids, 0), 50000 * sizeof(int32_t));
    cr_assert_geq(bytes_of(FERRY_OPERATION_DETOKENIZE, ids, 0), 50000 * sizeof(int32_t));
}

/* 64 choices of one token, windows of two tokens: it is the sequences that take the memory. */
Test(admission, sequences_are_counted) {
    struct ferry_loaded_model *model = small_model_open("");
    static const int32_t ids[1000];
    struct ferry_wire_item item = {.ids = ids, .id_count = 1};
    struct ferry_wire_request wire;
    ferry_wire_request_init(&wire, FERRY_OPERATION_GENERATE);
    wire.items = &item;
    wire.item_count = 1;
    wire.generation.max_new_tokens = 1;
    wire.generation.choices = 64;
    cr_assert_geq(ferry_admission_load(&wire, model, 0, 4 << 20).bytes,
                  64 * sizeof(struct ferry_sequence));
    ferry_wire_request_init(&wire, FERRY_OPERATION_SCORE);
    item.id_count = 1000;
    wire.items = &item;
    wire.item_count = 1;
    wire.windows = true;
    wire.max_tokens = 2;
    cr_assert_geq(ferry_admission_load(&wire, model, 0, 4 << 20).bytes,
                  999 * sizeof(struct ferry_sequence));
    small_model_close(model);
}
