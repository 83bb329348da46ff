/* Keys and values of the sequences in their slots, in blocks of FERRY_BLOCK_TOKENS positions from
 * one pool. Counts exactly; the pool's memory is taken from the machine as blocks are first used,
 * and a block that was freed last is used first. */
#ifndef FERRY_GPU_PACKED_BLOCK_CACHE_H
#define FERRY_GPU_PACKED_BLOCK_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "gpu/packed/cpu/cpu_kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

struct ferry_cache_slot {
    uint32_t *blocks; /* [block_count], numbers of the pool's blocks */
    uint32_t block_count;
    uint32_t length; /* positions that are filled */
};

struct ferry_block_cache {
    float *pool; /* [blocks][block_floats] */
    size_t block_floats;
    uint32_t blocks;
    uint32_t free_count;
    uint32_t *free_blocks; /* [free_count], a stack */
    uint32_t slot_count;
    uint32_t max_length;
    struct ferry_cache_slot *slots;
};

static inline uint32_t ferry_cache_blocks_of(uint32_t positions) {
    return (positions + FERRY_BLOCK_TOKENS - 1) / FERRY_BLOCK_TOKENS;
}

FERRY_MUST_CHECK enum ferry_status ferry_block_cache_init(struct ferry_block_cache *cache,
                                                          uint32_t blocks, size_t block_floats,
                                                          uint32_t slot_count, uint32_t max_length,
                                                          struct ferry_error *error);
/* A zeroed cache is allowed. */
void ferry_block_cache_clear(struct ferry_block_cache *cache);

/* How many blocks more than now the slot has when it holds positions [0, length); negative when it
 * then has fewer. */
int64_t ferry_block_cache_growth(const struct ferry_block_cache *cache, uint32_t slot,
                                 uint32_t length);
/* Makes it so. The caller has seen that there are enough free blocks. */
void ferry_block_cache_resize(struct ferry_block_cache *cache, uint32_t slot, uint32_t length);
void ferry_block_cache_release(struct ferry_block_cache *cache, uint32_t slot);

#ifdef __cplusplus
}
#endif
#endif
