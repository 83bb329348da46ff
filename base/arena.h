/* Memory for one unit of work: allocated piece by piece, freed as a whole, reused for the next.
 * One owner at a time; not thread-safe. Under AddressSanitizer every piece is its own malloc, so
 * that overruns are seen. */
#ifndef FERRY_BASE_ARENA_H
#define FERRY_BASE_ARENA_H

#include <stddef.h>

#include "base/status.h"

struct ferry_arena_block;

struct ferry_arena {
    struct ferry_arena_block *first;   /* owned list */
    struct ferry_arena_block *current; /* the block in use */
    size_t used;                       /* bytes used of the current block */
    size_t total;                      /* bytes held in all blocks */
    size_t maximum;                    /* hard limit of total */
};

void ferry_arena_init(struct ferry_arena *arena, size_t maximum);
/* 16-byte aligned, not cleared. NULL when the maximum or the memory is exhausted. */
FERRY_MUST_CHECK void *ferry_arena_allocate(struct ferry_arena *arena, size_t bytes);
/* Makes everything free again, keeps at most `keep` bytes of blocks for reuse. */
void ferry_arena_reset(struct ferry_arena *arena, size_t keep);
void ferry_arena_free(struct ferry_arena *arena);

#endif
