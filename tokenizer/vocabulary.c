#include "tokenizer/vocabulary.h"

#include <stdlib.h>
#include <string.h>

/* FNV-1a, 64 bits. Only used while loading and for single questions. */
static uint64_t hash_text(const char *text, size_t size) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t at = 0; at < size; at++)
        hash = (hash ^ (unsigned char)text[at]) * UINT64_C(0x100000001b3);
    return hash ^ hash >> 32;
}

/* The slot that holds the text, or the free one where it belongs. */
static size_t find_slot(const struct ferry_vocabulary *vocabulary, const char *text, size_t size) {
    size_t slot = hash_text(text, size) & vocabulary->slot_mask;
    for (; vocabulary->slots[slot] >= 0; slot = (slot + 1) & vocabulary->slot_mask) {
        const struct ferry_vocabulary_entry *entry = &vocabulary->entries[vocabulary->slots[slot]];
        if (entry->size == size && memcmp(vocabulary->text + entry->offset, text, size) == 0)
            break;
    }
    return slot;
}

static bool grow_slots(struct ferry_vocabulary *vocabulary) {
    size_t slots = vocabulary->slots ? (vocabulary->slot_mask + 1) * 2 : 1024;
    int32_t *table = malloc(slots * sizeof *table);
    if (!table)
        return false;
    memset(table, 0xFF, slots * sizeof *table);
    free(vocabulary->slots);
    vocabulary->slots = table;
    vocabulary->slot_mask = slots - 1;
    for (size_t at = 0; at < vocabulary->count; at++) {
        const struct ferry_vocabulary_entry *entry = &vocabulary->entries[at];
        table[find_slot(vocabulary, vocabulary->text + entry->offset, entry->size)] = (int32_t)at;
    }
    return true;
}

static bool grow_ids(struct ferry_vocabulary *vocabulary, int32_t bound) {
    if (bound <= vocabulary->id_bound)
        return true;
    /* Powers of two, so that ids in rising order do not copy the table each time. */
    size_t old = 1, wanted = 1;
    while (old < (size_t)vocabulary->id_bound)
        old *= 2;
    while (wanted < (size_t)bound)
        wanted *= 2;
    if (wanted > old || !vocabulary->entry_by_id) {
        int32_t *table = realloc(vocabulary->entry_by_id, wanted * sizeof *table);
        if (!table)
            return false;
        vocabulary->entry_by_id = table;
    }
    for (int32_t id = vocabulary->id_bound; id < bound; id++)
        vocabulary->entry_by_id[id] = -1;
    vocabulary->id_bound = bound;
    return true;
}

static bool grow_entries(struct ferry_vocabulary *vocabulary, size_t text_size) {
    if (vocabulary->count == vocabulary->capacity) {
        size_t capacity = vocabulary->capacity * 2 + 1024;
        struct ferry_vocabulary_entry *entries =
            realloc(vocabulary->entries, capacity * sizeof *entries);
        if (!entries)
            return false;
        vocabulary->entries = entries;
        vocabulary->capacity = capacity;
    }
    if (vocabulary->text_capacity - vocabulary->text_size < text_size + 1) {
        size_t capacity = vocabulary->text_capacity * 2 + text_size + 65536;
        char *text = realloc(vocabulary->text, capacity);
        if (!text)
            return false;
        vocabulary->text = text;
        vocabulary->text_capacity = capacity;
    }
    return vocabulary->count * 2 < vocabulary->slot_mask || grow_slots(vocabulary);
}

enum ferry_status ferry_vocabulary_add(struct ferry_vocabulary *vocabulary, const char *text,
                                       size_t size, int64_t id, struct ferry_error *error) {
    if (id < 0 || id >= FERRY_TOKEN_ID_LIMIT)
        return ferry_fail(error, FERRY_BAD_DATA, "token id %lld is not between 0 and %d",
                          (long long)id, FERRY_TOKEN_ID_LIMIT - 1);
    if (size > FERRY_TOKEN_SIZE_LIMIT)
        return ferry_fail(error, FERRY_BAD_DATA, "token %lld has %zu bytes; %d are allowed",
                          (long long)id, size, FERRY_TOKEN_SIZE_LIMIT);
    if (memchr(text, '\0', size))
        return ferry_fail(error, FERRY_BAD_DATA, "token %lld holds a zero byte", (long long)id);
    if (!grow_entries(vocabulary, size) || !grow_ids(vocabulary, (int32_t)id + 1))
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for the vocabulary");
    size_t slot = find_slot(vocabulary, text, size);
    int32_t index = vocabulary->slots[slot];
    if (index >= 0) {
        int32_t old = vocabulary->entries[index].id;
        if (vocabulary->entry_by_id[old] == index)
            vocabulary->entry_by_id[old] = -1;
        vocabulary->entries[index].id = (int32_t)id;
    } else {
        index = (int32_t)vocabulary->count++;
        vocabulary->entries[index] =
            (struct ferry_vocabulary_entry){vocabulary->text_size, (uint32_t)size, (int32_t)id};
        memcpy(vocabulary->text + vocabulary->text_size, text, size);
        vocabulary->text_size += size;
        vocabulary->slots[slot] = index;
    }
    vocabulary->entry_by_id[id] = index;
    return FERRY_OK;
}

int32_t ferry_vocabulary_id(const struct ferry_vocabulary *vocabulary, const char *text,
                            size_t size) {
    if (vocabulary->count == 0)
        return -1;
    int32_t index = vocabulary->slots[find_slot(vocabulary, text, size)];
    return index < 0 ? -1 : vocabulary->entries[index].id;
}

const char *ferry_vocabulary_text(const struct ferry_vocabulary *vocabulary, int32_t id,
                                  size_t *size) {
    if (id < 0 || id >= vocabulary->id_bound || vocabulary->entry_by_id[id] < 0)
        return NULL;
    const struct ferry_vocabulary_entry *entry = &vocabulary->entries[vocabulary->entry_by_id[id]];
    *size = entry->size;
    return vocabulary->text + entry->offset;
}

void ferry_vocabulary_free(struct ferry_vocabulary *vocabulary) {
    free(vocabulary->text);
    free(vocabulary->entries);
    free(vocabulary->entry_by_id);
    free(vocabulary->slots);
    *vocabulary = (struct ferry_vocabulary){0};
}
