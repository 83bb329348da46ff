/* The printable character that stands for each byte in the texts of a byte-level vocabulary: "Ġ"
 * for a space. Source: as of the split pattern in pretoken_scan.h. */
#ifndef FERRY_BYTE_LEVEL_H
#define FERRY_BYTE_LEVEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Writes the character for a byte and returns its length, 1 or 2. */
unsigned ferry_byte_level_put(uint8_t byte, char text[2]);
/* The bytes that a text (UTF-8) stands for, at most `size` of them; false when a character of it
 * stands for none. */
bool ferry_byte_level_bytes(const char *text, size_t size, char *bytes, size_t *ret_size);

#endif
