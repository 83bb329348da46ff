#include "tokenizer/bpe.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "tokenizer/bpe_merge.h"

/* Up to this many bytes the lowest rank is looked for in all of them after each merge; a heap of
 * all pairs wins only beyond. */
enum { SHORT_SIZE = 96 };

/* A part of a long pre-token, at the place of its first byte. */
struct ferry_bpe_symbol {
    int32_t id;
    uint32_t previous, next; /* NONE at the ends */
    uint32_t rank;           /* of the pair with the next one; NONE: none, or merged away */
};

#define NONE UINT32_MAX

/* The parts of a short pre-token. */
struct parts {
    uint64_t pairs[SHORT_SIZE + 1]; /* as ferry_bpe_find, of each part with the next */
    int32_t ids[SHORT_SIZE + 1];
    uint32_t begins[SHORT_SIZE + 1]; /* one more: where the last ends */
    size_t count;
};

/* The id of a byte and whether it makes a part of its own; with fuse_unknown it may join the one
 * before it. */
static inline bool begins_part(const struct ferry_bpe *bpe, int32_t *id, int32_t previous,
                               bool is_first) {
    if (*id >= 0)
        return true;
    *id = bpe->unknown_id;
    return is_first || !bpe->fuse_unknown || previous >= 0;
}

static void split_bytes(const struct ferry_bpe *bpe, const char *bytes, size_t size,
                        struct parts *parts) {
    int32_t previous = 0;
    parts->count = 0;
    for (size_t at = 0; at < size; at++) {
        int32_t own = bpe->byte_ids[(unsigned char)bytes[at]], id = own;
        if (begins_part(bpe, &id, previous, at == 0)) {
            parts->ids[parts->count] = id;
            parts->begins[parts->count++] = (uint32_t)at;
        }
        previous = own;
    }
    parts->begins[parts->count] = (uint32_t)size;
    for (size_t at = 0; at + 1 < parts->count; at++)
        parts->pairs[at] = ferry_bpe_find(bpe, parts->ids[at], parts->ids[at + 1]);
    parts->pairs[parts->count - 1] = UINT64_MAX;
}

static inline size_t lowest_pair(const struct parts *parts) {
    size_t lowest = 0;
    uint64_t best = parts->pairs[0];
    for (size_t at = 1; at + 1 < parts->count; at++)
        if (parts->pairs[at] >> 32 < best >> 32) {
            best = parts->pairs[at];
            lowest = at;
        }
    return lowest;
}

static inline void merge_at(const struct ferry_bpe *bpe, struct parts *parts, size_t at) {
    size_t behind = parts->count - at - 2; /* parts that move up */
    parts->ids[at] = (int32_t)(uint32_t)parts->pairs[at];
    for (size_t part = at + 1; part < at + 1 + behind; part++) {
        parts->ids[part] = parts->ids[part + 1];
        parts->pairs[part] = parts->pairs[part + 1];
        parts->begins[part] = parts->begins[part + 1];
    }
    parts->count--;
    parts->begins[parts->count] = parts->begins[parts->count + 1];
    parts->pairs[at] =
        behind > 0 ? ferry_bpe_find(bpe, parts->ids[at], parts->ids[at + 1]) : UINT64_MAX;
    if (at > 0)
        parts->pairs[at - 1] = ferry_bpe_find(bpe, parts->ids[at - 1], parts->ids[at]);
}

static bool encode_short(const struct ferry_bpe *bpe, const char *bytes, size_t size,
                         struct ferry_token_run *run) {
    struct parts parts;
    split_bytes(bpe, bytes, size, &parts);
    while (parts.count > 1) {
        size_t lowest = lowest_pair(&parts);
        if (parts.pairs[lowest] == UINT64_MAX)
            break;
        merge_at(bpe, &parts, lowest);
    }
    if (!ferry_token_run_reserve(run, parts.count))
        return false;
    memcpy(run->ids + run->count, parts.ids, parts.count * sizeof *parts.ids);
    if (run->wants_offsets)
        for (size_t at = 0; at < parts.count; at++)
            run->offsets[run->count + at] =
                (struct ferry_token_offsets){parts.begins[at], parts.begins[at + 1]};
    run->count += parts.count;
    return true;
}

/* A heap of pairs: rank above, place below, the lowest in front; four children a node. */
struct pair_heap {
    uint64_t *entries;
    size_t count;
};

static void sift_down(const struct pair_heap *heap, size_t at, uint64_t entry) {
    uint64_t *entries = heap->entries;
    for (size_t child = 4 * at + 1; child < heap->count; child = 4 * at + 1) {
        size_t last = child + 4 < heap->count ? child + 4 : heap->count, lowest = child;
        for (size_t other = child + 1; other < last; other++)
            if (entries[other] < entries[lowest])
                lowest = other;
        if (entries[lowest] >= entry)
            break;
        entries[at] = entries[lowest];
        at = lowest;
    }
    entries[at] = entry;
}

static uint64_t heap_pop(struct pair_heap *heap) {
    uint64_t first = heap->entries[0], moved = heap->entries[--heap->count];
    if (heap->count > 0)
        sift_down(heap, 0, moved);
    return first;
}

static void heap_push(struct pair_heap *heap, uint64_t entry) {
    size_t at = heap->count++;
    while (at > 0 && heap->entries[(at - 1) / 4] > entry) {
        heap->entries[at] = heap->entries[(at - 1) / 4];
        at = (at - 1) / 4;
    }
    heap->entries[at] = entry;
}

static void heap_order(const struct pair_heap *heap) {
    for (size_t at = heap->count / 4 + 1; at-- > 0;)
        if (at < heap->count)
            sift_down(heap, at, heap->entries[at]);
}

/* Each merge removes a part and adds up to two pairs. */
static bool reserve(struct ferry_bpe_workspace *workspace, size_t size) {
    if (size + 1 > workspace->symbol_capacity) {
        size_t capacity = size * 2;
        struct ferry_bpe_symbol *symbols = realloc(workspace->symbols, capacity * sizeof *symbols);
        if (!symbols)
            return false;
        workspace->symbols = symbols;
        workspace->symbol_capacity = capacity;
    }
    if (size * 3 > workspace->heap_capacity) {
        size_t capacity = size * 4;
        uint64_t *heap = realloc(workspace->heap, capacity * sizeof *heap);
        if (!heap)
            return false;
        workspace->heap = heap;
        workspace->heap_capacity = capacity;
    }
    return true;
}

/* The rank of the symbol with the next one; true when they have one. */
static bool set_pair(const struct ferry_bpe *bpe, struct ferry_bpe_symbol *symbols, uint32_t at) {
    struct ferry_bpe_symbol *symbol = &symbols[at];
    uint64_t pair = UINT64_MAX;
    if (symbol->next != NONE)
        pair = ferry_bpe_find(bpe, symbol->id, symbols[symbol->next].id);
    symbol->rank = (uint32_t)(pair >> 32);
    return pair != UINT64_MAX;
}

static void make_symbols(const struct ferry_bpe *bpe, struct ferry_bpe_symbol *symbols,
                         const char *bytes, size_t size) {
    int32_t previous = 0;
    uint32_t last = NONE;
    for (uint32_t at = 0; at < size; at++) {
        int32_t own = bpe->byte_ids[(unsigned char)bytes[at]], id = own;
        if (begins_part(bpe, &id, previous, at == 0)) {
            symbols[at] = (struct ferry_bpe_symbol){id, last, NONE, NONE};
            if (last != NONE)
                symbols[last].next = at;
            last = at;
        }
        previous = own;
    }
}

static void push_pair(const struct ferry_bpe *bpe, struct ferry_bpe_symbol *symbols,
                      struct pair_heap *heap, uint32_t at) {
    if (set_pair(bpe, symbols, at))
        heap_push(heap, (uint64_t)symbols[at].rank << 32 | at);
}

static void merge_symbols(const struct ferry_bpe *bpe, struct ferry_bpe_symbol *symbols,
                          struct pair_heap *heap) {
    while (heap->count > 0) {
        uint64_t entry = heap_pop(heap);
        uint32_t at = (uint32_t)entry;
        struct ferry_bpe_symbol *symbol = &symbols[at];
        if (symbol->rank != entry >> 32)
            continue; /* one of the two has become something else since */
        struct ferry_bpe_symbol *right = &symbols[symbol->next];
        symbol->id = (int32_t)(uint32_t)ferry_bpe_find(bpe, symbol->id, right->id);
        symbol->next = right->next;
        right->rank = NONE;
        if (symbol->next != NONE)
            symbols[symbol->next].previous = at;
        push_pair(bpe, symbols, heap, at);
        if (symbol->previous != NONE)
            push_pair(bpe, symbols, heap, symbol->previous);
    }
}

static bool encode_long(const struct ferry_bpe *bpe, struct ferry_bpe_workspace *workspace,
                        const char *bytes, size_t size, struct ferry_token_run *run) {
    if (!reserve(workspace, size))
        return false;
    struct ferry_bpe_symbol *symbols = workspace->symbols;
    struct pair_heap heap = {workspace->heap, 0};
    make_symbols(bpe, symbols, bytes, size);
    for (uint32_t at = 0; at != NONE; at = symbols[at].next)
        if (set_pair(bpe, symbols, at))
            heap.entries[heap.count++] = (uint64_t)symbols[at].rank << 32 | at;
    heap_order(&heap);
    merge_symbols(bpe, symbols, &heap);
    for (uint32_t at = 0; at != NONE; at = symbols[at].next) {
        uint32_t next = symbols[at].next;
        if (!ferry_token_run_append(run, symbols[at].id, at, next == NONE ? (uint32_t)size : next))
            return false;
    }
    return true;
}

/* The token that these bytes become as a whole, or -1 when they become several. */
static inline int32_t find_whole(const struct ferry_bpe *bpe, const char *bytes, size_t size) {
    uint64_t hash = ferry_hash(bytes, size, 0);
    for (size_t at = hash & bpe->whole_mask;; at = (at + 1) & bpe->whole_mask) {
        uint32_t found = bpe->whole[at];
        if (found == 0)
            return -1;
        int32_t id = (int32_t)(found - 1);
        if (ferry_bpe_token_size(bpe, id) == size &&
            memcmp(bpe->bytes + bpe->offsets[id], bytes, size) == 0)
            return id;
    }
}

static inline bool may_join(const struct ferry_bpe *bpe, const char *bytes, size_t at) {
    unsigned bit = (unsigned)(unsigned char)bytes[at - 1] << 8 | (unsigned char)bytes[at];
    return bpe->bigrams[bit / 64] >> bit % 64 & 1;
}

/* [begin, end) of a pre-token, which no token leaves. */
static bool encode_part(const struct ferry_bpe *bpe, struct ferry_bpe_workspace *workspace,
                        const char *bytes, size_t begin, size_t end, struct ferry_token_run *run) {
    size_t size = end - begin, before = run->count;
    bool has_memory = size <= SHORT_SIZE ? encode_short(bpe, bytes + begin, size, run)
                                         : encode_long(bpe, workspace, bytes + begin, size, run);
    for (size_t at = before; begin > 0 && run->wants_offsets && at < run->count; at++) {
        run->offsets[at].begin += (uint32_t)begin;
        run->offsets[at].end += (uint32_t)begin;
    }
    return has_memory;
}

/* Two bytes that stand side by side in no token are never merged: what lies on both sides of them
 * is merged apart, which keeps most parts short. */
bool ferry_bpe_encode(const struct ferry_bpe *bpe, struct ferry_bpe_workspace *workspace,
                      const char *bytes, size_t size, struct ferry_token_run *run) {
    int32_t whole = bpe->whole ? find_whole(bpe, bytes, size) : -1;
    if (whole >= 0)
        return ferry_token_run_append(run, whole, 0, (uint32_t)size);
    size_t begin = 0;
    for (size_t at = 1; at <= size; at++) {
        if (at < size && may_join(bpe, bytes, at))
            continue;
        if (!encode_part(bpe, workspace, bytes, begin, at, run))
            return false;
        begin = at;
    }
    return true;
}

size_t ferry_bpe_workspace_bytes(const struct ferry_bpe_workspace *workspace) {
    return workspace->symbol_capacity * sizeof *workspace->symbols +
           workspace->heap_capacity * sizeof *workspace->heap + workspace->spaced_capacity;
}

void ferry_bpe_workspace_free(struct ferry_bpe_workspace *workspace) {
    free(workspace->symbols);
    free(workspace->heap);
    free(workspace->spaced);
    *workspace = (struct ferry_bpe_workspace){0};
}
