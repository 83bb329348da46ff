/* The state of reading one text, shared by the ways to read it:
 * - text_reader.c finds the added tokens and hands on the pieces between them;
 * - chunk_reader.c, the fast way, looks up white-space separated chunks in the word cache;
 * - word_reader.c reads characters through the table of characters;
 * - character_reader.c, the exact way, keeps track of where each character came from;
 * - pretoken_reader.c reads for byte-level tokenizers. */
#ifndef FERRY_TEXT_READER_H
#define FERRY_TEXT_READER_H

#include "tokenizer/tokenizer_session.h"

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
    size_t furthest;                /* where reading stopped */
    struct ferry_error *error;
};

static inline bool ferry_reader_is_done(const struct text_reader *reader) {
    return reader->run->count > reader->limit;
}

/* Inline, so that the analyzer sees that it never returns OK. */
static inline enum ferry_status ferry_reader_fail_memory(const struct text_reader *reader) {
    ferry_fail(reader->error, FERRY_OUT_OF_MEMORY, "no memory for the tokens of a text");
    return FERRY_OUT_OF_MEMORY;
}
enum ferry_status ferry_reader_fail_utf8(const struct text_reader *reader, size_t at);

/* Looks for the next raw added token one window further; a piece begins at `piece_begin`. */
void ferry_reader_search(struct text_reader *reader, size_t piece_begin);

FERRY_MUST_CHECK enum ferry_status ferry_reader_append_match(struct text_reader *reader,
                                                             const struct ferry_added_match *match);

/* Each reads from *at to `end`, or to the character that reached the limit, and moves *at. A word
 * that touches `end` stays open for the next call. */
FERRY_MUST_CHECK enum ferry_status ferry_read_characters(struct text_reader *reader, size_t *at,
                                                         size_t end);
FERRY_MUST_CHECK enum ferry_status ferry_read_words(struct text_reader *reader, size_t *at,
                                                    size_t end);
/* [*at, end) begins at a word's begin and ends at a word's end. */
FERRY_MUST_CHECK enum ferry_status ferry_read_chunks(struct text_reader *reader, size_t *at,
                                                     size_t end);

/* A word ends here, for the three above. */
FERRY_MUST_CHECK enum ferry_status ferry_finish_characters(struct text_reader *reader);
FERRY_MUST_CHECK enum ferry_status ferry_finish_words(struct text_reader *reader);

/* A whole piece, for tokenizers with added tokens that are looked for in the normalised text. */
FERRY_MUST_CHECK enum ferry_status ferry_read_normalized_piece(struct text_reader *reader,
                                                               size_t begin);

/* A piece of text of a byte-level tokenizer. */
FERRY_MUST_CHECK enum ferry_status ferry_read_pretokens(struct text_reader *reader, size_t begin);
/* The same, compiled for processors that have AVX2 and BMI2. */
FERRY_MUST_CHECK enum ferry_status ferry_read_pretokens_bmi2(struct text_reader *reader,
                                                             size_t begin);

#endif
