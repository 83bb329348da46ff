/* The tokens of one text, before truncation and before special tokens are put around them. */
#ifndef FERRY_TOKEN_RUN_H
#define FERRY_TOKEN_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "tokenizer/ferry_tokenizer.h"

struct ferry_token_run {
    int32_t *ids;                        /* owned */
    struct ferry_token_offsets *offsets; /* owned; filled only with wants_offsets; in bytes */
    size_t count, capacity, offsets_capacity;
    bool wants_offsets;
};

/* Room for `extra` more tokens; false without memory. */
static inline bool ferry_token_run_reserve(struct ferry_token_run *run, size_t extra) {
    size_t wanted = run->count + extra;
    if (wanted > run->capacity) {
        size_t capacity = wanted * 2;
        int32_t *ids = (int32_t *)realloc(run->ids, capacity * sizeof *ids);
        if (!ids)
            return false;
        run->ids = ids;
        run->capacity = capacity;
    }
    if (run->wants_offsets && run->capacity > run->offsets_capacity) {
        struct ferry_token_offsets *offsets =
            (struct ferry_token_offsets *)realloc(run->offsets, run->capacity * sizeof *offsets);
        if (!offsets)
            return false;
        run->offsets = offsets;
        run->offsets_capacity = run->capacity;
    }
    return true;
}

static inline bool ferry_token_run_append(struct ferry_token_run *run, int32_t id, uint32_t begin,
                                          uint32_t end) {
    if ((run->count == run->capacity || run->wants_offsets) && !ferry_token_run_reserve(run, 1))
        return false;
    if (run->wants_offsets)
        run->offsets[run->count] = (struct ferry_token_offsets){begin, end};
    run->ids[run->count++] = id;
    return true;
}

static inline void ferry_token_run_free(struct ferry_token_run *run) {
    free(run->ids);
    free(run->offsets);
    *run = (struct ferry_token_run){0};
}

#endif
