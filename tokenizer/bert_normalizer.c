#include "tokenizer/bert_normalizer.h"

#include <stdlib.h>
#include <string.h>

#include "tokenizer/hangul.h"
#include "tokenizer/unicode_tables.h"

enum {
    /* No input character becomes more characters than this (two spaces, four decomposed, each of
     * them two in lower case), waiting marks aside. */
    OUTPUT_PER_CHARACTER = 16,
    /* Longer runs of marks are sorted by counting, so that the cost stays linear. */
    INSERTION_SORT_LIMIT = 16,
};

static const struct ferry_unicode_mapping *
find_mapping(const struct ferry_unicode_mapping *mappings, uint32_t count, uint32_t code_point) {
    uint32_t low = 0, high = count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (mappings[middle].from < code_point)
            low = middle + 1;
        else
            high = middle;
    }
    return &mappings[low];
}

static bool reserve_output(struct ferry_normalizer *normalizer) {
    size_t wanted = normalizer->count + normalizer->pending_count * 2 + OUTPUT_PER_CHARACTER;
    if (wanted <= normalizer->capacity)
        return true;
    size_t capacity = wanted * 2 + 512;
    struct ferry_normalized_char *output = realloc(normalizer->output, capacity * sizeof *output);
    if (!output)
        return false;
    normalizer->output = output;
    normalizer->capacity = capacity;
    return true;
}

static bool reserve_pending(struct ferry_normalizer *normalizer) {
    if (normalizer->pending_count < normalizer->pending_capacity)
        return true;
    size_t capacity = normalizer->pending_capacity * 2 + 32;
    struct ferry_pending_mark *pending = realloc(normalizer->pending, capacity * sizeof *pending);
    if (!pending)
        return false;
    normalizer->pending = pending;
    struct ferry_pending_mark *sorted = realloc(normalizer->sorted, capacity * sizeof *sorted);
    if (!sorted)
        return false;
    normalizer->sorted = sorted;
    normalizer->pending_capacity = capacity;
    return true;
}

/* Last steps: remove marks, lower the case. */
static void put(struct ferry_normalizer *normalizer, uint32_t code_point,
                struct ferry_token_offsets source) {
    uint32_t entry = ferry_unicode_lookup(code_point);
    normalizer->last_source = source;
    if (normalizer->options.strip_accents && (entry & FERRY_UNICODE_NONSPACING))
        return;
    if (normalizer->options.lowercase && (entry & FERRY_UNICODE_LOWER)) {
        const struct ferry_unicode_mapping *mapping =
            find_mapping(ferry_unicode_lower, ferry_unicode_lower_count, code_point);
        for (uint32_t at = 0; at < mapping->count; at++)
            normalizer->output[normalizer->count++] =
                (struct ferry_normalized_char){mapping->to[at], source};
        return;
    }
    normalizer->output[normalizer->count++] = (struct ferry_normalized_char){code_point, source};
}

/* Stable, by combining class, into normalizer->sorted. */
static void sort_pending(struct ferry_normalizer *normalizer) {
    size_t count = normalizer->pending_count;
    struct ferry_pending_mark *sorted = normalizer->sorted;
    if (count <= INSERTION_SORT_LIMIT) {
        for (size_t at = 0; at < count; at++) {
            struct ferry_pending_mark mark = normalizer->pending[at];
            size_t place = at;
            for (; place > 0 && sorted[place - 1].combining_class > mark.combining_class; place--)
                sorted[place] = sorted[place - 1];
            sorted[place] = mark;
        }
        return;
    }
    size_t places[257] = {0};
    for (size_t at = 0; at < count; at++)
        places[normalizer->pending[at].combining_class + 1]++;
    for (size_t value = 0; value < 256; value++)
        places[value + 1] += places[value];
    for (size_t at = 0; at < count; at++)
        sorted[places[normalizer->pending[at].combining_class]++] = normalizer->pending[at];
}

/* Puts the waiting marks in order. The reference hands the sources out by position: the first
 * characters of decompositions take them in the order of the text, the others share the one
 * before. */
static void flush_pending(struct ferry_normalizer *normalizer) {
    if (normalizer->pending_count == 0)
        return;
    sort_pending(normalizer);
    size_t next_source = 0;
    for (size_t at = 0; at < normalizer->pending_count; at++) {
        struct ferry_token_offsets source = normalizer->last_source;
        if (!normalizer->sorted[at].inserted) {
            while (normalizer->pending[next_source].inserted)
                next_source++;
            source = normalizer->pending[next_source++].character.source;
        }
        put(normalizer, normalizer->sorted[at].character.code_point, source);
    }
    normalizer->pending_count = 0;
}

static bool put_in_order(struct ferry_normalizer *normalizer, uint32_t code_point,
                         struct ferry_token_offsets source, bool inserted) {
    uint32_t class = ferry_unicode_combining_class(ferry_unicode_lookup(code_point));
    if (class == 0) {
        flush_pending(normalizer);
        put(normalizer, code_point, source);
        return true;
    }
    if (!reserve_pending(normalizer))
        return false;
    normalizer->pending[normalizer->pending_count++] =
        (struct ferry_pending_mark){{code_point, source}, (uint8_t) class, inserted};
    return true;
}

static void decompose_hangul(struct ferry_normalizer *normalizer, uint32_t code_point,
                             struct ferry_token_offsets source) {
    uint32_t index = code_point - HANGUL_FIRST;
    uint32_t tail = index % HANGUL_TAILS;
    flush_pending(normalizer);
    put(normalizer, HANGUL_LEAD + index / HANGUL_VOWELS_AND_TAILS, source);
    put(normalizer, HANGUL_VOWEL + index % HANGUL_VOWELS_AND_TAILS / HANGUL_TAILS, source);
    if (tail > 0)
        put(normalizer, HANGUL_TAIL + tail, source);
}

static bool decompose(struct ferry_normalizer *normalizer, uint32_t code_point, uint32_t entry,
                      struct ferry_token_offsets source) {
    if (!(entry & FERRY_UNICODE_DECOMPOSED))
        return put_in_order(normalizer, code_point, source, false);
    if (code_point >= HANGUL_FIRST && code_point <= HANGUL_LAST) {
        decompose_hangul(normalizer, code_point, source);
        return true;
    }
    const struct ferry_unicode_mapping *mapping =
        find_mapping(ferry_unicode_decomposition, ferry_unicode_decomposition_count, code_point);
    for (uint32_t at = 0; at < mapping->count; at++)
        if (!put_in_order(normalizer, mapping->to[at], source, at > 0))
            return false;
    return true;
}

void ferry_normalizer_begin(struct ferry_normalizer *normalizer) {
    normalizer->count = 0;
    normalizer->pending_count = 0;
    normalizer->last_source = (struct ferry_token_offsets){0, 0};
}

bool ferry_normalizer_push(struct ferry_normalizer *normalizer, uint32_t code_point,
                           struct ferry_token_offsets source) {
    const struct ferry_bert_options *options = &normalizer->options;
    uint32_t entry = ferry_unicode_lookup(code_point);
    if (options->clean_text && (entry & (FERRY_UNICODE_REMOVED | FERRY_UNICODE_WHITESPACE))) {
        if (entry & FERRY_UNICODE_REMOVED)
            return true;
        code_point = ' ';
        entry = ferry_unicode_lookup(' ');
    }
    if (!reserve_output(normalizer))
        return false;
    bool spaced = options->handle_chinese_chars && (entry & FERRY_UNICODE_IDEOGRAPH);
    if (spaced) {
        flush_pending(normalizer);
        put(normalizer, ' ', source);
    }
    if (!options->strip_accents)
        put(normalizer, code_point, source);
    else if (!decompose(normalizer, code_point, entry, source))
        return false;
    if (spaced)
        put(normalizer, ' ', source);
    return true;
}

bool ferry_normalizer_finish(struct ferry_normalizer *normalizer) {
    if (!reserve_output(normalizer))
        return false;
    flush_pending(normalizer);
    return true;
}

void ferry_normalizer_free(struct ferry_normalizer *normalizer) {
    free(normalizer->output);
    free(normalizer->pending);
    free(normalizer->sorted);
    *normalizer = (struct ferry_normalizer){0};
}
