/* A session's memory of what pieces of raw text become. Bounded; old entries give way to new ones.
 *
 * Pieces of up to 15 bytes with up to four ids lie in an open-addressing table of two entries a
 * cache line: the key is the piece itself with its length in the last byte, so that one comparison
 * of 16 bytes is exact. Those with more ids lead from there to the long ones. Longer pieces, up to
 * 255 bytes and ids, lie one after another in an arena behind an index of hashes; when the arena is
 * full it starts anew. All of it begins as zero pages, so that a session that reads little costs
 * little. One thread. */
#ifndef FERRY_WORD_CACHE_H
#define FERRY_WORD_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/status.h"

enum {
    FERRY_CACHE_SHORT_BYTES = 15, /* longest key that is compared at once */
    FERRY_CACHE_SHORT_IDS = 4,
    FERRY_CACHE_LONG_BYTES = 255,
    FERRY_CACHE_LONG_IDS = 255,
    FERRY_CACHE_SLACK_BYTES = 16, /* behind the last long entry, which is read four ids at a time */
    FERRY_CACHE_PROBES = 8,       /* entries in a row where a short piece may be */
    FERRY_CACHE_INDEX_WAYS = 8,   /* entries of a bucket of the index: one cache line */
    FERRY_CACHE_IS_LONG = 0x7F,   /* instead of a number of ids: they lie with the long pieces */
    FERRY_CACHE_COUNT_SHIFT =
        24, /* ids are below 1 << 24: the number of ids stands above the first */
};

struct ferry_short_entry {
    uint64_t low, high; /* the piece; an empty entry is all zero */
    int32_t ids[FERRY_CACHE_SHORT_IDS];
};

struct ferry_long_entry {
    uint8_t size;  /* bytes of the piece, which follow the ids */
    uint8_t count; /* of ids */
    uint16_t unused;
    int32_t ids[];
};

struct ferry_word_cache {
    char *memory; /* owned mapping */
    size_t memory_size;
    struct ferry_short_entry *entries; /* 1 << entry_bits, and probes beyond */
    unsigned entry_bits;
    uint64_t *index; /* buckets of eight: upper half of the hash, then offset into the arena */
    unsigned index_bits;
    char *arena;
    uint32_t arena_size, arena_used;
    int32_t generation;   /* how often the arena began anew */
    uint32_t next_victim; /* which entry gives way where all are taken */
};

/* A piece of text ready to be looked up. */
struct ferry_cache_key {
    uint64_t low, high; /* of pieces of up to 15 bytes */
    uint64_t hash;
};

FERRY_MUST_CHECK enum ferry_status ferry_word_cache_init(struct ferry_word_cache *cache,
                                                         size_t bytes, struct ferry_error *error);
void ferry_word_cache_free(struct ferry_word_cache *cache);

/* Keys of pieces of up to 15 bytes: `sixteen` points to 16 readable bytes, the piece first. */
static inline struct ferry_cache_key ferry_cache_short_key(const char *sixteen, size_t size) {
    static const unsigned char mask[32] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
                                           0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};
    struct ferry_cache_key key;
    uint64_t low_mask, high_mask;
    memcpy(&key.low, sixteen, 8);
    memcpy(&key.high, sixteen + 8, 8);
    memcpy(&low_mask, mask + 16 - size, 8);
    memcpy(&high_mask, mask + 24 - size, 8);
    key.low &= low_mask;
    key.high &= high_mask;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    key.high |= (uint64_t)size << 56;
#else
    key.high |= size;
#endif
    /* Multiplication by odd constants of the golden ratio's kind, and one fold. */
    uint64_t hash =
        key.low * UINT64_C(0x9E3779B97F4A7C15) + key.high * UINT64_C(0xC2B2AE3D27D4EB4F);
    hash ^= hash >> 32;
    key.hash = hash * UINT64_C(0xD6E8FEB86659FD93);
    return key;
}

/* Hash of a piece of at least 16 bytes. */
static inline uint64_t ferry_cache_long_hash(const char *bytes, size_t size) {
    uint64_t hash = size, word = 0;
    for (size_t at = 0; at + 8 <= size; at += 8) {
        memcpy(&word, bytes + at, 8);
        hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
        hash ^= hash >> 32;
    }
    memcpy(&word, bytes + size - 8, 8);
    hash = (hash ^ word) * UINT64_C(0xC2B2AE3D27D4EB4F);
    return hash ^ hash >> 29;
}

/* Where a short piece is looked for first. */
static inline struct ferry_short_entry *ferry_cache_home(const struct ferry_word_cache *cache,
                                                         uint64_t hash) {
    return &cache->entries[hash >> (64 - cache->entry_bits)];
}

static inline uint64_t *ferry_cache_index_bucket(const struct ferry_word_cache *cache,
                                                 uint64_t hash) {
    return &cache
                ->index[(hash & ((UINT64_C(1) << cache->index_bits) - 1)) * FERRY_CACHE_INDEX_WAYS];
}

/* NULL when it is not there. */
static inline const struct ferry_short_entry *
ferry_cache_find_short(const struct ferry_word_cache *cache, const struct ferry_cache_key *key) {
    const struct ferry_short_entry *entry = ferry_cache_home(cache, key->hash);
    for (unsigned probe = 0; probe < FERRY_CACHE_PROBES; probe++, entry++) {
        if (((entry->low ^ key->low) | (entry->high ^ key->high)) == 0)
            return entry;
        if (entry->high == 0)
            return NULL; /* empty: nothing lies behind it */
    }
    return NULL;
}

/* The long entry that a short one with FERRY_CACHE_IS_LONG stands for; NULL when it is gone. */
static inline const struct ferry_long_entry *
ferry_cache_linked(const struct ferry_word_cache *cache, const struct ferry_short_entry *entry) {
    if (entry->ids[2] != cache->generation)
        return NULL;
    return (const struct ferry_long_entry *)(const void *)(cache->arena + entry->ids[1]);
}

/* NULL when it is not there; valid until the next put. */
const struct ferry_long_entry *ferry_cache_find_long(const struct ferry_word_cache *cache,
                                                     uint64_t hash, const char *bytes, size_t size);

/* Remembers what a piece became, if it fits anywhere. key->hash must be set. */
void ferry_cache_put(struct ferry_word_cache *cache, const struct ferry_cache_key *key,
                     const char *bytes, size_t size, const int32_t *ids, size_t count);

#endif
