/* Opens an engine and loads a model with everything said on the command line, without a manifest:
 * for engine_probe, decode_probe and the benchmarks. */
#ifndef FERRY_TESTS_ENGINE_UNDER_TEST_H
#define FERRY_TESTS_ENGINE_UNDER_TEST_H

#include "gpu/engine.h"

struct engine_under_test {
    const struct ferry_engine *engine;
    struct ferry_engine_model *model; /* NULL: the load failed, see error */
    enum ferry_status status;
    struct ferry_error error;
    double load_seconds;
    const char *sequences_path; /* --sequences FILE, or NULL */
    const char *rows_path;      /* --rows FILE, or NULL */
    uint32_t repeat;            /* --repeat N: 1 unless said */
    uint32_t workers;           /* --workers N: 0 is what the engine suggests */
    uint32_t budget;            /* --budget N: tokens a batch */
    /* --cache-bytes, --max-sequences, --max-step-tokens, --threads */
    struct ferry_decoder_options decoder_options;
};

/* A file of sequences: for each, LE u32 length, int32 ids[length], uint8 type_ids[length]. */
struct sequence_file {
    int32_t *ids;
    uint8_t *type_ids;
    uint32_t *offsets; /* [count + 1] */
    uint32_t count;
};

/* Ends the program with a message on a wrong command line. */
void engine_under_test_open(struct engine_under_test *test, int argc, char **argv);
void engine_under_test_close(struct engine_under_test *test);

void sequence_file_read(const char *path, struct sequence_file *file);
void sequence_file_free(struct sequence_file *file);

#endif
