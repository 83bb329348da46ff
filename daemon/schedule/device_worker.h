/* A thread that forms batches for one model, runs them, and finishes what came out. On the CPU
 * there are several a model, each with an engine worker of its own. */
#ifndef FERRY_DAEMON_DEVICE_WORKER_H
#define FERRY_DAEMON_DEVICE_WORKER_H

#include "daemon/schedule/model_queue.h"

struct ferry_device_worker;

/* Called once, from a device worker's thread, when the device is lost. */
typedef void ferry_device_lost_function(void *context, const char *text);

/* Returns when the thread runs and its engine worker is there. queue, policy and context must
 * outlive it. Errors: what worker_create says, OUT_OF_MEMORY, INTERNAL (no thread). */
FERRY_MUST_CHECK enum ferry_status
ferry_device_worker_start(struct ferry_model_queue *queue, const struct ferry_batch_policy *policy,
                          ferry_device_lost_function *on_lost, void *context,
                          struct ferry_device_worker **ret_worker, struct ferry_error *error);
/* When the batch that runs now began; INT64_MAX while none runs. Any thread. */
int64_t ferry_device_worker_busy_since(const struct ferry_device_worker *worker);
/* Waits for the thread (ferry_model_queue_stop first), until deadline_ns on the monotonic clock.
 * False: it still computes, and nothing was freed. NULL is allowed. */
bool ferry_device_worker_join(struct ferry_device_worker *worker, int64_t deadline_ns);

#endif
