#include "daemon/schedule/worker_thread.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

enum ferry_status ferry_worker_thread_start(struct ferry_worker_thread *thread,
                                            void *(*work)(void *), void *argument,
                                            struct ferry_error *error) {
    sem_init(&thread->ended, 0, 0);
    int failed = pthread_create(&thread->thread, NULL, work, argument);
    if (failed == 0)
        return FERRY_OK;
    sem_destroy(&thread->ended);
    return ferry_fail(error, FERRY_INTERNAL, "pthread_create: %s", strerror(failed));
}

void ferry_worker_thread_ends(struct ferry_worker_thread *thread) {
    sem_post(&thread->ended);
}

bool ferry_worker_thread_join(struct ferry_worker_thread *thread, int64_t deadline_ns) {
    struct timespec until = {.tv_sec = deadline_ns / FERRY_NANOSECONDS_PER_SECOND,
                             .tv_nsec = deadline_ns % FERRY_NANOSECONDS_PER_SECOND};
    while (sem_clockwait(&thread->ended, CLOCK_MONOTONIC, &until) != 0)
        if (errno != EINTR)
            return false;
    pthread_join(thread->thread, NULL);
    sem_destroy(&thread->ended);
    return true;
}
