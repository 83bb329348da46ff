/* The way to one model's decode worker: requests come in by a list behind a lock, and a bell says
 * that something has to be looked at. What waits and runs is the worker's alone.
 *
 * Lock order: nothing else is locked, computed or sent while one of the two locks is held. */
#ifndef FERRY_DAEMON_DECODE_QUEUE_H
#define FERRY_DAEMON_DECODE_QUEUE_H

#include <pthread.h>

#include "daemon/schedule/decode_policy.h"
#include "daemon/schedule/model_queue.h"

struct ferry_decode_counters {
    struct ferry_decode_counts now;
    uint64_t steps, computed_tokens, new_tokens; /* ever */
    uint32_t blocks;
};

struct ferry_decode_queue {
    const struct ferry_loaded_model *model;
    struct ferry_done_list *done;
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct ferry_request_chain inbox;
    bool look; /* a request was given up, or the queue was closed */
    bool stopping;
    enum ferry_status closed; /* not OK: what every request is answered with from now on */
    struct ferry_decode_counters counters;
    pthread_mutex_t stream_lock; /* of the streamed texts of all its sequences */
};

/* The queue borrows model and done. */
void ferry_decode_queue_init(struct ferry_decode_queue *queue,
                             const struct ferry_loaded_model *model, struct ferry_done_list *done);
/* No thread may use it any more. */
void ferry_decode_queue_free(struct ferry_decode_queue *queue);

/* Hands over requests whose sequences are made, linked by next. One lock and at most one bell. */
void ferry_decode_queue_add(struct ferry_decode_queue *queue, struct ferry_request *requests);
/* The request is given up: its sequences end with the step that runs now. */
void ferry_decode_queue_cancel(struct ferry_decode_queue *queue, struct ferry_request *request);
/* Answers everything, and everything that comes later, with this status. */
void ferry_decode_queue_close(struct ferry_decode_queue *queue, enum ferry_status status);
/* Lets the worker end after the step that it runs. */
void ferry_decode_queue_stop(struct ferry_decode_queue *queue);
struct ferry_decode_counters ferry_decode_queue_count(struct ferry_decode_queue *queue);

/* What the worker finds at the door. */
struct ferry_decode_news {
    struct ferry_request *requests; /* new ones, oldest first */
    bool look;
    enum ferry_status closed;
};
/* The worker only: takes the news; waits for some when `idle`. False when it has to stop. */
FERRY_MUST_CHECK bool ferry_decode_queue_take(struct ferry_decode_queue *queue, bool idle,
                                              struct ferry_decode_news *ret_news);
void ferry_decode_queue_tell(struct ferry_decode_queue *queue,
                             const struct ferry_decode_counters *counters);

#endif
