/* Latencies kept one by one, so that percentiles are exact; beyond a cap a uniform random sample of
 * them (reservoir sampling, Vitter 1985). One owner. */
#ifndef FERRY_CLIENTS_CLI_LATENCY_SAMPLES_H
#define FERRY_CLIENTS_CLI_LATENCY_SAMPLES_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum { LATENCY_SAMPLES_KEPT = 1 << 24 };

struct latency_samples {
    float *microseconds; /* owned */
    size_t kept, capacity;
    uint64_t count; /* all that were added */
    double sum, maximum;
    uint64_t random;
};

/* False without memory. */
bool latency_samples_add(struct latency_samples *samples, int64_t nanoseconds);
/* Once, before latency_samples_at. */
void latency_samples_sort(struct latency_samples *samples);
/* Microseconds that this fraction (0 to 1) of the samples do not exceed; 0 without samples. */
double latency_samples_at(const struct latency_samples *samples, double fraction);
void latency_samples_free(struct latency_samples *samples);

#endif
