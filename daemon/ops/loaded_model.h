/* A model that is ready to serve: its engine, its tokenizer and what the manifest says about it.
 * Made by ops/model_opening; constant and shared by all threads afterwards. */
#ifndef FERRY_DAEMON_LOADED_MODEL_H
#define FERRY_DAEMON_LOADED_MODEL_H

#include "base/sha256.h"
#include "gpu/engine.h"
#include "tokenizer/ferry_tokenizer.h"

enum { FERRY_MODEL_NAME_BYTES = 65 };

struct ferry_loaded_model {
    char name[FERRY_MODEL_NAME_BYTES];
    char digest[FERRY_SHA256_TEXT_BYTES]; /* of model.pt; of ferry.json when there is none (fake) */
    const char *task;                     /* "embed"; static */
    const char *pooling;                  /* "mean", ...; static */
    const struct ferry_engine *engine;
    struct ferry_engine_model *engine_model; /* owned */
    const struct ferry_model_info *info;     /* the engine model's */
    struct ferry_tokenizer *tokenizer;       /* owned */
    int32_t vocabulary_size;
    uint32_t max_length; /* tokens: the lower of the manifest's and the engine's */
    bool normalize;      /* rows, when the request does not say */
};

#endif
