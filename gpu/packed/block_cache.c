#include "gpu/packed/block_cache.h"

#include <assert.h>
#include <stdlib.h>

#include "gpu/packed/large_memory.h"

static enum ferry_status allocate_slots(struct ferry_block_cache *cache) {
    cache->slots = calloc(cache->slot_count, sizeof *cache->slots);
    if (cache->slots == NULL)
        return FERRY_OUT_OF_MEMORY;
    for (uint32_t slot = 0; slot < cache->slot_count; slot++) {
        cache->slots[slot].blocks =
            calloc(ferry_cache_blocks_of(cache->max_length), sizeof(uint32_t));
        if (cache->slots[slot].blocks == NULL)
            return FERRY_OUT_OF_MEMORY;
    }
    return FERRY_OK;
}

enum ferry_status ferry_block_cache_init(struct ferry_block_cache *cache, uint32_t blocks,
                                         size_t block_floats, uint32_t slot_count,
                                         uint32_t max_length, struct ferry_error *error) {
    *cache = (struct ferry_block_cache){.blocks = blocks,
                                        .block_floats = block_floats,
                                        .slot_count = slot_count,
                                        .max_length = max_length};
    cache->pool = ferry_large_floats((size_t)blocks * block_floats);
    cache->free_blocks = calloc(blocks, sizeof *cache->free_blocks);
    if (cache->pool == NULL || cache->free_blocks == NULL || allocate_slots(cache) != FERRY_OK) {
        ferry_block_cache_clear(cache);
        return ferry_fail(error, FERRY_OUT_OF_MEMORY,
                          "no memory for a cache of %u blocks of %zu bytes", blocks,
                          block_floats * sizeof(float));
    }
    for (uint32_t at = 0; at < blocks; at++)
        cache->free_blocks[at] = blocks - 1 - at; /* block 0 is used first */
    cache->free_count = blocks;
    return FERRY_OK;
}

void ferry_block_cache_clear(struct ferry_block_cache *cache) {
    for (uint32_t slot = 0; cache->slots != NULL && slot < cache->slot_count; slot++)
        free(cache->slots[slot].blocks);
    free(cache->slots);
    free(cache->free_blocks);
    ferry_large_floats_free(cache->pool, (size_t)cache->blocks * cache->block_floats);
    *cache = (struct ferry_block_cache){0};
}

int64_t ferry_block_cache_growth(const struct ferry_block_cache *cache, uint32_t slot,
                                 uint32_t length) {
    return (int64_t)ferry_cache_blocks_of(length) - cache->slots[slot].block_count;
}

void ferry_block_cache_resize(struct ferry_block_cache *cache, uint32_t slot, uint32_t length) {
    struct ferry_cache_slot *sequence = &cache->slots[slot];
    uint32_t wanted = ferry_cache_blocks_of(length);
    assert(length <= cache->max_length);
    while (sequence->block_count > wanted)
        cache->free_blocks[cache->free_count++] = sequence->blocks[--sequence->block_count];
    while (sequence->block_count < wanted) {
        assert(cache->free_count > 0);
        sequence->blocks[sequence->block_count++] = cache->free_blocks[--cache->free_count];
    }
    sequence->length = length;
}

void ferry_block_cache_release(struct ferry_block_cache *cache, uint32_t slot) {
    ferry_block_cache_resize(cache, slot, 0);
}
