/* The thread that decodes for one model: plans a step, runs it, takes over what it brought, and
 * again. Sequences join and leave between steps; whoever is cancelled or past its deadline leaves
 * with the step that runs. */
#ifndef FERRY_DAEMON_DECODE_WORKER_H
#define FERRY_DAEMON_DECODE_WORKER_H

#include "daemon/schedule/decode_queue.h"
#include "daemon/schedule/device_worker.h"

struct ferry_decode_worker;

/* queue and context must outlive it; on_lost is called once, from the worker's thread, when the
 * device is lost. Errors: OUT_OF_MEMORY, INTERNAL (no thread). */
FERRY_MUST_CHECK enum ferry_status
ferry_decode_worker_start(struct ferry_decode_queue *queue,
                          const struct ferry_decode_policy_limits *limits,
                          ferry_device_lost_function *on_lost, void *context,
                          struct ferry_decode_worker **ret_worker, struct ferry_error *error);
/* Waits for the thread (ferry_decode_queue_stop first), until deadline_ns on the monotonic clock.
 * False: it still computes, and nothing was freed. NULL is allowed. */
bool ferry_decode_worker_join(struct ferry_decode_worker *worker, int64_t deadline_ns);
/* When the step that runs now began; INT64_MAX while none runs. Any thread. */
int64_t ferry_decode_worker_busy_since(const struct ferry_decode_worker *worker);

#endif
