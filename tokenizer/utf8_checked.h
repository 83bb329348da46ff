/* Decoding of bytes that may not be UTF-8, one character at a time: the tokenizer validates what it
 * reads and nothing else. */
#ifndef FERRY_UTF8_CHECKED_H
#define FERRY_UTF8_CHECKED_H

#include <stddef.h>
#include <stdint.h>

/* Length of the character at text, 1 to 4; 0 when the bytes (at least one) are not UTF-8 as
 * RFC 3629 defines it. */
static inline unsigned ferry_utf8_decode_checked(const char *text, size_t left,
                                                 uint32_t *code_point) {
    const unsigned char *bytes = (const unsigned char *)text;
    uint32_t first = bytes[0];
    if (first < 0x80) {
        *code_point = first;
        return 1;
    }
    if (first < 0xC2 || first > 0xF4 || left < 2 || (bytes[1] & 0xC0) != 0x80)
        return 0;
    if (first < 0xE0) {
        *code_point = (first & 0x1F) << 6 | (bytes[1] & 0x3FU);
        return 2;
    }
    if (left < 3 || (bytes[2] & 0xC0) != 0x80)
        return 0;
    if (first < 0xF0) {
        uint32_t value = (first & 0x0F) << 12 | (bytes[1] & 0x3FU) << 6 | (bytes[2] & 0x3FU);
        *code_point = value;
        return value < 0x800 || (value >= 0xD800 && value < 0xE000) ? 0 : 3;
    }
    if (left < 4 || (bytes[3] & 0xC0) != 0x80)
        return 0;
    uint32_t value = (first & 0x07) << 18 | (bytes[1] & 0x3FU) << 12 | (bytes[2] & 0x3FU) << 6 |
                     (bytes[3] & 0x3FU);
    *code_point = value;
    return value < 0x10000 || value > 0x10FFFF ? 0 : 4;
}

/* The character that ends right before `end`; 0 when there is none or it is not UTF-8. */
static inline unsigned ferry_utf8_decode_before(const char *text, size_t end,
                                                uint32_t *code_point) {
    size_t begin = end;
    while (begin > 0 && end - begin < 4) {
        begin--;
        if (((unsigned char)text[begin] & 0xC0) != 0x80)
            break;
    }
    if (begin == end)
        return 0;
    unsigned length = ferry_utf8_decode_checked(text + begin, end - begin, code_point);
    return length == end - begin ? length : 0;
}

#endif
