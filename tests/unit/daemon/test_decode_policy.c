/* The decode policy, one step at a time, and under random traffic against the rules that it has to
 * keep: cache blocks, slots, tokens of a step, and that everybody comes to an end. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "daemon/schedule/decode_policy.h"

enum { MOST = 512 };

static struct ferry_decode_policy_limits limits;
static struct ferry_decode_policy *policy;
static struct ferry_decode_plan plan;
static struct ferry_decode_item items[MOST];
static uint32_t used;

static struct ferry_decode_policy_limits usual(void) {
    return (struct ferry_decode_policy_limits){.max_sequences = 8,
                                               .step_tokens = 64,
                                               .max_step_tokens = 128,
                                               .block_tokens = 16,
                                               .blocks = 1000,
                                               .bulk_limit_ns = 100};
}

static void start(struct ferry_decode_policy_limits wanted) {
    limits = wanted;
    used = 0;
    cr_assert_eq(ferry_decode_policy_create(&limits, &policy), FERRY_OK);
    cr_assert_eq(ferry_decode_plan_init(&limits, &plan), FERRY_OK);
}

static void end(void) {
    ferry_decode_plan_free(&plan);
    ferry_decode_policy_free(policy);
}

static struct ferry_decode_item *add_of(uint32_t length, int64_t arrived,
                                        enum ferry_batch_class priority) {
    struct ferry_decode_item *item = &items[used++];
    *item =
        (struct ferry_decode_item){.priority = priority, .arrived_ns = arrived, .length = length};
    ferry_decode_policy_add(policy, item);
    return item;
}

static struct ferry_decode_item *add(uint32_t length) {
    return add_of(length, used, FERRY_BATCH_INTERACTIVE);
}

static uint32_t tokens_for(const struct ferry_decode_item *item) {
    for (uint32_t i = 0; i < plan.count; i++)
        if (plan.shares[i].item == item)
            return plan.shares[i].until - item->cached;
    return 0;
}

static void make_plan(int64_t now) {
    cr_assert(ferry_decode_policy_plan(policy, now, &plan));
}

/* Runs the planned step: a sequence whose last token was in it gets another one. */
static void run_step(void) {
    for (uint32_t i = 0; i < plan.count; i++) {
        struct ferry_decode_item *item = plan.shares[i].item;
        ferry_decode_policy_ran(policy, &plan.shares[i]);
        if (item->cached == item->length)
            item->length++;
    }
}

static void step(void) {
    make_plan(0);
    run_step();
}

Test(decode_policy, nothing_to_do) {
    start(usual());
    cr_assert_not(ferry_decode_policy_plan(policy, 0, &plan));
    end();
}

Test(decode_policy, a_long_prompt_comes_in_parts) {
    start(usual());
    struct ferry_decode_item *item = add(150);
    step();
    cr_assert_eq(item->cached, 64);
    step();
    cr_assert_eq(item->cached, 128);
    step();
    cr_assert_eq(item->cached, 150);
    cr_assert_eq(item->length, 151, "its first new token");
    make_plan(0);
    cr_assert_eq(tokens_for(item), 1);
    end();
}

Test(decode_policy, decode_goes_beside_the_prompts_share) {
    start(usual());
    struct ferry_decode_item *running = add(4);
    step();
    struct ferry_decode_item *longer = add(500);
    make_plan(0);
    cr_assert_eq(tokens_for(running), 1);
    cr_assert_eq(tokens_for(longer), 64);
    end();
}

Test(decode_policy, a_short_prompt_does_not_wait_behind_long_ones) {
    start(usual());
    struct ferry_decode_item *first = add(1000);
    add(1000);
    add(1000);
    step();
    struct ferry_decode_item *brief = add(10);
    make_plan(0);
    cr_assert_eq(tokens_for(brief), 10);
    cr_assert_geq(tokens_for(first), 32, "the oldest keeps half of the step");
    end();
}

Test(decode_policy, short_prompts_do_not_starve_a_long_one) {
    start(usual());
    struct ferry_decode_item *first = add(320);
    unsigned steps = 0;
    for (; first->cached < 320 && steps < 100; steps++) {
        struct ferry_decode_item *brief = add(30);
        step();
        cr_assert_eq(brief->cached, 30);
        ferry_decode_policy_remove(policy, brief);
    }
    cr_assert_leq(steps, 10);
    end();
}

/* A long text is tokenized elsewhere, and is added after what arrived later: it is the oldest all
 * the same, which nobody may bypass for ever. */
Test(decode_policy, who_is_added_late_keeps_its_place_by_arrival) {
    start(usual());
    struct ferry_decode_item *latest = add_of(4, 30, FERRY_BATCH_INTERACTIVE);
    struct ferry_decode_item *first = add_of(4, 10, FERRY_BATCH_INTERACTIVE);
    struct ferry_decode_item *second = add_of(4, 20, FERRY_BATCH_INTERACTIVE);
    cr_assert_null(first->older);
    cr_assert_eq(first->newer, second);
    cr_assert_eq(second->newer, latest);
    cr_assert_null(latest->newer);
    end();
}

Test(decode_policy, bulk_waits_but_not_for_ever) {
    start(usual());
    struct ferry_decode_item *bulk = add_of(32, 0, FERRY_BATCH_BULK);
    uint32_t served = 0;
    for (int i = 0; i < 8; i++) {
        struct ferry_decode_item *busy = add_of(64, 1000, FERRY_BATCH_INTERACTIVE);
        make_plan(50);
        cr_assert_eq(tokens_for(bulk), 0, "not aged yet");
        run_step();
        ferry_decode_policy_remove(policy, busy);
    }
    for (int i = 0; i < 8 && served == 0; i++) {
        struct ferry_decode_item *busy = add_of(64, 2000, FERRY_BATCH_INTERACTIVE);
        make_plan(1000);
        served += tokens_for(bulk);
        run_step();
        ferry_decode_policy_remove(policy, busy);
    }
    cr_assert_gt(served, 0);
    end();
}

Test(decode_policy, the_latest_gives_way_when_the_cache_is_full) {
    struct ferry_decode_policy_limits small = usual();
    small.blocks = 5; /* 80 positions */
    start(small);
    struct ferry_decode_item *first = add(30);
    struct ferry_decode_item *second = add(14);
    step();
    cr_assert_eq(ferry_decode_policy_count(policy).running, 2);
    unsigned steps = 0;
    while (second->slot != FERRY_DECODE_NO_SLOT && steps++ < 60)
        step();
    cr_assert_neq(first->slot, FERRY_DECODE_NO_SLOT);
    cr_assert_eq(second->cached, 0);
    cr_assert_eq(plan.released_count, 1);
    cr_assert_eq(ferry_decode_policy_count(policy).preempted, 1);
    cr_assert_eq(ferry_decode_policy_count(policy).waiting, 1);
    ferry_decode_policy_remove(policy, first);
    uint32_t length = second->length;
    step();
    cr_assert_eq(second->cached, length, "computed again, its new tokens too");
    end();
}

Test(decode_policy, bulk_gives_way_before_interactive) {
    struct ferry_decode_policy_limits small = usual();
    small.blocks = 5;
    start(small);
    struct ferry_decode_item *bulk = add_of(30, 0, FERRY_BATCH_BULK);
    struct ferry_decode_item *other = add_of(14, 1, FERRY_BATCH_INTERACTIVE);
    unsigned steps = 0;
    do
        step();
    while (bulk->slot != FERRY_DECODE_NO_SLOT && steps++ < 60);
    cr_assert_neq(other->slot, FERRY_DECODE_NO_SLOT);
    cr_assert_lt(steps, 60);
    end();
}

Test(decode_policy, no_step_crosses_a_cut) {
    start(usual());
    struct ferry_decode_item *item = add(20);
    item->cut = 19;
    step();
    cr_assert_eq(item->cached, 19);
    step();
    cr_assert_eq(item->cached, 20);
    end();
}

Test(decode_policy, less_after_out_of_memory) {
    start(usual());
    add(500);
    cr_assert(ferry_decode_policy_lower(policy, 64));
    make_plan(0);
    cr_assert_eq(plan.tokens, 32);
    cr_assert_not(ferry_decode_policy_lower(policy, 1));
    end();
}

Test(decode_policy, lowered_steps_are_taken_in_turns) {
    start(usual());
    for (int i = 0; i < 4; i++)
        add(2);
    step();
    cr_assert(ferry_decode_policy_lower(policy, 4));
    for (int i = 0; i < 8; i++)
        step();
    for (uint32_t i = 0; i < 4; i++)
        cr_assert_gt(items[i].length, 4, "sequence %u stands still", i);
    end();
}

Test(decode_policy, without_a_cache_whole_sequences_take_turns) {
    struct ferry_decode_policy_limits uncached = usual();
    uncached.block_tokens = 0;
    uncached.step_tokens = 100;
    uncached.max_step_tokens = 1000;
    start(uncached);
    add(60);
    add(60);
    add(30);
    uint32_t steps[3] = {0};
    for (int i = 0; i < 12; i++) {
        make_plan(0);
        uint32_t positions = 0;
        for (uint32_t s = 0; s < plan.count; s++) {
            positions += plan.shares[s].item->length;
            steps[plan.shares[s].item - items]++;
        }
        cr_assert(plan.count == 1 || positions <= 100);
        run_step();
    }
    for (int i = 0; i < 3; i++)
        cr_assert_geq(steps[i], 4, "sequence %d had %u of 12 steps", i, steps[i]);
    end();
}

Test(decode_policy, a_combined_model_runs_one_at_a_time) {
    struct ferry_decode_policy_limits whole = usual();
    whole.block_tokens = 0;
    whole.one_at_a_time = true;
    start(whole);
    struct ferry_decode_item *first = add(40);
    add(3);
    make_plan(0);
    cr_assert_eq(plan.count, 1);
    cr_assert_eq(plan.shares[0].item, first);
    end();
}

/* A short prompt that comes while bulk has every slot. */
Test(decode_policy, interactive_does_not_wait_until_bulk_has_ended) {
    start(usual());
    for (int i = 0; i < 20; i++)
        add_of(4, 0, FERRY_BATCH_BULK);
    step();
    cr_assert_eq(ferry_decode_policy_count(policy).running, 8);
    struct ferry_decode_item *item = add_of(10, 5, FERRY_BATCH_INTERACTIVE);
    make_plan(10);
    cr_assert_eq(tokens_for(item), 10);
    cr_assert_eq(plan.released_count, 1, "one gives way, not more");
    end();
}

Test(decode_policy, bulk_keeps_a_quarter_of_the_slots) {
    start(usual());
    for (int i = 0; i < 8; i++)
        add_of(4, 0, FERRY_BATCH_BULK);
    step();
    for (int i = 0; i < 20; i++)
        add_of(10, 5, FERRY_BATCH_INTERACTIVE);
    uint32_t kept = 0;
    for (int i = 0; i < 30; i++)
        step();
    for (int i = 0; i < 8; i++)
        kept += items[i].slot != FERRY_DECODE_NO_SLOT;
    cr_assert_eq(kept, 2);
    end();
}

Test(decode_policy, nobody_is_sent_back_in_vain) {
    struct ferry_decode_policy_limits small = usual();
    small.blocks = 20; /* 320 positions */
    start(small);
    add_of(200, 0, FERRY_BATCH_INTERACTIVE);
    for (int i = 0; i < 4; i++)
        add_of(10, 1, FERRY_BATCH_BULK);
    for (int i = 0; i < 8; i++)
        step();
    uint32_t running = ferry_decode_policy_count(policy).running;
    add_of(300, 9, FERRY_BATCH_INTERACTIVE);
    step();
    cr_assert_eq(ferry_decode_policy_count(policy).running, running);
    cr_assert_eq(ferry_decode_policy_count(policy).preempted, 0);
    end();
}

Test(decode_policy, a_large_bulk_text_that_waits_does_not_hold_up_interactive) {
    struct ferry_decode_policy_limits small = usual();
    small.blocks = 24; /* 384 positions */
    start(small);
    add_of(120, 0, FERRY_BATCH_INTERACTIVE);
    for (int i = 0; i < 4; i++)
        step();
    add_of(370, 1, FERRY_BATCH_BULK); /* has no room beside the first */
    for (int i = 0; i < 100; i++) {
        struct ferry_decode_item *brief = add_of(10, 2, FERRY_BATCH_INTERACTIVE);
        make_plan(2);
        cr_assert_eq(tokens_for(brief), 10, "after %d others", i);
        run_step();
        ferry_decode_policy_remove(policy, brief);
        ferry_decode_policy_remove(policy, &items[0]); /* stays as long as it was */
        items[0].length = 120;
        ferry_decode_policy_add(policy, &items[0]);
        used--;
        for (int s = 0; s < 4; s++)
            step();
    }
    end();
}

Test(decode_policy, one_request_does_not_keep_every_slot) {
    start(usual());
    uint32_t owned = 0;
    for (int i = 0; i < 30; i++) {
        items[used] = (struct ferry_decode_item){.length = 4, .owner_slots = &owned};
        ferry_decode_policy_add(policy, &items[used++]);
    }
    step();
    cr_assert_eq(owned, 8, "alone it has them all");
    struct ferry_decode_item *other = add_of(4, 50, FERRY_BATCH_INTERACTIVE);
    for (uint32_t i = 0; i < 30; i++)
        if (items[i].slot != FERRY_DECODE_NO_SLOT) {
            ferry_decode_policy_remove(policy, &items[i]);
            break;
        }
    make_plan(60);
    cr_assert_eq(tokens_for(other), 4);
    end();
}

Test(decode_policy, without_a_cache_less_memory_means_fewer_sequences) {
    struct ferry_decode_policy_limits uncached = usual();
    uncached.block_tokens = 0;
    uncached.step_tokens = 2000;
    uncached.max_step_tokens = 2000;
    start(uncached);
    for (int i = 0; i < 4; i++)
        add(100);
    make_plan(0);
    cr_assert_eq(plan.count, 4);
    cr_assert(ferry_decode_policy_lower(policy, 400));
    make_plan(0);
    cr_assert_eq(plan.count, 2);
    end();
}

/* ---- random traffic ---- */

static uint32_t draw(uint32_t below) {
    return (uint32_t)rand() % below;
}

struct watched {
    uint32_t slot_owner[64]; /* index of the item + 1 */
};

static void check_plan(struct watched *watched) {
    uint32_t tokens = 0;
    for (uint32_t i = 0; i < plan.released_count; i++)
        watched->slot_owner[plan.released[i]] = 0;
    for (uint32_t i = 0; i < plan.count; i++) {
        struct ferry_decode_item *item = plan.shares[i].item;
        uint32_t owner = (uint32_t)(item - items) + 1;
        cr_assert_lt(item->slot, limits.max_sequences);
        cr_assert_gt(plan.shares[i].until, item->cached);
        cr_assert_leq(plan.shares[i].until, item->length);
        cr_assert(watched->slot_owner[item->slot] == 0 || watched->slot_owner[item->slot] == owner,
                  "slot %u is not free", item->slot);
        cr_assert(watched->slot_owner[item->slot] == owner || item->cached == 0);
        watched->slot_owner[item->slot] = owner;
        for (uint32_t other = 0; other < i; other++)
            cr_assert_neq(plan.shares[other].item, item);
        tokens += plan.shares[i].until - item->cached;
    }
    cr_assert_eq(tokens, plan.tokens);
    cr_assert_leq(tokens, limits.max_step_tokens);
    cr_assert_leq(ferry_decode_policy_count(policy).blocks_used, limits.blocks);
}

static void random_traffic(unsigned seed) {
    srand(seed);
    struct ferry_decode_policy_limits small = {.max_sequences = 1 + draw(12),
                                               .step_tokens = 1 + draw(40),
                                               .block_tokens = 1 + draw(8),
                                               .bulk_limit_ns = draw(200)};
    small.max_step_tokens = small.step_tokens + draw(30);
    uint32_t longest = 20 + draw(60);
    small.blocks = (longest + small.block_tokens - 1) / small.block_tokens + draw(40);
    start(small);
    static uint32_t goal[MOST];
    struct watched watched = {{0}};
    uint32_t open = 0;
    int64_t now = 0;
    unsigned steps = 0;
    while (used < MOST || open > 0) {
        cr_assert_lt(steps++, 200000, "seed %u: %u sequences never end", seed, open);
        now += draw(20);
        while (used < MOST && draw(3) == 0 && open < 40) {
            uint32_t length = 1 + draw(longest - 1);
            goal[used] = length + 1 + draw(longest - length);
            add_of(length, now, draw(3) == 0 ? FERRY_BATCH_BULK : FERRY_BATCH_INTERACTIVE);
            open++;
        }
        if (!ferry_decode_policy_plan(policy, now, &plan)) {
            cr_assert_eq(open, 0, "seed %u: %u sequences wait and no step is planned", seed, open);
            continue;
        }
        check_plan(&watched);
        run_step();
        for (uint32_t i = 0; i < plan.count; i++) {
            struct ferry_decode_item *item = plan.shares[i].item;
            if (item->length < goal[item - items] && draw(200) != 0)
                continue;
            uint32_t slot = ferry_decode_policy_remove(policy, item);
            watched.slot_owner[slot] = 0;
            open--;
        }
    }
    end();
}

Test(decode_policy, random_traffic_keeps_every_rule) {
    for (unsigned seed = 1; seed <= 200; seed++)
        random_traffic(seed);
}
