#include "base/histogram.h"

enum { EXACT_VALUES = 32, EXACT_BITS = 5, PARTS = 16, PART_BITS = 4 };

static unsigned bucket_of(uint64_t value) {
    if (value < EXACT_VALUES)
        return (unsigned)value;
    unsigned top_bit = 63 - (unsigned)__builtin_clzll(value);
    unsigned part = (unsigned)(value >> (top_bit - PART_BITS)) & (PARTS - 1);
    return EXACT_VALUES + (top_bit - EXACT_BITS) * PARTS + part;
}

static uint64_t upper_edge(unsigned bucket) {
    if (bucket < EXACT_VALUES)
        return bucket;
    unsigned shift = (bucket - EXACT_VALUES) / PARTS + EXACT_BITS - PART_BITS;
    uint64_t part = (bucket - EXACT_VALUES) % PARTS;
    return ((PARTS + part) << shift) + ((UINT64_C(1) << shift) - 1);
}

void ferry_histogram_add(struct ferry_histogram *histogram, uint64_t value) {
    histogram->count++;
    histogram->sum += value;
    if (value > histogram->maximum)
        histogram->maximum = value;
    histogram->buckets[bucket_of(value)]++;
}

uint64_t ferry_histogram_at(const struct ferry_histogram *histogram, unsigned permille) {
    uint64_t wanted = (histogram->count * permille + 999) / 1000;
    uint64_t seen = 0;
    for (unsigned bucket = 0; bucket < FERRY_HISTOGRAM_BUCKETS; bucket++) {
        seen += histogram->buckets[bucket];
        if (seen >= wanted && seen > 0) {
            uint64_t edge = upper_edge(bucket);
            return edge < histogram->maximum ? edge : histogram->maximum;
        }
    }
    return histogram->maximum;
}
