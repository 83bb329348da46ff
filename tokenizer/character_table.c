#include "tokenizer/character_table.h"

#include <stdlib.h>

#include "base/utf8.h"
#include "tokenizer/unicode_tables.h"

enum { SURROGATES_FIRST = 0xD800, SURROGATES_LAST = 0xDFFF };
enum { HANGUL_FIRST = 0xAC00, HANGUL_LAST = 0xD7A3 };

static uint32_t make_entry(enum ferry_character_kind kind, uint32_t code_point) {
    char bytes[4] = {0};
    unsigned length = ferry_utf8_encode(code_point, bytes);
    uint32_t entry = (uint32_t)kind << 27 | length << 24;
    for (unsigned at = 0; at < length; at++)
        entry |= (uint32_t)(unsigned char)bytes[at] << 8 * at;
    return entry;
}

static enum ferry_character_kind kind_of_normalized(uint32_t code_point) {
    uint32_t flags = ferry_unicode_lookup(code_point);
    if (flags & FERRY_UNICODE_WHITESPACE)
        return FERRY_CHARACTER_SPACE;
    return flags & FERRY_UNICODE_PUNCTUATION ? FERRY_CHARACTER_ALONE : FERRY_CHARACTER_ORDINARY;
}

/* A mark that stays has its place among its neighbours: the table cannot know it. */
static bool needs_order(const struct ferry_normalizer *normalizer, uint32_t code_point) {
    if (!normalizer->options.strip_accents)
        return false;
    for (size_t at = 0; at < normalizer->count; at++)
        if (ferry_unicode_combining_class(
                ferry_unicode_lookup(normalizer->output[at].code_point)) != 0)
            return true;
    return normalizer->count > 0 &&
           ferry_unicode_combining_class(ferry_unicode_lookup(code_point)) != 0;
}

static uint32_t entry_from_output(const struct ferry_normalizer *normalizer, uint32_t code_point) {
    const struct ferry_normalized_char *output = normalizer->output;
    if (needs_order(normalizer, code_point))
        return make_entry(FERRY_CHARACTER_COMPLEX, 0);
    if (normalizer->count == 0)
        return make_entry(FERRY_CHARACTER_REMOVED, 0);
    if (normalizer->count == 3 && output[0].code_point == ' ' && output[2].code_point == ' ' &&
        output[1].code_point < FERRY_CHARACTER_TABLE_SIZE)
        return make_entry(FERRY_CHARACTER_ALONE, output[1].code_point);
    if (normalizer->count == 1 && output[0].code_point < FERRY_CHARACTER_TABLE_SIZE)
        return make_entry(kind_of_normalized(output[0].code_point), output[0].code_point);
    if (code_point >= HANGUL_FIRST && code_point <= HANGUL_LAST)
        return make_entry(FERRY_CHARACTER_HANGUL, 0);
    return make_entry(FERRY_CHARACTER_COMPLEX, 0);
}

enum ferry_status ferry_character_table_create(const struct ferry_bert_options *options,
                                               struct ferry_character_table **ret_table,
                                               struct ferry_error *error) {
    struct ferry_normalizer normalizer = {.options = *options};
    struct ferry_character_table *table = malloc(sizeof *table);
    bool has_memory = table != NULL;
    for (uint32_t code_point = 0; code_point < FERRY_CHARACTER_TABLE_SIZE && has_memory;
         code_point++) {
        if (code_point >= SURROGATES_FIRST && code_point <= SURROGATES_LAST) {
            table->entries[code_point] = make_entry(FERRY_CHARACTER_COMPLEX, 0);
            continue;
        }
        ferry_normalizer_begin(&normalizer);
        has_memory =
            ferry_normalizer_push(&normalizer, code_point, (struct ferry_token_offsets){0, 0}) &&
            ferry_normalizer_finish(&normalizer);
        if (has_memory)
            table->entries[code_point] = entry_from_output(&normalizer, code_point);
    }
    ferry_normalizer_free(&normalizer);
    if (!has_memory) {
        free(table);
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for the table of characters");
    }
    table->options = *options;
    *ret_table = table;
    return FERRY_OK;
}

enum ferry_character_kind ferry_character_kind_beyond(const struct ferry_character_table *table,
                                                      uint32_t code_point) {
    uint32_t entry = ferry_unicode_lookup(code_point);
    uint32_t flags = entry & 0xFF & ~(uint32_t)FERRY_UNICODE_WORD;
    if (!table->options.handle_chinese_chars)
        flags &= ~(uint32_t)FERRY_UNICODE_IDEOGRAPH;
    if (entry >> 8 == 0 && flags == 0)
        return FERRY_CHARACTER_ORDINARY;
    bool stays =
        entry >> 8 == 0 && (flags == FERRY_UNICODE_IDEOGRAPH || flags == FERRY_UNICODE_PUNCTUATION);
    return stays ? FERRY_CHARACTER_ALONE : FERRY_CHARACTER_COMPLEX;
}
