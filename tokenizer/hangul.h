/* Hangul syllables decompose by arithmetic: Unicode Standard, section 3.12. */
#ifndef FERRY_TOKENIZER_HANGUL_H
#define FERRY_TOKENIZER_HANGUL_H

enum {
    HANGUL_FIRST = 0xAC00,
    HANGUL_LAST = 0xD7A3,
    HANGUL_LEAD = 0x1100,
    HANGUL_VOWEL = 0x1161,
    HANGUL_TAIL = 0x11A7,
    HANGUL_TAILS = 28,
    HANGUL_VOWELS_AND_TAILS = 588
};

#endif
