/* SHA-256 of bytes in memory, as lower-case hexadecimal. */
#ifndef FERRY_BASE_SHA256_H
#define FERRY_BASE_SHA256_H

#include <stdbool.h>
#include <stddef.h>

enum { FERRY_SHA256_TEXT_BYTES = 65 }; /* 64 digits and the NUL */

void ferry_sha256_text(const void *bytes, size_t size, char text[FERRY_SHA256_TEXT_BYTES]);
/* 64 lower-case hexadecimal digits. */
bool ferry_sha256_text_is_valid(const char *text);

#endif
