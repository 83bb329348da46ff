/* A model that is ready to serve: its engine, its tokenizer and what the manifest says about it.
 * Made by ops/model_opening; constant and shared by all threads afterwards. */
#ifndef FERRY_DAEMON_LOADED_MODEL_H
#define FERRY_DAEMON_LOADED_MODEL_H

#include "base/sha256.h"
#include "daemon/ops/manifest.h"
#include "gpu/engine.h"
#include "tokenizer/ferry_tokenizer.h"

enum { FERRY_MODEL_NAME_BYTES = 65 };

struct ferry_loaded_model {
    char name[FERRY_MODEL_NAME_BYTES];
    char digest[FERRY_SHA256_TEXT_BYTES]; /* of model.pt; of ferry.json when there is none (fake) */
    const char *task;                     /* "embed", "score", "generate"; static */
    const char *pooling;                  /* "mean", ...; static */
    const struct ferry_engine *engine;
    struct ferry_engine_model *engine_model; /* owned */
    const struct ferry_model_info *info;     /* the engine model's */
    struct ferry_tokenizer *tokenizer;       /* owned; NULL: ids in, ids out */
    int32_t vocabulary_size;
    uint32_t max_length; /* tokens: the lower of the manifest's and the engine's */
    bool normalize;      /* rows, when the request does not say */
    /* A model that continues texts; else NULL. One thread uses the decoder: the decode worker. */
    struct ferry_decoder *decoder; /* owned */
    const struct ferry_decoder_info *decoder_info;
    struct ferry_manifest_decoding decoding;
    uint32_t settings; /* a bit 1 << enum ferry_input_kind of each input */
};

/* What it can be asked for, beside tokenize and detokenize. */
static inline bool ferry_model_embeds(const struct ferry_loaded_model *model) {
    return model->decoder == NULL;
}
static inline bool ferry_model_scores(const struct ferry_loaded_model *model) {
    return model->decoder != NULL && !model->decoder_info->whole_generation;
}
static inline bool ferry_model_generates(const struct ferry_loaded_model *model) {
    return model->decoder != NULL && model->task[0] == 'g';
}
/* How it is computed: the decoder's word where there is one. */
static inline const char *ferry_model_engine(const struct ferry_loaded_model *model) {
    return model->decoder ? model->decoder_info->engine : model->info->engine;
}
static inline const char *ferry_model_precision(const struct ferry_loaded_model *model) {
    return model->decoder ? model->decoder_info->precision : model->info->precision;
}
static inline const char *ferry_model_proof(const struct ferry_loaded_model *model) {
    return model->decoder ? model->decoder_info->proof : model->info->proof;
}

#endif
