/* Every rule of a step, each broken alone. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "gpu/decode_check.h"

enum { SLOTS = 3, VOCABULARY = 10 };

static const int32_t ids[] = {1, 2, 3, 4, 5, 6, 7, 8};
static const struct ferry_sampling plain = {1, 1, 0, 1, 0, 0};

struct fixture {
    struct ferry_decode_slots slots;
    struct ferry_decode_limits limits;
    struct ferry_decode_entry entry;
    struct ferry_error error;
    int32_t new_ids[4];
    int32_t targets[8];
    float logprobs[8];
    int32_t top_ids[8];
    float top_logprobs[8];
};

static void set_up(struct fixture *fixture, enum ferry_decode_wanted wanted) {
    *fixture = (struct fixture){0};
    cr_assert_eq(ferry_decode_slots_init(&fixture->slots, SLOTS, 2, NULL), FERRY_OK);
    fixture->limits = (struct ferry_decode_limits){VOCABULARY, 8, 6, 4, 0};
    fixture->entry = (struct ferry_decode_entry){.slot = 1,
                                                 .ids = ids,
                                                 .length = 3,
                                                 .wanted = wanted,
                                                 .sampling = &plain,
                                                 .max_new = 1,
                                                 .targets = fixture->targets,
                                                 .new_ids = fixture->new_ids,
                                                 .logprobs = fixture->logprobs,
                                                 .top_ids = fixture->top_ids,
                                                 .top_logprobs = fixture->top_logprobs};
}

static enum ferry_status check(struct fixture *fixture) {
    return ferry_decode_check(&fixture->slots, &fixture->limits, &fixture->entry, 1,
                              &fixture->error);
}

/* The entry fails with this status and text, and is right again without the change. */
#define EXPECT_REFUSED(fixture, member, value, expected, word)                                     \
    do {                                                                                           \
        __typeof__((fixture)->member) before = (fixture)->member;                                  \
        (fixture)->member = (value);                                                               \
        cr_expect_eq(check(fixture), expected, #member);                                           \
        cr_expect(strstr((fixture)->error.text, word) != NULL, "%s", (fixture)->error.text);       \
        (fixture)->member = before;                                                                \
        cr_expect_eq(check(fixture), FERRY_OK, "%s", (fixture)->error.text);                       \
    } while (0)

Test(decode_check, slots_and_lengths) {
    struct fixture fixture;
    set_up(&fixture, FERRY_DECODE_NOTHING);
    EXPECT_REFUSED(&fixture, entry.slot, SLOTS, FERRY_INTERNAL, "slot 3");
    EXPECT_REFUSED(&fixture, entry.cached, 1, FERRY_INTERNAL, "holds 0");
    EXPECT_REFUSED(&fixture, entry.length, 0, FERRY_INTERNAL, "0 tokens");
    EXPECT_REFUSED(&fixture, entry.ids, NULL, FERRY_INTERNAL, "tokens");
    EXPECT_REFUSED(&fixture, limits.max_length, 2, FERRY_INVALID_INPUT, "at most 2");
    EXPECT_REFUSED(&fixture, limits.max_step_tokens, 2, FERRY_INTERNAL, "takes 2");
    EXPECT_REFUSED(&fixture, limits.blocks, 1, FERRY_INTERNAL, "2 cache blocks");
    EXPECT_REFUSED(&fixture, limits.vocabulary_size, 3, FERRY_INVALID_INPUT, "position 2: id 3");
    EXPECT_REFUSED(&fixture, slots.slots[1].failed, true, FERRY_INTERNAL, "not released");
    ferry_decode_slots_free(&fixture.slots);
}

Test(decode_check, a_sequence_goes_on_where_it_was) {
    struct fixture fixture;
    set_up(&fixture, FERRY_DECODE_NOTHING);
    ferry_decode_slots_take(&fixture.slots, &fixture.entry);
    fixture.entry.cached = 3;
    fixture.entry.length = 4;
    EXPECT_REFUSED(&fixture, entry.cached, 2, FERRY_INTERNAL, "holds 3");
    EXPECT_REFUSED(&fixture, entry.length, 3, FERRY_INTERNAL, "3 of them cached");
    fixture.entry.cached =
        0; /* another sequence in its place: its blocks count, not the old ones */
    fixture.entry.length = 6;
    cr_expect_eq(check(&fixture), FERRY_OK);
    EXPECT_REFUSED(&fixture, limits.blocks, 2, FERRY_INTERNAL, "3 cache blocks");
    ferry_decode_slots_free(&fixture.slots);
}

Test(decode_check, steps) {
    struct fixture fixture;
    set_up(&fixture, FERRY_DECODE_NOTHING);
    struct ferry_decode_entry entries[4] = {fixture.entry, fixture.entry, fixture.entry};
    entries[0].slot = 0;
    entries[2].slot = 2;
    entries[2].length = 1;
    fixture.limits.max_step_tokens = 7;
    struct ferry_decode_slots *slots = &fixture.slots;
    fixture.limits.blocks = 5;
    cr_expect_eq(ferry_decode_check(slots, &fixture.limits, entries, 3, NULL), FERRY_OK);
    cr_expect_eq(ferry_decode_check(slots, &fixture.limits, entries, 0, NULL), FERRY_INTERNAL);
    cr_expect_eq(ferry_decode_check(slots, &fixture.limits, entries, 4, NULL), FERRY_INTERNAL);
    fixture.limits.blocks = 4;
    cr_expect_eq(ferry_decode_check(slots, &fixture.limits, entries, 3, NULL), FERRY_INTERNAL);
    fixture.limits.blocks = 5;
    entries[2].slot = 1;
    cr_expect_eq(ferry_decode_check(slots, &fixture.limits, entries, 3, NULL), FERRY_INTERNAL);
    entries[2].slot = 2; /* nothing was left behind by the refusals */
    cr_expect_eq(ferry_decode_check(slots, &fixture.limits, entries, 3, NULL), FERRY_OK);
    ferry_decode_slots_free(slots);
}

Test(decode_check, sampling) {
    struct fixture fixture;
    set_up(&fixture, FERRY_DECODE_SAMPLE);
    static const int32_t outside[] = {3, VOCABULARY};
    static const struct ferry_sampling hot = {NAN, 1, 0, 1, 0, 0};
    static const struct ferry_sampling wide = {1, 2, 0, 1, 0, 0};
    fixture.entry.forbidden = outside;
    fixture.entry.top = 2;
    EXPECT_REFUSED(&fixture, entry.forbidden_count, 2, FERRY_INVALID_INPUT, "forbidden id 10");
    EXPECT_REFUSED(&fixture, entry.sampling, &hot, FERRY_INVALID_INPUT, "entry 0: temperature");
    EXPECT_REFUSED(&fixture, entry.sampling, &wide, FERRY_INVALID_INPUT, "top_p 2");
    EXPECT_REFUSED(&fixture, entry.sampling, NULL, FERRY_INTERNAL, "missing");
    EXPECT_REFUSED(&fixture, entry.new_ids, NULL, FERRY_INTERNAL, "missing");
    EXPECT_REFUSED(&fixture, entry.max_new, 0, FERRY_INTERNAL, "0 new tokens");
    EXPECT_REFUSED(&fixture, entry.max_new, 2, FERRY_INTERNAL, "2 new tokens");
    EXPECT_REFUSED(&fixture, entry.top, VOCABULARY + 1, FERRY_INVALID_INPUT, "11 most");
    EXPECT_REFUSED(&fixture, entry.top_ids, NULL, FERRY_INTERNAL, "no room");
    EXPECT_REFUSED(&fixture, entry.top_logprobs, NULL, FERRY_INTERNAL, "no room");
    fixture.limits.vocabulary_size = 1000;
    EXPECT_REFUSED(&fixture, entry.top, FERRY_DECODE_MAX_TOP + 1, FERRY_INVALID_INPUT, "101 most");
    ferry_decode_slots_free(&fixture.slots);
}

Test(decode_check, scores) {
    struct fixture fixture;
    set_up(&fixture, FERRY_DECODE_SCORE);
    fixture.targets[1] = -1;
    EXPECT_REFUSED(&fixture, targets[2], VOCABULARY, FERRY_INVALID_INPUT, "position 2: target 10");
    EXPECT_REFUSED(&fixture, targets[2], -2, FERRY_INVALID_INPUT, "target -2");
    EXPECT_REFUSED(&fixture, entry.targets, NULL, FERRY_INTERNAL, "targets");
    fixture.entry.targets = NULL; /* only the most probable are wanted */
    fixture.entry.logprobs = NULL;
    fixture.entry.top = 1;
    cr_expect_eq(check(&fixture), FERRY_OK);
    ferry_decode_slots_free(&fixture.slots);
}

Test(decode_check, combined_models) {
    struct fixture fixture;
    set_up(&fixture, FERRY_DECODE_SAMPLE);
    fixture.limits.max_new_tokens = 4;
    fixture.entry.max_new = 4;
    EXPECT_REFUSED(&fixture, entry.max_new, 5, FERRY_INTERNAL, "1 to 4");
    EXPECT_REFUSED(&fixture, entry.length, 5, FERRY_INVALID_INPUT, "at most 8 together");
    EXPECT_REFUSED(&fixture, entry.wanted, FERRY_DECODE_SCORE, FERRY_INTERNAL, "generates");
    EXPECT_REFUSED(&fixture, entry.wanted, FERRY_DECODE_NOTHING, FERRY_INTERNAL, "generates");
    EXPECT_REFUSED(&fixture, entry.top, 1, FERRY_INTERNAL, "generates");
    ferry_decode_slots_take(&fixture.slots, &fixture.entry);
    EXPECT_REFUSED(&fixture, entry.cached, 3, FERRY_INTERNAL, "3 of them cached");
    ferry_decode_slots_free(&fixture.slots);
}
