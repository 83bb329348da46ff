/* A set of byte strings, each with a number, as a double-array trie: one step a byte, no hashing.
 * Finds the longest string of the set that a text begins with.
 *
 * A node is four bytes, so that the trie of a vocabulary fits into the second-level cache: the byte
 * that leads to it and the base of its children. The child for byte b lies at base ^ b; no two
 * nodes have the same base, hence the byte alone tells whether a place belongs to its parent. The
 * number of a string lies where the child for byte 0 would. Source: Aoe, "An Efficient Digital
 * Search Algorithm by Using a Double-Array Structure", 1989; Yata et al., "A compact static
 * double-array keeping character codes", 2007. */
#ifndef FERRY_BYTE_TRIE_H
#define FERRY_BYTE_TRIE_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum {
    FERRY_TRIE_HAS_VALUE = 1 << 8,
    FERRY_TRIE_BASE_SHIFT = 9,
    FERRY_TRIE_LABEL_MASK = 0xFF,
};
/* Set in places that are free or hold a number: no child. */
#define FERRY_TRIE_NO_NODE UINT32_C(0x80000000)

struct ferry_trie {
    uint32_t *units; /* owned; NULL for the empty set */
    size_t count;
    size_t longest; /* bytes of the longest string */
};

struct ferry_trie_key {
    const char *bytes; /* without a zero byte */
    size_t size;       /* at least 1 */
    int32_t value;     /* not negative */
};

/* Sorts keys. Of equal keys the one with the lowest value stays. Errors: TOO_LARGE (about two
 * million bytes of distinct beginnings), OUT_OF_MEMORY. */
FERRY_MUST_CHECK enum ferry_status ferry_trie_build(struct ferry_trie *trie,
                                                    struct ferry_trie_key *keys, size_t count,
                                                    struct ferry_error *error);
void ferry_trie_free(struct ferry_trie *trie);

/* Length of the longest string that `bytes` begins with, 0 when there is none. */
static inline size_t ferry_trie_longest(const struct ferry_trie *trie, const char *bytes,
                                        size_t size, int32_t *value) {
    const uint32_t *units = trie->units;
    size_t longest = 0;
    uint32_t value_place = 0;
    if (!units)
        return 0;
    uint32_t base = units[0] >> FERRY_TRIE_BASE_SHIFT;
    for (size_t at = 0; at < size; at++) {
        uint32_t label = (unsigned char)bytes[at];
        uint32_t unit = units[base ^ label];
        if ((unit & (FERRY_TRIE_NO_NODE | FERRY_TRIE_LABEL_MASK)) != label)
            break;
        base = unit >> FERRY_TRIE_BASE_SHIFT;
        if (unit & FERRY_TRIE_HAS_VALUE) {
            value_place = base;
            longest = at + 1;
        }
    }
    if (longest > 0)
        *value = (int32_t)(units[value_place] & ~FERRY_TRIE_NO_NODE);
    return longest;
}

#endif
