/* What becomes of each character of the Basic Multilingual Plane under one tokenizer's options, as
 * a table: so that most text needs neither the normaliser nor a search. Does not know where in the
 * text a character came from, and therefore serves ids only. */
#ifndef FERRY_CHARACTER_TABLE_H
#define FERRY_CHARACTER_TABLE_H

#include <stdint.h>

#include "base/status.h"
#include "tokenizer/bert_normalizer.h"

/* What the character does to the word that is being read. */
enum ferry_character_kind {
    FERRY_CHARACTER_ORDINARY, /* joins it, as the bytes of the entry */
    FERRY_CHARACTER_ALONE,    /* ends it and is a word of its own */
    FERRY_CHARACTER_SPACE,    /* ends it */
    FERRY_CHARACTER_REMOVED,  /* is not there */
    FERRY_CHARACTER_HANGUL,   /* joins it as two or three letters */
    FERRY_CHARACTER_COMPLEX   /* only the normaliser can tell */
};

enum { FERRY_CHARACTER_TABLE_SIZE = 0x10000 };

/* Entry: the normalised character as UTF-8 in the low three bytes (first byte lowest), its length
 * in the next three bits, its kind above. */
struct ferry_character_table {
    uint32_t entries[FERRY_CHARACTER_TABLE_SIZE];
    struct ferry_bert_options options;
};

static inline enum ferry_character_kind ferry_character_kind(uint32_t entry) {
    return (enum ferry_character_kind)(entry >> 27);
}

static inline unsigned ferry_character_length(uint32_t entry) {
    return entry >> 24 & 7;
}

/* A new table, to be freed with free(). */
FERRY_MUST_CHECK enum ferry_status
ferry_character_table_create(const struct ferry_bert_options *options,
                             struct ferry_character_table **ret_table, struct ferry_error *error);

/* The kind of a character beyond the table. ORDINARY and ALONE: it stays as it is. */
enum ferry_character_kind ferry_character_kind_beyond(const struct ferry_character_table *table,
                                                      uint32_t code_point);

#endif
