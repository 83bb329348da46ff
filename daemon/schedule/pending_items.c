#include "daemon/schedule/pending_items.h"

#include <stdlib.h>

enum { WORD_BITS = 64 };

enum ferry_status ferry_pending_init(struct ferry_pending_items *pending, uint32_t max_length) {
    *pending = (struct ferry_pending_items){.max_length = max_length};
    pending->by_length = calloc((size_t)max_length + 1, sizeof *pending->by_length);
    pending->occupied = calloc(max_length / WORD_BITS + 1, sizeof *pending->occupied);
    if (pending->by_length != NULL && pending->occupied != NULL)
        return FERRY_OK;
    ferry_pending_free(pending);
    return FERRY_OUT_OF_MEMORY;
}

void ferry_pending_free(struct ferry_pending_items *pending) {
    free(pending->by_length);
    free(pending->occupied);
    *pending = (struct ferry_pending_items){0};
}

void ferry_pending_insert(struct ferry_pending_items *pending, struct ferry_batch_item *item) {
    struct ferry_item_list *bucket = &pending->by_length[item->length];
    item->older = pending->by_arrival.last;
    item->newer = NULL;
    *(item->older ? &item->older->newer : &pending->by_arrival.first) = item;
    pending->by_arrival.last = item;
    item->ahead = bucket->last;
    item->behind = NULL;
    *(item->ahead ? &item->ahead->behind : &bucket->first) = item;
    bucket->last = item;
    pending->occupied[item->length / WORD_BITS] |= UINT64_C(1) << (item->length % WORD_BITS);
    pending->count++;
    pending->tokens += item->length;
}

void ferry_pending_remove(struct ferry_pending_items *pending, struct ferry_batch_item *item) {
    struct ferry_item_list *bucket = &pending->by_length[item->length];
    *(item->older ? &item->older->newer : &pending->by_arrival.first) = item->newer;
    *(item->newer ? &item->newer->older : &pending->by_arrival.last) = item->older;
    *(item->ahead ? &item->ahead->behind : &bucket->first) = item->behind;
    *(item->behind ? &item->behind->ahead : &bucket->last) = item->ahead;
    if (bucket->first == NULL)
        pending->occupied[item->length / WORD_BITS] &= ~(UINT64_C(1) << (item->length % WORD_BITS));
    item->older = item->newer = item->ahead = item->behind = NULL;
    pending->count--;
    pending->tokens -= item->length;
}

struct ferry_batch_item *ferry_pending_at_most(const struct ferry_pending_items *pending,
                                               uint32_t limit) {
    if (limit > pending->max_length)
        limit = pending->max_length;
    uint32_t word = limit / WORD_BITS;
    uint64_t bits = pending->occupied[word] & (UINT64_MAX >> (WORD_BITS - 1 - limit % WORD_BITS));
    while (bits == 0 && word > 0)
        bits = pending->occupied[--word];
    if (bits == 0)
        return NULL;
    uint32_t length = word * WORD_BITS + (WORD_BITS - 1 - (uint32_t)__builtin_clzll(bits));
    return pending->by_length[length].first;
}

struct ferry_batch_item *ferry_pending_at_least(const struct ferry_pending_items *pending,
                                                uint32_t limit) {
    if (limit > pending->max_length)
        return NULL;
    uint32_t word = limit / WORD_BITS;
    uint64_t bits = pending->occupied[word] & (UINT64_MAX << (limit % WORD_BITS));
    while (bits == 0 && word < pending->max_length / WORD_BITS)
        bits = pending->occupied[++word];
    if (bits == 0)
        return NULL;
    return pending->by_length[word * WORD_BITS + (uint32_t)__builtin_ctzll(bits)].first;
}
