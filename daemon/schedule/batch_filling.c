#include "daemon/schedule/batch_filling.h"

#include <stdlib.h>
#include <string.h>

enum {
    /* Duplicates take part without a row of their own, but not without bound. */
    ITEMS_PER_SEQUENCE = 4,
    /* Padding up to a sixteenth of the batch is cheaper than one more batch. */
    PADDING_PART = 16
};

static uint32_t sequence_limit(const struct ferry_batch_policy *policy) {
    if (policy->fixed_batch > 0)
        return policy->fixed_batch;
    return policy->max_sequences > 0 ? policy->max_sequences : 1;
}

static uint32_t table_size_for(uint32_t rows) {
    uint32_t size = 16;
    while (size < rows * 2)
        size *= 2;
    return size;
}

enum ferry_status ferry_formed_batch_init(const struct ferry_batch_policy *policy,
                                          struct ferry_formed_batch *batch) {
    uint32_t rows = sequence_limit(policy);
    uint32_t capacity = rows * ITEMS_PER_SEQUENCE;
    uint32_t table_size = table_size_for(rows);
    *batch = (struct ferry_formed_batch){
        .items = malloc(capacity * sizeof(struct ferry_batch_item *)),
        .row_of_item = malloc(capacity * sizeof *batch->row_of_item),
        .first_item_of_row = malloc(rows * sizeof *batch->first_item_of_row),
        .row_table = calloc(table_size, sizeof *batch->row_table),
        .item_capacity = capacity,
        .row_table_mask = table_size - 1,
    };
    if (batch->items && batch->row_of_item && batch->first_item_of_row && batch->row_table)
        return FERRY_OK;
    ferry_formed_batch_free(batch);
    return FERRY_OUT_OF_MEMORY;
}

void ferry_formed_batch_free(struct ferry_formed_batch *batch) {
    free(batch->items);
    free(batch->row_of_item);
    free(batch->first_item_of_row);
    free(batch->row_table);
    *batch = (struct ferry_formed_batch){0};
}

void ferry_formed_batch_clear(struct ferry_formed_batch *batch) {
    memset(batch->row_table, 0, ((size_t)batch->row_table_mask + 1) * sizeof *batch->row_table);
    batch->item_count = batch->sequences = batch->longest = 0;
    batch->tokens = batch->cost = 0;
}

static bool same_sequence(const struct ferry_batch_item *left,
                          const struct ferry_batch_item *right) {
    if (left->hash != right->hash || left->length != right->length)
        return false;
    if (memcmp(left->ids, right->ids, left->length * sizeof *left->ids) != 0)
        return false;
    if (left->type_ids == NULL || right->type_ids == NULL)
        return left->type_ids == right->type_ids;
    return memcmp(left->type_ids, right->type_ids, left->length) == 0;
}

/* The table's entry of this sequence, or the empty one where it belongs. */
static uint32_t *row_entry(struct ferry_formed_batch *batch, const struct ferry_batch_item *item) {
    uint32_t at = (uint32_t)item->hash & batch->row_table_mask;
    for (;; at = (at + 1) & batch->row_table_mask) {
        uint32_t *entry = &batch->row_table[at];
        if (*entry == 0)
            return entry;
        uint32_t first = batch->first_item_of_row[*entry - 1];
        if (same_sequence(batch->items[first], item))
            return entry;
    }
}

static uint64_t larger(uint64_t left, uint64_t right) {
    return left > right ? left : right;
}

/* May this sequence have a row of its own in the batch? */
static bool fits(const struct ferry_batch_filling *filling, const struct ferry_batch_item *item) {
    const struct ferry_formed_batch *batch = filling->batch;
    const struct ferry_batch_policy *policy = filling->policy;
    if (batch->sequences == 0)
        return true;
    if (batch->sequences >= sequence_limit(policy))
        return false;
    if (policy->equal_lengths_only && item->length != batch->longest)
        return false;
    uint32_t longest = item->length > batch->longest ? item->length : batch->longest;
    uint64_t tokens = batch->tokens + item->length;
    uint64_t cost = ferry_batch_policy_cost(policy, batch->sequences + 1, longest, tokens);
    if (cost > larger(filling->budget, batch->cost))
        return false;
    if (policy->fixed_length > 0)
        return true; /* the padding is the same in any company */
    uint64_t allowed = larger(policy->overhead_tokens, tokens / PADDING_PART);
    return cost - tokens <= larger(allowed, batch->cost - batch->tokens);
}

static void add_row(struct ferry_batch_filling *filling, const struct ferry_batch_item *item) {
    struct ferry_formed_batch *batch = filling->batch;
    batch->first_item_of_row[batch->sequences++] = batch->item_count;
    if (item->length > batch->longest)
        batch->longest = item->length;
    batch->tokens += item->length;
    batch->cost =
        ferry_batch_policy_cost(filling->policy, batch->sequences, batch->longest, batch->tokens);
}

static bool take_item(struct ferry_batch_filling *filling, struct ferry_pending_items *pending,
                      struct ferry_batch_item *item) {
    struct ferry_formed_batch *batch = filling->batch;
    if (batch->item_count == batch->item_capacity)
        return false;
    uint32_t *entry = row_entry(batch, item);
    if (*entry == 0) {
        if (!fits(filling, item))
            return false;
        add_row(filling, item);
        *entry = batch->sequences;
    }
    ferry_pending_remove(pending, item);
    item->pending = false;
    batch->items[batch->item_count] = item;
    batch->row_of_item[batch->item_count++] = *entry - 1;
    return true;
}

/* Where padding is the same in any company, or free, nothing is gained by going out of order. */
static void fill_by_arrival(struct ferry_batch_filling *filling,
                            struct ferry_pending_items *pending, uint64_t share) {
    while (pending->count > 0 && filling->batch->tokens < share)
        if (!take_item(filling, pending, pending->by_arrival.first))
            return;
}

/* Goes from the batch's longest length outwards, shorter or longer, whichever pads less. What does
 * not fit on one side closes that side: what lies beyond pads more. */
static void fill_by_length(struct ferry_batch_filling *filling, struct ferry_pending_items *pending,
                           uint64_t share) {
    struct ferry_formed_batch *batch = filling->batch;
    bool shorter_open = true;
    bool longer_open = !filling->policy->equal_lengths_only;
    while (batch->tokens < share) {
        struct ferry_batch_item *shorter =
            shorter_open ? ferry_pending_at_most(pending, batch->longest) : NULL;
        struct ferry_batch_item *longer =
            longer_open ? ferry_pending_at_least(pending, batch->longest + 1) : NULL;
        if (shorter == NULL && longer == NULL)
            return;
        bool go_longer =
            shorter == NULL ||
            (longer != NULL && (uint64_t)(longer->length - batch->longest) * batch->sequences <
                                   batch->longest - shorter->length);
        if (!take_item(filling, pending, go_longer ? longer : shorter))
            *(go_longer ? &longer_open : &shorter_open) = false;
    }
}

void ferry_batch_fill(struct ferry_batch_filling *filling, struct ferry_pending_items *pending,
                      uint64_t share) {
    const struct ferry_batch_policy *policy = filling->policy;
    if (pending->count == 0)
        return;
    if (filling->batch->item_count == 0)
        take_item(filling, pending, pending->by_arrival.first);
    if ((policy->fixed_length > 0 || !policy->pads) && !policy->equal_lengths_only)
        fill_by_arrival(filling, pending, share);
    else
        fill_by_length(filling, pending, share);
}
