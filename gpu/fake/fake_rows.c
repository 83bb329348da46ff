#include "gpu/fake/fake_rows.h"

static uint64_t fnv_step(uint64_t hash, uint8_t byte) {
    return (hash ^ byte) * UINT64_C(0x100000001B3);
}

uint64_t ferry_fake_hash_more(uint64_t hash, const int32_t *ids, const uint8_t *type_ids,
                              uint32_t length) {
    for (uint32_t at = 0; at < length; at++) {
        uint32_t id = (uint32_t)ids[at];
        for (unsigned shift = 0; shift < 32; shift += 8)
            hash = fnv_step(hash, (uint8_t)(id >> shift));
        hash = fnv_step(hash, type_ids == NULL ? 0 : type_ids[at]);
    }
    return hash;
}

uint64_t ferry_fake_hash(const int32_t *ids, const uint8_t *type_ids, uint32_t length) {
    return ferry_fake_hash_more(FERRY_FAKE_HASH_START, ids, type_ids, length);
}

void ferry_fake_row(uint64_t seed, float *row, size_t width) {
    for (size_t at = 0; at < width; at++) {
        seed += UINT64_C(0x9E3779B97F4A7C15);
        uint64_t mixed = (seed ^ (seed >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
        mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94D049BB133111EB);
        mixed ^= mixed >> 31;
        row[at] = (float)(mixed >> 40) / 8388608.0f - 1.0f;
    }
}
