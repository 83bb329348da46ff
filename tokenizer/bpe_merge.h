/* Finding merges, for bpe.c and bpe_build.c. */
#ifndef FERRY_BPE_MERGE_H
#define FERRY_BPE_MERGE_H

#include "tokenizer/bpe.h"

#define FERRY_BPE_USED (UINT64_C(1) << 63)

static inline uint64_t ferry_bpe_key(int32_t left, int32_t right) {
    return FERRY_BPE_USED | (uint64_t)(uint32_t)left << 24 | (uint32_t)right;
}

static inline uint64_t ferry_bpe_hash(uint64_t key) {
    uint64_t hash = key * UINT64_C(0x9E3779B97F4A7C15);
    return hash ^ hash >> 32;
}

/* The place of the pair, or the empty one where it belongs. */
static inline struct ferry_bpe_merge *ferry_bpe_place(const struct ferry_bpe *bpe, uint64_t key) {
    size_t at = ferry_bpe_hash(key) & bpe->merge_mask;
    while (bpe->merges[at].key != key && bpe->merges[at].key != 0)
        at = (at + 1) & bpe->merge_mask;
    return &bpe->merges[at];
}

static inline size_t ferry_bpe_filter_bit(const struct ferry_bpe *bpe, uint64_t key) {
    return (ferry_bpe_hash(key) >> 20) & bpe->filter_mask;
}

/* Rank and id of what two neighbours become, in one number; UINT64_MAX when they stay apart. */
static inline uint64_t ferry_bpe_find(const struct ferry_bpe *bpe, int32_t left, int32_t right) {
    uint64_t key = ferry_bpe_key(left, right);
    size_t bit = ferry_bpe_filter_bit(bpe, key);
    if (!(bpe->filter[bit / 64] >> bit % 64 & 1))
        return UINT64_MAX;
    const struct ferry_bpe_merge *merge = ferry_bpe_place(bpe, key);
    return merge->key == 0 ? UINT64_MAX : (uint64_t)merge->rank << 32 | (uint32_t)merge->id;
}

#endif
