/* A set of byte strings, each with a number, as a double-array trie: one step a byte, no hashing.
 * Finds the longest string of the set that a text begins with.
 * Source: Aoe, "An Efficient Digital Search Algorithm by Using a Double-Array Structure", 1989. */
#ifndef FERRY_BYTE_TRIE_H
#define FERRY_BYTE_TRIE_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct ferry_trie_node {
    int32_t base;  /* the child for byte b is base + b */
    int32_t check; /* the parent, or -1 for a free place */
    int32_t value; /* number of the string that ends here, or -1 */
};

struct ferry_trie {
    struct ferry_trie_node *nodes; /* owned; NULL for the empty set. Any base + 255 is inside. */
    size_t count;
    size_t longest; /* bytes of the longest string */
};

struct ferry_trie_key {
    const char *bytes;
    size_t size;   /* at least 1 */
    int32_t value; /* not negative */
};

/* Sorts keys. Of equal keys the one with the lowest value stays. */
FERRY_MUST_CHECK enum ferry_status ferry_trie_build(struct ferry_trie *trie,
                                                    struct ferry_trie_key *keys, size_t count,
                                                    struct ferry_error *error);
void ferry_trie_free(struct ferry_trie *trie);

/* Length of the longest string that `bytes` begins with, 0 when there is none. */
static inline size_t ferry_trie_longest(const struct ferry_trie *trie, const char *bytes,
                                        size_t size, int32_t *value) {
    size_t longest = 0;
    int32_t node = 0;
    if (!trie->nodes)
        return 0;
    for (size_t at = 0; at < size; at++) {
        int32_t next = trie->nodes[node].base + (unsigned char)bytes[at];
        if (trie->nodes[next].check != node)
            break;
        node = next;
        if (trie->nodes[node].value >= 0) {
            *value = trie->nodes[node].value;
            longest = at + 1;
        }
    }
    return longest;
}

#endif
