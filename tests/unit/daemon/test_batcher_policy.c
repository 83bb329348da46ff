/* The batching policy, one decision at a time, with a clock that the test sets. */
#include <criterion/criterion.h>
#include <string.h>

#include "daemon/schedule/batcher.h"

enum { MOST = 64 };

static struct ferry_batch_policy policy;
static struct ferry_batcher *batcher;
static struct ferry_formed_batch batch;
static struct ferry_batch_item items[MOST];
static int32_t ids[MOST][256];
static unsigned used;

static void start(struct ferry_batch_policy wanted) {
    policy = wanted;
    cr_assert_eq(ferry_batcher_create(&policy, &batcher), FERRY_OK);
    cr_assert_eq(ferry_formed_batch_init(&policy, &batch), FERRY_OK);
    used = 0;
}

static void end(void) {
    ferry_formed_batch_free(&batch);
    ferry_batcher_free(batcher);
}

static struct ferry_batch_policy usual(void) {
    return (struct ferry_batch_policy){.max_length = 256,
                                       .token_budget = 256,
                                       .max_sequences = 16,
                                       .pads = true,
                                       .overhead_tokens = 16,
                                       .bulk_limit_ns = 100};
}

/* All items differ unless `content` is equal. */
static struct ferry_batch_item *add(uint32_t length, enum ferry_batch_class priority,
                                    int64_t arrived, int32_t content) {
    struct ferry_batch_item *item = &items[used];
    for (uint32_t i = 0; i < length; i++)
        ids[used][i] = content;
    *item = (struct ferry_batch_item){.ids = ids[used++],
                                      .length = length,
                                      .priority = priority,
                                      .hash = (uint64_t)content,
                                      .arrived_ns = arrived,
                                      .deadline_ns = FERRY_BATCH_NO_DEADLINE};
    ferry_batcher_add(batcher, item);
    return item;
}

static struct ferry_batch_item *add_text(uint32_t length) {
    return add(length, FERRY_BATCH_INTERACTIVE, 0, (int32_t)used + 1000);
}

static bool in_batch(const struct ferry_batch_item *item) {
    for (uint32_t i = 0; i < batch.item_count; i++)
        if (batch.items[i] == item)
            return true;
    return false;
}

Test(batcher, nothing_pending_gives_no_batch) {
    start(usual());
    cr_assert_not(ferry_batcher_form(batcher, 0, 1, &batch));
    end();
}

Test(batcher, the_oldest_comes_with_its_neighbours_in_length) {
    start(usual());
    struct ferry_batch_item *oldest = add_text(50);
    struct ferry_batch_item *far_shorter = add_text(5);
    struct ferry_batch_item *near_shorter = add_text(48);
    struct ferry_batch_item *near_longer = add_text(51);
    struct ferry_batch_item *far_longer = add_text(200);
    cr_assert(ferry_batcher_form(batcher, 0, 1, &batch));
    cr_assert_eq(batch.items[0], oldest);
    cr_assert(in_batch(near_shorter) && in_batch(near_longer));
    cr_assert_not(in_batch(far_shorter) || in_batch(far_longer));
    cr_assert_eq(batch.cost, UINT64_C(3) * 51);
    cr_assert_eq(batch.tokens, 149);
    cr_assert(ferry_batcher_form(batcher, 0, 1, &batch));
    cr_assert_eq(batch.items[0], far_shorter);
    end();
}

Test(batcher, budget_counts_the_longest_times_the_count) {
    start(usual());
    for (int i = 0; i < 6; i++)
        add_text(60);
    cr_assert(ferry_batcher_form(batcher, 0, 1, &batch));
    cr_assert_eq(batch.sequences, 4);
    cr_assert_eq(batch.cost, 240);
    cr_assert(ferry_batcher_form(batcher, 0, 1, &batch));
    cr_assert_eq(batch.sequences, 2);
    end();
}

Test(batcher, an_engine_without_padding_takes_what_came_first) {
    struct ferry_batch_policy packed = usual();
    packed.pads = false;
    start(packed);
    add_text(200);
    struct ferry_batch_item *second = add_text(3);
    struct ferry_batch_item *third = add_text(50);
    struct ferry_batch_item *fourth = add_text(50);
    cr_assert(ferry_batcher_form(batcher, 0, 1, &batch));
    cr_assert(in_batch(second) && in_batch(third));
    cr_assert_not(in_batch(fourth));
    cr_assert_eq(batch.cost, 253);
    end();
}

Test(batcher, one_item_may_exceed_the_budget_alone) {
    struct ferry_batch_policy small = usual();
    small.token_budget = 32;
    start(small);
    add_text(200);
    add_text(200);
    cr_assert(ferry_batcher_form(batcher, 0, 1, &batch));
    cr_assert_eq(batch.sequences, 1);
    end();
}

Test(batcher, fixed_shapes_fill_the_batch_whatever_the_lengths) {
    struct ferry_batch_policy fixed = usual();
    fixed.fixed_length = 256;
    fixed.fixed_batch = 4;
    start(fixed);
    for (uint32_t i = 0; i < 6; i++)
        add_text(1 + i * 50);
    cr_assert(ferry_batcher_form(batcher, 0, 3, &batch));
    cr_assert_eq(batch.sequences, 4);
    cr_assert_eq(batch.cost, UINT64_C(4) * 256);
    end();
}

Test(batcher, only_equal_lengths_share_a_batch_where_padding_changes_results) {
    struct ferry_batch_policy equal = usual();
    equal.equal_lengths_only = true;
    start(equal);
    add_text(20);
    add_text(21);
    struct ferry_batch_item *same = add_text(20);
    cr_assert(ferry_batcher_form(batcher, 0, 1, &batch));
    cr_assert_eq(batch.item_count, 2);
    cr_assert(in_batch(same));
    end();
}

Test(batcher, duplicates_share_a_row_and_cost_nothing) {
    start(usual());
    for (int i = 0; i < 10; i++)
        add(60, FERRY_BATCH_INTERACTIVE, 0, 7);
    struct ferry_batch_item *other = add(60, FERRY_BATCH_INTERACTIVE, 0, 8);
    other->hash = 7; /* a collision is not a duplicate */
    cr_assert(ferry_batcher_form(batcher, 0, 1, &batch));
    cr_assert_eq(batch.item_count, 11);
    cr_assert_eq(batch.sequences, 2);
    cr_assert_eq(batch.cost, 120);
    for (uint32_t i = 0; i < batch.item_count; i++)
        cr_assert_eq(batch.row_of_item[i], batch.items[i] == other ? 1 : 0);
    end();
}

Test(batcher, type_ids_make_a_difference) {
    static const uint8_t segments[4] = {0, 0, 1, 1};
    start(usual());
    add(4, FERRY_BATCH_INTERACTIVE, 0, 7);
    struct ferry_batch_item *pair = &items[used];
    *pair = items[0];
    pair->pending = false;
    pair->type_ids = segments;
    used++;
    ferry_batcher_add(batcher, pair);
    cr_assert(ferry_batcher_form(batcher, 0, 1, &batch));
    cr_assert_eq(batch.sequences, 2);
    end();
}

Test(batcher, interactive_goes_first_and_bulk_fills_a_little) {
    start(usual());
    struct ferry_batch_item *bulk[8];
    for (int i = 0; i < 8; i++)
        bulk[i] = add(30, FERRY_BATCH_BULK, 0, 100 + i);
    struct ferry_batch_item *quick = add(30, FERRY_BATCH_INTERACTIVE, 1, 1);
    cr_assert(ferry_batcher_form(batcher, 50, 1, &batch));
    cr_assert_eq(batch.items[0], quick);
    cr_assert(in_batch(bulk[0]));
    /* 4 overheads of 16 tokens: three rows of 30 reach them. */
    cr_assert_eq(batch.sequences, 3);
    cr_assert(ferry_batcher_form(batcher, 50, 1, &batch));
    cr_assert_eq(batch.sequences, 6);
    end();
}

Test(batcher, aged_bulk_gets_one_batch_in_four_and_no_more) {
    start(usual());
    for (int i = 0; i < 4; i++)
        add(200, FERRY_BATCH_BULK, 0, 500 + i); /* too long to fill anything */
    int bulk_turns = 0;
    for (int i = 0; i < 16; i++) {
        while (ferry_batcher_pending_items(batcher) < 5 - (unsigned)bulk_turns)
            add(10, FERRY_BATCH_INTERACTIVE, 1000, (int32_t)used);
        cr_assert(ferry_batcher_form(batcher, 1000, 1, &batch));
        bool bulk = batch.items[0]->priority == FERRY_BATCH_BULK;
        cr_assert_eq(bulk, i % 4 == 3, "batch %d", i);
        bulk_turns += bulk;
    }
    end();
}

Test(batcher, young_bulk_waits_while_interactive_work_is_there) {
    start(usual());
    add(200, FERRY_BATCH_BULK, 0, 500);
    for (int i = 0; i < 20; i++) {
        add(10, FERRY_BATCH_INTERACTIVE, 50, i);
        cr_assert(ferry_batcher_form(batcher, 100, 1, &batch));
        cr_assert_eq(batch.items[0]->priority, FERRY_BATCH_INTERACTIVE);
    }
    end();
}

Test(batcher, little_work_is_shared_among_free_workers) {
    start(usual());
    for (int i = 0; i < 8; i++)
        add_text(20);
    cr_assert(ferry_batcher_form(batcher, 0, 2, &batch));
    cr_assert_eq(batch.sequences, 4);
    cr_assert(ferry_batcher_form(batcher, 0, 1, &batch));
    cr_assert_eq(batch.sequences, 4);
    end();
}

Test(batcher, expired_and_cancelled_items_leave_without_a_batch) {
    start(usual());
    struct ferry_batch_item *late = add_text(10);
    struct ferry_batch_item *cancelled = add_text(10);
    struct ferry_batch_item *kept = add_text(10);
    ferry_batcher_remove(batcher, late);
    late->deadline_ns = 50;
    ferry_batcher_add(batcher, late);
    cr_assert_eq(ferry_batcher_next_deadline(batcher), 50);
    cr_assert_null(ferry_batcher_take_expired(batcher, 50));
    cr_assert_eq(ferry_batcher_take_expired(batcher, 51), late);
    cr_assert_eq(ferry_batcher_next_deadline(batcher), FERRY_BATCH_NO_DEADLINE);
    cr_assert(ferry_batcher_remove(batcher, cancelled));
    cr_assert_not(ferry_batcher_remove(batcher, cancelled));
    cr_assert(ferry_batcher_form(batcher, 60, 1, &batch));
    cr_assert(batch.item_count == 1 && batch.items[0] == kept);
    end();
}

Test(batcher, stays_below_half_of_what_ran_out_of_memory) {
    start(usual());
    ferry_batcher_lower_budget(batcher, 200);
    ferry_batcher_lower_budget(batcher, 400);
    cr_assert_eq(ferry_batcher_budget(batcher), 100);
    for (int i = 0; i < 10; i++)
        add_text(20);
    cr_assert(ferry_batcher_form(batcher, 0, 1, &batch));
    cr_assert_eq(batch.sequences, 5);
    end();
}

/* One worker, arrivals at 80 % of what it can do, lengths from 1 to 200, a tenth of it bulk: nobody
 * waits longer than the limit and a few batches. The clock is the test's own. */
Test(batcher, below_capacity_nobody_waits_past_the_limit) {
    struct ferry_batch_policy timed = usual();
    timed.bulk_limit_ns = 2000;
    start(timed);
    uint64_t random = 1;
    int64_t now = 0;
    int64_t next_arrival = 0;
    int64_t worst[FERRY_BATCH_CLASS_COUNT] = {0};
    for (int batches = 0; batches < 3000;) {
        while (next_arrival <= now) {
            unsigned slot = 0;
            while (slot < MOST && items[slot].pending)
                slot++;
            cr_assert_lt(slot, MOST, "the queue grows although there is capacity");
            used = slot;
            random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
            uint32_t length = 1 + (uint32_t)(random >> 40) % 200;
            add(length, (random >> 33) % 10 == 0 ? FERRY_BATCH_BULK : FERRY_BATCH_INTERACTIVE,
                next_arrival, (int32_t)(random >> 33));
            next_arrival += (length + 16) * 5 / 4;
        }
        if (!ferry_batcher_form(batcher, now, 1, &batch)) {
            now = next_arrival;
            continue;
        }
        for (uint32_t i = 0; i < batch.item_count; i++) {
            int64_t waited = now - batch.items[i]->arrived_ns;
            enum ferry_batch_class class = batch.items[i]->priority;
            worst[class] = waited > worst[class] ? waited : worst[class];
        }
        now += (int64_t)batch.cost + 16; /* a nanosecond a position, 16 for the batch itself */
        batches++;
    }
    int64_t longest_batch = 256 + 16;
    cr_assert_leq(worst[FERRY_BATCH_INTERACTIVE], 8 * longest_batch);
    cr_assert_leq(worst[FERRY_BATCH_BULK], timed.bulk_limit_ns + 8 * longest_batch);
    end();
}
