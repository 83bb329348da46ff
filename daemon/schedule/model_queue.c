#include "daemon/schedule/model_queue.h"

#include "base/clock.h"

void ferry_request_chain_append(struct ferry_request_chain *chain, struct ferry_request *request) {
    request->next = NULL;
    *(chain->last ? &chain->last->next : &chain->first) = request;
    chain->last = request;
}

static void hand_back(struct ferry_model_queue *queue, struct ferry_request_chain *done) {
    if (done->first != NULL)
        ferry_done_list_push(queue->done, done->first, done->last);
}

enum ferry_status ferry_model_queue_init(struct ferry_model_queue *queue,
                                         const struct ferry_loaded_model *model, uint32_t index,
                                         const struct ferry_batch_policy *policy,
                                         struct ferry_done_list *done) {
    *queue = (struct ferry_model_queue){.model = model, .index = index, .done = done};
    pthread_mutex_init(&queue->lock, NULL);
    pthread_cond_init(&queue->work, NULL);
    return ferry_batcher_create(policy, &queue->batcher);
}

void ferry_model_queue_free(struct ferry_model_queue *queue) {
    ferry_batcher_free(queue->batcher);
    pthread_cond_destroy(&queue->work);
    pthread_mutex_destroy(&queue->lock);
}

void ferry_item_finished(struct ferry_item *item, struct ferry_request_chain *done) {
    struct ferry_request *request = item->request;
    if (atomic_fetch_sub(&request->unfinished, 1) != 1)
        return;
    ferry_request_answer(request);
    ferry_request_chain_append(done, request);
}

/* The request never became pending: nobody else finishes its items. */
static void refuse(struct ferry_request *request, enum ferry_status status,
                   struct ferry_request_chain *done) {
    if (status != FERRY_OK)
        ferry_request_fail(request, status);
    atomic_store(&request->unfinished, 0);
    ferry_request_answer(request);
    ferry_request_chain_append(done, request);
}

static void add_items(struct ferry_batcher *batcher, struct ferry_request *request) {
    request->queued = true;
    for (uint32_t i = 0; i < request->wire.item_count; i++)
        if (request->items[i].status == FERRY_OK)
            ferry_batcher_add(batcher, &request->items[i].batch);
}

void ferry_model_queue_add(struct ferry_model_queue *queue, struct ferry_request *requests) {
    struct ferry_request_chain refused = {0};
    struct ferry_request_chain done = {0};
    pthread_mutex_lock(&queue->lock);
    while (requests != NULL) {
        struct ferry_request *request = requests;
        requests = request->next; /* once added, the request may be finished and gone */
        bool failed = ferry_request_failure(request) != FERRY_OK;
        if (queue->closed != FERRY_OK || failed || atomic_load(&request->unfinished) == 0)
            ferry_request_chain_append(&refused, request);
        else
            add_items(queue->batcher, request);
    }
    enum ferry_status closed = queue->closed;
    bool ring = queue->sleepers > 0 && ferry_batcher_pending_items(queue->batcher) > 0;
    pthread_mutex_unlock(&queue->lock);
    if (ring)
        pthread_cond_signal(&queue->work);
    while (refused.first != NULL) {
        struct ferry_request *request = refused.first;
        refused.first = request->next;
        refuse(request, closed, &done);
    }
    hand_back(queue, &done);
}

static void finish_chain(struct ferry_model_queue *queue, struct ferry_batch_item *chain,
                         enum ferry_status status) {
    struct ferry_request_chain done = {0};
    while (chain != NULL) {
        struct ferry_item *item = (struct ferry_item *)chain;
        chain = chain->behind; /* first: the item's request may be finished and gone */
        ferry_request_fail(item->request, status);
        ferry_item_finished(item, &done);
    }
    hand_back(queue, &done);
}

bool ferry_model_queue_next_batch(struct ferry_model_queue *queue,
                                  struct ferry_formed_batch *batch) {
    for (;;) {
        pthread_mutex_lock(&queue->lock);
        queue->sleepers++;
        while (!queue->stopping && ferry_batcher_pending_items(queue->batcher) == 0)
            pthread_cond_wait(&queue->work, &queue->lock);
        uint32_t free_workers = queue->sleepers--;
        int64_t now = ferry_clock_now();
        struct ferry_batch_item *expired = ferry_batcher_take_expired(queue->batcher, now);
        bool stop = queue->stopping;
        bool formed = !stop && ferry_batcher_form(queue->batcher, now, free_workers, batch);
        if (formed) {
            queue->counters.batches++;
            queue->counters.duplicates += batch->item_count - batch->sequences;
        }
        bool more = queue->sleepers > 0 && ferry_batcher_pending_items(queue->batcher) > 0;
        pthread_mutex_unlock(&queue->lock);
        if (more) /* the next sleeper; it wakes the one after it */
            pthread_cond_signal(&queue->work);
        finish_chain(queue, expired, FERRY_DEADLINE);
        if (stop || formed)
            return formed;
    }
}

void ferry_model_queue_lower_budget(struct ferry_model_queue *queue, uint64_t failed_cost) {
    pthread_mutex_lock(&queue->lock);
    ferry_batcher_lower_budget(queue->batcher, failed_cost);
    pthread_mutex_unlock(&queue->lock);
}

void ferry_model_queue_cancel(struct ferry_model_queue *queue, struct ferry_request *request) {
    ferry_request_fail(request, FERRY_CANCELLED);
    struct ferry_batch_item *chain = NULL;
    pthread_mutex_lock(&queue->lock);
    for (uint32_t i = 0; request->queued && i < request->wire.item_count; i++) {
        struct ferry_batch_item *item = &request->items[i].batch;
        if (!ferry_batcher_remove(queue->batcher, item))
            continue;
        item->behind = chain;
        chain = item;
    }
    pthread_mutex_unlock(&queue->lock);
    finish_chain(queue, chain, FERRY_CANCELLED);
}

int64_t ferry_model_queue_expire(struct ferry_model_queue *queue, int64_t now) {
    pthread_mutex_lock(&queue->lock);
    struct ferry_batch_item *expired = ferry_batcher_take_expired(queue->batcher, now);
    int64_t next = ferry_batcher_next_deadline(queue->batcher);
    pthread_mutex_unlock(&queue->lock);
    finish_chain(queue, expired, FERRY_DEADLINE);
    return next;
}

void ferry_model_queue_close(struct ferry_model_queue *queue, enum ferry_status status) {
    pthread_mutex_lock(&queue->lock);
    if (queue->closed == FERRY_OK)
        queue->closed = status;
    struct ferry_batch_item *chain = ferry_batcher_take_all(queue->batcher);
    pthread_mutex_unlock(&queue->lock);
    finish_chain(queue, chain, status);
}

void ferry_model_queue_stop(struct ferry_model_queue *queue) {
    pthread_mutex_lock(&queue->lock);
    queue->stopping = true;
    pthread_cond_broadcast(&queue->work);
    pthread_mutex_unlock(&queue->lock);
}

struct ferry_model_queue_counters ferry_model_queue_count(struct ferry_model_queue *queue) {
    pthread_mutex_lock(&queue->lock);
    struct ferry_model_queue_counters counters = queue->counters;
    counters.pending_items = ferry_batcher_pending_items(queue->batcher);
    counters.pending_tokens = ferry_batcher_pending_tokens(queue->batcher);
    counters.budget = ferry_batcher_budget(queue->batcher);
    pthread_mutex_unlock(&queue->lock);
    return counters;
}
