/* The parts of a loaded tokenizer. Immutable after loading; shared by all sessions. */
#ifndef FERRY_TOKENIZER_MODEL_H
#define FERRY_TOKENIZER_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tokenizer/added_tokens.h"
#include "tokenizer/bert_normalizer.h"
#include "tokenizer/bpe.h"
#include "tokenizer/character_table.h"
#include "tokenizer/ferry_tokenizer.h"
#include "tokenizer/token_run.h"
#include "tokenizer/vocabulary.h"
#include "tokenizer/wordpiece.h"

enum { FERRY_TEMPLATE_PIECES = 64 };

enum ferry_template_kind { FERRY_TEMPLATE_FIRST, FERRY_TEMPLATE_SECOND, FERRY_TEMPLATE_SPECIAL };

struct ferry_template_piece {
    enum ferry_template_kind kind;
    int32_t id; /* of a special token */
    uint8_t type_id;
};

/* What encoding puts around the texts, in order. */
struct ferry_template {
    struct ferry_template_piece pieces[FERRY_TEMPLATE_PIECES];
    uint32_t count;
    uint32_t added; /* special tokens among the pieces */
};

enum ferry_model_kind { FERRY_MODEL_WORDPIECE, FERRY_MODEL_BPE };

struct ferry_wordpiece_decoder {
    bool is_present; /* without one, tokens are joined by spaces */
    bool cleanup;
    char *prefix; /* owned */
    size_t prefix_size;
};

/* What decode writes for an id. */
struct ferry_token_text {
    const char *bytes; /* NULL: no such id; owned by the vocabulary or the added tokens */
    uint32_t size;
    bool is_special;
};

/* Only what belongs to the tokenizer's kind is filled. */
struct ferry_tokenizer {
    enum ferry_model_kind kind;
    struct ferry_vocabulary vocabulary;
    struct ferry_added_tokens added;
    struct ferry_template single, pair;
    bool overflow_has_template_types; /* RoBERTa: windows that overflowed have the template's types
                                       */

    struct ferry_bert_options normalizer;     /* WordPiece, with the three below */
    struct ferry_character_table *characters; /* owned */
    struct ferry_wordpiece wordpiece;
    struct ferry_wordpiece_decoder decoder;

    struct ferry_bpe bpe;
    bool has_bmi2;                     /* the processor: pre-tokens are read by its own code */
    bool add_prefix_space;             /* before each stretch of text that begins with none */
    bool has_byte_decoder;             /* without one, tokens are joined by spaces */
    bool trims_offsets;                /* spaces of a token are not in its offsets */
    bool trims_as_if_prefixed;         /* but for one that add_prefix_space may have put there */
    struct ferry_token_spaces *spaces; /* owned, id_bound entries; NULL without trims_offsets */
    char *decoded_bytes;     /* owned: what decode writes for each id, one after another */
    size_t *decoded_offsets; /* owned, id_bound + 1 entries */

    struct ferry_token_text *texts; /* owned, id_bound entries */
    int32_t id_bound;
    int32_t pad_id;
};

/* One file format each. They fill an empty tokenizer up to, and without, what
 * ferry_tokenizer_finish makes; errors do not name the file. */
FERRY_MUST_CHECK enum ferry_status
ferry_tokenizer_read_json(struct ferry_tokenizer *tokenizer, const char *bytes, size_t size,
                          const struct ferry_tokenizer_overrides *overrides,
                          struct ferry_error *error);
/* config: tokenizer_config.json, NULL when there is none. */
FERRY_MUST_CHECK enum ferry_status
ferry_tokenizer_read_vocabulary(struct ferry_tokenizer *tokenizer, const char *bytes, size_t size,
                                const char *config, size_t config_size,
                                const struct ferry_tokenizer_overrides *overrides,
                                struct ferry_error *error);

/* vocab.json with merges.txt; the other files may be there (config, added, map: NULL when not). */
struct ferry_bpe_files {
    const struct ferry_tokenizer_file *vocabulary, *merges, *config, *added_tokens, *special_tokens;
};
FERRY_MUST_CHECK enum ferry_status ferry_tokenizer_read_merges(struct ferry_tokenizer *tokenizer,
                                                               const struct ferry_bpe_files *files,
                                                               struct ferry_error *error);
/* A rank file: a token in base64 and its rank in each line. */
FERRY_MUST_CHECK enum ferry_status ferry_tokenizer_read_ranks(struct ferry_tokenizer *tokenizer,
                                                              const char *bytes, size_t size,
                                                              struct ferry_error *error);

/* What finish does for byte-level tokenizers, once every text is known: trimming and decoding. */
FERRY_MUST_CHECK enum ferry_status ferry_byte_level_finish(struct ferry_tokenizer *tokenizer,
                                                           struct ferry_error *error);

/* Applies what is set in overrides (may be NULL). */
void ferry_bert_options_override(struct ferry_bert_options *options,
                                 const struct ferry_tokenizer_overrides *overrides);
/* Adds a token as the reference does: an id of its own only when the vocabulary has none for it.
 * The normaliser's options must be final. */
FERRY_MUST_CHECK enum ferry_status ferry_tokenizer_add_token(struct ferry_tokenizer *tokenizer,
                                                             struct ferry_added_token token,
                                                             struct ferry_error *error);
/* The id of an added token or of the vocabulary, or -1. */
int32_t ferry_tokenizer_find_id(const struct ferry_tokenizer *tokenizer, const char *text,
                                size_t size);
/* BAD_DATA when the template is full. */
FERRY_MUST_CHECK enum ferry_status ferry_template_add(struct ferry_template *template,
                                                      struct ferry_template_piece piece,
                                                      struct ferry_error *error);
/* Nothing around the texts. */
FERRY_MUST_CHECK enum ferry_status ferry_template_set_plain(struct ferry_tokenizer *tokenizer,
                                                            struct ferry_error *error);
/* The template of BERT: first token, text, second token, and for pairs text, second token. */
FERRY_MUST_CHECK enum ferry_status ferry_template_set_bert(struct ferry_tokenizer *tokenizer,
                                                           int32_t first_id, int32_t separator_id,
                                                           struct ferry_error *error);
/* The template of RoBERTa: two separators between the texts of a pair, all types 0. */
FERRY_MUST_CHECK enum ferry_status ferry_template_set_roberta(struct ferry_tokenizer *tokenizer,
                                                              int32_t first_id,
                                                              int32_t separator_id,
                                                              struct ferry_error *error);

#endif
