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

/* Leads a letter that needs no table: Cyrillic from U+0400 to U+047F, led by D0 or D1, or an
 * ideograph from U+5000 to U+9FFF, led by E5 to E9. */
static inline bool leads_cyrillic(unsigned char byte) {
    return (byte & 0xFE) == 0xD0;
}
static inline bool leads_ideograph(unsigned byte) {
    return byte - 0xE5 <= 0xE9 - 0xE5;
}
static inline bool leads_known_letter(const struct ferry_pretoken_scan *scan, size_t at) {
    unsigned char byte = (unsigned char)scan->text[at];
    return leads_cyrillic(byte) || leads_ideograph(byte);
}

/* Behind the known letters at `at`, all of one of the two kinds. */
static inline size_t skip_known_letters(const struct ferry_pretoken_scan *scan, size_t at) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    unsigned char lead = (unsigned char)scan->text[at];
    if (leads_cyrillic(lead)) {
        while (scan->end - at >= 8) { /* four characters */
            uint64_t eight = 0;
            memcpy(&eight, scan->text + at, sizeof eight);
            uint64_t others = (eight & UINT64_C(0xC0FEC0FEC0FEC0FE)) ^ UINT64_C(0x80D080D080D080D0);
            if (others != 0)
                return at + (size_t)__builtin_ctzll(others) / 16 * 2;
            at += 8;
        }
    } else if (leads_ideograph(lead)) {
        while (scan->end - at >= 4) {
            uint32_t four = 0;
            memcpy(&four, scan->text + at, sizeof four);
            if ((four & 0xC0C000) != 0x808000 || !leads_ideograph(four & 0xFF))
                return at;
            at += 3;
        }
    }
#endif
    return at;
}

static size_t skip_letters(struct ferry_pretoken_scan *scan, size_t at) {
    while (at < scan->end) {
        if ((unsigned char)scan->text[at] < 0x80) {
            at = skip_ascii_letters(scan, at);
            if (at >= scan->end)
                return scan->end;
            if ((unsigned char)scan->text[at] < 0x80)
                return at;
        }
        at = skip_known_letters(scan, at);
        while (at < scan->end && (unsigned char)scan->text[at] >= 0x80) {
            enum ferry_split_class class = OTHER;
            unsigned length = decode(scan, at, &class);
            if (length == 0 || class != LETTER)
                return at;
            at += length;
        }
    }
    return at;
}

/* Behind the characters of one class at `at`; *last is where the last of them begins. */
static size_t skip_class(struct ferry_pretoken_scan *scan, size_t at, enum ferry_split_class wanted,
                         size_t *last) {
    *last = at;
    while (at < scan->end) {
        unsigned class = class_of_byte(scan, at), length = 1;
        if (class == BEYOND_ASCII) {
            enum ferry_split_class found = OTHER;
            if (leads_known_letter(scan, at)) /* what is wrong with it the next one finds */
                return at;
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

/* A run of a class that is not white space, the first character of which is known. */
static inline size_t skip_run(struct ferry_pretoken_scan *scan, size_t at,
                              enum ferry_split_class class) {
    size_t last = 0;
    return class == LETTER ? skip_letters(scan, at) : skip_class(scan, at, class, &last);
}

/* The length of the character at `at`; 0 when it is not UTF-8. */
static inline unsigned class_at(struct ferry_pretoken_scan *scan, size_t at,
                                enum ferry_split_class *class) {
    unsigned of_byte = class_of_byte(scan, at);
    *class = (enum ferry_split_class)of_byte;
    return of_byte == BEYOND_ASCII ? decode(scan, at, class) : 1;
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

/* The pre-token whose first character, at `at`, has this class and length; a space may stand before
 * it. */
static inline size_t end_of_run(struct ferry_pretoken_scan *scan, size_t at, unsigned length,
                                enum ferry_split_class class) {
    return length == 0 ? at : skip_run(scan, at + length, class);
}

size_t ferry_pretoken_end(struct ferry_pretoken_scan *scan, size_t at) {
    enum ferry_split_class class = OTHER;
    size_t first = at + (scan->text[at] == ' ' && at + 1 < scan->end);
    scan->invalid = SIZE_MAX;
    if (leads_known_letter(scan, first))
        return skip_letters(scan, first);
    if (first > at) {
        unsigned length = class_at(scan, first, &class);
        if (length == 0 || class != SPACE)
            return end_of_run(scan, first, length, class);
    } else if (scan->text[at] == '\'') {
        size_t behind = end_of_contraction(scan, at);
        if (behind > at)
            return behind;
    }
    unsigned length = class_at(scan, at, &class);
    return length > 0 && class == SPACE ? end_of_spaces(scan, at)
                                        : end_of_run(scan, at, length, class);
}

size_t ferry_pretoken_end_after_space(struct ferry_pretoken_scan *scan, size_t at) {
    enum ferry_split_class class = OTHER;
    scan->invalid = SIZE_MAX;
    unsigned length = class_at(scan, at, &class);
    if (length == 0 || class != SPACE)
        return end_of_run(scan, at, length, class);
    size_t last = at, behind = skip_class(scan, at, SPACE, &last);
    return behind == scan->end ? behind : last;
}

#if defined(__SSE2__) && !defined(FERRY_SCAN_PORTABLE)

enum { BLOCK = 64, DECIDING = 3 /* bytes from a begin on that it depends on, a contraction's */ };

/* Bit i of each stands for byte i of a block. */
struct block_classes {
    uint64_t letters, numbers, whites, spaces, apostrophes, beyond_ascii;
};

static inline uint64_t mask_of(__m128i bytes, size_t part) {
    return (uint64_t)(unsigned)_mm_movemask_epi8(bytes) << 16 * part;
}

static inline __m128i is_between(__m128i bytes, char first, char last) {
    return _mm_and_si128(_mm_cmpgt_epi8(bytes, _mm_set1_epi8((char)(first - 1))),
                         _mm_cmplt_epi8(bytes, _mm_set1_epi8((char)(last + 1))));
}

static inline struct block_classes classify(const char *text) {
    struct block_classes classes = {0};
    for (size_t part = 0; part < BLOCK / 16; part++) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(text + 16 * part));
        __m128i space = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(' '));
        __m128i lower = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
        classes.letters |= mask_of(is_between(lower, 'a', 'z'), part);
        classes.numbers |= mask_of(is_between(bytes, '0', '9'), part);
        classes.spaces |= mask_of(space, part);
        classes.whites |= mask_of(_mm_or_si128(space, is_between(bytes, '\t', '\r')), part);
        classes.apostrophes |= mask_of(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('\'')), part);
        classes.beyond_ascii |= mask_of(bytes, part);
    }
    return classes;
}

/* The begins of runs, but where a space before belongs to them. White space begins at its first
 * character, and at its last, which another pre-token may take or not. */
static inline uint64_t begins_of_runs(const struct block_classes *classes) {
    uint64_t others = ~(classes->letters | classes->numbers | classes->whites);
    uint64_t runs = (classes->letters & ~(classes->letters << 1)) |
                    (classes->numbers & ~(classes->numbers << 1)) | (others & ~(others << 1));
    uint64_t whites = classes->whites & ~(classes->whites << 1 & classes->whites >> 1);
    return (runs & ~(classes->spaces << 1)) | whites;
}

/* Behind "'s" a pre-token begins, and none within. */
static uint64_t split_contractions(const struct ferry_pretoken_scan *scan, uint64_t begins,
                                   uint64_t apostrophes) {
    for (uint64_t left = begins & apostrophes; left; left &= left - 1) {
        unsigned at = (unsigned)__builtin_ctzll(left);
        size_t behind = end_of_contraction(scan, at);
        if (behind > at && behind < BLOCK)
            begins = (begins & ~(UINT64_C(3) << (at + 1))) | UINT64_C(1) << behind;
    }
    return begins;
}

uint64_t ferry_pretoken_begins(const struct ferry_pretoken_scan *scan, size_t at, bool is_end) {
    const char *text = scan->text + at;
    size_t known = scan->end - at < BLOCK ? scan->end - at : BLOCK;
    char padded[BLOCK];
    if (scan->readable - at < BLOCK) {
        memset(padded, 0, sizeof padded);
        memcpy(padded, text, known);
        text = padded;
    }
    struct block_classes classes = classify(text);
    is_end = is_end && known < BLOCK;
    uint64_t trusted = ~UINT64_C(0);
    if (known < BLOCK) { /* white space up to the end of the text is one pre-token */
        uint64_t behind = ~UINT64_C(0) << known;
        classes.letters &= ~behind;
        classes.numbers &= ~behind;
        classes.spaces &= ~behind;
        classes.apostrophes &= ~behind;
        classes.beyond_ascii &= ~behind;
        classes.whites |= behind;
    }
    const struct ferry_pretoken_scan block = {text, known, known, SIZE_MAX};
    uint64_t begins = begins_of_runs(&classes);
    begins = split_contractions(&block, begins, classes.apostrophes) | 1;
    size_t sure = classes.beyond_ascii ? (size_t)__builtin_ctzll(classes.beyond_ascii) : known;
    if (is_end && !classes.beyond_ascii)
        return (begins | UINT64_C(1) << known) & ((UINT64_C(2) << known) - 1);
    trusted = sure > DECIDING ? (UINT64_C(1) << (sure - DECIDING)) - 1 : 0;
    return (begins & trusted) | 1;
}

#else

uint64_t ferry_pretoken_begins(const struct ferry_pretoken_scan *scan, size_t at, bool is_end) {
    (void)scan;
    (void)at;
    (void)is_end;
    return 1;
}

#endif
