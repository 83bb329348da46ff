/* The items that wait for one model: a batcher behind a lock, and the bell for the model's device
 * workers. It has no thread and no timer: a device worker that becomes free forms the next batch.
 *
 * Lock order: nothing else is locked, computed or sent while a queue's lock is held. */
#ifndef FERRY_DAEMON_MODEL_QUEUE_H
#define FERRY_DAEMON_MODEL_QUEUE_H

#include <pthread.h>

#include "daemon/schedule/batcher.h"
#include "daemon/schedule/done_list.h"
#include "daemon/schedule/request.h"

struct ferry_model_queue_counters {
    uint64_t batches, duplicates;
    uint64_t pending_items, pending_tokens; /* now */
    uint32_t budget;                        /* tokens a batch, lower after out of memory */
};

struct ferry_model_queue {
    const struct ferry_loaded_model *model;
    uint32_t index;               /* of the model in the daemon */
    struct ferry_done_list *done; /* where finished requests go */
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct ferry_batcher *batcher;
    uint32_t sleepers; /* device workers that wait for work */
    bool stopping;
    enum ferry_status closed; /* not OK: what every item is answered with from now on */
    struct ferry_model_queue_counters counters;
};

/* A chain of requests, oldest first. */
struct ferry_request_chain {
    struct ferry_request *first, *last;
};
void ferry_request_chain_append(struct ferry_request_chain *chain, struct ferry_request *request);

/* The queue borrows model and done. Errors: OUT_OF_MEMORY. */
FERRY_MUST_CHECK enum ferry_status ferry_model_queue_init(struct ferry_model_queue *queue,
                                                          const struct ferry_loaded_model *model,
                                                          uint32_t index,
                                                          const struct ferry_batch_policy *policy,
                                                          struct ferry_done_list *done);
/* No thread may use it any more. */
void ferry_model_queue_free(struct ferry_model_queue *queue);

/* Hands over requests whose items are ready, linked by next, all of this model. One lock and at
 * most one bell for all of them. */
void ferry_model_queue_add(struct ferry_model_queue *queue, struct ferry_request *requests);
/* Waits for work and forms a batch. False when the queue stops. */
bool ferry_model_queue_next_batch(struct ferry_model_queue *queue,
                                  struct ferry_formed_batch *batch);
void ferry_model_queue_lower_budget(struct ferry_model_queue *queue, uint64_t failed_cost);

/* Takes the request's pending items out and answers it with CANCELLED. */
void ferry_model_queue_cancel(struct ferry_model_queue *queue, struct ferry_request *request);
/* Answers what is past its deadline. Returns when to look again; INT64_MAX: no deadline waits. */
int64_t ferry_model_queue_expire(struct ferry_model_queue *queue, int64_t now);
/* Answers everything pending, and everything that comes later, with this status. */
void ferry_model_queue_close(struct ferry_model_queue *queue, enum ferry_status status);
/* Lets the device workers end as soon as they are free. */
void ferry_model_queue_stop(struct ferry_model_queue *queue);
struct ferry_model_queue_counters ferry_model_queue_count(struct ferry_model_queue *queue);

/* One item of the request is over; the last one encodes the reply and appends it to done. */
void ferry_item_finished(struct ferry_item *item, struct ferry_request_chain *done);

#endif
