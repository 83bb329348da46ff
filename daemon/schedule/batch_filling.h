/* Fills one batch from the pending items of a class. Used by the batcher alone. */
#ifndef FERRY_DAEMON_BATCH_FILLING_H
#define FERRY_DAEMON_BATCH_FILLING_H

#include "daemon/schedule/batcher.h"
#include "daemon/schedule/pending_items.h"

struct ferry_batch_filling {
    const struct ferry_batch_policy *policy;
    uint64_t budget; /* positions */
    struct ferry_formed_batch *batch;
};

void ferry_formed_batch_clear(struct ferry_formed_batch *batch);
/* Moves items from pending into the batch until it is full, holds `share` tokens, or what is left
 * would cost more in padding than in a batch of its own. The first item of an empty batch is the
 * oldest and is always taken. */
void ferry_batch_fill(struct ferry_batch_filling *filling, struct ferry_pending_items *pending,
                      uint64_t share);

#endif
