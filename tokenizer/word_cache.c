#include "tokenizer/word_cache.h"

#include <sys/mman.h>

enum {
    SMALLEST_CACHE = 1 << 16,
    HUGE_PAGE = 1 << 21,
    ARENA_BEGIN = 8, /* offset 0 means an empty place of the index */
};

static unsigned bits_below(size_t count) {
    unsigned bits = 0;
    while ((size_t)2 << bits <= count)
        bits++;
    return bits;
}

/* Zero pages; large caches begin at a huge page and ask for them before the first touch, because
 * lookups go everywhere. */
static bool map_memory(struct ferry_word_cache *cache, size_t bytes, char **ret_begin) {
    bool is_large = bytes >= 2 * (size_t)HUGE_PAGE;
    cache->memory_size = is_large ? bytes + HUGE_PAGE : bytes;
    void *memory = mmap(NULL, cache->memory_size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return false;
    cache->memory = memory;
    *ret_begin = memory;
    if (is_large) {
        uintptr_t begin = ((uintptr_t)memory + HUGE_PAGE - 1) & ~((uintptr_t)HUGE_PAGE - 1);
        *ret_begin = cache->memory + (begin - (uintptr_t)memory);
        (void)madvise(*ret_begin, bytes, MADV_HUGEPAGE); /* only a wish */
    }
    return true;
}

enum ferry_status ferry_word_cache_init(struct ferry_word_cache *cache, size_t bytes,
                                        struct ferry_error *error) {
    *cache = (struct ferry_word_cache){0};
    if (bytes < SMALLEST_CACHE)
        bytes = SMALLEST_CACHE;
    if (bytes > UINT32_MAX)
        bytes = UINT32_MAX;
    bytes &= ~(size_t)4095;
    char *begin = NULL;
    if (!map_memory(cache, bytes, &begin))
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for a word cache of %zu bytes",
                          bytes);
    size_t index_bucket_size = FERRY_CACHE_INDEX_WAYS * sizeof(uint64_t);
    cache->entry_bits = bits_below(bytes / 2 / sizeof *cache->entries);
    cache->index_bits = bits_below(bytes / 8 / index_bucket_size);
    size_t entries = ((size_t)1 << cache->entry_bits) + FERRY_CACHE_PROBES;
    size_t entries_size = entries * sizeof *cache->entries;
    size_t index_size = index_bucket_size << cache->index_bits;
    cache->entries = (struct ferry_short_entry *)(void *)begin;
    cache->index = (uint64_t *)(void *)(begin + entries_size);
    cache->arena = begin + entries_size + index_size;
    cache->arena_size = (uint32_t)(bytes - entries_size - index_size) - FERRY_CACHE_SLACK_BYTES;
    cache->arena_used = ARENA_BEGIN;
    return FERRY_OK;
}

void ferry_word_cache_free(struct ferry_word_cache *cache) {
    if (cache->memory)
        munmap(cache->memory, cache->memory_size);
    *cache = (struct ferry_word_cache){0};
}

static struct ferry_long_entry *entry_at(const struct ferry_word_cache *cache, uint64_t place) {
    return (struct ferry_long_entry *)(void *)(cache->arena + (uint32_t)place);
}

const struct ferry_long_entry *ferry_cache_find_long(const struct ferry_word_cache *cache,
                                                     uint64_t hash, const char *bytes,
                                                     size_t size) {
    const uint64_t *bucket = ferry_cache_index_bucket(cache, hash);
    for (unsigned way = 0; way < FERRY_CACHE_INDEX_WAYS && bucket[way] != 0; way++) {
        if (bucket[way] >> 32 != hash >> 32)
            continue;
        const struct ferry_long_entry *entry = entry_at(cache, bucket[way]);
        if (entry->size == size && memcmp(entry->ids + entry->count, bytes, size) == 0)
            return entry;
    }
    return NULL;
}

static void put_short(struct ferry_word_cache *cache, const struct ferry_cache_key *key,
                      const int32_t *ids, size_t count, int32_t shown_count) {
    struct ferry_short_entry *home = ferry_cache_home(cache, key->hash);
    unsigned probe = 0;
    while (probe < FERRY_CACHE_PROBES && home[probe].high != 0 &&
           (home[probe].low != key->low || home[probe].high != key->high))
        probe++;
    if (probe == FERRY_CACHE_PROBES)
        probe = cache->next_victim++ % FERRY_CACHE_PROBES;
    struct ferry_short_entry *entry = &home[probe];
    entry->low = key->low;
    entry->high = key->high;
    memset(entry->ids, 0, sizeof entry->ids);
    if (count > 0)
        memcpy(entry->ids, ids, count * sizeof *ids);
    entry->ids[0] |= shown_count << FERRY_CACHE_COUNT_SHIFT;
}

/* Returns the entry's place in the arena. */
static uint32_t put_long(struct ferry_word_cache *cache, uint64_t hash, const char *bytes,
                         size_t size, const int32_t *ids, size_t count) {
    size_t needed = sizeof(struct ferry_long_entry) + count * sizeof *ids + size;
    needed = (needed + 3) & ~(size_t)3;
    if (needed > cache->arena_size - cache->arena_used) {
        size_t buckets = (size_t)1 << cache->index_bits;
        memset(cache->index, 0, buckets * FERRY_CACHE_INDEX_WAYS * sizeof *cache->index);
        cache->arena_used = ARENA_BEGIN;
        cache->generation = (cache->generation + 1) & INT32_MAX;
    }
    uint64_t *bucket = ferry_cache_index_bucket(cache, hash);
    unsigned way = 0;
    while (way < FERRY_CACHE_INDEX_WAYS && bucket[way] != 0)
        way++;
    if (way == FERRY_CACHE_INDEX_WAYS)
        way = cache->next_victim++ % FERRY_CACHE_INDEX_WAYS;
    struct ferry_long_entry *entry = entry_at(cache, cache->arena_used);
    entry->size = (uint8_t)size;
    entry->count = (uint8_t)count;
    memcpy(entry->ids, ids, count * sizeof *ids);
    memcpy(entry->ids + count, bytes, size);
    uint32_t place = cache->arena_used;
    bucket[way] = (hash >> 32) << 32 | place;
    cache->arena_used += (uint32_t)needed;
    return place;
}

void ferry_cache_put(struct ferry_word_cache *cache, const struct ferry_cache_key *key,
                     const char *bytes, size_t size, const int32_t *ids, size_t count) {
    bool is_short = size <= FERRY_CACHE_SHORT_BYTES;
    if (is_short && count <= FERRY_CACHE_SHORT_IDS) {
        put_short(cache, key, ids, count, (int32_t)count);
    } else if (size <= FERRY_CACHE_LONG_BYTES && count <= FERRY_CACHE_LONG_IDS) {
        int32_t place = (int32_t)put_long(cache, key->hash, bytes, size, ids, count);
        const int32_t link[] = {0, place, cache->generation};
        if (is_short)
            put_short(cache, key, link, sizeof link / sizeof *link, FERRY_CACHE_IS_LONG);
    }
}
