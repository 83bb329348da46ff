#include "base/hash.h"

#include <string.h>
#include <sys/random.h>

#include "base/clock.h"

/* Odd constants with balanced bits: the fractional parts of the golden ratio and of sqrt(3). */
#define FIRST_FACTOR UINT64_C(0x9E3779B97F4A7C15)
#define SECOND_FACTOR UINT64_C(0xBB67AE8584CAA73B)

__extension__ typedef unsigned __int128 uint128;

/* Folding the 128-bit product mixes every input bit into every output bit (the idea of wyhash). */
static uint64_t fold_multiply(uint64_t left, uint64_t right) {
    uint128 product = (uint128)left * right;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t read_word(const unsigned char *bytes, size_t size) {
    uint64_t word = 0;
    memcpy(&word, bytes, size < sizeof word ? size : sizeof word);
    return word;
}

uint64_t ferry_hash(const void *bytes, size_t size, uint64_t seed) {
    const unsigned char *at = bytes;
    uint64_t state = seed ^ FIRST_FACTOR;
    size_t left = size;
    for (; left >= 8; at += 8, left -= 8)
        state = fold_multiply(state ^ read_word(at, 8), FIRST_FACTOR);
    if (left > 0)
        state = fold_multiply(state ^ read_word(at, left), SECOND_FACTOR);
    return fold_multiply(state ^ (uint64_t)size, SECOND_FACTOR);
}

uint64_t ferry_hash_random_seed(void) {
    uint64_t seed;
    if (getrandom(&seed, sizeof seed, 0) == (ssize_t)sizeof seed)
        return seed;
    return fold_multiply((uint64_t)ferry_clock_now() ^ (uint64_t)(uintptr_t)&seed, FIRST_FACTOR);
}
