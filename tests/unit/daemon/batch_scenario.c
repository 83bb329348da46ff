#include "tests/unit/daemon/batch_scenario.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "daemon/schedule/batcher.h"

enum { MAX_ITEMS = 96, MAX_LENGTH = 40, STEPS = 160 };
enum fate { NOT_YET, PENDING, IN_BATCH, EXPIRED, CANCELLED };

struct model_item {
    struct ferry_batch_item item; /* first */
    int32_t ids[MAX_LENGTH];
    enum fate fate;
    uint64_t
        oldest_since; /* number of batches formed when it became the oldest (aged) of its class */
    int counts;       /* oldest_since is set */
};

struct scenario {
    uint64_t random, seed;
    int64_t now;
    struct ferry_batch_policy policy;
    struct ferry_batcher *batcher;
    struct ferry_formed_batch batch;
    struct model_item items[MAX_ITEMS];
    unsigned item_count;
    uint64_t formed;
    const char *broken;
    struct scenario_totals *totals;
};

/* SplitMix64. */
static uint64_t draw(struct scenario *s, uint64_t bound) {
    uint64_t z = s->random += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return (z ^ z >> 31) % bound;
}

static void check(struct scenario *s, int holds, const char *rule) {
    if (!holds && s->broken == NULL)
        s->broken = rule;
}

static struct ferry_batch_policy random_policy(struct scenario *s) {
    struct ferry_batch_policy policy = {
        .max_length = MAX_LENGTH,
        .token_budget = (uint32_t)(MAX_LENGTH + draw(s, 200)),
        .max_sequences = (uint32_t)(1 + draw(s, 12)),
        .pads = draw(s, 4) > 0,
        .equal_lengths_only = draw(s, 5) == 0,
        .overhead_tokens = (uint32_t)draw(s, 64),
        .bulk_limit_ns = (int64_t)draw(s, 500),
    };
    if (draw(s, 5) == 0)
        policy.fixed_length = MAX_LENGTH;
    if (draw(s, 5) == 0)
        policy.fixed_batch = (uint32_t)(1 + draw(s, 6));
    return policy;
}

static struct model_item *first_pending(struct scenario *s, enum ferry_batch_class class) {
    for (unsigned i = 0; i < s->item_count; i++)
        if (s->items[i].fate == PENDING && s->items[i].item.priority == class)
            return &s->items[i];
    return NULL;
}

static int is_aged(const struct scenario *s, const struct model_item *item) {
    return s->now - item->item.arrived_ns > s->policy.bulk_limit_ns;
}

/* Starts to count batches for an item once nothing in its class is before it. */
static void watch_oldest(struct scenario *s) {
    for (int class = 0; class < FERRY_BATCH_CLASS_COUNT; class ++) {
        struct model_item *first = first_pending(s, (enum ferry_batch_class) class);
        if (first == NULL || first->counts)
            continue;
        if (class == FERRY_BATCH_INTERACTIVE || is_aged(s, first)) {
            first->counts = 1;
            first->oldest_since = s->formed;
        }
    }
}

static void add_item(struct scenario *s) {
    if (s->item_count == MAX_ITEMS)
        return;
    struct model_item *item = &s->items[s->item_count++];
    uint32_t length = (uint32_t)(1 + draw(s, draw(s, 2) ? MAX_LENGTH : 6));
    uint64_t content = draw(s, 3); /* few different contents: duplicates are frequent */
    for (uint32_t i = 0; i < length; i++)
        item->ids[i] = (int32_t)(content + i);
    item->item = (struct ferry_batch_item){
        .ids = item->ids,
        .length = length,
        .priority = draw(s, 2) ? FERRY_BATCH_BULK : FERRY_BATCH_INTERACTIVE,
        .arrived_ns = s->now,
        .deadline_ns = draw(s, 3) ? FERRY_BATCH_NO_DEADLINE : s->now + (int64_t)draw(s, 400),
    };
    item->item.hash = ferry_hash(item->ids, length * sizeof *item->ids, 0) & 7; /* collisions too */
    item->fate = PENDING;
    ferry_batcher_add(s->batcher, &item->item);
    s->totals->items++;
}

static void cancel_item(struct scenario *s) {
    if (s->item_count == 0)
        return;
    struct model_item *item = &s->items[draw(s, s->item_count)];
    int removed = ferry_batcher_remove(s->batcher, &item->item);
    check(s, removed == (item->fate == PENDING), "remove takes exactly what is pending");
    if (removed) {
        item->fate = CANCELLED;
        s->totals->cancelled++;
    }
}

static void expire_items(struct scenario *s) {
    struct ferry_batch_item *chain = ferry_batcher_take_expired(s->batcher, s->now);
    while (chain != NULL) {
        struct model_item *item = (struct model_item *)chain;
        chain = chain->behind;
        check(s, item->fate == PENDING, "what expires was pending");
        check(s, item->item.deadline_ns < s->now, "what expires is past its deadline");
        item->fate = EXPIRED;
        s->totals->expired++;
    }
    for (unsigned i = 0; i < s->item_count; i++)
        if (s->items[i].fate == PENDING) {
            check(s, s->items[i].item.deadline_ns >= s->now, "nothing past its deadline stays");
            check(s, s->items[i].item.deadline_ns >= ferry_batcher_next_deadline(s->batcher),
                  "next_deadline is a lower bound");
        }
}

static void check_rows(struct scenario *s) {
    const struct ferry_formed_batch *batch = &s->batch;
    uint64_t tokens = 0;
    uint32_t longest = 0;
    for (uint32_t row = 0; row < batch->sequences; row++) {
        const struct ferry_batch_item *item = batch->items[batch->first_item_of_row[row]];
        check(s, batch->row_of_item[batch->first_item_of_row[row]] == row, "rows point back");
        tokens += item->length;
        longest = item->length > longest ? item->length : longest;
        for (uint32_t other = 0; other < row; other++) {
            const struct ferry_batch_item *second = batch->items[batch->first_item_of_row[other]];
            check(s,
                  item->length != second->length ||
                      memcmp(item->ids, second->ids, item->length * sizeof *item->ids) != 0,
                  "no sequence is computed twice");
            check(s, !s->policy.equal_lengths_only || item->length == second->length,
                  "equal lengths only");
        }
    }
    check(s, tokens == batch->tokens && longest == batch->longest, "sums are right");
    check(s, batch->cost == ferry_batch_policy_cost(&s->policy, batch->sequences, longest, tokens),
          "cost is right");
}

static void check_limits(struct scenario *s) {
    const struct ferry_formed_batch *batch = &s->batch;
    const struct ferry_batch_policy *policy = &s->policy;
    const struct ferry_batch_item *first = batch->items[0];
    uint32_t first_length = first != NULL ? first->length : 0;
    uint64_t alone = ferry_batch_policy_cost(policy, 1, first_length, first_length);
    uint64_t budget = ferry_batcher_budget(s->batcher);
    check(s, batch->cost <= budget || batch->cost <= alone, "no batch over budget");
    check(s,
          batch->sequences <= (policy->fixed_batch ? policy->fixed_batch : policy->max_sequences),
          "no batch over the sequence limit");
    if (policy->pads && policy->fixed_length == 0 && policy->fixed_batch == 0) {
        uint64_t padding = batch->cost - batch->tokens;
        check(s, padding <= policy->overhead_tokens || padding <= batch->tokens / 16,
              "padding stays within what it saves");
    }
}

static void leave(struct scenario *s, struct model_item *item) {
    check(s, item->fate == PENDING, "an item leaves once");
    item->fate = IN_BATCH;
    uint64_t limit = item->item.priority == FERRY_BATCH_BULK ? FERRY_BATCH_AGED_SHARE : 2;
    check(s, !item->counts || s->formed - item->oldest_since <= limit,
          "the oldest waits for few batches");
}

static void form_batch(struct scenario *s) {
    expire_items(s);
    watch_oldest(s);
    struct model_item *interactive = first_pending(s, FERRY_BATCH_INTERACTIVE);
    struct model_item *bulk = first_pending(s, FERRY_BATCH_BULK);
    int aged = bulk != NULL && is_aged(s, bulk);
    int formed = ferry_batcher_form(s->batcher, s->now, (uint32_t)(1 + draw(s, 3)), &s->batch);
    check(s, formed == (interactive != NULL || bulk != NULL), "a batch if and only if work waits");
    if (!formed || s->broken != NULL)
        return;
    s->formed++;
    s->totals->batches++;
    s->totals->duplicates += s->batch.item_count - s->batch.sequences;
    struct model_item *anchor = (struct model_item *)s->batch.items[0];
    check(s, anchor == interactive || anchor == bulk, "a batch starts with the oldest of a class");
    check(s, anchor == interactive || interactive == NULL || aged,
          "bulk goes first only when it is aged");
    s->totals->bulk_turns += anchor == bulk && interactive != NULL;
    check_rows(s);
    check_limits(s);
    for (uint32_t i = 0; i < s->batch.item_count; i++) {
        struct model_item *item = (struct model_item *)s->batch.items[i];
        const struct ferry_batch_item *row =
            s->batch.items[s->batch.first_item_of_row[s->batch.row_of_item[i]]];
        check(s,
              row->length == item->item.length &&
                  memcmp(row->ids, item->ids, row->length * sizeof *row->ids) == 0,
              "a row answers only its own sequence");
        leave(s, item);
    }
}

static void check_counts(struct scenario *s) {
    uint64_t items = 0;
    uint64_t tokens = 0;
    for (unsigned i = 0; i < s->item_count; i++)
        if (s->items[i].fate == PENDING) {
            items++;
            tokens += s->items[i].item.length;
        }
    check(s, ferry_batcher_pending_items(s->batcher) == items, "pending items are counted");
    check(s, ferry_batcher_pending_tokens(s->batcher) == tokens, "pending tokens are counted");
}

static void step(struct scenario *s) {
    s->now += (int64_t)draw(s, 40);
    switch (draw(s, 10)) {
    case 0:
        cancel_item(s);
        break;
    case 1:
        expire_items(s);
        break;
    case 2:
    case 3:
    case 4:
        form_batch(s);
        break;
    case 5:
        if (draw(s, 20) == 0)
            ferry_batcher_lower_budget(s->batcher, UINT64_C(2) * MAX_LENGTH + draw(s, 100));
        break;
    default:
        for (uint64_t count = 1 + draw(s, 4); count > 0; count--)
            add_item(s);
    }
    watch_oldest(s);
    check_counts(s);
}

static void finish(struct scenario *s) {
    if (draw(s, 2)) { /* everything left is handed back at once */
        struct ferry_batch_item *chain = ferry_batcher_take_all(s->batcher);
        for (; chain != NULL; chain = chain->behind) {
            struct model_item *item = (struct model_item *)chain;
            check(s, item->fate == PENDING, "what is handed back was pending");
            item->fate = CANCELLED;
        }
    } else { /* or computed */
        for (unsigned i = 0; i <= MAX_ITEMS && s->broken == NULL; i++)
            form_batch(s);
    }
    for (unsigned i = 0; i < s->item_count; i++)
        check(s, s->items[i].fate > PENDING, "every item leaves");
    check(s, ferry_batcher_pending_items(s->batcher) == 0, "nothing is left");
}

int scenario_play(uint64_t seed, struct scenario_totals *totals) {
    static struct scenario s;
    memset(&s, 0, sizeof s);
    s.random = s.seed = seed;
    s.totals = totals;
    s.now = (int64_t)draw(&s, 1000);
    s.policy = random_policy(&s);
    if (ferry_batcher_create(&s.policy, &s.batcher) != FERRY_OK ||
        ferry_formed_batch_init(&s.policy, &s.batch) != FERRY_OK)
        check(&s, 0, "out of memory");
    for (int i = 0; i < STEPS && s.broken == NULL; i++)
        step(&s);
    if (s.broken == NULL)
        finish(&s);
    ferry_formed_batch_free(&s.batch);
    ferry_batcher_free(s.batcher);
    if (s.broken != NULL)
        printf("scenario %llu: broken rule: %s\n", (unsigned long long)seed, s.broken);
    return s.broken == NULL;
}
