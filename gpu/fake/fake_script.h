/* The script of the fake engine: words separated by spaces or commas, see gpu/fake/README.md. */
#ifndef FERRY_GPU_FAKE_SCRIPT_H
#define FERRY_GPU_FAKE_SCRIPT_H

#include "gpu/engine.h"

enum { FERRY_FAKE_MAX_POISONS = 16 };

struct ferry_fake_ids {
    int32_t ids[FERRY_FAKE_MAX_POISONS];
    uint32_t count;
};

struct ferry_fake_script {
    uint64_t load_ms;
    enum ferry_status load_fails; /* FERRY_OK: it does not */
    uint64_t batch_us;            /* per batch */
    uint64_t token_ns;            /* per computed position, padding included */
    uint64_t out_of_memory_above; /* computed positions; 0: never */
    uint64_t lost_at;             /* batches are counted from 1 over all workers; 0: never */
    uint64_t hang_at;
    uint64_t hang_ms; /* 0: for ever */
    uint32_t width;
    uint32_t workers;
    uint32_t fixed_length;
    uint32_t fixed_batch;
    bool equal_lengths;
    bool padding_affects;
    bool packed; /* computes no padding at all */
    struct ferry_fake_ids poisons;
    /* Of a decoder; its steps are counted together with batches. */
    struct ferry_fake_ids step_poisons;
    uint64_t step_us;         /* per step */
    uint32_t vocabulary;      /* 0: the model directory's */
    uint32_t block_tokens;    /* 0: no cache */
    uint32_t blocks;          /* 0: as the options say */
    uint32_t max_sequences;   /* likewise */
    uint32_t max_step_tokens; /* likewise */
    uint32_t end_id;          /* with end_at */
    uint32_t end_at;          /* length from which end_id follows; 0: it is an id like any other */
    bool whole;               /* a combined model */
};

bool ferry_fake_ids_meet(const struct ferry_fake_ids *some, const int32_t *ids, uint32_t count,
                         int32_t *ret_id);

/* NULL is the empty script. CONFIG: names the word that is not understood. */
FERRY_MUST_CHECK enum ferry_status ferry_fake_script_parse(const char *text,
                                                           struct ferry_fake_script *ret_script,
                                                           struct ferry_error *error);

#endif
