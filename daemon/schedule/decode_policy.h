/* Which sequences take part in the next step, and with how many tokens: a pure policy. No threads,
 * no locks, no clock of its own; it never sees a token.
 *
 * Sequences wait, run in a slot, and may be sent back to wait when the cache is full (their cache
 * is then computed again). A step takes
 *   1. a token of every sequence whose prompt is computed (decode), then
 *   2. parts of prompts (prefill) up to the budget: half of it for the prompt that came first, so
 *      that no prompt starves, the rest for the shortest ones, so that a short prompt never waits
 *      behind long ones.
 * Interactive goes before bulk, and when it has no room bulk beyond a quarter of the slots is sent
 * back. A request that has half of the slots goes behind the others. Bulk that has waited longer
 * than the policy's limit counts as interactive in one step of FERRY_BATCH_AGED_SHARE. Chunked
 * prefill: Agrawal et al., "Sarathi-Serve", 2024; cache in blocks and preemption by recomputation:
 * Kwon et al., "PagedAttention" (vLLM), 2023.
 *
 * Without a cache (block_tokens 0) every step computes whole sequences: then the budget bounds
 * positions, and the sequences take turns. */
#ifndef FERRY_DAEMON_DECODE_POLICY_H
#define FERRY_DAEMON_DECODE_POLICY_H

#include "daemon/schedule/batcher.h"

struct ferry_decode_policy_limits {
    uint32_t max_sequences;   /* slots, and entries of a step */
    uint32_t step_tokens;     /* new tokens of a step; decode always fits beside them */
    uint32_t max_step_tokens; /* what the engine takes: never more, decode included */
    uint32_t block_tokens;    /* positions of a cache block; 0: no cache */
    uint32_t blocks;          /* at least what one sequence of the greatest length needs */
    bool one_at_a_time;       /* a combined model: a step is one whole sequence */
    int64_t bulk_limit_ns;
};

enum { FERRY_DECODE_NO_SLOT = UINT32_MAX };

struct ferry_decode_item {
    /* The owner's. */
    enum ferry_batch_class priority;
    int64_t arrived_ns;
    uint32_t length;       /* tokens there are; the owner raises it when a step has brought one */
    uint32_t *owner_slots; /* how many items of its request run: counted by the policy, or NULL */
    uint32_t cut; /* no step goes beyond this many tokens before it has reached them; 0: none */
    /* The policy's. */
    uint32_t cached; /* tokens whose step has been run */
    uint32_t slot;   /* FERRY_DECODE_NO_SLOT while it waits */
    uint64_t last_step;
    struct ferry_decode_item *older, *newer; /* while it waits, by arrival */
};

struct ferry_decode_share {
    struct ferry_decode_item *item;
    uint32_t until; /* the step takes the tokens [cached, until) */
};

/* Memory is made once and used for step after step. */
struct ferry_decode_plan {
    struct ferry_decode_share *shares; /* [max_sequences] */
    uint32_t count;
    uint32_t tokens;    /* new ones */
    uint32_t *released; /* [max_sequences]: slots to be released before the step */
    uint32_t released_count;
};

struct ferry_decode_counts {
    uint32_t waiting, running;
    uint64_t preempted;   /* ever */
    uint32_t blocks_used; /* by what runs */
};

struct ferry_decode_policy;

/* Errors: OUT_OF_MEMORY. */
FERRY_MUST_CHECK enum ferry_status
ferry_decode_policy_create(const struct ferry_decode_policy_limits *limits,
                           struct ferry_decode_policy **ret_policy);
/* Items stay with their owner. NULL is allowed. */
void ferry_decode_policy_free(struct ferry_decode_policy *policy);
FERRY_MUST_CHECK enum ferry_status
ferry_decode_plan_init(const struct ferry_decode_policy_limits *limits,
                       struct ferry_decode_plan *plan);
void ferry_decode_plan_free(struct ferry_decode_plan *plan);

/* The item waits from now on, at its place by arrival. */
void ferry_decode_policy_add(struct ferry_decode_policy *policy, struct ferry_decode_item *item);
/* Takes an item out. Returns the slot that has to be released, or FERRY_DECODE_NO_SLOT. */
uint32_t ferry_decode_policy_remove(struct ferry_decode_policy *policy,
                                    struct ferry_decode_item *item);
/* False when nothing waits or runs. */
FERRY_MUST_CHECK bool ferry_decode_policy_plan(struct ferry_decode_policy *policy, int64_t now,
                                               struct ferry_decode_plan *plan);
/* The step was run for this share (its item is still there). */
void ferry_decode_policy_ran(struct ferry_decode_policy *policy,
                             const struct ferry_decode_share *share);
/* A step of so many tokens (without a cache: positions) had no memory: stay below it from now on.
 * False when it was one token: there is nothing to lower. */
bool ferry_decode_policy_lower(struct ferry_decode_policy *policy, uint32_t failed_tokens);

/* Calls for every item; it must not add or remove any. */
typedef void ferry_decode_visit(void *context, struct ferry_decode_item *item);
void ferry_decode_policy_each(struct ferry_decode_policy *policy, ferry_decode_visit *visit,
                              void *context);
struct ferry_decode_counts ferry_decode_policy_count(const struct ferry_decode_policy *policy);

#endif
