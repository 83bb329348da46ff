/* The parts of tokenizer.json, for the files that read it. */
#ifndef FERRY_TOKENIZER_JSON_H
#define FERRY_TOKENIZER_JSON_H

#include <jansson.h>

#include "tokenizer/tokenizer_model.h"

/* The "type" of a component, or "?". */
static inline const char *ferry_json_type(const json_t *component) {
    const char *type = json_string_value(json_object_get(component, "type"));
    return type ? type : "?";
}

static inline bool ferry_json_is_present(const json_t *value) {
    return value && !json_is_null(value);
}

/* A boolean member; `missing` when it is not there or null. */
FERRY_MUST_CHECK enum ferry_status ferry_json_flag(const json_t *object, const char *name,
                                                   bool missing, bool *ret_flag,
                                                   struct ferry_error *error);
/* {"the": 9, ...} */
FERRY_MUST_CHECK enum ferry_status ferry_json_read_vocabulary(struct ferry_tokenizer *tokenizer,
                                                              json_t *vocabulary,
                                                              struct ferry_error *error);
/* {"content": "<mask>", "lstrip": true, ...} */
FERRY_MUST_CHECK enum ferry_status ferry_json_read_added_token(struct ferry_tokenizer *tokenizer,
                                                               const json_t *entry,
                                                               struct ferry_error *error);
FERRY_MUST_CHECK enum ferry_status ferry_json_read_post_processor(struct ferry_tokenizer *tokenizer,
                                                                  const json_t *processor,
                                                                  struct ferry_error *error);

/* The parts of a byte-level tokenizer: bpe_json.c. */
FERRY_MUST_CHECK enum ferry_status ferry_json_read_bpe(struct ferry_tokenizer *tokenizer,
                                                       const json_t *model,
                                                       struct ferry_error *error);
FERRY_MUST_CHECK enum ferry_status ferry_json_check_no_normalizer(const json_t *normalizer,
                                                                  struct ferry_error *error);
FERRY_MUST_CHECK enum ferry_status ferry_json_read_byte_level(struct ferry_tokenizer *tokenizer,
                                                              const json_t *pre_tokenizer,
                                                              struct ferry_error *error);
FERRY_MUST_CHECK enum ferry_status ferry_json_read_byte_decoder(struct ferry_tokenizer *tokenizer,
                                                                const json_t *decoder,
                                                                struct ferry_error *error);
/* BAD_DATA when two tokens have one id: then it is not known which of them the id is. */
FERRY_MUST_CHECK enum ferry_status ferry_bpe_check_ids(const struct ferry_vocabulary *vocabulary,
                                                       struct ferry_error *error);
/* A line of merges.txt: two tokens of the vocabulary with a space between. */
FERRY_MUST_CHECK enum ferry_status ferry_bpe_read_merge(struct ferry_tokenizer *tokenizer,
                                                        const char *line, size_t size,
                                                        uint32_t rank, struct ferry_error *error);

#endif
