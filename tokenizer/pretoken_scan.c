#include "tokenizer/pretoken_scan.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "tokenizer/split_classes.h"
#include "tokenizer/utf8_checked.h"

#if defined(__SSE2__) && !defined(FERRY_SCAN_PORTABLE)
#include <emmintrin.h>
#endif

enum { BEYOND_ASCII = FERRY_SPLIT_SPACE + 1 };

#define OTHER FERRY_SPLIT_OTHER
#define LETTER FERRY_SPLIT_LETTER
#define NUMBER FERRY_SPLIT_NUMBER
#define SPACE FERRY_SPLIT_SPACE

/* Everything else is OTHER, which is 0. */
static const uint8_t byte_class[256] = {
    ['\t' ... '\r'] = SPACE, [' '] = SPACE,          ['0' ... '9'] = NUMBER,
    ['A' ... 'Z'] = LETTER,  ['a' ... 'z'] = LETTER, [0x80 ... 0xFF] = BEYOND_ASCII,
};

static inline unsigned class_of_byte(const struct ferry_pretoken_scan *scan, size_t at) {
    return byte_class[(unsigned char)scan->text[at]];
}

/* The character at `at` and its length; 0 when it is not UTF-8. */
static inline unsigned decode(struct ferry_pretoken_scan *scan, size_t at,
                              enum ferry_split_class *class) {
    uint32_t code_point = 0;
    unsigned length = ferry_utf8_decode_checked(scan->text + at, scan->end - at, &code_point);
    if (length == 0) {
        scan->invalid = at;
        return 0;
    }
    *class = ferry_split_class_of(code_point);
    return length;
}

/* Behind the ASCII letters at `at`; may go beyond scan->end. */
static inline size_t skip_ascii_letters(const struct ferry_pretoken_scan *scan, size_t at) {
#if defined(__SSE2__) && !defined(FERRY_SCAN_PORTABLE)
    const __m128i low_case = _mm_set1_epi8(0x20), before = _mm_set1_epi8('a' - 1);
    const __m128i behind = _mm_set1_epi8('z' + 1);
    while (scan->readable - at >= 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(scan->text + at));
        /* Bytes from 0x80 are negative here, hence no letters. */
        __m128i lower = _mm_or_si128(bytes, low_case);
        __m128i found = _mm_and_si128(_mm_cmpgt_epi8(lower, before), _mm_cmplt_epi8(lower, behind));
        unsigned others = ~(unsigned)_mm_movemask_epi8(found) & 0xFFFF;
        if (others != 0)
            return at + (unsigned)__builtin_ctz(others);
        at += 16;
        if (at >= scan->end)
            return at;
    }
#endif
    while (at < scan->end && class_of_byte(scan, at) == LETTER)
        at++;
    return at;
}

static size_t skip_letters(struct ferry_pretoken_scan *scan, size_t at) {
    while (true) {
        at = skip_ascii_letters(scan, at);
        if (at >= scan->end)
            return scan->end;
        if ((unsigned char)scan->text[at] < 0x80)
            return at;
        do {
            enum ferry_split_class class = OTHER;
            unsigned length = decode(scan, at, &class);
            if (length == 0 || class != LETTER)
                return at;
            at += length;
        } while (at < scan->end && (unsigned char)scan->text[at] >= 0x80);
    }
}

/* Behind the characters of one class at `at`; *last is where the last of them begins. */
static size_t skip_class(struct ferry_pretoken_scan *scan, size_t at, enum ferry_split_class wanted,
                         size_t *last) {
    *last = at;
    while (at < scan->end) {
        unsigned class = class_of_byte(scan, at), length = 1;
        if (class == BEYOND_ASCII) {
            enum ferry_split_class found = OTHER;
            length = decode(scan, at, &found);
            class = found;
            if (length == 0)
                return at;
        }
        if (class != wanted)
            return at;
        *last = at;
        at += length;
    }
    return at;
}

/* A run of the class of the character at `at`, which is no white space. */
static inline size_t skip_run(struct ferry_pretoken_scan *scan, size_t at,
                              enum ferry_split_class class) {
    size_t last = 0;
    return class == LETTER ? skip_letters(scan, at) : skip_class(scan, at, class, &last);
}

static inline enum ferry_split_class class_at(struct ferry_pretoken_scan *scan, size_t at) {
    unsigned class = class_of_byte(scan, at);
    enum ferry_split_class found = OTHER;
    if (class != BEYOND_ASCII)
        return (enum ferry_split_class) class;
    decode(scan, at, &found);
    return found;
}

/* White space before something else leaves its last character to that. */
static size_t end_of_spaces(struct ferry_pretoken_scan *scan, size_t at) {
    size_t last = at, behind = skip_class(scan, at, SPACE, &last);
    return behind == scan->end || last == at ? behind : last;
}

/* Behind "'s" and the like at `at`, or `at`. */
static inline size_t end_of_contraction(const struct ferry_pretoken_scan *scan, size_t at) {
    size_t left = scan->end - at;
    const char *text = scan->text + at;
    if (left < 2)
        return at;
    switch (text[1]) {
    case 's':
    case 't':
    case 'm':
    case 'd':
        return at + 2;
    case 'r':
    case 'v':
        return left > 2 && text[2] == 'e' ? at + 3 : at;
    case 'l':
        return left > 2 && text[2] == 'l' ? at + 3 : at;
    default:
        return at;
    }
}

size_t ferry_pretoken_end(struct ferry_pretoken_scan *scan, size_t at) {
    scan->invalid = SIZE_MAX;
    if (scan->text[at] == ' ' && at + 1 < scan->end) {
        enum ferry_split_class next = class_at(scan, at + 1);
        if (next != SPACE)
            return skip_run(scan, at + 1, next);
    } else if (scan->text[at] == '\'') {
        size_t behind = end_of_contraction(scan, at);
        if (behind > at)
            return behind;
    }
    enum ferry_split_class class = class_at(scan, at);
    return class == SPACE ? end_of_spaces(scan, at) : skip_run(scan, at, class);
}

size_t ferry_pretoken_end_after_space(struct ferry_pretoken_scan *scan, size_t at) {
    scan->invalid = SIZE_MAX;
    enum ferry_split_class class = class_at(scan, at);
    if (class != SPACE)
        return skip_run(scan, at, class);
    size_t last = at, behind = skip_class(scan, at, SPACE, &last);
    return behind == scan->end ? behind : last;
}
