/* From a model directory to a model that can serve: manifest, digests, tokenizer, engine. */
#ifndef FERRY_DAEMON_MODEL_OPENING_H
#define FERRY_DAEMON_MODEL_OPENING_H

#include "daemon/ops/loaded_model.h"

struct ferry_model_opening_options {
    const char *engine;        /* "auto": the manifest's */
    const char *engine_folder; /* "": beside the program */
    const char *device;
    bool mkl_intel_path;
    struct ferry_decoder_options decoder; /* for models that continue texts */
};

/* argument is "[NAME=]DIR". Errors: USAGE, NO_INPUT, BAD_DATA, UNSUPPORTED, UNAVAILABLE, and what
 * the engine says; each text names the directory or the file. */
FERRY_MUST_CHECK enum ferry_status
ferry_model_open(const char *argument, const struct ferry_model_opening_options *options,
                 struct ferry_loaded_model **ret_model, struct ferry_error *error);
/* After all of its workers are gone. NULL is allowed. */
void ferry_model_close(struct ferry_loaded_model *model);

/* Everything that ferry_model_open checks, but for the engine's own proofs. */
FERRY_MUST_CHECK enum ferry_status ferry_model_check(const char *argument,
                                                     struct ferry_error *error);

#endif
