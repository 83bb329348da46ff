/* One thread's working memory. */
#ifndef FERRY_TOKENIZER_SESSION_H
#define FERRY_TOKENIZER_SESSION_H

#include "tokenizer/bert_normalizer.h"
#include "tokenizer/token_run.h"
#include "tokenizer/tokenizer_model.h"
#include "tokenizer/word_cache.h"
#include "tokenizer/wordpiece.h"

/* The arrays behind the encodings that a session returns. */
struct ferry_window_arrays {
    struct ferry_encoding *windows; /* owned */
    size_t window_capacity;
    int32_t *ids; /* owned, as the three below */
    uint8_t *type_ids;
    uint8_t *special_mask;
    struct ferry_token_offsets *offsets;
    size_t token_capacity, offsets_capacity;
    uint32_t *parts, *merged_parts; /* owned: which part of each text a window takes */
    size_t parts_capacity;
};

struct ferry_tokenizer_session {
    const struct ferry_tokenizer *tokenizer;
    struct ferry_word_cache cache;
    struct ferry_normalizer normalizer;
    struct ferry_word_builder words;
    struct ferry_bpe_workspace bpe;
    struct ferry_token_run runs[2]; /* of text and of pair */
    char *normalized_text;          /* owned: a piece as bytes, for normalised added tokens */
    struct ferry_token_offsets *normalized_sources; /* owned: of each of its bytes */
    size_t normalized_capacity;
    struct ferry_window_arrays arrays;
    struct ferry_buffer decoded;
};

/* Reads one text into session->runs[index], up to the token after `limit` (SIZE_MAX: none), and
 * tells how many bytes it looked at. */
FERRY_MUST_CHECK enum ferry_status ferry_text_read(struct ferry_tokenizer_session *session,
                                                   unsigned index, const char *text, size_t size,
                                                   size_t limit,
                                                   const struct ferry_encode_options *options,
                                                   size_t *bytes_read, struct ferry_error *error);

/* Turns the runs into windows: truncation, special tokens, offsets. pair is NULL for one text. */
FERRY_MUST_CHECK enum ferry_status ferry_windows_make(struct ferry_tokenizer_session *session,
                                                      const char *text, const char *pair,
                                                      const struct ferry_encode_options *options,
                                                      struct ferry_encodings *ret_encodings,
                                                      struct ferry_error *error);

/* How many tokens a text may need to have read so that its truncation is known. */
size_t ferry_windows_read_limit(const struct ferry_tokenizer *tokenizer,
                                const struct ferry_encode_options *options, bool is_pair);

#endif
