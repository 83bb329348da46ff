#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#define FERRY_ARENA_SEPARATE 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FERRY_ARENA_SEPARATE 1
#endif
#endif
#ifndef FERRY_ARENA_SEPARATE
#define FERRY_ARENA_SEPARATE 0
#endif

enum { ARENA_ALIGNMENT = 16, ARENA_SMALLEST_BLOCK = 4096 };

struct ferry_arena_block {
    struct ferry_arena_block *next;
    size_t capacity;
    alignas(ARENA_ALIGNMENT) unsigned char data[];
};

void ferry_arena_init(struct ferry_arena *arena, size_t maximum) {
    *arena = (struct ferry_arena){.maximum = maximum};
}

static struct ferry_arena_block *add_block(struct ferry_arena *arena, size_t bytes) {
    size_t capacity = bytes;
    if (!FERRY_ARENA_SEPARATE && capacity < ARENA_SMALLEST_BLOCK)
        capacity = ARENA_SMALLEST_BLOCK;
    if (!FERRY_ARENA_SEPARATE && capacity < arena->total / 2)
        capacity = arena->total / 2; /* grow geometrically: few blocks, few mallocs */
    if (capacity > arena->maximum - arena->total)
        capacity = bytes;
    if (capacity > arena->maximum - arena->total)
        return NULL;
    struct ferry_arena_block *block = malloc(sizeof *block + capacity);
    if (block == NULL)
        return NULL;
    block->next = NULL;
    block->capacity = capacity;
    arena->total += capacity;
    if (arena->current != NULL) {
        block->next = arena->current->next;
        arena->current->next = block;
    } else {
        block->next = arena->first;
        arena->first = block;
    }
    return block;
}

static struct ferry_arena_block *block_with_room(struct ferry_arena *arena, size_t bytes) {
    if (FERRY_ARENA_SEPARATE)
        return add_block(arena, bytes);
    struct ferry_arena_block *next = arena->current ? arena->current->next : arena->first;
    if (next != NULL && next->capacity >= bytes)
        return next;
    return add_block(arena, bytes);
}

void *ferry_arena_allocate(struct ferry_arena *arena, size_t bytes) {
    if (bytes > SIZE_MAX - ARENA_ALIGNMENT)
        return NULL;
    bytes = (bytes + ARENA_ALIGNMENT - 1) / ARENA_ALIGNMENT * ARENA_ALIGNMENT;
    if (FERRY_ARENA_SEPARATE || arena->current == NULL ||
        arena->current->capacity - arena->used < bytes) {
        struct ferry_arena_block *block = block_with_room(arena, bytes);
        if (block == NULL)
            return NULL;
        arena->current = block;
        arena->used = 0;
    }
    void *piece = arena->current->data + arena->used;
    arena->used += bytes;
    return piece;
}

void ferry_arena_reset(struct ferry_arena *arena, size_t keep) {
    struct ferry_arena_block **link = &arena->first;
    size_t kept = 0;
    while (*link != NULL) {
        struct ferry_arena_block *block = *link;
        if (!FERRY_ARENA_SEPARATE && kept + block->capacity <= keep) {
            kept += block->capacity;
            link = &block->next;
            continue;
        }
        *link = block->next;
        free(block);
    }
    arena->current = NULL;
    arena->used = 0;
    arena->total = kept;
}

void ferry_arena_free(struct ferry_arena *arena) {
    ferry_arena_reset(arena, 0);
}
