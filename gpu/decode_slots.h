/* What a decoder has to remember of its slots to see that its caller keeps the rules of engine.h:
 * how many tokens each slot holds and how many cache blocks they take. */
#ifndef FERRY_GPU_DECODE_SLOTS_H
#define FERRY_GPU_DECODE_SLOTS_H

#include "gpu/engine.h"

#ifdef __cplusplus
extern "C" {
#endif

struct ferry_decode_slot {
    uint32_t held;   /* tokens of its sequence, in the cache or seen; 0: empty */
    uint32_t blocks; /* that they take; 0 without a cache */
    bool failed;     /* its last step failed: it has to be released */
    bool in_step;    /* used by ferry_decode_check, false outside of it */
};

struct ferry_decode_slots {
    struct ferry_decode_slot *slots; /* [count] */
    uint32_t count;
    uint32_t block_tokens; /* 0: no cache */
    uint32_t blocks_used;  /* by all slots */
};

FERRY_MUST_CHECK enum ferry_status ferry_decode_slots_init(struct ferry_decode_slots *slots,
                                                           uint32_t count, uint32_t block_tokens,
                                                           struct ferry_error *error);
void ferry_decode_slots_free(struct ferry_decode_slots *slots);

/* Blocks of a sequence of that many tokens; 0 without a cache. */
uint32_t ferry_decode_blocks(uint32_t block_tokens, uint32_t tokens);

/* After a step, for each of its entries: the slot holds the entry's tokens now or, where its status
 * is not OK, waits to be released. */
void ferry_decode_slots_take(struct ferry_decode_slots *slots,
                             const struct ferry_decode_entry *entry);
/* Empties a slot; one that is out of range or empty is left alone. */
void ferry_decode_slots_release(struct ferry_decode_slots *slots, uint32_t slot);

#ifdef __cplusplus
}
#endif
#endif
