/* UTF-8 as RFC 3629 defines it: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef FERRY_BASE_UTF8_H
#define FERRY_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* The number of leading bytes that are valid UTF-8: equal to size when all of it is. */
size_t ferry_utf8_valid_prefix(const char *text, size_t size);
/* Decodes the character at text (valid UTF-8, at least one byte) and returns its length, 1 to 4. */
static inline unsigned ferry_utf8_decode(const char *text, uint32_t *code_point) {
    const unsigned char *bytes = (const unsigned char *)text;
    if (bytes[0] < 0x80) {
        *code_point = bytes[0];
        return 1;
    }
    if (bytes[0] < 0xE0) {
        *code_point = (uint32_t)(bytes[0] & 0x1F) << 6 | (bytes[1] & 0x3F);
        return 2;
    }
    if (bytes[0] < 0xF0) {
        *code_point = (uint32_t)(bytes[0] & 0x0F) << 12 | (uint32_t)(bytes[1] & 0x3F) << 6 |
                      (bytes[2] & 0x3F);
        return 3;
    }
    *code_point = (uint32_t)(bytes[0] & 0x07) << 18 | (uint32_t)(bytes[1] & 0x3F) << 12 |
                  (uint32_t)(bytes[2] & 0x3F) << 6 | (bytes[3] & 0x3F);
    return 4;
}
/* Writes the character (a scalar value) as UTF-8 and returns its length, 1 to 4. */
unsigned ferry_utf8_encode(uint32_t code_point, char text[4]);

#endif
