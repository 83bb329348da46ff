/* A fast 64-bit hash for tables in memory. Not cryptographic; seed it with random bits where a
 * client chooses the keys. Never stored or sent: the value depends on byte order and version. */
#ifndef FERRY_BASE_HASH_H
#define FERRY_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t ferry_hash(const void *bytes, size_t size, uint64_t seed);
/* A seed nobody outside this process knows. */
uint64_t ferry_hash_random_seed(void);

#endif
