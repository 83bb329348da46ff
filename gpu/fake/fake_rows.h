/* Rows the fake engine answers with: a pure function of a sequence's ids and type ids. */
#ifndef FERRY_GPU_FAKE_ROWS_H
#define FERRY_GPU_FAKE_ROWS_H

#include <stddef.h>
#include <stdint.h>

/* 64-bit FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/) over each token's four id bytes,
 * little-endian, and its type id byte. type_ids NULL: all 0. */
uint64_t ferry_fake_hash(const int32_t *ids, const uint8_t *type_ids, uint32_t length);
/* Goes on from the hash of what comes before; the start is the hash of nothing. */
#define FERRY_FAKE_HASH_START UINT64_C(0xCBF29CE484222325)
uint64_t ferry_fake_hash_more(uint64_t hash, const int32_t *ids, const uint8_t *type_ids,
                              uint32_t length);

/* width numbers in [-1, 1): number j is SplitMix64's output j + 1 from `seed` (Steele, Lea and
 * Flood, 2014), its upper 24 bits / 2^23 - 1. A token row uses seed + token index. */
void ferry_fake_row(uint64_t seed, float *row, size_t width);

#endif
