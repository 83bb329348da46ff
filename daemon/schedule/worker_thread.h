/* A thread that computes and may be stuck in it: it is waited for only until a deadline. */
#ifndef FERRY_DAEMON_WORKER_THREAD_H
#define FERRY_DAEMON_WORKER_THREAD_H

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

struct ferry_worker_thread {
    pthread_t thread;
    sem_t ended;
};

/* work must call ferry_worker_thread_ends last. Errors: INTERNAL (no thread); then there is nothing
 * to join. */
FERRY_MUST_CHECK enum ferry_status ferry_worker_thread_start(struct ferry_worker_thread *thread,
                                                             void *(*work)(void *), void *argument,
                                                             struct ferry_error *error);
void ferry_worker_thread_ends(struct ferry_worker_thread *thread);
/* Waits until deadline_ns on the monotonic clock. False: the thread still computes. */
bool ferry_worker_thread_join(struct ferry_worker_thread *thread, int64_t deadline_ns);

#endif
