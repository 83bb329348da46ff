#include "tokenizer/wordpiece.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "tokenizer/unicode_tables.h"

enum ferry_status ferry_wordpiece_build(struct ferry_wordpiece *wordpiece,
                                        const struct ferry_vocabulary *vocabulary,
                                        const char *prefix, size_t prefix_size,
                                        struct ferry_error *error) {
    struct ferry_trie_key *keys = malloc((vocabulary->count + 1) * sizeof *keys);
    if (!keys)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for the vocabulary");
    size_t initial = 0;
    for (size_t at = 0; at < vocabulary->count; at++) {
        const struct ferry_vocabulary_entry *entry = &vocabulary->entries[at];
        if (entry->size > 0)
            keys[initial++] =
                (struct ferry_trie_key){vocabulary->text + entry->offset, entry->size, entry->id};
    }
    enum ferry_status status = ferry_trie_build(&wordpiece->initial, keys, initial, error);
    size_t continuations = 0;
    for (size_t at = 0; at < initial && status == FERRY_OK; at++)
        if (keys[at].size > prefix_size && memcmp(keys[at].bytes, prefix, prefix_size) == 0)
            keys[continuations++] = (struct ferry_trie_key){
                keys[at].bytes + prefix_size, keys[at].size - prefix_size, keys[at].value};
    if (status == FERRY_OK)
        status = ferry_trie_build(&wordpiece->continuation, keys, continuations, error);
    free(keys);
    return status;
}

void ferry_wordpiece_free(struct ferry_wordpiece *wordpiece) {
    ferry_trie_free(&wordpiece->initial);
    ferry_trie_free(&wordpiece->continuation);
}

bool ferry_word_builder_reserve(struct ferry_word_builder *builder) {
    if (builder->capacity - builder->size < 4) {
        size_t capacity = builder->capacity * 2 + 512;
        char *bytes = realloc(builder->bytes, capacity);
        if (!bytes)
            return false;
        builder->bytes = bytes;
        builder->capacity = capacity;
    }
    if (builder->run->wants_offsets && builder->sources_capacity < builder->capacity) {
        struct ferry_token_offsets *sources =
            realloc(builder->sources, builder->capacity * sizeof *sources);
        if (!sources)
            return false;
        builder->sources = sources;
        builder->sources_capacity = builder->capacity;
    }
    return true;
}

static bool add_character(struct ferry_word_builder *builder, uint32_t code_point,
                          struct ferry_token_offsets source) {
    if (builder->characters++ == 0)
        builder->span.begin = source.begin;
    builder->span.end = source.end;
    if (builder->characters > builder->wordpiece->longest_word)
        return true; /* it will be one unknown token: its bytes are not needed */
    if (!ferry_word_builder_reserve(builder))
        return false;
    unsigned length = ferry_utf8_encode(code_point, builder->bytes + builder->size);
    if (builder->run->wants_offsets)
        for (unsigned at = 0; at < length; at++)
            builder->sources[builder->size + at] = source;
    builder->size += length;
    return true;
}

bool ferry_word_builder_push(struct ferry_word_builder *builder, uint32_t code_point,
                             struct ferry_token_offsets source) {
    uint32_t entry = ferry_unicode_lookup(code_point);
    if (!(entry & (FERRY_UNICODE_WHITESPACE | FERRY_UNICODE_PUNCTUATION)))
        return add_character(builder, code_point, source);
    if (!ferry_word_builder_finish(builder))
        return false;
    if (entry & FERRY_UNICODE_WHITESPACE)
        return true;
    return add_character(builder, code_point, source) && ferry_word_builder_finish(builder);
}

/* Appends the pieces of the word; false when it does not come out even. */
static bool append_pieces(struct ferry_word_builder *builder, bool *has_memory) {
    const struct ferry_wordpiece *wordpiece = builder->wordpiece;
    const struct ferry_trie *trie = &wordpiece->initial;
    for (size_t at = 0; at < builder->size; trie = &wordpiece->continuation) {
        int32_t id = 0;
        size_t length = ferry_trie_longest(trie, builder->bytes + at, builder->size - at, &id);
        if (length == 0)
            return false;
        uint32_t begin = 0, end = 0;
        if (builder->run->wants_offsets) {
            begin = builder->sources[at].begin;
            end = builder->sources[at + length - 1].end;
        }
        if (!ferry_token_run_append(builder->run, id, begin, end)) {
            *has_memory = false;
            return true;
        }
        at += length;
    }
    return true;
}

bool ferry_word_builder_finish(struct ferry_word_builder *builder) {
    if (builder->characters == 0)
        return true;
    size_t count = builder->run->count;
    bool has_memory = true;
    if (builder->characters > builder->wordpiece->longest_word ||
        !append_pieces(builder, &has_memory)) {
        builder->run->count = count;
        has_memory = ferry_token_run_append(builder->run, builder->wordpiece->unknown_id,
                                            builder->span.begin, builder->span.end);
    }
    builder->size = 0;
    builder->characters = 0;
    return has_memory;
}

void ferry_word_builder_free(struct ferry_word_builder *builder) {
    free(builder->bytes);
    free(builder->sources);
    *builder = (struct ferry_word_builder){0};
}
