/* Which of 64 bytes are ASCII white space that always ends a word: space, tab, line feed, carriage
 * return. (Vertical tab and form feed do not: clean_text removes them and joins their neighbours.)
 * Bit i of the result stands for byte i. */
#ifndef FERRY_WHITESPACE_SCAN_H
#define FERRY_WHITESPACE_SCAN_H

#include <stdint.h>
#include <string.h>

#if defined(__SSE2__) && !defined(FERRY_SCAN_PORTABLE)
#include <emmintrin.h>
#endif

enum { FERRY_SCAN_BYTES = 64 };

static inline int ferry_is_hard_space(char byte) {
    return byte == ' ' || byte == '\n' || byte == '\t' || byte == '\r';
}

#if defined(__SSE2__) && !defined(FERRY_SCAN_PORTABLE)

static inline uint64_t ferry_scan_whitespace(const char *bytes) {
    const __m128i space = _mm_set1_epi8(' '), tab = _mm_set1_epi8('\t');
    const __m128i feed = _mm_set1_epi8('\n'), carriage = _mm_set1_epi8('\r');
    uint64_t mask = 0;
    for (size_t part = 0; part < 4; part++) {
        __m128i sixteen = _mm_loadu_si128((const __m128i *)(const void *)(bytes + 16 * part));
        __m128i found = _mm_or_si128(
            _mm_or_si128(_mm_cmpeq_epi8(sixteen, space), _mm_cmpeq_epi8(sixteen, tab)),
            _mm_or_si128(_mm_cmpeq_epi8(sixteen, feed), _mm_cmpeq_epi8(sixteen, carriage)));
        mask |= (uint64_t)(uint32_t)_mm_movemask_epi8(found) << 16 * part;
    }
    return mask;
}

#else

/* 0x80 in every byte of `eight` that equals the byte of `pattern`; exact, without carries between
 * bytes. */
static inline uint64_t ferry_scan_equal(uint64_t eight, uint64_t pattern) {
    uint64_t differs = eight ^ pattern;
    uint64_t low = UINT64_C(0x7F7F7F7F7F7F7F7F);
    return ~(((differs & low) + low) | differs | low);
}

static inline uint64_t ferry_scan_whitespace(const char *bytes) {
    const uint64_t each = UINT64_C(0x0101010101010101);
    uint64_t mask = 0;
    for (size_t part = 0; part < 8; part++) {
        uint64_t eight;
        memcpy(&eight, bytes + 8 * part, sizeof eight);
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
        eight = __builtin_bswap64(eight);
#endif
        uint64_t found =
            ferry_scan_equal(eight, each * ' ') | ferry_scan_equal(eight, each * '\t') |
            ferry_scan_equal(eight, each * '\n') | ferry_scan_equal(eight, each * '\r');
        /* Gathers the top bits of the eight bytes into one byte, the first byte's lowest. */
        mask |= ((found >> 7) * UINT64_C(0x0102040810204080) >> 56) << 8 * part;
    }
    return mask;
}

#endif
#endif
