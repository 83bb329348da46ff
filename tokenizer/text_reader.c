/* From text to tokens: raw added tokens are cut out, what lies between them is normalised, split
 * into words and cut into pieces, one character at a time, until the limit is reached. */
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "tokenizer/tokenizer_session.h"
#include "tokenizer/unicode_tables.h"
#include "tokenizer/utf8_checked.h"

enum {
    SEARCH_WINDOW = 4096, /* bytes searched for added tokens ahead of what is read */
    DRAIN_AT = 256,       /* normalised characters that may wait for the word builder */
};

struct text_reader {
    struct ferry_tokenizer_session *session;
    const struct ferry_tokenizer *tokenizer;
    struct ferry_token_run *run;
    const char *text;
    size_t size;
    size_t limit; /* stop when the run has more tokens */
    bool special_tokens_as_text;
    size_t searched; /* no raw added token begins before this byte, but for `match` */
    bool has_match;
    struct ferry_added_match match; /* the next one, accepted */
    size_t search_from;             /* where the search goes on after a match */
    size_t furthest;                /* bytes looked at */
    struct ferry_error *error;
};

static bool is_done(const struct text_reader *reader) {
    return reader->run->count > reader->limit;
}

static enum ferry_status fail_memory(const struct text_reader *reader) {
    return ferry_fail(reader->error, FERRY_OUT_OF_MEMORY, "no memory for the tokens of a text");
}

static enum ferry_status fail_utf8(const struct text_reader *reader, size_t at) {
    return ferry_fail(reader->error, FERRY_INVALID_INPUT,
                      "the text is not UTF-8: invalid byte 0x%02x at byte offset %zu",
                      (unsigned char)reader->text[at], at);
}

/* Looks for the next raw added token that counts, one window further. */
static void search(struct text_reader *reader, size_t piece_begin) {
    const struct ferry_added_tokens *added = &reader->tokenizer->added;
    size_t until = reader->size - reader->searched > SEARCH_WINDOW
                       ? reader->searched + SEARCH_WINDOW
                       : reader->size;
    if (added->raw.first_byte_count == 0)
        until = reader->size;
    while (reader->search_from < until &&
           ferry_added_match_next(added, &added->raw, reader->text, reader->size,
                                  reader->search_from, until, &reader->match)) {
        reader->search_from = reader->match.end;
        if (ferry_added_match_accept(&reader->match, reader->text, reader->size, piece_begin,
                                     reader->special_tokens_as_text)) {
            reader->has_match = true;
            reader->searched = reader->match.begin;
            return;
        }
    }
    if (reader->search_from < until)
        reader->search_from = until;
    reader->searched = until;
}

/* Hands the normalised characters to the word builder. */
static enum ferry_status drain(struct text_reader *reader) {
    struct ferry_normalizer *normalizer = &reader->session->normalizer;
    for (size_t at = 0; at < normalizer->count; at++) {
        if (!ferry_word_builder_push(&reader->session->words, normalizer->output[at].code_point,
                                     normalizer->output[at].source))
            return fail_memory(reader);
        if (is_done(reader))
            break;
    }
    normalizer->count = 0;
    return FERRY_OK;
}

/* Normalises one character at `at`; moves `at` behind it. */
static enum ferry_status normalize_character(struct text_reader *reader, size_t *at) {
    uint32_t code_point = 0;
    unsigned length =
        ferry_utf8_decode_checked(reader->text + *at, reader->size - *at, &code_point);
    if (length == 0)
        return fail_utf8(reader, *at);
    struct ferry_token_offsets source = {(uint32_t)*at, (uint32_t)(*at + length)};
    *at += length;
    if (*at > reader->furthest)
        reader->furthest = *at;
    return ferry_normalizer_push(&reader->session->normalizer, code_point, source)
               ? FERRY_OK
               : fail_memory(reader);
}

static enum ferry_status read_characters(struct text_reader *reader, size_t *at, size_t end) {
    struct ferry_normalizer *normalizer = &reader->session->normalizer;
    enum ferry_status status = FERRY_OK;
    while (*at < end && status == FERRY_OK && !is_done(reader)) {
        status = normalize_character(reader, at);
        if (status == FERRY_OK && normalizer->count >= DRAIN_AT)
            status = drain(reader);
    }
    return status;
}

static enum ferry_status finish_piece(struct text_reader *reader) {
    if (!ferry_normalizer_finish(&reader->session->normalizer))
        return fail_memory(reader);
    enum ferry_status status = drain(reader);
    if (status == FERRY_OK && !ferry_word_builder_finish(&reader->session->words))
        status = fail_memory(reader);
    return status;
}

/* The text from `begin` to the next added token, or to the end. */
static enum ferry_status read_piece(struct text_reader *reader, size_t begin) {
    size_t at = begin;
    enum ferry_status status = FERRY_OK;
    ferry_normalizer_begin(&reader->session->normalizer);
    while (status == FERRY_OK && !is_done(reader)) {
        while (reader->searched <= at && reader->searched < reader->size && !reader->has_match)
            search(reader, begin);
        if (at >= reader->searched)
            break;
        status = read_characters(reader, &at, reader->searched);
    }
    if (status == FERRY_OK && !is_done(reader))
        status = finish_piece(reader);
    return status;
}

static enum ferry_status append_match(struct text_reader *reader, size_t *piece_begin) {
    const struct ferry_added_match *match = &reader->match;
    if (match->end > reader->furthest)
        reader->furthest = match->end;
    *piece_begin = match->end;
    reader->searched = reader->search_from;
    reader->has_match = false;
    if (match->begin >= match->end)
        return FERRY_OK; /* an earlier token took all of it with its spaces */
    return ferry_token_run_append(reader->run, match->token->id, (uint32_t)match->begin,
                                  (uint32_t)match->end)
               ? FERRY_OK
               : fail_memory(reader);
}

static enum ferry_status read_all(struct text_reader *reader) {
    size_t piece_begin = 0;
    enum ferry_status status = FERRY_OK;
    while (status == FERRY_OK && !is_done(reader)) {
        status = read_piece(reader, piece_begin);
        if (status != FERRY_OK || is_done(reader) || !reader->has_match)
            break;
        status = append_match(reader, &piece_begin);
    }
    return status;
}

enum ferry_status ferry_text_read(struct ferry_tokenizer_session *session, unsigned index,
                                  const char *text, size_t size, size_t limit,
                                  const struct ferry_encode_options *options, size_t *bytes_read,
                                  struct ferry_error *error) {
    struct ferry_token_run *run = &session->runs[index];
    run->count = 0;
    run->wants_offsets = options->offsets != FERRY_OFFSETS_NONE;
    session->words.run = run;
    session->words.size = 0;
    session->words.characters = 0;
    struct text_reader reader = {
        .session = session,
        .tokenizer = session->tokenizer,
        .run = run,
        .text = text,
        .size = size,
        .limit = limit,
        .special_tokens_as_text = options->special_tokens_as_text,
        .error = error,
    };
    enum ferry_status status = read_all(&reader);
    *bytes_read = reader.furthest;
    return status;
}
