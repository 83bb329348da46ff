#include "tokenizer/byte_trie.h"

#include <stdlib.h>
#include <string.h>

enum { BYTE_VALUES = 256, ATTEMPTS_BEFORE_SKIP = 32 };

/* Keys [first, end) share their first `depth` bytes, and `node` stands for them. */
struct key_range {
    size_t first, end, depth;
    int32_t node;
};

struct trie_builder {
    struct ferry_trie_node *nodes;
    size_t count, capacity;
    const struct ferry_trie_key *keys;
    struct key_range *pending; /* stack */
    size_t pending_count, pending_capacity;
    size_t search_from; /* below this, places are nearly all taken */
};

static int compare_keys(const void *left, const void *right) {
    const struct ferry_trie_key *a = left, *b = right;
    size_t shared = a->size < b->size ? a->size : b->size;
    int order = memcmp(a->bytes, b->bytes, shared);
    if (order == 0 && a->size != b->size)
        order = a->size < b->size ? -1 : 1;
    if (order == 0)
        order = a->value < b->value ? -1 : a->value > b->value;
    return order;
}

/* Places up to and including `last` exist afterwards. */
static bool reserve_nodes(struct trie_builder *builder, size_t last) {
    if (last < builder->count)
        return true;
    if (last >= builder->capacity) {
        size_t capacity = (last + BYTE_VALUES) * 2;
        struct ferry_trie_node *nodes =
            realloc(builder->nodes, capacity * sizeof(struct ferry_trie_node));
        if (!nodes)
            return false;
        builder->nodes = nodes;
        builder->capacity = capacity;
    }
    for (; builder->count <= last; builder->count++)
        builder->nodes[builder->count] = (struct ferry_trie_node){0, -1, -1};
    return true;
}

static bool push_range(struct trie_builder *builder, struct key_range range) {
    if (builder->pending_count == builder->pending_capacity) {
        size_t capacity = builder->pending_capacity * 2 + 256;
        struct key_range *pending = realloc(builder->pending, capacity * sizeof *pending);
        if (!pending)
            return false;
        builder->pending = pending;
        builder->pending_capacity = capacity;
    }
    builder->pending[builder->pending_count++] = range;
    return true;
}

static bool fits(const struct trie_builder *builder, size_t base, const uint8_t *bytes,
                 size_t count) {
    for (size_t at = 0; at < count; at++)
        if (builder->nodes[base + bytes[at]].check != -1)
            return false;
    return true;
}

/* The lowest base at which all children find a free place; 0 without memory. */
static size_t find_base(struct trie_builder *builder, const uint8_t *bytes, size_t count) {
    size_t attempts = 0;
    for (size_t place = builder->search_from;; place++) {
        if (!reserve_nodes(builder, place + BYTE_VALUES))
            return 0;
        if (builder->nodes[place].check != -1 || place <= bytes[0])
            continue;
        if (fits(builder, place - bytes[0], bytes, count))
            return place - bytes[0];
        if (++attempts == ATTEMPTS_BEFORE_SKIP)
            builder->search_from = place;
    }
}

/* Makes the children of one node, and a range for each. */
static bool expand(struct trie_builder *builder, struct key_range range) {
    uint8_t bytes[BYTE_VALUES];
    size_t begins[BYTE_VALUES + 1];
    size_t count = 0;
    size_t at = range.first;
    for (; at < range.end && builder->keys[at].size == range.depth; at++)
        if (builder->nodes[range.node].value < 0)
            builder->nodes[range.node].value = builder->keys[at].value;
    for (; at < range.end; at++) {
        uint8_t byte = (uint8_t)builder->keys[at].bytes[range.depth];
        if (count == 0 || bytes[count - 1] != byte) {
            begins[count] = at;
            bytes[count++] = byte;
        }
    }
    if (count == 0)
        return true;
    begins[count] = range.end;
    size_t base = find_base(builder, bytes, count);
    if (base == 0 || base > INT32_MAX - BYTE_VALUES)
        return false;
    builder->nodes[range.node].base = (int32_t)base;
    for (size_t child = 0; child < count; child++) {
        int32_t node = (int32_t)(base + bytes[child]);
        builder->nodes[node].check = range.node;
        struct key_range next = {begins[child], begins[child + 1], range.depth + 1, node};
        if (!push_range(builder, next))
            return false;
    }
    return true;
}

static bool build(struct trie_builder *builder, size_t key_count) {
    if (!reserve_nodes(builder, BYTE_VALUES))
        return false;
    builder->nodes[0].check = 0;
    if (!push_range(builder, (struct key_range){0, key_count, 0, 0}))
        return false;
    while (builder->pending_count > 0)
        if (!expand(builder, builder->pending[--builder->pending_count]))
            return false;
    size_t last = 0;
    for (size_t node = 0; node < builder->count; node++)
        if ((size_t)builder->nodes[node].base > last)
            last = (size_t)builder->nodes[node].base;
    return reserve_nodes(builder, last + BYTE_VALUES);
}

enum ferry_status ferry_trie_build(struct ferry_trie *trie, struct ferry_trie_key *keys,
                                   size_t count, struct ferry_error *error) {
    *trie = (struct ferry_trie){0};
    if (count == 0)
        return FERRY_OK;
    qsort(keys, count, sizeof *keys, compare_keys);
    struct trie_builder builder = {.keys = keys, .search_from = 1};
    bool built = build(&builder, count);
    free(builder.pending);
    if (!built) {
        free(builder.nodes);
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for the vocabulary's trie");
    }
    trie->nodes = builder.nodes;
    trie->count = builder.count;
    for (size_t at = 0; at < count; at++)
        if (keys[at].size > trie->longest)
            trie->longest = keys[at].size;
    return FERRY_OK;
}

void ferry_trie_free(struct ferry_trie *trie) {
    free(trie->nodes);
    *trie = (struct ferry_trie){0};
}
