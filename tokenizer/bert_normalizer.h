/* The reference's BertNormalizer, one character at a time: clean_text, spaces around ideographs,
 * accents stripped (canonical decomposition, canonical order, non-spacing marks removed), lower
 * case. Keeps for every character of the result the bytes of the text that it came from, as the
 * reference does: see docs of Unicode Standard Annex 15 for the decomposition and its order. */
#ifndef FERRY_BERT_NORMALIZER_H
#define FERRY_BERT_NORMALIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "tokenizer/ferry_tokenizer.h"

struct ferry_bert_options {
    bool clean_text;
    bool handle_chinese_chars;
    bool strip_accents;
    bool lowercase;
};

/* One character of the normalised text. */
struct ferry_normalized_char {
    uint32_t code_point;
    struct ferry_token_offsets source; /* bytes in the original text */
};

/* A combining mark that waits for its place in canonical order. */
struct ferry_pending_mark {
    struct ferry_normalized_char character;
    uint8_t combining_class;
    bool inserted; /* not the first character of a decomposition */
};

/* One thread's; reused from text to text. */
struct ferry_normalizer {
    struct ferry_bert_options options;
    struct ferry_normalized_char *output; /* owned; the caller takes from it and resets count */
    size_t count, capacity;
    struct ferry_pending_mark *pending, *sorted; /* owned, both with pending_capacity entries */
    size_t pending_count, pending_capacity;
    struct ferry_token_offsets last_source;
};

/* Forgets what a text that was not read to its end has left. */
void ferry_normalizer_begin(struct ferry_normalizer *normalizer);
/* Takes one character of the text; zero or more characters join the output. False without memory.
 */
FERRY_MUST_CHECK bool ferry_normalizer_push(struct ferry_normalizer *normalizer,
                                            uint32_t code_point, struct ferry_token_offsets source);
/* The text (or the piece between two added tokens) ends here. */
FERRY_MUST_CHECK bool ferry_normalizer_finish(struct ferry_normalizer *normalizer);
void ferry_normalizer_free(struct ferry_normalizer *normalizer);

#endif
