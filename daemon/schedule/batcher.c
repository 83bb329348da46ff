#include "daemon/schedule/batcher.h"

#include <stdlib.h>

#include "daemon/schedule/batch_filling.h"
#include "daemon/schedule/pending_items.h"

struct ferry_batcher {
    struct ferry_batch_policy policy;
    struct ferry_pending_items classes[FERRY_BATCH_CLASS_COUNT];
    int64_t next_deadline;         /* lower bound over all pending items */
    uint32_t budget;               /* policy.token_budget, or less after out of memory */
    uint32_t interactive_in_a_row; /* batches since aged bulk had one */
};

uint64_t ferry_batch_policy_cost(const struct ferry_batch_policy *policy, uint32_t sequences,
                                 uint32_t longest, uint64_t tokens) {
    if (!policy->pads)
        return tokens;
    uint64_t length = policy->fixed_length ? policy->fixed_length : longest;
    return length * (policy->fixed_batch ? policy->fixed_batch : sequences);
}

enum ferry_status ferry_batcher_create(const struct ferry_batch_policy *policy,
                                       struct ferry_batcher **ret_batcher) {
    struct ferry_batcher *batcher = calloc(1, sizeof *batcher);
    if (batcher == NULL)
        return FERRY_OUT_OF_MEMORY;
    batcher->policy = *policy;
    batcher->budget = policy->token_budget;
    batcher->next_deadline = FERRY_BATCH_NO_DEADLINE;
    for (int class = 0; class < FERRY_BATCH_CLASS_COUNT; class ++)
        if (ferry_pending_init(&batcher->classes[class], policy->max_length) != FERRY_OK) {
            ferry_batcher_free(batcher);
            return FERRY_OUT_OF_MEMORY;
        }
    *ret_batcher = batcher;
    return FERRY_OK;
}

void ferry_batcher_free(struct ferry_batcher *batcher) {
    if (batcher == NULL)
        return;
    for (int class = 0; class < FERRY_BATCH_CLASS_COUNT; class ++)
        ferry_pending_free(&batcher->classes[class]);
    free(batcher);
}

void ferry_batcher_add(struct ferry_batcher *batcher, struct ferry_batch_item *item) {
    ferry_pending_insert(&batcher->classes[item->priority], item);
    item->pending = true;
    if (item->deadline_ns < batcher->next_deadline)
        batcher->next_deadline = item->deadline_ns;
}

bool ferry_batcher_remove(struct ferry_batcher *batcher, struct ferry_batch_item *item) {
    if (!item->pending)
        return false;
    ferry_pending_remove(&batcher->classes[item->priority], item);
    item->pending = false;
    return true;
}

static struct ferry_batch_item *take(struct ferry_batcher *batcher, struct ferry_batch_item *item,
                                     struct ferry_batch_item *chain) {
    ferry_batcher_remove(batcher, item);
    item->behind = chain;
    return item;
}

struct ferry_batch_item *ferry_batcher_take_expired(struct ferry_batcher *batcher, int64_t now) {
    if (batcher->next_deadline >= now)
        return NULL;
    struct ferry_batch_item *chain = NULL;
    batcher->next_deadline = FERRY_BATCH_NO_DEADLINE;
    for (int class = 0; class < FERRY_BATCH_CLASS_COUNT; class ++) {
        struct ferry_batch_item *next;
        for (struct ferry_batch_item *item = batcher->classes[class].by_arrival.first; item != NULL;
             item = next) {
            next = item->newer;
            if (item->deadline_ns < now)
                chain = take(batcher, item, chain);
            else if (item->deadline_ns < batcher->next_deadline)
                batcher->next_deadline = item->deadline_ns;
        }
    }
    return chain;
}

struct ferry_batch_item *ferry_batcher_take_all(struct ferry_batcher *batcher) {
    struct ferry_batch_item *chain = NULL;
    for (int class = 0; class < FERRY_BATCH_CLASS_COUNT; class ++) {
        struct ferry_batch_item *item;
        while ((item = batcher->classes[class].by_arrival.first) != NULL)
            chain = take(batcher, item, chain);
    }
    batcher->next_deadline = FERRY_BATCH_NO_DEADLINE;
    return chain;
}

int64_t ferry_batcher_next_deadline(const struct ferry_batcher *batcher) {
    return batcher->next_deadline;
}

/* The class that the next batch starts with; NULL when nothing is pending. */
static struct ferry_pending_items *choose_class(struct ferry_batcher *batcher, int64_t now) {
    struct ferry_pending_items *interactive = &batcher->classes[FERRY_BATCH_INTERACTIVE];
    struct ferry_pending_items *bulk = &batcher->classes[FERRY_BATCH_BULK];
    if (bulk->count == 0)
        return interactive->count == 0 ? NULL : interactive;
    bool aged = now - bulk->by_arrival.first->arrived_ns > batcher->policy.bulk_limit_ns;
    bool bulk_turn = aged && batcher->interactive_in_a_row >= FERRY_BATCH_AGED_SHARE - 1;
    if (interactive->count == 0 || bulk_turn) {
        batcher->interactive_in_a_row = 0;
        return bulk;
    }
    if (batcher->interactive_in_a_row < FERRY_BATCH_AGED_SHARE)
        batcher->interactive_in_a_row++;
    return interactive;
}

bool ferry_batcher_form(struct ferry_batcher *batcher, int64_t now, uint32_t free_workers,
                        struct ferry_formed_batch *batch) {
    struct ferry_pending_items *first = choose_class(batcher, now);
    if (first == NULL)
        return false;
    struct ferry_pending_items *other = &batcher->classes[first == &batcher->classes[0] ? 1 : 0];
    uint64_t overhead = batcher->policy.overhead_tokens;
    uint64_t share = UINT64_MAX;
    if (free_workers > 1 && batcher->policy.fixed_batch == 0) {
        share = ferry_batcher_pending_tokens(batcher) / free_workers;
        share = share > overhead ? share : overhead;
    }
    struct ferry_batch_filling filling = {
        .policy = &batcher->policy, .budget = batcher->budget, .batch = batch};
    ferry_formed_batch_clear(batch);
    ferry_batch_fill(&filling, first, share);
    uint64_t company = overhead * FERRY_BATCH_FILL_OVERHEADS;
    ferry_batch_fill(&filling, other, share < company ? share : company);
    return true;
}

void ferry_batcher_lower_budget(struct ferry_batcher *batcher, uint64_t failed_cost) {
    uint64_t lower = failed_cost / 2 > 0 ? failed_cost / 2 : 1;
    if (lower < batcher->budget)
        batcher->budget = (uint32_t)lower;
}

uint32_t ferry_batcher_budget(const struct ferry_batcher *batcher) {
    return batcher->budget;
}

uint64_t ferry_batcher_pending_items(const struct ferry_batcher *batcher) {
    return batcher->classes[FERRY_BATCH_INTERACTIVE].count +
           batcher->classes[FERRY_BATCH_BULK].count;
}

uint64_t ferry_batcher_pending_tokens(const struct ferry_batcher *batcher) {
    return batcher->classes[FERRY_BATCH_INTERACTIVE].tokens +
           batcher->classes[FERRY_BATCH_BULK].tokens;
}
