#include "daemon/schedule/decode_policy.h"

#include <stdlib.h>

enum {
    /* So many younger sequences may be taken in while the oldest waits for room in the cache. */
    MOST_BYPASSES = 32,
    /* Of the slots, bulk keeps one in so many when interactive wants them; and whose owner has one
     * in so many goes behind everybody else's. */
    BULK_SLOT_SHARE = 4,
    CROWDING_SLOT_SHARE = 2
};

struct ferry_decode_policy {
    struct ferry_decode_policy_limits limits;
    struct ferry_decode_item *oldest, *newest; /* that wait */
    struct ferry_decode_item **slots;          /* [max_sequences]: what runs, or NULL */
    uint32_t waiting, running;
    /* Of each class: the oldest that waits, and how many were taken in before it that should not
     * have been, had it fitted. Guards are looked up at the beginning of each plan. */
    struct ferry_decode_item *guards[FERRY_BATCH_CLASS_COUNT];
    uint32_t bypasses[FERRY_BATCH_CLASS_COUNT];
    uint64_t steps, preempted;
    bool bulk_counts; /* in this step aged bulk is as good as interactive */
};

enum ferry_status ferry_decode_policy_create(const struct ferry_decode_policy_limits *limits,
                                             struct ferry_decode_policy **ret_policy) {
    struct ferry_decode_policy *policy = calloc(1, sizeof *policy);
    if (policy == NULL)
        return FERRY_OUT_OF_MEMORY;
    policy->limits = *limits;
    policy->slots = calloc(limits->max_sequences, sizeof(struct ferry_decode_item *));
    if (policy->slots == NULL) {
        free(policy);
        return FERRY_OUT_OF_MEMORY;
    }
    *ret_policy = policy;
    return FERRY_OK;
}

void ferry_decode_policy_free(struct ferry_decode_policy *policy) {
    if (policy == NULL)
        return;
    free(policy->slots);
    free(policy);
}

enum ferry_status ferry_decode_plan_init(const struct ferry_decode_policy_limits *limits,
                                         struct ferry_decode_plan *plan) {
    *plan = (struct ferry_decode_plan){0};
    plan->shares = calloc(limits->max_sequences, sizeof *plan->shares);
    plan->released = calloc(limits->max_sequences, sizeof *plan->released);
    if (plan->shares != NULL && plan->released != NULL)
        return FERRY_OK;
    ferry_decode_plan_free(plan);
    return FERRY_OUT_OF_MEMORY;
}

void ferry_decode_plan_free(struct ferry_decode_plan *plan) {
    free(plan->shares);
    free(plan->released);
    *plan = (struct ferry_decode_plan){0};
}

static uint32_t blocks_of(const struct ferry_decode_policy *policy, uint32_t length) {
    uint32_t block = policy->limits.block_tokens;
    return block == 0 ? 0 : (length + block - 1) / block;
}

static uint32_t blocks_used(const struct ferry_decode_policy *policy) {
    uint32_t used = 0;
    for (uint32_t slot = 0; slot < policy->limits.max_sequences; slot++)
        if (policy->slots[slot] != NULL)
            used += blocks_of(policy, policy->slots[slot]->length);
    return used;
}

static void unlink_waiting(struct ferry_decode_policy *policy, struct ferry_decode_item *item) {
    *(item->older ? &item->older->newer : &policy->oldest) = item->newer;
    *(item->newer ? &item->newer->older : &policy->newest) = item->older;
    policy->waiting--;
}

/* At its place by arrival, behind those of the same time. Who comes back or was held back is among
 * the oldest, so the place is looked for from there. */
static void link_waiting(struct ferry_decode_policy *policy, struct ferry_decode_item *item) {
    struct ferry_decode_item *before = NULL;
    if (policy->newest != NULL && policy->newest->arrived_ns > item->arrived_ns)
        for (before = policy->oldest; before->arrived_ns <= item->arrived_ns;)
            before = before->newer;
    item->cached = 0;
    item->slot = FERRY_DECODE_NO_SLOT;
    item->newer = before;
    item->older = before ? before->older : policy->newest;
    *(item->older ? &item->older->newer : &policy->oldest) = item;
    *(before ? &before->older : &policy->newest) = item;
    policy->waiting++;
}

void ferry_decode_policy_add(struct ferry_decode_policy *policy, struct ferry_decode_item *item) {
    item->last_step = 0;
    link_waiting(policy, item);
}

uint32_t ferry_decode_policy_remove(struct ferry_decode_policy *policy,
                                    struct ferry_decode_item *item) {
    uint32_t slot = item->slot;
    if (slot == FERRY_DECODE_NO_SLOT) {
        if (item == policy->guards[item->priority]) {
            policy->guards[item->priority] = NULL;
            policy->bypasses[item->priority] = 0;
        }
        unlink_waiting(policy, item);
        return FERRY_DECODE_NO_SLOT;
    }
    policy->slots[slot] = NULL;
    policy->running--;
    if (item->owner_slots != NULL)
        --*item->owner_slots;
    item->slot = FERRY_DECODE_NO_SLOT;
    return slot;
}

static bool is_decoding(const struct ferry_decode_item *item) {
    return item->cached > 0 && item->cached + 1 == item->length;
}

/* Lower is served first. */
static int class_of(const struct ferry_decode_policy *policy, const struct ferry_decode_item *item,
                    int64_t now) {
    if (item->priority == FERRY_BATCH_INTERACTIVE)
        return 0;
    bool aged = now - item->arrived_ns > policy->limits.bulk_limit_ns;
    return aged && policy->bulk_counts ? 0 : 1;
}

/* Who gives way first: bulk, there the latest. */
static struct ferry_decode_item *find_victim(const struct ferry_decode_policy *policy) {
    struct ferry_decode_item *victim = NULL;
    for (uint32_t slot = 0; slot < policy->limits.max_sequences; slot++) {
        struct ferry_decode_item *item = policy->slots[slot];
        if (item == NULL)
            continue;
        if (victim == NULL || item->priority > victim->priority ||
            (item->priority == victim->priority && item->arrived_ns > victim->arrived_ns))
            victim = item;
    }
    return victim;
}

static void preempt(struct ferry_decode_policy *policy, struct ferry_decode_item *item,
                    struct ferry_decode_plan *plan) {
    plan->released[plan->released_count++] = ferry_decode_policy_remove(policy, item);
    link_waiting(policy, item);
    policy->preempted++;
}

/* What runs has grown by a token each: it must still fit. */
static void make_room(struct ferry_decode_policy *policy, struct ferry_decode_plan *plan) {
    while (policy->running > 1 && blocks_used(policy) > policy->limits.blocks)
        preempt(policy, find_victim(policy), plan);
}

static void find_guards(struct ferry_decode_policy *policy) {
    unsigned found = 0;
    for (int priority = 0; priority < FERRY_BATCH_CLASS_COUNT; priority++)
        policy->guards[priority] = NULL;
    for (struct ferry_decode_item *item = policy->oldest;
         item != NULL && found < FERRY_BATCH_CLASS_COUNT; item = item->newer) {
        found += policy->guards[item->priority] == NULL;
        if (policy->guards[item->priority] == NULL)
            policy->guards[item->priority] = item;
    }
}

/* Whoever is taken in passes by those that wait longer, of its own class or a better one. */
static void count_bypass(struct ferry_decode_policy *policy, const struct ferry_decode_item *item) {
    for (unsigned priority = 0; priority <= item->priority; priority++) {
        if (item == policy->guards[priority])
            policy->bypasses[priority] = 0;
        else if (policy->guards[priority] != NULL)
            policy->bypasses[priority]++;
    }
}

static void take_in(struct ferry_decode_policy *policy, struct ferry_decode_item *item) {
    uint32_t slot = 0;
    while (policy->slots[slot] != NULL)
        slot++;
    bool is_guard = item == policy->guards[item->priority];
    count_bypass(policy, item);
    unlink_waiting(policy, item);
    policy->slots[slot] = item;
    policy->running++;
    item->slot = slot;
    if (item->owner_slots != NULL)
        ++*item->owner_slots;
    if (is_guard)
        find_guards(policy);
}

/* A block more for each that runs is kept free, or it would be sent back at once. */
static bool fits(const struct ferry_decode_policy *policy, const struct ferry_decode_item *item) {
    if (policy->running == policy->limits.max_sequences)
        return false;
    if (policy->limits.block_tokens == 0 || policy->running == 0)
        return true;
    uint32_t wanted = blocks_of(policy, item->length + 1);
    return blocks_used(policy) + wanted + policy->running <= policy->limits.blocks;
}

static bool may_run(const struct ferry_decode_policy *policy,
                    const struct ferry_decode_item *item) {
    if (item->slot != FERRY_DECODE_NO_SLOT)
        return true;
    for (unsigned priority = 0; priority <= item->priority; priority++)
        if (policy->guards[priority] != NULL && policy->guards[priority] != item &&
            policy->bypasses[priority] >= MOST_BYPASSES)
            return false;
    return fits(policy, item);
}

/* Slots and blocks that come free when bulk goes back to its share. */
static void count_spare_bulk(const struct ferry_decode_policy *policy, uint32_t *ret_slots,
                             uint32_t *ret_blocks) {
    uint32_t bulk = 0;
    *ret_slots = *ret_blocks = 0;
    for (uint32_t slot = 0; slot < policy->limits.max_sequences; slot++) {
        const struct ferry_decode_item *item = policy->slots[slot];
        if (item == NULL || item->priority != FERRY_BATCH_BULK)
            continue;
        bulk++;
        *ret_blocks += blocks_of(policy, item->length);
    }
    uint32_t kept = policy->limits.max_sequences / BULK_SLOT_SHARE;
    *ret_slots = bulk > kept ? bulk - kept : 0;
}

/* Interactive does not wait until bulk has come to its end: bulk is computed again. */
static void make_way(struct ferry_decode_policy *policy, struct ferry_decode_plan *plan) {
    const struct ferry_decode_item *item = policy->guards[FERRY_BATCH_INTERACTIVE];
    uint32_t slots = 0;
    uint32_t blocks = 0;
    if (item == NULL || fits(policy, item))
        return;
    count_spare_bulk(policy, &slots, &blocks);
    uint32_t wanted = blocks_of(policy, item->length + 1) + policy->running;
    if (blocks_used(policy) + wanted > policy->limits.blocks + blocks + slots &&
        policy->limits.block_tokens > 0)
        return; /* it would not help */
    for (; slots > 0 && !fits(policy, item); slots--)
        preempt(policy, find_victim(policy), plan);
}

static uint32_t left_of(const struct ferry_decode_item *item) {
    uint32_t end = item->cached < item->cut && item->cut < item->length ? item->cut : item->length;
    return end - item->cached;
}

static void add_share(struct ferry_decode_plan *plan, struct ferry_decode_item *item,
                      uint32_t tokens) {
    plan->shares[plan->count++] =
        (struct ferry_decode_share){.item = item, .until = item->cached + tokens};
    plan->tokens += tokens;
}

/* A share that this step has already given to the item, or NULL. */
static struct ferry_decode_share *share_of(struct ferry_decode_plan *plan,
                                           const struct ferry_decode_item *item) {
    for (uint32_t i = 0; i < plan->count; i++)
        if (plan->shares[i].item == item)
            return &plan->shares[i];
    return NULL;
}

struct order {
    const struct ferry_decode_policy *policy;
    struct ferry_decode_plan *plan;
    int64_t now;
    bool by_length;
};

/* It would come to a request that has half of the slots already. */
static bool is_crowding(const struct ferry_decode_policy *policy,
                        const struct ferry_decode_item *item) {
    return item->slot == FERRY_DECODE_NO_SLOT && item->owner_slots != NULL &&
           *item->owner_slots >= (policy->limits.max_sequences + 1) / CROWDING_SLOT_SHARE;
}

static bool goes_before(const struct order *order, const struct ferry_decode_item *left,
                        const struct ferry_decode_item *right) {
    int left_class = class_of(order->policy, left, order->now);
    int right_class = class_of(order->policy, right, order->now);
    if (left_class != right_class)
        return left_class < right_class;
    bool left_crowds = is_crowding(order->policy, left);
    if (left_crowds != is_crowding(order->policy, right))
        return !left_crowds;
    if (order->by_length && left_of(left) != left_of(right))
        return left_of(left) < left_of(right);
    return left->arrived_ns < right->arrived_ns;
}

static bool is_candidate(const struct order *order, const struct ferry_decode_item *item) {
    if (item->slot == FERRY_DECODE_NO_SLOT)
        return may_run(order->policy, item);
    return !is_decoding(item) && item->cached < item->length && share_of(order->plan, item) == NULL;
}

static struct ferry_decode_item *first_of(const struct order *order) {
    struct ferry_decode_item *first = NULL;
    for (uint32_t slot = 0; slot < order->policy->limits.max_sequences; slot++) {
        struct ferry_decode_item *item = order->policy->slots[slot];
        if (item != NULL && is_candidate(order, item) &&
            (first == NULL || goes_before(order, item, first)))
            first = item;
    }
    if (order->policy->running == order->policy->limits.max_sequences)
        return first; /* however many wait */
    for (struct ferry_decode_item *item = order->policy->oldest; item != NULL; item = item->newer)
        if ((first == NULL || goes_before(order, item, first)) && is_candidate(order, item))
            first = item;
    return first;
}

static uint32_t smaller(uint32_t left, uint32_t right) {
    return left < right ? left : right;
}

static void give(struct ferry_decode_policy *policy, struct ferry_decode_plan *plan,
                 struct ferry_decode_item *item, uint32_t tokens) {
    if (item->slot == FERRY_DECODE_NO_SLOT)
        take_in(policy, item);
    add_share(plan, item, smaller(tokens, left_of(item)));
}

static uint32_t room_for_prompts(const struct ferry_decode_policy *policy,
                                 const struct ferry_decode_plan *plan) {
    const struct ferry_decode_policy_limits *limits = &policy->limits;
    uint32_t whole = limits->max_step_tokens - smaller(plan->tokens, limits->max_step_tokens);
    return smaller(limits->step_tokens, whole);
}

/* The share grows by what is left of the step. */
static void extend(struct ferry_decode_plan *plan, struct ferry_decode_share *share,
                   uint32_t *left) {
    uint32_t given = share->until - share->item->cached;
    uint32_t more = smaller(*left, left_of(share->item) - given);
    share->until += more;
    plan->tokens += more;
    *left -= more;
}

static void plan_prompts(struct ferry_decode_policy *policy, int64_t now,
                         struct ferry_decode_plan *plan) {
    struct order order = {.policy = policy, .plan = plan, .now = now};
    uint32_t left = room_for_prompts(policy, plan);
    struct ferry_decode_item *oldest = left > 0 ? first_of(&order) : NULL;
    if (oldest == NULL)
        return;
    give(policy, plan, oldest, (left + 1) / 2);
    struct ferry_decode_share *first = &plan->shares[plan->count - 1];
    left -= first->until - oldest->cached;
    order.by_length = true;
    struct ferry_decode_item *item;
    while (left > 0 && plan->count < policy->limits.max_sequences &&
           (item = first_of(&order)) != NULL) {
        if (class_of(policy, item, now) > class_of(policy, oldest, now))
            extend(plan, first, &left); /* bulk takes only what interactive leaves */
        if (left == 0)
            return;
        give(policy, plan, item, left);
        left -= plan->shares[plan->count - 1].until - item->cached;
    }
    extend(plan, first, &left);
}

static void plan_cached(struct ferry_decode_policy *policy, int64_t now,
                        struct ferry_decode_plan *plan) {
    uint32_t slots = policy->limits.max_sequences;
    for (uint32_t i = 0; i < slots; i++) { /* in turns, should a step not have room for all */
        struct ferry_decode_item *item = policy->slots[(policy->steps + i) % slots];
        if (item != NULL && is_decoding(item) && plan->tokens < policy->limits.max_step_tokens)
            add_share(plan, item, 1);
    }
    plan_prompts(policy, now, plan);
}

/* Of what runs or may run: the one whose last step is longest ago. */
static struct ferry_decode_item *next_in_turn(const struct order *order) {
    struct ferry_decode_item *next = NULL;
    for (uint32_t slot = 0; slot < order->policy->limits.max_sequences; slot++) {
        struct ferry_decode_item *item = order->policy->slots[slot];
        if (item != NULL && share_of(order->plan, item) == NULL &&
            (next == NULL || item->last_step < next->last_step))
            next = item;
    }
    return next;
}

static void fill_slots(struct ferry_decode_policy *policy, int64_t now,
                       struct ferry_decode_plan *plan) {
    struct order order = {.policy = policy, .plan = plan, .now = now};
    uint32_t slots = policy->limits.one_at_a_time ? 1 : policy->limits.max_sequences;
    while (policy->waiting > 0 && policy->running < slots) {
        struct ferry_decode_item *best = NULL;
        for (struct ferry_decode_item *item = policy->oldest; item != NULL; item = item->newer)
            if (may_run(policy, item) && (best == NULL || goes_before(&order, item, best)))
                best = item;
        if (best == NULL)
            return;
        take_in(policy, best);
    }
}

static void plan_uncached(struct ferry_decode_policy *policy, int64_t now,
                          struct ferry_decode_plan *plan) {
    fill_slots(policy, now, plan);
    struct order order = {.policy = policy, .plan = plan, .now = now};
    uint64_t positions = 0;
    struct ferry_decode_item *item;
    while (plan->count < policy->limits.max_sequences && (item = next_in_turn(&order)) != NULL) {
        positions += item->length;
        bool full = positions > policy->limits.step_tokens ||
                    plan->tokens + left_of(item) > policy->limits.max_step_tokens;
        if (plan->count > 0 && (full || policy->limits.one_at_a_time))
            return;
        add_share(plan, item, left_of(item));
    }
}

bool ferry_decode_policy_plan(struct ferry_decode_policy *policy, int64_t now,
                              struct ferry_decode_plan *plan) {
    plan->count = plan->tokens = plan->released_count = 0;
    policy->steps++;
    policy->bulk_counts = policy->steps % FERRY_BATCH_AGED_SHARE == 0;
    if (policy->limits.block_tokens > 0)
        make_room(policy, plan);
    find_guards(policy);
    make_way(policy, plan);
    find_guards(policy);
    if (policy->limits.block_tokens == 0)
        plan_uncached(policy, now, plan);
    else
        plan_cached(policy, now, plan);
    return plan->count > 0;
}

void ferry_decode_policy_ran(struct ferry_decode_policy *policy,
                             const struct ferry_decode_share *share) {
    share->item->cached = share->until;
    share->item->last_step = policy->steps;
}

bool ferry_decode_policy_lower(struct ferry_decode_policy *policy, uint32_t failed_tokens) {
    struct ferry_decode_policy_limits *limits = &policy->limits;
    if (failed_tokens <= 1)
        return false;
    if (limits->block_tokens == 0) { /* a sequence is never cut: fewer of them share a step */
        limits->step_tokens = smaller(limits->step_tokens, failed_tokens / 2);
        return true;
    }
    limits->max_step_tokens = smaller(limits->max_step_tokens, failed_tokens / 2);
    limits->step_tokens = smaller(limits->step_tokens, limits->max_step_tokens);
    return true;
}

void ferry_decode_policy_each(struct ferry_decode_policy *policy, ferry_decode_visit *visit,
                              void *context) {
    for (uint32_t slot = 0; slot < policy->limits.max_sequences; slot++)
        if (policy->slots[slot] != NULL)
            visit(context, policy->slots[slot]);
    for (struct ferry_decode_item *item = policy->oldest; item != NULL; item = item->newer)
        visit(context, item);
}

struct ferry_decode_counts ferry_decode_policy_count(const struct ferry_decode_policy *policy) {
    return (struct ferry_decode_counts){.waiting = policy->waiting,
                                        .running = policy->running,
                                        .preempted = policy->preempted,
                                        .blocks_used = blocks_used(policy)};
}
