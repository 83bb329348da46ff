/* Private to gpu/logits_row.c and gpu/sampling.c: the scratch memory and the passes over it. */
#ifndef FERRY_GPU_ROW_PASSES_H
#define FERRY_GPU_ROW_PASSES_H

#include <math.h>
#include <string.h>

#include "gpu/logits_row.h"

/* Before a function: compiled for several processors, the best is taken at run time.
 * Sanitizers instrument the function that picks a variant, which runs before they are ready. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) &&                             \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define FERRY_BEST_OF_VARIANTS __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define FERRY_BEST_OF_VARIANTS
#endif

/* Sums and maxima are kept for every block of this many numbers. */
enum { FERRY_ROW_BLOCK = 64 };

struct ferry_row_scratch {
    uint32_t vocabulary;
    float *scores;       /* [vocabulary, filled up to whole blocks] */
    float *weights;      /* likewise */
    int32_t *ids;        /* [vocabulary] of scores that were picked out */
    int32_t *keys;       /* [vocabulary] */
    int32_t *block_best; /* [blocks]: key of the largest number of each block */
    double *block_sums;  /* [blocks] */
    uint64_t *pairs;     /* [vocabulary] of key and id, to sort */
    uint64_t *spare;     /* [vocabulary] */
};

/* Numbers in the order of their values, for all but NaN; -0 comes just before 0. */
static inline int32_t ferry_row_key(float number) {
    int32_t bits;
    memcpy(&bits, &number, sizeof bits);
    return bits ^ ((bits >> 31) & INT32_MAX);
}

static inline float ferry_row_number(int32_t key) {
    int32_t bits = key ^ ((key >> 31) & INT32_MAX);
    float number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

static inline uint32_t ferry_row_blocks(uint32_t count) {
    return (count + FERRY_ROW_BLOCK - 1) / FERRY_ROW_BLOCK;
}

struct ferry_row_range {
    int32_t least; /* keys */
    int32_t most;
};

/* Fills block_best. A row has a NaN or +infinity where a key lies outside of that of -infinity to
 * that of the largest finite number. */
struct ferry_row_range ferry_row_scan(struct ferry_row_scratch *scratch, const float *row,
                                      uint32_t count);
bool ferry_row_is_usable(struct ferry_row_range range);

/* The first index with a number equal to the largest; after ferry_row_scan of that row. */
uint32_t ferry_row_first(const struct ferry_row_scratch *scratch, const float *row, uint32_t count,
                         float largest);

/* weights[i] = exp(scores[i] - most) and block_sums; returns their sum. Numbers of weights beyond
 * count are set to 0 up to the whole block. */
double ferry_row_exponentials(struct ferry_row_scratch *scratch, uint32_t count, float most);
/* block_sums of weights as they are now. */
double ferry_row_sum(struct ferry_row_scratch *scratch, uint32_t count);

/* The k-th largest of the keys, 1 <= k <= count. */
int32_t ferry_row_kth(const int32_t *keys, uint32_t count, uint32_t k);
/* The indices of numbers that are not smaller than the k-th largest, ascending, into ids; returns
 * how many: k or, with equal ones, more. After ferry_row_scan of that row. */
uint32_t ferry_row_select(struct ferry_row_scratch *scratch, const float *row, uint32_t count,
                          uint32_t k);
/* Sorts pairs by their upper half, ascending; equal ones keep their order. */
void ferry_row_sort(struct ferry_row_scratch *scratch, uint32_t count);

#endif
