/* The engine boundary: ids to numbers. The daemon includes this header and nothing else of gpu/.
 *
 * An engine is a table of functions. Engines that need a large library (libtorch, CUDA) live in a
 * shared object of their own that is opened when a model needs it; it exports one symbol,
 * FERRY_ENGINE_SYMBOL, of type ferry_engine_entry_function. No C++ exception crosses this boundary.
 *
 * How sequences are padded is the engine's business alone: a batch is packed. An engine computes
 * any batch right; one that keeps to ferry_model_info (fixed_batch, equal_lengths_only) goes
 * through the model in one step, another is cut into several (and refused by the fake engine, which
 * is there to find such batchers). */
#ifndef FERRY_GPU_ENGINE_H
#define FERRY_GPU_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FERRY_ENGINE_ABI_VERSION 1u
#define FERRY_ENGINE_SYMBOL "ferry_engine_entry"

enum { FERRY_ENGINE_MAX_INPUTS = 8, FERRY_ENGINE_NAME_BYTES = 32, FERRY_ENGINE_TEXT_BYTES = 256 };

enum ferry_input_kind {
    FERRY_INPUT_IDS,
    FERRY_INPUT_MASK,     /* 1 for real tokens, 0 for padding */
    FERRY_INPUT_TYPE_IDS, /* segments: 0 for the first text, 1 for the second */
    FERRY_INPUT_POSITIONS /* 0, 1, 2, ... within the sequence */
};
enum ferry_dtype { FERRY_INT64, FERRY_INT32, FERRY_FLOAT32 };

struct ferry_model_input {
    enum ferry_input_kind kind;
    enum ferry_dtype dtype;
};

/* What the chosen output of the trace looks like. */
enum ferry_output_shape {
    FERRY_OUTPUT_TOKENS,   /* [batch, length, width]: one row a token */
    FERRY_OUTPUT_SEQUENCES /* [batch, width]: one row a sequence */
};

/* How token rows become one row a sequence. */
enum ferry_pooling {
    FERRY_POOLING_NONE, /* token rows stay; a sequence output needs none */
    FERRY_POOLING_MEAN, /* over all tokens of the sequence, special ones included */
    FERRY_POOLING_CLS,  /* first token */
    FERRY_POOLING_LAST, /* last token */
    FERRY_POOLING_MAX   /* element by element, over all tokens */
};

/* An input with the original model's own answer, to prove a trace or an engine against. */
struct ferry_golden_row {
    const int32_t *ids;      /* [length] */
    const uint8_t *type_ids; /* [length], or NULL: all 0 */
    uint32_t length;
    const float *expected; /* pooled: [width]; without pooling: [length * width] */
    size_t expected_count;
};

/* Everything an engine is told about a model. Borrowed for the duration of model_load. */
struct ferry_model_spec {
    const char *name;       /* for error texts */
    const void *file_bytes; /* model.pt, already verified by its digest */
    size_t file_size;
    struct ferry_model_input inputs[FERRY_ENGINE_MAX_INPUTS]; /* in the trace's positional order */
    uint32_t input_count;
    uint32_t output_index; /* which element, when the trace returns a tuple */
    enum ferry_output_shape output_shape;
    enum ferry_pooling pooling;
    uint32_t traced_batch;  /* 0: unknown */
    uint32_t traced_length; /* 0: unknown */
    uint32_t max_length;    /* longest sequence that is ever asked for, in tokens */
    uint32_t width;         /* of a row; 0: find out */
    int32_t vocabulary_size;
    int32_t pad_id;
    const struct ferry_golden_row *golden;
    uint32_t golden_count;
    float tolerance; /* largest absolute difference allowed to the golden rows */
};

struct ferry_engine_options {
    const char *device; /* "auto", "cpu", "cuda", "cuda:N"; auto never falls back silently */
    uint32_t threads_per_worker; /* 0: 1 on the CPU */
    bool mkl_intel_path;         /* let MKL take its Intel code path on other processors */
    const char *script;          /* fake engine only: what to do, see gpu/fake/README.md */
    int log_level;               /* enum ferry_log_level; an engine in a shared object has a log of
                                    its own. 0: INFO */
};

/* What the engine proved at load; owned by the model, constant after model_load. */
struct ferry_model_info {
    char engine[FERRY_ENGINE_NAME_BYTES];    /* "torch" */
    char precision[FERRY_ENGINE_NAME_BYTES]; /* "f32" */
    char device[FERRY_ENGINE_NAME_BYTES];    /* "cpu", "cuda:0" */
    uint32_t width;
    uint32_t max_length;
    uint32_t fixed_length;   /* every sequence is padded to this; 0: to the longest of its batch */
    uint32_t fixed_batch;    /* every batch is filled up to this; 0: any number of sequences */
    bool pads;               /* false: runs packed, padding costs nothing */
    bool equal_lengths_only; /* padding would change results: only equal lengths may share */
    bool padding_affects_result; /* as the trace is, its answer depends on the padding */
    bool rows_per_token;         /* output is one row a token, not one a sequence */
    uint32_t suggested_workers;  /* worker threads that make the best of the device */
    char
        proof[FERRY_ENGINE_TEXT_BYTES]; /* one line for people: what may vary, worst golden error */
};

/* A packed batch: the ids of all sequences one after another. Borrowed. */
struct ferry_batch {
    const int32_t *ids;      /* [offsets[sequences]] */
    const uint8_t *type_ids; /* the same length, or NULL: all 0 */
    const uint32_t *offsets; /* [sequences + 1]: sequence i is ids[offsets[i] .. offsets[i + 1]) */
    uint32_t sequences;
};

struct ferry_batch_result {
    float *rows;            /* caller's: [sequences * width], or [tokens * width] for token rows */
    size_t rows_capacity;   /* floats */
    uint64_t padded_tokens; /* set: positions computed beyond the real tokens */
};

struct ferry_engine_model;
struct ferry_engine_worker;

/* All functions but worker_run may be called from any thread, one at a time per model. worker_run
 * may be called at the same time on different workers; one worker is used by one thread only.
 *
 * Errors of model_load: BAD_DATA (not a trace, wrong golden rows, inputs that do not fit: names the
 * input, the shape wanted and the shape given), UNSUPPORTED (no such device here, no libtorch, rows
 * of a batch influence each other), CONFIG (a device name that means nothing), OUT_OF_MEMORY,
 * DEVICE_LOST. Errors of worker_run: INVALID_INPUT (an id, type id or length out of range: nothing
 * was computed), OUT_OF_MEMORY (smaller batches may pass), ENGINE (this batch fails; the worker
 * stays usable), DEVICE_LOST (fatal: end the process). */
struct ferry_engine {
    uint32_t abi_version;
    const char *name;
    enum ferry_status (*model_load)(const struct ferry_model_spec *spec,
                                    const struct ferry_engine_options *options,
                                    struct ferry_engine_model **ret_model,
                                    struct ferry_error *error);
    void (*model_free)(struct ferry_engine_model *model); /* NULL is allowed; after its workers */
    const struct ferry_model_info *(*model_info)(const struct ferry_engine_model *model);
    enum ferry_status (*worker_create)(struct ferry_engine_model *model,
                                       struct ferry_engine_worker **ret_worker,
                                       struct ferry_error *error);
    void (*worker_free)(struct ferry_engine_worker *worker); /* NULL is allowed */
    enum ferry_status (*worker_run)(struct ferry_engine_worker *worker,
                                    const struct ferry_batch *batch,
                                    struct ferry_batch_result *result, struct ferry_error *error);
};

/* Returns NULL when the ABI version is not the engine's own. */
typedef const struct ferry_engine *ferry_engine_entry_function(uint32_t abi_version);

/* The fake engine is linked in; the others are opened by path. */
const struct ferry_engine *ferry_fake_engine(void);

#ifdef __cplusplus
}
#endif
#endif
