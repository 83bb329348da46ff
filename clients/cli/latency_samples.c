#include "clients/cli/latency_samples.h"

#include <math.h>
#include <stdlib.h>

#include "clients/cli/bench_texts.h"

static bool make_room(struct latency_samples *samples) {
    size_t capacity = samples->capacity * 2 + 4096;
    if (capacity > LATENCY_SAMPLES_KEPT)
        capacity = LATENCY_SAMPLES_KEPT;
    float *grown = realloc(samples->microseconds, capacity * sizeof *grown);
    if (grown == NULL)
        return false;
    samples->microseconds = grown;
    samples->capacity = capacity;
    return true;
}

bool latency_samples_add(struct latency_samples *samples, int64_t nanoseconds) {
    double microseconds = (double)nanoseconds / 1e3;
    samples->count++;
    samples->sum += microseconds;
    if (microseconds > samples->maximum)
        samples->maximum = microseconds;
    if (samples->kept < LATENCY_SAMPLES_KEPT) {
        if (samples->kept == samples->capacity && !make_room(samples))
            return false;
        samples->microseconds[samples->kept++] = (float)microseconds;
        return true;
    }
    if (samples->random == 0)
        samples->random = 1;
    double place = bench_random(&samples->random) * (double)samples->count;
    if (place < (double)LATENCY_SAMPLES_KEPT)
        samples->microseconds[(size_t)place] = (float)microseconds;
    return true;
}

static int compare(const void *left, const void *right) {
    float a = *(const float *)left, b = *(const float *)right;
    return (a > b) - (a < b);
}

void latency_samples_sort(struct latency_samples *samples) {
    if (samples->kept > 0)
        qsort(samples->microseconds, samples->kept, sizeof *samples->microseconds, compare);
}

double latency_samples_at(const struct latency_samples *samples, double fraction) {
    if (samples->kept == 0)
        return 0;
    size_t rank = (size_t)ceil(fraction * (double)samples->kept);
    return (double)samples->microseconds[rank > 0 ? rank - 1 : 0];
}

void latency_samples_free(struct latency_samples *samples) {
    free(samples->microseconds);
    samples->microseconds = NULL;
}
