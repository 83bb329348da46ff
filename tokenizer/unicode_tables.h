/* What the reference does with each code point, measured from the reference itself: it carries
 * Unicode data of several old versions, so that no Unicode library agrees with it.
 * The tables are written by tools/generate-unicode/generate_unicode_tables.py. */
#ifndef FERRY_UNICODE_TABLES_H
#define FERRY_UNICODE_TABLES_H

#include <stdint.h>

/* Low byte of an entry; the high byte is the canonical combining class. */
enum ferry_unicode_flag {
    FERRY_UNICODE_REMOVED = 1,      /* clean_text removes it */
    FERRY_UNICODE_WHITESPACE = 2,   /* separates words; clean_text makes it a space */
    FERRY_UNICODE_IDEOGRAPH = 4,    /* handle_chinese_chars puts spaces around it */
    FERRY_UNICODE_NONSPACING = 8,   /* strip_accents removes it */
    FERRY_UNICODE_PUNCTUATION = 16, /* a word of its own */
    FERRY_UNICODE_WORD = 32,        /* \w, for added tokens that must be single words */
    FERRY_UNICODE_LOWER = 64,       /* has another lower case */
    FERRY_UNICODE_DECOMPOSED = 128  /* has a canonical decomposition (Hangul: by arithmetic) */
};

enum { FERRY_UNICODE_BLOCK_BITS = 7 };

struct ferry_unicode_mapping {
    uint32_t from;
    uint32_t count;
    uint32_t to[4];
};

extern const uint16_t ferry_unicode_block[];
extern const uint16_t ferry_unicode_entry[];
/* Sorted by `from`. */
extern const struct ferry_unicode_mapping ferry_unicode_lower[];
extern const uint32_t ferry_unicode_lower_count;
extern const struct ferry_unicode_mapping ferry_unicode_decomposition[];
extern const uint32_t ferry_unicode_decomposition_count;

static inline uint32_t ferry_unicode_lookup(uint32_t code_point) {
    uint32_t block = ferry_unicode_block[code_point >> FERRY_UNICODE_BLOCK_BITS];
    uint32_t within = code_point & ((1U << FERRY_UNICODE_BLOCK_BITS) - 1);
    return ferry_unicode_entry[(block << FERRY_UNICODE_BLOCK_BITS) + within];
}

static inline uint32_t ferry_unicode_combining_class(uint32_t entry) {
    return entry >> 8;
}

#endif
