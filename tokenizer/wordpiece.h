/* WordPiece: the longest piece of the vocabulary that a word begins with, then the longest
 * continuation ("##..."), and so on; a word that does not come out even is one unknown token.
 * Source: Wu et al., "Google's Neural Machine Translation System", 2016, section 4.1. */
#ifndef FERRY_WORDPIECE_H
#define FERRY_WORDPIECE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "tokenizer/byte_trie.h"
#include "tokenizer/token_run.h"
#include "tokenizer/vocabulary.h"

struct ferry_wordpiece {
    struct ferry_trie initial;      /* whole tokens: how a word begins */
    struct ferry_trie continuation; /* tokens with the prefix, without it */
    int32_t unknown_id;
    uint32_t longest_word; /* characters; longer words are unknown */
};

FERRY_MUST_CHECK enum ferry_status ferry_wordpiece_build(struct ferry_wordpiece *wordpiece,
                                                         const struct ferry_vocabulary *vocabulary,
                                                         const char *prefix, size_t prefix_size,
                                                         struct ferry_error *error);
void ferry_wordpiece_free(struct ferry_wordpiece *wordpiece);

/* Collects the characters of one word after another and appends their tokens to a run. */
struct ferry_word_builder {
    const struct ferry_wordpiece *wordpiece;
    struct ferry_token_run *run;
    char *bytes;                         /* owned: the word so far */
    struct ferry_token_offsets *sources; /* owned: of each byte; only with run->wants_offsets */
    size_t size, capacity, sources_capacity;
    size_t characters;
    struct ferry_token_offsets span; /* of the whole word */
};

/* Room for one more character; false without memory. */
FERRY_MUST_CHECK bool ferry_word_builder_reserve(struct ferry_word_builder *builder);
/* False without memory, both. */
FERRY_MUST_CHECK bool ferry_word_builder_push(struct ferry_word_builder *builder,
                                              uint32_t code_point,
                                              struct ferry_token_offsets source);
FERRY_MUST_CHECK bool ferry_word_builder_finish(struct ferry_word_builder *builder);
void ferry_word_builder_free(struct ferry_word_builder *builder);

#endif
