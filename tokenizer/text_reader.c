/* Finds the raw added tokens of a text and has the pieces between them read. */
#include "tokenizer/text_reader.h"

#include <string.h>

#include "tokenizer/offset_trim.h"
#include "tokenizer/whitespace_scan.h"

/* Bytes searched for added tokens ahead of what is read: little, because reading may stop. */
enum { SMALLEST_WINDOW = 128, LARGEST_WINDOW = 2048, BYTES_OF_TOKEN = 5 /* of English, or less */ };

enum ferry_status ferry_reader_fail_utf8(const struct text_reader *reader, size_t at) {
    return ferry_fail(reader->error, FERRY_INVALID_INPUT,
                      "the text is not UTF-8: invalid byte 0x%02x at byte offset %zu",
                      (unsigned char)reader->text[at], at);
}

static size_t search_window(const struct text_reader *reader) {
    size_t tokens = reader->limit - reader->run->count;
    if (tokens >= LARGEST_WINDOW / BYTES_OF_TOKEN)
        return LARGEST_WINDOW;
    size_t window = tokens * BYTES_OF_TOKEN;
    return window > SMALLEST_WINDOW ? window : SMALLEST_WINDOW;
}

void ferry_reader_search(struct text_reader *reader, size_t piece_begin) {
    const struct ferry_added_tokens *added = &reader->tokenizer->added;
    size_t window = search_window(reader);
    size_t until =
        reader->size - reader->searched > window ? reader->searched + window : reader->size;
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

static bool is_end_known(const struct text_reader *reader) {
    return reader->has_match || reader->searched == reader->size;
}

/* Behind the last white space of what was searched, or `at` when there is none. */
static size_t last_word_end(const struct text_reader *reader, size_t at) {
    size_t end = reader->searched;
    while (end > at && !ferry_is_hard_space(reader->text[end - 1]))
        end--;
    return end;
}

static size_t first_space(const struct text_reader *reader, size_t at) {
    while (at < reader->searched && !ferry_is_hard_space(reader->text[at]))
        at++;
    return at;
}

/* A word that is longer than the window: reads what can be seen of it. */
static enum ferry_status read_long_word(struct text_reader *reader, size_t *at, bool *is_open) {
    size_t end = first_space(reader, *at);
    enum ferry_status status = ferry_read_words(reader, at, end);
    *is_open = end == reader->searched;
    if (status == FERRY_OK && !*is_open && !ferry_reader_is_done(reader))
        status = ferry_finish_words(reader);
    return status;
}

/* The fast way: whole chunks from the cache. */
static enum ferry_status read_piece_fast(struct text_reader *reader, size_t begin) {
    size_t at = begin;
    bool is_word_open = false;
    enum ferry_status status = FERRY_OK;
    while (status == FERRY_OK && !ferry_reader_is_done(reader)) {
        while (reader->searched <= at && !is_end_known(reader))
            ferry_reader_search(reader, begin);
        if (at >= reader->searched)
            break;
        size_t end = is_end_known(reader) ? reader->searched : last_word_end(reader, at);
        if (is_word_open || end == at)
            status = read_long_word(reader, &at, &is_word_open);
        else
            status = ferry_read_chunks(reader, &at, end);
    }
    reader->furthest = at;
    if (status == FERRY_OK && is_word_open && !ferry_reader_is_done(reader))
        status = ferry_finish_words(reader);
    return status;
}

/* The exact way, character by character. */
static enum ferry_status read_piece_exact(struct text_reader *reader, size_t begin) {
    size_t at = begin;
    enum ferry_status status = FERRY_OK;
    while (status == FERRY_OK && !ferry_reader_is_done(reader)) {
        while (reader->searched <= at && !is_end_known(reader))
            ferry_reader_search(reader, begin);
        if (at >= reader->searched)
            break;
        status = ferry_read_characters(reader, &at, reader->searched);
    }
    reader->furthest = at;
    if (status == FERRY_OK && !ferry_reader_is_done(reader))
        status = ferry_finish_characters(reader);
    return status;
}

static enum ferry_status read_pretokens(struct text_reader *reader, size_t begin) {
#if defined(__x86_64__)
    if (reader->tokenizer->has_bmi2)
        return ferry_read_pretokens_bmi2(reader, begin);
#endif
    return ferry_read_pretokens(reader, begin);
}

static enum ferry_status read_piece(struct text_reader *reader, size_t begin) {
    if (reader->tokenizer->kind == FERRY_MODEL_BPE)
        return read_pretokens(reader, begin);
    ferry_normalizer_begin(&reader->session->normalizer);
    if (reader->tokenizer->added.normalized.first_byte_count > 0)
        return ferry_read_normalized_piece(reader, begin);
    return reader->run->wants_offsets ? read_piece_exact(reader, begin)
                                      : read_piece_fast(reader, begin);
}

/* Blanks may have been taken with it on one side, and by the token before it on the other. */
static bool is_content(const struct ferry_added_token *token, const char *text, size_t size) {
    return size == token->content_size && memcmp(text, token->content, size) == 0;
}

enum ferry_status ferry_reader_append_match(struct text_reader *reader,
                                            const struct ferry_added_match *match) {
    struct ferry_token_run *run = reader->run;
    const char *text = reader->text + match->begin;
    size_t size = match->end - match->begin;
    if (match->begin >= match->end)
        return FERRY_OK; /* an earlier token took all of it with its spaces */
    bool has_memory =
        ferry_token_run_append(run, match->token->id, (uint32_t)match->begin, (uint32_t)match->end);
    if (has_memory && reader->tokenizer->spaces && !is_content(match->token, text, size))
        has_memory = ferry_token_run_pad(run, ferry_count_spaces(text, size));
    return has_memory ? FERRY_OK : ferry_reader_fail_memory(reader);
}

static enum ferry_status append_match(struct text_reader *reader, size_t *piece_begin) {
    const struct ferry_added_match *match = &reader->match;
    reader->furthest = match->end;
    *piece_begin = match->end;
    reader->searched = reader->search_from;
    reader->has_match = false;
    return ferry_reader_append_match(reader, match);
}

static enum ferry_status read_all(struct text_reader *reader) {
    size_t piece_begin = 0;
    enum ferry_status status = FERRY_OK;
    while (status == FERRY_OK && !ferry_reader_is_done(reader)) {
        status = read_piece(reader, piece_begin);
        if (status != FERRY_OK || ferry_reader_is_done(reader) || !reader->has_match)
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
    run->count = run->padded_count = 0;
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
    *bytes_read = ferry_reader_is_done(&reader) ? reader.furthest : size;
    return status;
}
