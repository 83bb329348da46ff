/* ferry.json, the manifest of a model directory: see docs/model-directory.md. */
#ifndef FERRY_DAEMON_MANIFEST_H
#define FERRY_DAEMON_MANIFEST_H

#include <jansson.h>

#include "base/sha256.h"
#include "base/status.h"
#include "gpu/engine.h"
#include "tokenizer/ferry_tokenizer.h"

enum {
    FERRY_MANIFEST_MAX_FILES = 32,
    FERRY_MANIFEST_MAX_GOLDEN = 256,
    FERRY_MANIFEST_MAX_BYTES = 64 * 1024 * 1024,
    FERRY_MODEL_MAX_END_IDS = 16
};

struct ferry_manifest_file {
    const char *name; /* the manifest's; without "/" */
    char sha256[FERRY_SHA256_TEXT_BYTES];
    uint64_t bytes; /* 0: not stated */
};

/* What a golden row's ids were made from. */
struct ferry_golden_text {
    const char *text; /* NULL: not stated */
    const char *pair; /* NULL: one text */
};

/* Of a model that continues texts. */
struct ferry_manifest_decoding {
    bool combined;           /* "decode": "module": the trace chooses the tokens itself */
    uint32_t max_new_tokens; /* combined: of one run */
    int32_t begin_id;        /* stands for an empty prompt; -1: there is none */
    int32_t end_ids[FERRY_MODEL_MAX_END_IDS];
    uint32_t end_id_count;
};

struct ferry_manifest {
    json_t *json;                         /* owned; strings below belong to it */
    char *path;                           /* owned; of ferry.json, for error texts */
    char digest[FERRY_SHA256_TEXT_BYTES]; /* of ferry.json itself */
    const char *name;
    const char *task;        /* "embed", "score", "generate" */
    const char *engine;      /* "torch", "fake" */
    const char *fake_script; /* "" without one */
    const char *pooling_name;
    struct ferry_model_input inputs[FERRY_ENGINE_MAX_INPUTS];
    uint32_t input_count;
    uint32_t output_index;
    enum ferry_output_shape output_shape;
    enum ferry_pooling pooling;
    bool normalize;
    uint32_t width; /* 0: not stated */
    uint32_t traced_batch, traced_length;
    uint32_t max_length;
    int32_t vocabulary_size;
    int32_t pad_id;
    struct ferry_manifest_decoding decoding;
    struct ferry_tokenizer_overrides overrides;
    struct ferry_manifest_file files[FERRY_MANIFEST_MAX_FILES];
    uint32_t file_count;
    struct ferry_golden_row *golden;        /* [golden_count], owned, with their numbers */
    struct ferry_golden_text *golden_texts; /* [golden_count], owned */
    uint32_t golden_count;
    float tolerance;
};

/* Reads DIR/ferry.json and checks everything that can be checked without the other files.
 * Errors: NO_INPUT, BAD_DATA (names file and key), TOO_LARGE, OUT_OF_MEMORY. */
FERRY_MUST_CHECK enum ferry_status ferry_manifest_read(const char *directory,
                                                       struct ferry_manifest *ret_manifest,
                                                       struct ferry_error *error);
/* Safe on a manifest that is all zero. */
void ferry_manifest_free(struct ferry_manifest *manifest);

/* decode, begin_id, end_ids, max_new_tokens, and whether task, inputs and output fit together: used
 * by ferry_manifest_read, after all other keys but golden. */
struct ferry_json_fields;
FERRY_MUST_CHECK enum ferry_status ferry_manifest_read_decoding(struct ferry_manifest *manifest,
                                                                struct ferry_json_fields *top);

/* golden.rows: used by ferry_manifest_read. */
FERRY_MUST_CHECK enum ferry_status ferry_manifest_read_golden(struct ferry_manifest *manifest,
                                                              json_t *rows,
                                                              struct ferry_error *error);

#endif
