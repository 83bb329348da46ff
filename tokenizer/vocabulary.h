/* The tokens of a model: text to id and id to text. Written while loading, then only read. */
#ifndef FERRY_VOCABULARY_H
#define FERRY_VOCABULARY_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum {
    FERRY_TOKEN_ID_LIMIT = 1 << 24,   /* ids are below this */
    FERRY_TOKEN_SIZE_LIMIT = 1 << 16, /* bytes of one token */
};

struct ferry_vocabulary_entry {
    size_t offset; /* into text */
    uint32_t size;
    int32_t id;
};

struct ferry_vocabulary {
    char *text; /* owned: all tokens one after another */
    size_t text_size, text_capacity;
    struct ferry_vocabulary_entry *entries; /* owned */
    size_t count, capacity;
    int32_t *entry_by_id; /* owned; -1 where no token has the id */
    int32_t id_bound;     /* one more than the highest id */
    int32_t *slots;       /* owned hash table of entries, -1 where free */
    size_t slot_mask;     /* number of slots less one; a power of two */
};

/* Text without a zero byte. One that is already there gets the new id and leaves its old one
 * without a text. */
FERRY_MUST_CHECK enum ferry_status ferry_vocabulary_add(struct ferry_vocabulary *vocabulary,
                                                        const char *text, size_t size, int64_t id,
                                                        struct ferry_error *error);
int32_t ferry_vocabulary_id(const struct ferry_vocabulary *vocabulary, const char *text,
                            size_t size);
const char *ferry_vocabulary_text(const struct ferry_vocabulary *vocabulary, int32_t id,
                                  size_t *size);
void ferry_vocabulary_free(struct ferry_vocabulary *vocabulary);

#endif
