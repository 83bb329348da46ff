#include "base/sha256.h"

#include <sodium.h>
#include <string.h>

void ferry_sha256_text(const void *bytes, size_t size, char text[FERRY_SHA256_TEXT_BYTES]) {
    unsigned char digest[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(digest, bytes, size);
    sodium_bin2hex(text, FERRY_SHA256_TEXT_BYTES, digest, sizeof digest);
}

bool ferry_sha256_text_is_valid(const char *text) {
    return strlen(text) == FERRY_SHA256_TEXT_BYTES - 1 &&
           strspn(text, "0123456789abcdef") == FERRY_SHA256_TEXT_BYTES - 1;
}
