/* A piece of text that is looked up in the word cache some pieces after its place there was asked
 * for: chunk_reader.c and pretoken_reader.c. */
#ifndef FERRY_CACHED_CHUNK_H
#define FERRY_CACHED_CHUNK_H

#include "tokenizer/token_run.h"
#include "tokenizer/word_cache.h"

enum { FERRY_CHUNK_KEY_BYTES = 16 };

struct ferry_chunk {
    uint32_t begin, size;
    struct ferry_cache_key key;
};

/* Makes the key of the chunk [begin, end) of a text of `text_size` bytes that may be read, and asks
 * for the cache line where it may be. */
static inline void ferry_chunk_prepare(const struct ferry_word_cache *cache, const char *text,
                                       size_t text_size, struct ferry_chunk *chunk, size_t begin,
                                       size_t end) {
    size_t size = end - begin;
    const char *bytes = text + begin;
    char padded[FERRY_CHUNK_KEY_BYTES] = {0};
    chunk->begin = (uint32_t)begin;
    chunk->size = (uint32_t)size;
    if (size > FERRY_CACHE_SHORT_BYTES) {
        if (size > FERRY_CACHE_LONG_BYTES)
            return;
        chunk->key.hash = ferry_cache_long_hash(bytes, size);
        __builtin_prefetch(ferry_cache_index_bucket(cache, chunk->key.hash));
        return;
    }
    if (text_size - begin < FERRY_CHUNK_KEY_BYTES) {
        memcpy(padded, bytes, size);
        bytes = padded;
    }
    chunk->key = ferry_cache_short_key(bytes, size);
    __builtin_prefetch(ferry_cache_home(cache, chunk->key.hash));
}

static inline bool ferry_chunk_append_entry(const struct ferry_long_entry *entry,
                                            struct ferry_token_run *run) {
    if (!entry)
        return false;
    memcpy(run->ids + run->count, entry->ids, entry->count * sizeof *entry->ids);
    run->count += entry->count;
    return true;
}

static inline bool ferry_chunk_append_long(const struct ferry_word_cache *cache, const char *text,
                                           const struct ferry_chunk *chunk,
                                           struct ferry_token_run *run) {
    if (chunk->size > FERRY_CACHE_LONG_BYTES)
        return false;
    return ferry_chunk_append_entry(
        ferry_cache_find_long(cache, chunk->key.hash, text + chunk->begin, chunk->size), run);
}

/* Appends the ids of a chunk that is in the cache; there is room for FERRY_CACHE_LONG_IDS. */
static inline bool ferry_chunk_append(const struct ferry_word_cache *cache, const char *text,
                                      const struct ferry_chunk *chunk,
                                      struct ferry_token_run *run) {
    if (chunk->size > FERRY_CACHE_SHORT_BYTES)
        return ferry_chunk_append_long(cache, text, chunk, run);
    const struct ferry_short_entry *found = ferry_cache_find_short(cache, &chunk->key);
    if (!found)
        return false;
    int32_t *target = run->ids + run->count;
    uint32_t first = (uint32_t)found->ids[0], count = first >> FERRY_CACHE_COUNT_SHIFT;
    if (count == FERRY_CACHE_IS_LONG)
        return ferry_chunk_append_entry(ferry_cache_linked(cache, found), run);
    memcpy(target, found->ids, sizeof found->ids);
    target[0] = (int32_t)(first & ((1U << FERRY_CACHE_COUNT_SHIFT) - 1));
    run->count += count;
    return true;
}

#endif
