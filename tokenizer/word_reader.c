/* Reads text through the table of characters: ids only. The few characters that the table cannot
 * decide go through the normaliser, with those around them. */
#include <string.h>

#include "tokenizer/hangul.h"
#include "tokenizer/text_reader.h"
#include "tokenizer/utf8_checked.h"

enum { LONGEST_CHARACTER = 4 };

static inline bool add_bytes(struct ferry_word_builder *builder, uint32_t bytes, unsigned length) {
    if (builder->characters++ >= builder->wordpiece->longest_word)
        return true; /* one unknown token: its bytes are not needed */
    if (builder->capacity - builder->size < LONGEST_CHARACTER &&
        !ferry_word_builder_reserve(builder))
        return false;
    char *target = builder->bytes + builder->size;
    target[0] = (char)bytes;
    target[1] = (char)(bytes >> 8);
    target[2] = (char)(bytes >> 16);
    target[3] = (char)(bytes >> 24);
    builder->size += length;
    return true;
}

/* A character of three bytes. */
static bool add_letter(struct ferry_word_builder *builder, uint32_t code_point) {
    uint32_t bytes = (0xE0 | code_point >> 12) | (0x80 | (code_point >> 6 & 0x3F)) << 8 |
                     (0x80 | (code_point & 0x3F)) << 16;
    return add_bytes(builder, bytes, 3);
}

static bool add_hangul(struct ferry_word_builder *builder, uint32_t code_point) {
    uint32_t index = code_point - HANGUL_FIRST;
    uint32_t vowel = index % HANGUL_VOWELS_AND_TAILS / HANGUL_TAILS, tail = index % HANGUL_TAILS;
    return add_letter(builder, HANGUL_LEAD + index / HANGUL_VOWELS_AND_TAILS) &&
           add_letter(builder, HANGUL_VOWEL + vowel) &&
           (tail == 0 || add_letter(builder, HANGUL_TAIL + tail));
}

/* Hands on what the normaliser has ready. */
static bool drain(struct text_reader *reader) {
    struct ferry_normalizer *normalizer = &reader->session->normalizer;
    bool has_memory = true;
    for (size_t at = 0; at < normalizer->count && has_memory; at++) {
        has_memory =
            ferry_word_builder_push(&reader->session->words, normalizer->output[at].code_point,
                                    normalizer->output[at].source);
        if (ferry_reader_is_done(reader))
            break;
    }
    normalizer->count = 0;
    return has_memory;
}

static bool add_complex(struct text_reader *reader, uint32_t code_point) {
    return ferry_normalizer_push(&reader->session->normalizer, code_point,
                                 (struct ferry_token_offsets){0, 0}) &&
           drain(reader);
}

/* One character that is not simply appended. */
static bool add_other(struct text_reader *reader, enum ferry_character_kind kind, uint32_t bytes,
                      unsigned length, uint32_t code_point) {
    struct ferry_word_builder *builder = &reader->session->words;
    switch (kind) {
    case FERRY_CHARACTER_ORDINARY:
        return add_bytes(builder, bytes, length);
    case FERRY_CHARACTER_REMOVED:
        return true;
    case FERRY_CHARACTER_SPACE:
        return ferry_word_builder_finish(builder);
    case FERRY_CHARACTER_ALONE:
        return ferry_word_builder_finish(builder) && add_bytes(builder, bytes, length) &&
               ferry_word_builder_finish(builder);
    case FERRY_CHARACTER_HANGUL:
        return add_hangul(builder, code_point);
    case FERRY_CHARACTER_COMPLEX:
        break;
    }
    return add_complex(reader, code_point);
}

/* A character outside of the Basic Multilingual Plane, given as its four bytes. */
static bool add_beyond(struct text_reader *reader, const char *four, uint32_t code_point) {
    uint32_t bytes = 0;
    for (unsigned at = 0; at < 4; at++)
        bytes |= (uint32_t)(unsigned char)four[at] << 8 * at;
    return add_other(reader, ferry_character_kind_beyond(reader->tokenizer->characters, code_point),
                     bytes, 4, code_point);
}

static bool add_character(struct text_reader *reader, const char *text, uint32_t code_point) {
    if (reader->session->normalizer.pending_count > 0)
        return add_complex(reader, code_point);
    if (code_point >= FERRY_CHARACTER_TABLE_SIZE)
        return add_beyond(reader, text, code_point);
    uint32_t entry = reader->tokenizer->characters->entries[code_point];
    return add_other(reader, ferry_character_kind(entry), entry & 0xFFFFFF,
                     ferry_character_length(entry), code_point);
}

enum ferry_status ferry_read_words(struct text_reader *reader, size_t *at, size_t end) {
    while (*at < end && !ferry_reader_is_done(reader)) {
        uint32_t code_point = 0;
        unsigned length =
            ferry_utf8_decode_checked(reader->text + *at, reader->size - *at, &code_point);
        if (length == 0)
            return ferry_reader_fail_utf8(reader, *at);
        if (!add_character(reader, reader->text + *at, code_point))
            return ferry_reader_fail_memory(reader);
        *at += length;
    }
    return FERRY_OK;
}

enum ferry_status ferry_finish_words(struct text_reader *reader) {
    struct ferry_normalizer *normalizer = &reader->session->normalizer;
    bool has_memory = true;
    if (normalizer->pending_count > 0)
        has_memory = ferry_normalizer_finish(normalizer) && drain(reader);
    if (has_memory && !ferry_reader_is_done(reader))
        has_memory = ferry_word_builder_finish(&reader->session->words);
    return has_memory ? FERRY_OK : ferry_reader_fail_memory(reader);
}
