/* Byte pair encoding: the bytes of a pre-token are merged pair by pair, of all pairs the one with
 * the lowest rank first, the leftmost of equal ones. Source: Sennrich et al., "Neural Machine
 * Translation of Rare Words with Subword Units", 2016, section 3.2. */
#ifndef FERRY_BPE_H
#define FERRY_BPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "tokenizer/token_run.h"
#include "tokenizer/vocabulary.h"

/* Two neighbours that become one token. */
struct ferry_bpe_merge {
    uint64_t key; /* both ids, and 1 << 63; 0: empty place */
    uint32_t rank;
    int32_t id;
};

/* Immutable once it is finished. */
struct ferry_bpe {
    struct ferry_bpe_merge *merges; /* owned hash table */
    size_t merge_count, merge_mask; /* places less one: a power of two less one */
    uint64_t *filter;               /* owned: a bit for each hash that some merge has */
    size_t filter_mask;             /* bits less one */
    int32_t byte_ids[256];          /* -1: no token, which makes it unknown */
    int32_t unknown_id;             /* -1: none */
    bool fuse_unknown;              /* neighbouring unknown bytes are one token */
    bool has_unknown;               /* some byte has no token */
    bool ignore_merges;             /* a pre-token that is in the vocabulary is that token */
    uint32_t *whole;                /* owned hash table: tokens that their own bytes become */
    size_t whole_mask;
    uint64_t bigrams[1024]; /* bit 256 * a + b: some token has the byte b behind an a */
    char *bytes;            /* owned: what the tokens of the vocabulary stand for */
    uint32_t *offsets;      /* owned: of each id into bytes, id_bound + 1; none for other texts */
    int32_t id_bound;
};

/* One thread's memory for pre-tokens that are merged. */
struct ferry_bpe_workspace {
    struct ferry_bpe_symbol *symbols; /* owned */
    uint64_t *heap;                   /* owned */
    size_t symbol_capacity, heap_capacity;
    char *spaced; /* owned: a pre-token with a space before it */
    size_t spaced_capacity;
};

/* A pair that is there already gets the new rank and token. */
FERRY_MUST_CHECK enum ferry_status ferry_bpe_add_merge(struct ferry_bpe *bpe, int32_t left,
                                                       int32_t right, uint32_t rank, int32_t id,
                                                       struct ferry_error *error);
/* After the last merge. unknown_id and the flags must be set. Errors: BAD_DATA, UNSUPPORTED (a byte
 * without a token), OUT_OF_MEMORY. */
FERRY_MUST_CHECK enum ferry_status ferry_bpe_finish(struct ferry_bpe *bpe,
                                                    const struct ferry_vocabulary *vocabulary,
                                                    struct ferry_error *error);
void ferry_bpe_free(struct ferry_bpe *bpe);

/* Appends the tokens of a pre-token of at least one byte. With run->wants_offsets their places are
 * counted from its begin. False without memory. */
FERRY_MUST_CHECK bool ferry_bpe_encode(const struct ferry_bpe *bpe,
                                       struct ferry_bpe_workspace *workspace, const char *bytes,
                                       size_t size, struct ferry_token_run *run);

size_t ferry_bpe_workspace_bytes(const struct ferry_bpe_workspace *workspace);
void ferry_bpe_workspace_free(struct ferry_bpe_workspace *workspace);

/* Bytes that a token of the vocabulary stands for. */
static inline uint32_t ferry_bpe_token_size(const struct ferry_bpe *bpe, int32_t id) {
    return bpe->offsets[id + 1] - bpe->offsets[id];
}

#endif
