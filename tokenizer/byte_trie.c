#include "tokenizer/byte_trie.h"

#include <stdlib.h>
#include <string.h>

enum {
    BYTE_VALUES = 256,
    ATTEMPTS = 32, /* free places tried for a node's children before new ones are made */
    FAILURES = 16, /* after which a free place is not tried again */
    UNITS_LIMIT = 1 << 22,
    NO_PLACE = -1,
};

/* A place while building; free ones are linked in rising order. */
struct place {
    int32_t before, after;
    uint8_t failures;
    bool is_linked; /* free, and still tried */
    bool is_taken;
    bool is_base; /* of some node */
};

/* Keys [first, end) share their first `depth` bytes, and the node at `place` stands for them. */
struct key_range {
    size_t first, end, depth;
    size_t place;
};

struct trie_builder {
    uint32_t *units;
    struct place *places;
    size_t count, capacity;
    int32_t first_free, last_free;
    const struct ferry_trie_key *keys;
    struct key_range *queue; /* breadth first: the nodes that every search passes lie together */
    size_t queue_begin, queue_end, queue_capacity;
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

static bool grow_capacity(struct trie_builder *builder, size_t capacity) {
    uint32_t *units = realloc(builder->units, capacity * sizeof *units);
    if (!units)
        return false;
    builder->units = units;
    struct place *places = realloc(builder->places, capacity * sizeof *places);
    if (!places)
        return false;
    builder->places = places;
    builder->capacity = capacity;
    return true;
}

/* Adds a block of 256 free places: base ^ byte never leaves the block of base. */
static bool add_block(struct trie_builder *builder) {
    if (builder->count + BYTE_VALUES > builder->capacity &&
        !grow_capacity(builder, builder->capacity * 2 + BYTE_VALUES))
        return false;
    for (size_t at = 0; at < BYTE_VALUES; at++) {
        int32_t place = (int32_t)builder->count++;
        builder->units[place] = FERRY_TRIE_NO_NODE;
        builder->places[place] =
            (struct place){builder->last_free, NO_PLACE, 0, true, false, false};
        if (builder->last_free == NO_PLACE)
            builder->first_free = place;
        else
            builder->places[builder->last_free].after = place;
        builder->last_free = place;
    }
    return true;
}

static void unlink_place(struct trie_builder *builder, size_t place) {
    struct place *taken = &builder->places[place];
    if (!taken->is_linked)
        return;
    taken->is_linked = false;
    if (taken->before == NO_PLACE)
        builder->first_free = taken->after;
    else
        builder->places[taken->before].after = taken->after;
    if (taken->after == NO_PLACE)
        builder->last_free = taken->before;
    else
        builder->places[taken->after].before = taken->before;
}

static void take(struct trie_builder *builder, size_t place, uint32_t unit) {
    unlink_place(builder, place);
    builder->places[place].is_taken = true;
    builder->units[place] = unit;
}

static bool push_range(struct trie_builder *builder, struct key_range range) {
    if (builder->queue_end == builder->queue_capacity) {
        size_t capacity = builder->queue_capacity * 2 + 256;
        struct key_range *queue = realloc(builder->queue, capacity * sizeof *queue);
        if (!queue)
            return false;
        builder->queue = queue;
        builder->queue_capacity = capacity;
    }
    builder->queue[builder->queue_end++] = range;
    return true;
}

static bool fits(const struct trie_builder *builder, size_t base, const uint8_t *labels,
                 size_t count) {
    if (builder->places[base].is_base)
        return false;
    for (size_t at = 0; at < count; at++)
        if (builder->places[base ^ labels[at]].is_taken)
            return false;
    return true;
}

/* A base at which all labels find a free place. */
static bool find_base(struct trie_builder *builder, const uint8_t *labels, size_t count,
                      size_t *ret_base) {
    int32_t place = builder->first_free;
    for (unsigned attempt = 0; attempt < ATTEMPTS && place != NO_PLACE; attempt++) {
        *ret_base = (size_t)place ^ labels[0];
        if (fits(builder, *ret_base, labels, count))
            return true;
        int32_t after = builder->places[place].after;
        if (++builder->places[place].failures == FAILURES)
            unlink_place(builder, (size_t)place);
        place = after;
    }
    *ret_base = builder->count;
    return add_block(builder);
}

/* The labels of a node's children: 0 for its own number, then the next bytes of its keys. begins[i]
 * is the first key of child i. */
static size_t collect_labels(const struct trie_builder *builder, const struct key_range *range,
                             uint8_t *labels, size_t *begins) {
    size_t count = 0;
    for (size_t at = range->first; at < range->end; at++) {
        const struct ferry_trie_key *key = &builder->keys[at];
        uint8_t label = key->size == range->depth ? 0 : (uint8_t)key->bytes[range->depth];
        if (count == 0 || labels[count - 1] != label) {
            begins[count] = at;
            labels[count++] = label;
        }
    }
    begins[count] = range->end;
    return count;
}

/* Makes the children of one node, and a range for each. */
static bool expand(struct trie_builder *builder, struct key_range range) {
    uint8_t labels[BYTE_VALUES];
    size_t begins[BYTE_VALUES + 1], base = 0;
    size_t count = collect_labels(builder, &range, labels, begins);
    if (count == 0)
        return true;
    if (!find_base(builder, labels, count, &base))
        return false;
    builder->places[base].is_base = true;
    builder->units[range.place] |= (uint32_t)base << FERRY_TRIE_BASE_SHIFT;
    for (size_t child = 0; child < count; child++) {
        size_t place = base ^ labels[child];
        if (labels[child] == 0) {
            uint32_t value = (uint32_t)builder->keys[begins[child]].value;
            take(builder, place, FERRY_TRIE_NO_NODE | value);
            builder->units[range.place] |= FERRY_TRIE_HAS_VALUE;
            continue;
        }
        take(builder, place, labels[child]);
        struct key_range next = {begins[child], begins[child + 1], range.depth + 1, place};
        if (!push_range(builder, next))
            return false;
    }
    return true;
}

static bool build(struct trie_builder *builder, size_t key_count) {
    if (!add_block(builder))
        return false;
    take(builder, 0, 0);
    builder->places[0].is_base = true; /* else the root would be its own child for a zero byte */
    if (!push_range(builder, (struct key_range){0, key_count, 0, 0}))
        return false;
    while (builder->queue_begin < builder->queue_end && builder->count <= UNITS_LIMIT)
        if (!expand(builder, builder->queue[builder->queue_begin++]))
            return false;
    return true;
}

enum ferry_status ferry_trie_build(struct ferry_trie *trie, struct ferry_trie_key *keys,
                                   size_t count, struct ferry_error *error) {
    *trie = (struct ferry_trie){0};
    if (count == 0)
        return FERRY_OK;
    qsort(keys, count, sizeof *keys, compare_keys);
    struct trie_builder builder = {.keys = keys, .first_free = NO_PLACE, .last_free = NO_PLACE};
    bool has_memory = build(&builder, count);
    free(builder.queue);
    free(builder.places);
    if (!has_memory || builder.count > UNITS_LIMIT) {
        free(builder.units);
        return has_memory ? ferry_fail(error, FERRY_TOO_LARGE, "the vocabulary is too large")
                          : ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for the vocabulary");
    }
    trie->units = builder.units;
    trie->count = builder.count;
    for (size_t at = 0; at < count; at++)
        if (keys[at].size > trie->longest)
            trie->longest = keys[at].size;
    return FERRY_OK;
}

void ferry_trie_free(struct ferry_trie *trie) {
    free(trie->units);
    *trie = (struct ferry_trie){0};
}
