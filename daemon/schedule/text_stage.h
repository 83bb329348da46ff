/* Text to ids for whole requests: one stage object a thread. Also does the operations that need no
 * device, tokenize and detokenize, to the end. Takes no lock. */
#ifndef FERRY_DAEMON_TEXT_STAGE_H
#define FERRY_DAEMON_TEXT_STAGE_H

#include "daemon/schedule/request.h"

struct ferry_text_stage {
    struct ferry_tokenizer_session **sessions; /* [model_count], owned; by queue index */
    uint32_t model_count;
    uint64_t hash_seed; /* equal for all stages: hashes are compared across them */
};

/* Errors: OUT_OF_MEMORY and what ferry_tokenizer_session_create says. */
FERRY_MUST_CHECK enum ferry_status
ferry_text_stage_init(struct ferry_text_stage *stage, struct ferry_loaded_model *const *models,
                      uint32_t model_count, size_t word_cache_bytes, uint64_t hash_seed,
                      struct ferry_error *error);
void ferry_text_stage_free(struct ferry_text_stage *stage);

/* Makes the request's items ready. True: its items can go to the model queue. False: the request is
 * answered. Items that cannot be computed carry their error. */
bool ferry_text_stage_run(struct ferry_text_stage *stage, struct ferry_request *request);

#endif
