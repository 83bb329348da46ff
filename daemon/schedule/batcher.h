/* Which items share a batch: a pure policy. No threads, no locks, no clock of its own: every
 * decision is a function of what is pending, of `now`, and of the policy.
 *
 * Pending items are kept sorted by length (a bucket a length) and by arrival. A batch starts with
 * the oldest item of its class, so that no length can starve, and is filled with the items nearest
 * in length, so that little is padded: text-embeddings-inference forms batches first in, first out;
 * CTranslate2 sorts a window, but only offline.
 *
 * Two classes: interactive goes before bulk. Bulk that has waited longer than the policy's limit
 * gets at least one batch in FERRY_BATCH_AGED_SHARE. Room that one class leaves is filled from the
 * other.
 *
 * Items are owned by the caller and must stay where they are while they are pending. */
#ifndef FERRY_DAEMON_BATCHER_H
#define FERRY_DAEMON_BATCHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum ferry_batch_class { FERRY_BATCH_INTERACTIVE, FERRY_BATCH_BULK, FERRY_BATCH_CLASS_COUNT };

/* While both classes wait, at least one batch in so many starts with bulk that is past its limit.
 */
enum { FERRY_BATCH_AGED_SHARE = 4 };
/* One class fills up the other's batch to so many times the overhead: beyond it, company would cost
 * the batch more time than a batch of its own costs the device. */
enum { FERRY_BATCH_FILL_OVERHEADS = 4 };

#define FERRY_BATCH_NO_DEADLINE INT64_MAX

struct ferry_batch_policy {
    uint32_t max_length;    /* longest item that is ever added, in tokens */
    uint32_t token_budget;  /* computed positions of a batch; one item alone may exceed it */
    uint32_t max_sequences; /* different sequences of a batch */
    uint32_t fixed_length;  /* every sequence is padded to this; 0: to the longest of the batch */
    uint32_t fixed_batch;   /* every batch is filled up to this; 0: any number of sequences */
    bool pads;              /* false: the engine runs packed, cost is the sum of lengths */
    bool equal_lengths_only;
    uint32_t overhead_tokens; /* a batch of its own costs as much as so many tokens: padding beyond
                               * it does not pay */
    int64_t bulk_limit_ns;    /* bulk that waited longer counts as aged */
};

struct ferry_batch_item {
    /* Set by the owner, constant while the item is pending. */
    const int32_t *ids;      /* [length] */
    const uint8_t *type_ids; /* [length], or NULL: all 0 */
    uint32_t length;         /* 1 to max_length */
    enum ferry_batch_class priority;
    uint64_t hash;       /* of ids and type ids; equal sequences have equal hashes */
    int64_t arrived_ns;  /* monotonic; items are added in the order of it */
    int64_t deadline_ns; /* FERRY_BATCH_NO_DEADLINE: none */
    /* The batcher's own. */
    struct ferry_batch_item *older, *newer;  /* in arrival order, within the class */
    struct ferry_batch_item *ahead, *behind; /* in the bucket of the length, within the class */
    bool pending;
};

/* A batch that was formed. Memory is made once and used for batch after batch. */
struct ferry_formed_batch {
    struct ferry_batch_item **items; /* [item_count]; no longer pending, back with their owner */
    uint32_t *row_of_item;           /* [item_count]: which row answers the item */
    uint32_t item_count;
    uint32_t *first_item_of_row; /* [sequences]: the item whose ids are computed */
    uint32_t sequences;
    uint32_t longest; /* tokens */
    uint64_t tokens;  /* of the sequences, without padding */
    uint64_t cost;    /* positions computed, padding included */
    /* internal */
    uint32_t item_capacity;
    uint32_t *row_table; /* open addressing: hash -> row + 1 */
    uint32_t row_table_mask;
};

struct ferry_batcher;

/* Errors: OUT_OF_MEMORY. */
FERRY_MUST_CHECK enum ferry_status ferry_batcher_create(const struct ferry_batch_policy *policy,
                                                        struct ferry_batcher **ret_batcher);
/* Pending items stay with their owner. NULL is allowed. */
void ferry_batcher_free(struct ferry_batcher *batcher);

FERRY_MUST_CHECK enum ferry_status ferry_formed_batch_init(const struct ferry_batch_policy *policy,
                                                           struct ferry_formed_batch *batch);
void ferry_formed_batch_free(struct ferry_formed_batch *batch);

void ferry_batcher_add(struct ferry_batcher *batcher, struct ferry_batch_item *item);
/* Takes a pending item out (cancelled). False when it is not pending. */
bool ferry_batcher_remove(struct ferry_batcher *batcher, struct ferry_batch_item *item);
/* Take out every item whose deadline is before `now`, or every item; returns a chain linked by
 * `behind`, NULL when empty. The first is cheap when no deadline can have passed. */
struct ferry_batch_item *ferry_batcher_take_expired(struct ferry_batcher *batcher, int64_t now);
struct ferry_batch_item *ferry_batcher_take_all(struct ferry_batcher *batcher);
/* No pending item has an earlier deadline; INT64_MAX when none has one. */
int64_t ferry_batcher_next_deadline(const struct ferry_batcher *batcher);

/* Forms the next batch for one worker; free_workers (at least 1) counts it and those that wait too,
 * among whom little work is shared out. False when nothing is pending. Drop expired items before.
 */
bool ferry_batcher_form(struct ferry_batcher *batcher, int64_t now, uint32_t free_workers,
                        struct ferry_formed_batch *batch);

/* The device ran out of memory at this cost: stay below it from now on. */
void ferry_batcher_lower_budget(struct ferry_batcher *batcher, uint64_t failed_cost);
uint32_t ferry_batcher_budget(const struct ferry_batcher *batcher);
uint64_t ferry_batcher_pending_items(const struct ferry_batcher *batcher);
uint64_t ferry_batcher_pending_tokens(const struct ferry_batcher *batcher);

/* Positions that a batch of `sequences`, `longest` and `tokens` in sum makes the engine compute. */
uint64_t ferry_batch_policy_cost(const struct ferry_batch_policy *policy, uint32_t sequences,
                                 uint32_t longest, uint64_t tokens);

#endif
