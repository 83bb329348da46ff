/* Counts of values by size, to tell percentiles with at most 6.25 % error from 8 KiB of memory.
 *
 * Log-linear buckets: values below 32 are exact; above, each power of two is cut into 16 equal
 * parts (the scheme of HdrHistogram with one significant hexadecimal digit). One owner; not
 * thread-safe. */
#ifndef FERRY_BASE_HISTOGRAM_H
#define FERRY_BASE_HISTOGRAM_H

#include <stdint.h>

enum { FERRY_HISTOGRAM_BUCKETS = 32 + (64 - 5) * 16 };

struct ferry_histogram {
    uint64_t count;
    uint64_t sum;
    uint64_t maximum;
    uint64_t buckets[FERRY_HISTOGRAM_BUCKETS];
};

void ferry_histogram_add(struct ferry_histogram *histogram, uint64_t value);
/* The value that `permille` of 1000 values do not exceed: the upper edge of its bucket, never more
 * than the maximum. 0 while empty. */
uint64_t ferry_histogram_at(const struct ferry_histogram *histogram, unsigned permille);

#endif
