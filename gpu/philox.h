/* Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC11):
 * a counter-based generator, so that a number is a function of its key and counter alone. */
#ifndef FERRY_GPU_PHILOX_H
#define FERRY_GPU_PHILOX_H

#include <stdint.h>

struct ferry_philox_block {
    uint32_t words[4];
};

static inline struct ferry_philox_block ferry_philox(struct ferry_philox_block counter,
                                                     uint64_t key) {
    uint32_t low = (uint32_t)key;
    uint32_t high = (uint32_t)(key >> 32);
    uint32_t *words = counter.words;
    for (unsigned round = 0; round < 10; round++) {
        uint64_t even = UINT64_C(0xD2511F53) * words[0];
        uint64_t odd = UINT64_C(0xCD9E8D57) * words[2];
        words[0] = (uint32_t)(odd >> 32) ^ words[1] ^ low;
        words[1] = (uint32_t)odd;
        words[2] = (uint32_t)(even >> 32) ^ words[3] ^ high;
        words[3] = (uint32_t)even;
        low += UINT32_C(0x9E3779B9);
        high += UINT32_C(0xBB67AE85);
    }
    return counter;
}

/* In [0, 1), 53 bits: the counter's first word is the position, the other three are 0. */
static inline double ferry_philox_uniform(uint64_t seed, uint32_t position) {
    struct ferry_philox_block block = ferry_philox((struct ferry_philox_block){{position}}, seed);
    uint64_t bits = (uint64_t)block.words[1] << 32 | block.words[0];
    return (double)(bits >> 11) * 0x1p-53;
}

#endif
