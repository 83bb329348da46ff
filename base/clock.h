/* Monotonic time in nanoseconds. Wall-clock time is never used to measure or to wait. */
#ifndef FERRY_BASE_CLOCK_H
#define FERRY_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define FERRY_NANOSECONDS_PER_SECOND INT64_C(1000000000)
#define FERRY_NANOSECONDS_PER_MILLISECOND INT64_C(1000000)
#define FERRY_NANOSECONDS_PER_MICROSECOND INT64_C(1000)

static inline int64_t ferry_clock_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * FERRY_NANOSECONDS_PER_SECOND + now.tv_nsec;
}

#endif
