#include "tokenizer/byte_level.h"

#include "base/utf8.h"

enum { FIRST_SUBSTITUTE = 0x100, SUBSTITUTES = 68 };

static bool is_printable(unsigned byte) {
    return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
}

/* Bytes that are not printable are numbered from FIRST_SUBSTITUTE on, in their order. */
static unsigned substitute(unsigned byte) {
    if (byte <= 0x20)
        return FIRST_SUBSTITUTE + byte;
    return byte == 0xAD ? FIRST_SUBSTITUTE + SUBSTITUTES - 1
                        : FIRST_SUBSTITUTE + byte - 0x7F + 0x21;
}

static bool byte_of(uint32_t character, char *byte) {
    uint32_t value = character;
    if (character >= FIRST_SUBSTITUTE) {
        uint32_t place = character - FIRST_SUBSTITUTE;
        if (place >= SUBSTITUTES)
            return false;
        if (place == SUBSTITUTES - 1)
            value = 0xAD;
        else
            value = place <= 0x20 ? place : place - 0x21 + 0x7F;
    } else if (!is_printable(character)) {
        return false;
    }
    *byte = (char)value;
    return true;
}

unsigned ferry_byte_level_put(uint8_t byte, char text[2]) {
    char four[4];
    unsigned length = ferry_utf8_encode(is_printable(byte) ? byte : substitute(byte), four);
    text[0] = four[0];
    if (length > 1)
        text[1] = four[1];
    return length;
}

bool ferry_byte_level_bytes(const char *text, size_t size, char *bytes, size_t *ret_size) {
    size_t count = 0;
    for (size_t at = 0; at < size;) {
        uint32_t character = 0;
        at += ferry_utf8_decode(text + at, &character);
        if (!byte_of(character, &bytes[count++]))
            return false;
    }
    *ret_size = count;
    return true;
}
