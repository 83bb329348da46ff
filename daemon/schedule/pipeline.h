/* All threads that compute, and the ways between them: text workers and, for each model, a queue
 * with its device workers. Everything here is called by the io thread alone.
 *
 * A request goes in once and comes out of ferry_pipeline_done() exactly once, answered. */
#ifndef FERRY_DAEMON_PIPELINE_H
#define FERRY_DAEMON_PIPELINE_H

#include "daemon/schedule/decode_queue.h"
#include "daemon/schedule/model_queue.h"

struct ferry_pipeline_options {
    uint32_t text_workers;
    uint32_t text_queue_requests; /* beyond it: BUSY */
    size_t word_cache_bytes;      /* of each tokenizer session; 0: the tokenizer's default */
    uint32_t inline_text_bytes;   /* requests with no more text are tokenized on the io thread */
    uint32_t device_workers;      /* for each model; 0: what its engine suggests */
    uint32_t batch_tokens;        /* 0: by the device */
    uint32_t batch_sequences;
    int64_t bulk_limit_ns;
    uint32_t step_tokens;      /* of models that generate; 0: by the device */
    int64_t engine_timeout_ns; /* 0: none */
};

struct ferry_pipeline;

/* Starts every thread; each blocks all signals. The models must outlive the pipeline. */
FERRY_MUST_CHECK enum ferry_status
ferry_pipeline_start(struct ferry_loaded_model *const *models, uint32_t model_count,
                     const struct ferry_pipeline_options *options,
                     struct ferry_pipeline **ret_pipeline, struct ferry_error *error);
/* Every request must be out. Waits for the threads until deadline_ns (monotonic). False when one of
 * them still computes: nothing was freed, and the process can only end. NULL is allowed. */
bool ferry_pipeline_stop(struct ferry_pipeline *pipeline, int64_t deadline_ns);

/* The queue of a model; indexes as in ferry_pipeline_start. */
struct ferry_model_queue *ferry_pipeline_queue(struct ferry_pipeline *pipeline, uint32_t model);
/* NULL for a model that does not decode. */
struct ferry_decode_queue *ferry_pipeline_decode_queue(struct ferry_pipeline *pipeline,
                                                       uint32_t model);
uint32_t ferry_pipeline_workers(const struct ferry_pipeline *pipeline, uint32_t model);

enum ferry_submitted {
    FERRY_SUBMIT_FULL,   /* the text queue is full: the request stays with the caller */
    FERRY_SUBMIT_QUEUED, /* a text worker has it */
    FERRY_SUBMIT_READY   /* tokenized at once: its items are handed over by the next flush */
};

/* Takes a request whose model, queue and deadline are set. */
FERRY_MUST_CHECK enum ferry_submitted ferry_pipeline_submit(struct ferry_pipeline *pipeline,
                                                            struct ferry_request *request);
void ferry_pipeline_flush(struct ferry_pipeline *pipeline);

/* Gives the request up as soon as possible; it still comes out, with CANCELLED unless it was done.
 */
void ferry_pipeline_cancel(struct ferry_pipeline *pipeline, struct ferry_request *request);
/* Answers what is past its deadline; returns when to call again, INT64_MAX if nothing waits. */
int64_t ferry_pipeline_expire(struct ferry_pipeline *pipeline, int64_t now);
/* Answers everything that is not being computed now, and all that comes later, with this status. */
void ferry_pipeline_close(struct ferry_pipeline *pipeline, enum ferry_status status);
/* Looks whether a batch or a step takes longer than engine_timeout_ns: that counts as a lost
 * device, since nothing can end it but the process. */
void ferry_pipeline_watch(struct ferry_pipeline *pipeline, int64_t now);
/* The device is gone: everything is answered with DEVICE_LOST, and the process must be restarted.
 */
bool ferry_pipeline_device_lost(const struct ferry_pipeline *pipeline);

/* Finished requests come here. */
struct ferry_done_list *ferry_pipeline_done(struct ferry_pipeline *pipeline);

#endif
