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

#define FERRY_ENGINE_ABI_VERSION 2u
#define FERRY_ENGINE_SYMBOL "ferry_engine_entry"

enum { FERRY_ENGINE_MAX_INPUTS = 8, FERRY_ENGINE_NAME_BYTES = 32, FERRY_ENGINE_TEXT_BYTES = 256 };

enum ferry_input_kind {
    FERRY_INPUT_IDS,
    FERRY_INPUT_MASK,      /* 1 for real tokens, 0 for padding */
    FERRY_INPUT_TYPE_IDS,  /* segments: 0 for the first text, 1 for the second */
    FERRY_INPUT_POSITIONS, /* 0, 1, 2, ... within the sequence */
    /* Of a combined model only, one number each: */
    FERRY_INPUT_NEW_TOKENS, /* how many tokens to make at most */
    FERRY_INPUT_TEMPERATURE,
    FERRY_INPUT_TOP_K,
    FERRY_INPUT_TOP_P,
    FERRY_INPUT_MIN_P,
    FERRY_INPUT_REPETITION_PENALTY,
    FERRY_INPUT_SEED
};
/* The last two: plain TorchScript numbers, not tensors. */
enum ferry_dtype { FERRY_INT64, FERRY_INT32, FERRY_FLOAT32, FERRY_INT_NUMBER, FERRY_FLOAT_NUMBER };

struct ferry_model_input {
    enum ferry_input_kind kind;
    enum ferry_dtype dtype;
};

/* What the chosen output of the trace looks like. */
enum ferry_output_shape {
    FERRY_OUTPUT_TOKENS,    /* [batch, length, width]: one row a token */
    FERRY_OUTPUT_SEQUENCES, /* [batch, width]: one row a sequence */
    FERRY_OUTPUT_LOGITS,    /* [batch, length, vocabulary]: of the token that follows each token */
    /* Of a combined model, which generates by itself: [1, number of ids] or [number of ids]. */
    FERRY_OUTPUT_IDS_WITH_PROMPT,
    FERRY_OUTPUT_NEW_IDS
};

/* How token rows become one row a sequence. */
enum ferry_pooling {
    FERRY_POOLING_NONE, /* token rows stay; a sequence output needs none */
    FERRY_POOLING_MEAN, /* over all tokens of the sequence, special ones included */
    FERRY_POOLING_CLS,  /* first token */
    FERRY_POOLING_LAST, /* last token */
    FERRY_POOLING_MAX   /* element by element, over all tokens */
};

/* How the next token of a sequence is chosen. Definitions and order are those of transformers'
 * logits processors: repetition penalty, forbidden end ids, temperature, top-k, top-p, min-p. */
struct ferry_sampling {
    float temperature;        /* 0: greedy, the first of the most probable tokens */
    float top_p;              /* 0 < top_p <= 1; 1: off */
    float min_p;              /* 0 <= min_p <= 1; 0: off */
    float repetition_penalty; /* > 0; 1: off. Acts on every id that the sequence has */
    uint32_t top_k;           /* 0: off */
    uint64_t seed; /* the number drawn for a position depends on seed and position alone */
};

/* An input with the original model's own answer, to prove a trace or an engine against. */
struct ferry_golden_row {
    const int32_t *ids;      /* [length] */
    const uint8_t *type_ids; /* [length], or NULL: all 0 */
    uint32_t length;
    /* Pooled: [width]; without pooling: [length * width]. Logits: [length - 1], the natural-log
     * probability of ids[i + 1] after ids[0 .. i]. Combined model: the new ids. */
    const float *expected;
    size_t expected_count;
    uint32_t new_tokens; /* combined model: asked for with these settings; else 0 and NULL */
    const struct ferry_sampling *sampling;
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
    uint32_t traced_batch;   /* 0: unknown */
    uint32_t traced_length;  /* 0: unknown */
    uint32_t max_length;     /* longest sequence that is ever asked for, in tokens */
    uint32_t width;          /* of a row; 0: find out. Logits: the vocabulary's size */
    uint32_t max_new_tokens; /* combined model: the most that may be asked for at once */
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

/* ---- decoding: models whose output is logits, and combined models ----
 *
 * A decoder keeps sequences in slots from step to step. What a sequence has computed stays in its
 * cache, in blocks of block_tokens positions; the caller counts blocks and never asks for more than
 * there are. A step takes any mix of prompts, parts of prompts and running sequences. */

struct ferry_decoder_options {
    uint64_t cache_bytes;     /* memory for all caches together; 0: the engine chooses */
    uint32_t max_sequences;   /* slots; 0: the engine chooses */
    uint32_t max_step_tokens; /* new tokens of one step; 0: the engine chooses */
    uint32_t threads;         /* 0: every core of a CPU */
};

/* Owned by the decoder, constant. */
struct ferry_decoder_info {
    char engine[FERRY_ENGINE_NAME_BYTES]; /* "packed": with a cache; "torch": the trace itself */
    char precision[FERRY_ENGINE_NAME_BYTES];
    uint32_t max_length;      /* positions of one sequence, prompt and new tokens together */
    uint32_t max_sequences;   /* slots, and entries of one step */
    uint32_t max_step_tokens; /* new tokens of one step */
    uint32_t block_tokens;    /* positions of one cache block; 0: no cache, see below */
    uint32_t blocks;          /* cache blocks of all sequences together */
    uint64_t cache_bytes;     /* what all blocks take */
    bool whole_generation;    /* a combined model: see FERRY_DECODE_SAMPLE */
    char proof[FERRY_ENGINE_TEXT_BYTES]; /* one line for people: what was proven, or why the trace
                                          * itself has to do */
};
/* Without a cache each step computes its sequences from their first token; `cached` then only says
 * where the new tokens begin. */

enum ferry_decode_wanted {
    FERRY_DECODE_NOTHING, /* the tokens only enter the cache: a part of a prompt, not the last */
    FERRY_DECODE_SAMPLE,  /* ... and the token that follows is chosen. A combined model goes on, up
                           * to max_new tokens */
    FERRY_DECODE_SCORE    /* ... and each token's successor is scored */
};
enum { FERRY_DECODE_MAX_TOP = 100 };

/* One sequence in one step. ids[cached .. length) are new; everything before is in the slot's cache
 * (or, without a cache, was in an earlier step). cached == 0 begins a new sequence in the slot. */
struct ferry_decode_entry {
    uint32_t slot;
    const int32_t *ids; /* [length]: the whole sequence so far, prompt and new tokens */
    uint32_t cached;
    uint32_t length; /* > cached */
    enum ferry_decode_wanted wanted;
    /* SAMPLE. Ids that must not be chosen now, so that an end comes not too soon. */
    const struct ferry_sampling *sampling;
    const int32_t *forbidden; /* [forbidden_count] */
    uint32_t forbidden_count;
    uint32_t max_new; /* combined model; else 1 */
    /* SCORE. targets[i] follows ids[cached + i]; -1: not wanted. */
    const int32_t *targets; /* [length - cached] */
    uint32_t top; /* the most probable successors, at most FERRY_DECODE_MAX_TOP; 0: none */

    /* Set by the step; the arrays are the caller's. */
    enum ferry_status status; /* OK; ENGINE: a number of this sequence is not finite, its slot has
                               * to be released */
    int32_t *new_ids;         /* SAMPLE: [max_new] */
    uint32_t new_count;       /* SAMPLE: 1; combined model: 0 to max_new */
    float *logprobs; /* SAMPLE: [max_new], of the new ids; SCORE: [length - cached], of the targets,
                      * NaN where not wanted. Natural log, of the model's own distribution, before
                      * any sampling setting. NULL: not wanted; NaN for a combined model */
    int32_t *top_ids;    /* SAMPLE: [top], SCORE: [(length - cached) * top]; best first */
    float *top_logprobs; /* likewise */
};

struct ferry_decoder;
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
    /* NULL where the engine cannot decode. A decoder is used by one thread at a time.
     *
     * decoder_create proves its way of computing against the trace; what is not proven is not used.
     * UNSUPPORTED for a model whose output is neither logits nor ids. Errors of decoder_step:
     * INVALID_INPUT (an id out of range, too long: nothing was computed), OUT_OF_MEMORY (nothing
     * was computed; fewer tokens may pass), ENGINE (no entry of this step was computed, the caches
     * are as before), INTERNAL (the caller's own mistake: too many entries, blocks, tokens, a slot
     * twice), DEVICE_LOST. */
    enum ferry_status (*decoder_create)(struct ferry_engine_model *model,
                                        const struct ferry_decoder_options *options,
                                        struct ferry_decoder **ret_decoder,
                                        struct ferry_error *error);
    void (*decoder_free)(struct ferry_decoder *decoder); /* NULL is allowed; before its model */
    const struct ferry_decoder_info *(*decoder_info)(const struct ferry_decoder *decoder);
    enum ferry_status (*decoder_step)(struct ferry_decoder *decoder,
                                      struct ferry_decode_entry *entries, uint32_t count,
                                      struct ferry_error *error);
    /* Empties the slot and frees its blocks. An empty slot may be released too. */
    void (*decoder_release)(struct ferry_decoder *decoder, uint32_t slot);
};

/* Returns NULL when the ABI version is not the engine's own. */
typedef const struct ferry_engine *ferry_engine_entry_function(uint32_t abi_version);

/* The fake engine is linked in; the others are opened by path. */
const struct ferry_engine *ferry_fake_engine(void);

#ifdef __cplusplus
}
#endif
#endif
