/* A tokenizer with a vocabulary of a few words, made from a tokenizer.json in memory. */
#ifndef FERRY_TESTS_SMALL_TOKENIZER_H
#define FERRY_TESTS_SMALL_TOKENIZER_H

#include "tokenizer/ferry_tokenizer.h"

/* What a test may change; NULL members keep the usual (BERT uncased) component. JSON text each. */
struct small_tokenizer_parts {
    const char *normalizer;
    const char *pre_tokenizer;
    const char *post_processor;
    const char *decoder;
    const char *added_tokens;
    const char *model;
    const char *more; /* further members, with a comma in front */
};

struct small_tokenizer {
    struct ferry_tokenizer *tokenizer;
    struct ferry_tokenizer_session *session;
};

enum ferry_status small_tokenizer_load(const struct small_tokenizer_parts *parts,
                                       struct ferry_tokenizer **ret_tokenizer,
                                       struct ferry_error *error);
/* With the usual parts when parts is NULL; fails the test when it cannot. */
struct small_tokenizer small_tokenizer_open(const struct small_tokenizer_parts *parts);
void small_tokenizer_close(struct small_tokenizer *small);

/* Encodes with special tokens and character offsets, no limit. */
struct ferry_encode_options small_tokenizer_options(void);
/* Encodes a text (and pair, or NULL) and writes the windows as "[CLS] hello ##s|0 [SEP] // ..." :
 * token texts; "|1" marks type id 1; "*" a token that encoding added. */
const char *small_tokenizer_show(struct small_tokenizer *small, const char *text, const char *pair,
                                 const struct ferry_encode_options *options);
/* The offsets of the first window: "0-0 0-5 ...". */
const char *small_tokenizer_show_offsets(struct small_tokenizer *small, const char *text,
                                         const struct ferry_encode_options *options);

#endif
