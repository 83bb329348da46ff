/* Checks of a step that every decoder makes before it computes. */
#ifndef FERRY_GPU_DECODE_CHECK_H
#define FERRY_GPU_DECODE_CHECK_H

#include "gpu/decode_slots.h"
#include "gpu/engine.h"

#ifdef __cplusplus
extern "C" {
#endif

struct ferry_decode_limits {
    int32_t vocabulary_size;
    uint32_t max_length;
    uint32_t max_step_tokens;
    uint32_t blocks;         /* of all sequences; not used without a cache */
    uint32_t max_new_tokens; /* of a combined model in one step; 0: not a combined model */
};

/* INVALID_INPUT: an id, target, length or sampling value out of range, with the entry, the position
 * and the value. INTERNAL: the caller's own mistake: no entries, more than there are slots, a slot
 * twice or out of range, `cached` other than what the slot holds, a slot that failed and was not
 * released, more tokens than a step takes, more blocks than there are, an array that is missing.
 * Changes nothing. */
FERRY_MUST_CHECK enum ferry_status ferry_decode_check(struct ferry_decode_slots *slots,
                                                      const struct ferry_decode_limits *limits,
                                                      const struct ferry_decode_entry *entries,
                                                      uint32_t count, struct ferry_error *error);

/* INVALID_INPUT: which value is out of range. */
FERRY_MUST_CHECK enum ferry_status
ferry_decode_check_sampling(const struct ferry_sampling *sampling, struct ferry_error *error);

#ifdef __cplusplus
}
#endif
#endif
