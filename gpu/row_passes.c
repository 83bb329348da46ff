#include "gpu/row_passes.h"

FERRY_BEST_OF_VARIANTS
struct ferry_row_range ferry_row_scan(struct ferry_row_scratch *scratch, const float *row,
                                      uint32_t count) {
    struct ferry_row_range range = {INT32_MAX, INT32_MIN};
    for (uint32_t first = 0; first < count; first += FERRY_ROW_BLOCK) {
        uint32_t end = count - first < FERRY_ROW_BLOCK ? count : first + FERRY_ROW_BLOCK;
        int32_t least = INT32_MAX;
        int32_t most = INT32_MIN;
        for (uint32_t at = first; at < end; at++) {
            int32_t key = ferry_row_key(row[at]);
            least = key < least ? key : least;
            most = key > most ? key : most;
        }
        scratch->block_best[first / FERRY_ROW_BLOCK] = most;
        range.least = least < range.least ? least : range.least;
        range.most = most > range.most ? most : range.most;
    }
    return range;
}

bool ferry_row_is_usable(struct ferry_row_range range) {
    return range.least >= ferry_row_key(-INFINITY) && range.most > ferry_row_key(-INFINITY) &&
           range.most < ferry_row_key(INFINITY);
}

uint32_t ferry_row_first(const struct ferry_row_scratch *scratch, const float *row, uint32_t count,
                         float largest) {
    uint32_t block = 0;
    while (ferry_row_number(scratch->block_best[block]) < largest)
        block++;
    uint32_t at = block * FERRY_ROW_BLOCK;
    while (at + 1 < count && row[at] < largest)
        at++;
    return at;
}

/* exp(x) for x <= 0: x = n ln 2 + r with |r| <= ln 2 / 2, ln 2 in two parts so that r is exact, and
 * the Taylor polynomial of degree 7 for exp(r). Worst error 2 units in the last place against the C
 * library; below the smallest normal number the result is 0. */
static inline float exponential(float x) {
    const float rounder = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer */
    const float bounded = x > -87.0f ? x : -87.0f;
    float n = bounded * 1.44269504f + rounder - rounder;
    float r = bounded - n * 0.693359375f - n * -2.12194440e-4f;
    float p = 1.0f / 5040.0f;
    p = p * r + 1.0f / 720.0f;
    p = p * r + 1.0f / 120.0f;
    p = p * r + 1.0f / 24.0f;
    p = p * r + 1.0f / 6.0f;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    int32_t bits = ((int32_t)n + 127) * (1 << 23);
    float power;
    memcpy(&power, &bits, sizeof power);
    return x > -87.0f ? p * power : 0.0f;
}

/* exp of a whole block. */
static inline void exponentials(const float *restrict scores, float most, float *restrict weights) {
    for (uint32_t at = 0; at < FERRY_ROW_BLOCK; at++)
        weights[at] = exponential(scores[at] - most);
}

typedef float eight_floats __attribute__((vector_size(32)));
typedef double eight_doubles __attribute__((vector_size(64)));

/* Eight partial sums and then theirs, always in this order. */
static inline double sum_block(const float *weights) {
    eight_doubles lanes = {0};
    for (uint32_t at = 0; at < FERRY_ROW_BLOCK; at += 8) {
        eight_floats part;
        memcpy(&part, weights + at, sizeof part);
        lanes += __builtin_convertvector(part, eight_doubles);
    }
    return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) +
           ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

FERRY_BEST_OF_VARIANTS
double ferry_row_exponentials(struct ferry_row_scratch *scratch, uint32_t count, float most) {
    float *restrict scores = scratch->scores;
    float *restrict weights = scratch->weights;
    for (uint32_t at = count; at % FERRY_ROW_BLOCK != 0; at++)
        scores[at] = -INFINITY;
    double sum = 0;
    for (uint32_t first = 0; first < count; first += FERRY_ROW_BLOCK) {
        exponentials(scores + first, most, weights + first);
        sum += scratch->block_sums[first / FERRY_ROW_BLOCK] = sum_block(weights + first);
    }
    return sum;
}

FERRY_BEST_OF_VARIANTS
double ferry_row_sum(struct ferry_row_scratch *scratch, uint32_t count) {
    double sum = 0;
    for (uint32_t first = 0; first < count; first += FERRY_ROW_BLOCK)
        sum += scratch->block_sums[first / FERRY_ROW_BLOCK] = sum_block(scratch->weights + first);
    return sum;
}

static const float *fill_block(const float *row, uint32_t count, float *block) {
    for (uint32_t at = 0; at < FERRY_ROW_BLOCK; at++)
        block[at] = at < count ? row[at] : -INFINITY;
    return block;
}

FERRY_BEST_OF_VARIANTS
static double sum_of_exponentials(const float *row, uint32_t count, float most) {
    double sum = 0;
    for (uint32_t first = 0; first < count; first += FERRY_ROW_BLOCK) {
        const float *block = row + first;
        float weights[FERRY_ROW_BLOCK];
        float rest[FERRY_ROW_BLOCK];
        if (count - first < FERRY_ROW_BLOCK)
            block = fill_block(block, count - first, rest);
        exponentials(block, most, weights);
        sum += sum_block(weights);
    }
    return sum;
}

double ferry_row_normaliser(const float *logits, uint32_t vocabulary, int32_t best) {
    float most = logits[best];
    return (double)most + log(sum_of_exponentials(logits, vocabulary, most));
}

static inline uint32_t unsigned_key(int32_t key) {
    return (uint32_t)key ^ UINT32_C(0x80000000);
}

/* Digit by digit from the highest: the digit of the k-th largest follows from how many keys have
 * each value there. */
int32_t ferry_row_kth(const int32_t *keys, uint32_t count, uint32_t k) {
    uint32_t prefix = 0;
    for (unsigned shift = 32; shift > 0;) {
        const uint32_t known = shift == 32 ? 0 : UINT32_MAX << shift;
        uint32_t counts[256] = {0};
        shift -= 8;
        for (uint32_t at = 0; at < count; at++) {
            uint32_t key = unsigned_key(keys[at]);
            counts[key >> shift & 255] += (key & known) == prefix;
        }
        uint32_t digit = 255;
        for (; counts[digit] < k; digit--)
            k -= counts[digit];
        prefix |= digit << shift;
    }
    return (int32_t)(prefix ^ UINT32_C(0x80000000));
}

/* The k-th largest of the blocks' best bounds the k-th largest of all from below: k blocks have a
 * number as large. */
uint32_t ferry_row_select(struct ferry_row_scratch *scratch, const float *row, uint32_t count,
                          uint32_t k) {
    const uint32_t blocks = ferry_row_blocks(count);
    float bound = -INFINITY;
    if (k <= blocks)
        bound = ferry_row_number(ferry_row_kth(scratch->block_best, blocks, k));
    uint32_t picked = 0;
    for (uint32_t block = 0; block < blocks; block++) {
        if (ferry_row_number(scratch->block_best[block]) < bound)
            continue;
        uint32_t first = block * FERRY_ROW_BLOCK;
        uint32_t end = count - first < FERRY_ROW_BLOCK ? count : first + FERRY_ROW_BLOCK;
        for (uint32_t at = first; at < end; at++) {
            scratch->ids[picked] = (int32_t)at;
            scratch->keys[picked] = ferry_row_key(row[at]);
            picked += row[at] >= bound;
        }
    }
    const float least = ferry_row_number(ferry_row_kth(scratch->keys, picked, k));
    uint32_t kept = 0;
    for (uint32_t at = 0; at < picked; at++) {
        int32_t id = scratch->ids[at];
        scratch->ids[kept] = id;
        kept += row[id] >= least;
    }
    return kept;
}

static void sort_few(uint64_t *pairs, uint32_t count) {
    for (uint32_t at = 1; at < count; at++) {
        uint64_t pair = pairs[at];
        uint32_t to = at;
        for (; to > 0 && pairs[to - 1] >> 32 > pair >> 32; to--)
            pairs[to] = pairs[to - 1];
        pairs[to] = pair;
    }
}

/* One pass of a radix sort. False: all pairs have the same digit there. */
static bool sort_by_digit(const uint64_t *from, uint64_t *to, uint32_t count, unsigned shift) {
    uint32_t starts[256] = {0};
    for (uint32_t at = 0; at < count; at++)
        starts[from[at] >> shift & 255]++;
    if (starts[from[0] >> shift & 255] == count)
        return false;
    uint32_t start = 0;
    for (uint32_t digit = 0; digit < 256; digit++) {
        uint32_t size = starts[digit];
        starts[digit] = start;
        start += size;
    }
    for (uint32_t at = 0; at < count; at++)
        to[starts[from[at] >> shift & 255]++] = from[at];
    return true;
}

void ferry_row_sort(struct ferry_row_scratch *scratch, uint32_t count) {
    enum { FEW = 48 };
    if (count <= FEW) {
        sort_few(scratch->pairs, count);
        return;
    }
    for (unsigned shift = 32; shift < 64; shift += 8) {
        if (!sort_by_digit(scratch->pairs, scratch->spare, count, shift))
            continue;
        uint64_t *sorted = scratch->spare;
        scratch->spare = scratch->pairs;
        scratch->pairs = sorted;
    }
}
