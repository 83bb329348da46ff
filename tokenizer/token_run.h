/* The tokens of one text, before truncation and before special tokens are put around them. */
#ifndef FERRY_TOKEN_RUN_H
#define FERRY_TOKEN_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "tokenizer/ferry_tokenizer.h"

/* How many spaces a token's text begins and ends with. */
struct ferry_token_spaces {
    uint32_t leading, trailing; /* in characters */
};

/* An added token that stands in the text with other spaces than its own. */
struct ferry_padded_token {
    size_t token; /* place in the run */
    struct ferry_token_spaces spaces;
};

struct ferry_token_run {
    int32_t *ids;                        /* owned */
    struct ferry_token_offsets *offsets; /* owned; filled only with wants_offsets; in bytes */
    size_t count, capacity, offsets_capacity;
    bool wants_offsets;
    struct ferry_padded_token *padded; /* owned; in the order of the run */
    size_t padded_count, padded_capacity;
};

/* The last token of the run is such a one; false without memory. */
static inline bool ferry_token_run_pad(struct ferry_token_run *run,
                                       struct ferry_token_spaces spaces) {
    if (run->padded_count == run->padded_capacity) {
        size_t capacity = run->padded_capacity * 2 + 16;
        struct ferry_padded_token *padded =
            (struct ferry_padded_token *)realloc(run->padded, capacity * sizeof *padded);
        if (!padded)
            return false;
        run->padded = padded;
        run->padded_capacity = capacity;
    }
    run->padded[run->padded_count++] = (struct ferry_padded_token){run->count - 1, spaces};
    return true;
}

/* The place in run->padded of the first of them at or behind `token`. */
static inline size_t ferry_token_run_padded_from(const struct ferry_token_run *run, size_t token) {
    size_t low = 0, high = run->padded_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (run->padded[middle].token < token)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

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
    free(run->padded);
    *run = (struct ferry_token_run){0};
}

#endif
