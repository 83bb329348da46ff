/* What a character is for GPT-2's split pattern: \p{L}, \p{N}, \s or none of them, as the reference
 * sees it. The tables are written by tools/generate-unicode/generate_split_classes.py. */
#ifndef FERRY_SPLIT_CLASSES_H
#define FERRY_SPLIT_CLASSES_H

#include <stdint.h>

enum ferry_split_class {
    FERRY_SPLIT_OTHER,
    FERRY_SPLIT_LETTER,
    FERRY_SPLIT_NUMBER,
    FERRY_SPLIT_SPACE
};

enum { FERRY_SPLIT_BLOCK_BITS = 7 };

extern const uint8_t ferry_split_block[];
extern const uint8_t ferry_split_class[];

static inline enum ferry_split_class ferry_split_class_of(uint32_t code_point) {
    uint32_t block = ferry_split_block[code_point >> FERRY_SPLIT_BLOCK_BITS];
    uint32_t within = code_point & ((1U << FERRY_SPLIT_BLOCK_BITS) - 1);
    return (enum ferry_split_class)ferry_split_class[(block << FERRY_SPLIT_BLOCK_BITS) + within];
}

#endif
