/* Tokens that are recognised in the text before it is split into words: special tokens such as
 * "[SEP]", and tokens that were added to a trained vocabulary. Raw ones are looked for in the text
 * as given, normalised ones in the normalised text. */
#ifndef FERRY_ADDED_TOKENS_H
#define FERRY_ADDED_TOKENS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "tokenizer/byte_trie.h"
#include "tokenizer/vocabulary.h"

struct ferry_added_token {
    char *content; /* owned: as written in the file */
    size_t content_size;
    char *pattern; /* owned: what is looked for, and what decode writes */
    size_t pattern_size;
    int32_t id;
    bool special;
    bool single_word;
    bool left_strip;
    bool right_strip;
    bool normalized;
};

/* Finds the tokens of one kind. */
struct ferry_added_matcher {
    struct ferry_trie trie; /* values are indices into ferry_added_tokens.tokens */
    uint8_t is_first_byte[256];
    uint32_t first_byte_count;
    int first_byte; /* when there is only one */
};

struct ferry_added_tokens {
    struct ferry_added_token *tokens; /* owned */
    size_t count, capacity;
    size_t new_count;               /* of them, those that the vocabulary does not have */
    struct ferry_vocabulary places; /* content to index into tokens */
    struct ferry_added_matcher raw;
    struct ferry_added_matcher normalized;
};

/* A place in the text where a token stands. */
struct ferry_added_match {
    const struct ferry_added_token *token;
    size_t begin, end;
};

/* Copies the token; one with the same content is replaced. */
FERRY_MUST_CHECK enum ferry_status ferry_added_tokens_put(struct ferry_added_tokens *added,
                                                          const struct ferry_added_token *token,
                                                          struct ferry_error *error);
/* Where nothing is normalised, looking for both kinds in one pass is faster, and the same where no
 * token of one kind can touch one of the other: makes all of them raw then. */
void ferry_added_tokens_join(struct ferry_added_tokens *added);
/* After the last put, once the patterns are there. */
FERRY_MUST_CHECK enum ferry_status ferry_added_tokens_finish(struct ferry_added_tokens *added,
                                                             struct ferry_error *error);
void ferry_added_tokens_free(struct ferry_added_tokens *added);
/* NULL when there is none. */
const struct ferry_added_token *ferry_added_tokens_find(const struct ferry_added_tokens *added,
                                                        const char *content, size_t size);

/* The leftmost, there longest token that begins in [from, until). Reads the text beyond `until`
 * only as far as a token reaches. */
bool ferry_added_match_next(const struct ferry_added_tokens *added,
                            const struct ferry_added_matcher *matcher, const char *text,
                            size_t size, size_t from, size_t until,
                            struct ferry_added_match *match);

/* Applies the token's own conditions to a match: false when it must be read as plain text. Widens
 * it by the spaces that the token takes with it, on the left not beyond `piece_begin`. */
bool ferry_added_match_accept(struct ferry_added_match *match, const char *text, size_t size,
                              size_t piece_begin, bool special_tokens_as_text);

#endif
