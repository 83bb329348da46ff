#include <criterion/criterion.h>

#include "gpu/packed/block_cache.h"

enum { BLOCKS = 10, FLOATS = 4, SLOTS = 3, MOST = 100 };

static struct ferry_block_cache cache;

static void set_up(void) {
    struct ferry_error error;
    cr_assert_eq(ferry_block_cache_init(&cache, BLOCKS, FLOATS, SLOTS, MOST, &error), FERRY_OK);
}

static void tear_down(void) {
    ferry_block_cache_clear(&cache);
}

TestSuite(block_cache, .init = set_up, .fini = tear_down);

/* Every block is in one slot or free, and nowhere twice. */
static void check_blocks(void) {
    unsigned seen[BLOCKS] = {0};
    for (uint32_t at = 0; at < cache.free_count; at++)
        seen[cache.free_blocks[at]]++;
    for (uint32_t slot = 0; slot < SLOTS; slot++)
        for (uint32_t at = 0; at < cache.slots[slot].block_count; at++)
            seen[cache.slots[slot].blocks[at]]++;
    for (uint32_t block = 0; block < BLOCKS; block++)
        cr_assert_eq(seen[block], 1, "block %u is there %u times", block, seen[block]);
}

Test(block_cache, counts) {
    cr_assert_eq(ferry_cache_blocks_of(0), 0);
    cr_assert_eq(ferry_cache_blocks_of(1), 1);
    cr_assert_eq(ferry_cache_blocks_of(16), 1);
    cr_assert_eq(ferry_cache_blocks_of(17), 2);
    ferry_block_cache_resize(&cache, 0, 33);
    cr_assert_eq(cache.free_count, BLOCKS - 3);
    cr_assert_eq(ferry_block_cache_growth(&cache, 0, 48), 0);
    cr_assert_eq(ferry_block_cache_growth(&cache, 0, 49), 1);
    cr_assert_eq(ferry_block_cache_growth(&cache, 0, 16), -2);
    cr_assert_eq(ferry_block_cache_growth(&cache, 1, 100), 7);
}

Test(block_cache, a_block_that_was_freed_is_used_first) {
    ferry_block_cache_resize(&cache, 0, 48);
    uint32_t last = cache.slots[0].blocks[0];
    ferry_block_cache_release(&cache, 0);
    ferry_block_cache_resize(&cache, 1, 1);
    cr_assert_eq(cache.slots[1].blocks[0], last);
}

Test(block_cache, growing_keeps_what_is_there) {
    ferry_block_cache_resize(&cache, 0, 20);
    uint32_t first = cache.slots[0].blocks[0];
    uint32_t second = cache.slots[0].blocks[1];
    ferry_block_cache_resize(&cache, 1, 20);
    ferry_block_cache_resize(&cache, 0, 60);
    cr_assert_eq(cache.slots[0].blocks[0], first);
    cr_assert_eq(cache.slots[0].blocks[1], second);
    cr_assert_eq(cache.slots[0].length, 60);
}

Test(block_cache, random_sequences_lose_and_double_nothing) {
    unsigned state = 1;
    for (unsigned round = 0; round < 20000; round++) {
        state = state * 1664525u + 1013904223u;
        uint32_t slot = (state >> 8) % SLOTS;
        uint32_t length = (state >> 12) % (MOST + 1);
        if (ferry_block_cache_growth(&cache, slot, length) <= (int64_t)cache.free_count)
            ferry_block_cache_resize(&cache, slot, length);
        else
            ferry_block_cache_release(&cache, slot);
        check_blocks();
    }
}

Test(block_cache, too_large_for_any_machine) {
    struct ferry_block_cache large;
    struct ferry_error error;
    cr_assert_eq(
        ferry_block_cache_init(&large, UINT32_MAX, SIZE_MAX / 64 / UINT32_MAX, 1, 16, &error),
        FERRY_OUT_OF_MEMORY);
}
