/* The pending items of one class, found by arrival and by length. Used by the batcher alone. */
#ifndef FERRY_DAEMON_PENDING_ITEMS_H
#define FERRY_DAEMON_PENDING_ITEMS_H

#include "daemon/schedule/batcher.h"

struct ferry_item_list {
    struct ferry_batch_item *first, *last;
};

struct ferry_pending_items {
    struct ferry_item_list by_arrival;
    struct ferry_item_list *by_length; /* [max_length + 1], owned */
    uint64_t *occupied;                /* a bit a length: its list is not empty; owned */
    uint32_t max_length;
    uint64_t count;
    uint64_t tokens;
};

FERRY_MUST_CHECK enum ferry_status ferry_pending_init(struct ferry_pending_items *pending,
                                                      uint32_t max_length);
void ferry_pending_free(struct ferry_pending_items *pending);
void ferry_pending_insert(struct ferry_pending_items *pending, struct ferry_batch_item *item);
void ferry_pending_remove(struct ferry_pending_items *pending, struct ferry_batch_item *item);

/* The oldest item of the greatest length <= limit, or of the smallest length >= limit; NULL if
 * none. */
struct ferry_batch_item *ferry_pending_at_most(const struct ferry_pending_items *pending,
                                               uint32_t limit);
struct ferry_batch_item *ferry_pending_at_least(const struct ferry_pending_items *pending,
                                                uint32_t limit);

#endif
