#include "clients/cli/bench_texts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "clients/cli/text_source.h"

enum {
    MADE_UP_TEXTS = 4096,
    LARGEST_FILE = 1 << 30,
    LONGEST_MADE_UP = 400 /* words */
};

double bench_random(uint64_t *state) {
    uint64_t x = *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return (double)((x * UINT64_C(2685821657736338717) >> 11) + 1) * 0x1p-53;
}

static enum ferry_status no_memory(struct ferry_error *error) {
    return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for the texts");
}

/* Texts are put one after another, each with its length; pointers are set at the end, when the
 * buffer does not grow any more. */
static enum ferry_status add(struct bench_texts *texts, size_t *capacity, const char *text,
                             size_t bytes) {
    if (texts->count == *capacity) {
        size_t grown = *capacity * 2 + 1024;
        struct ferry_client_item *items = realloc(texts->items, grown * sizeof *items);
        if (items == NULL)
            return FERRY_OUT_OF_MEMORY;
        texts->items = items;
        *capacity = grown;
    }
    texts->items[texts->count++] = (struct ferry_client_item){.text_bytes = bytes};
    return ferry_buffer_append(&texts->bytes, text, bytes);
}

static enum ferry_status read_all(struct text_source *source, struct bench_texts *texts,
                                  struct ferry_error *error) {
    size_t capacity = 0;
    for (;;) {
        struct ferry_client_item item;
        switch (text_source_next(source, &item, error)) {
        case TEXT_AT_END:
            return texts->count > 0
                       ? FERRY_OK
                       : ferry_fail(error, FERRY_BAD_DATA, "%s has no texts", source->name);
        case TEXT_IS_WRONG:
            return error->status;
        case TEXT_NOT_YET:
            if (text_source_read(source, error) != FERRY_OK)
                return error->status;
            break;
        case TEXT_IS_THERE:
            if (item.text_bytes > 0 &&
                add(texts, &capacity, item.text, item.text_bytes) != FERRY_OK)
                return no_memory(error);
            break;
        }
    }
}

/* ---- made-up texts ---- */

/* Lengths are log-normal around the median, as those of sentences and paragraphs are (Box and
 * Muller 1958 for the normal numbers). */
static size_t random_length(uint64_t *random, uint32_t median) {
    const double spread = 0.7, pi = 3.14159265358979323846;
    double normal = sqrt(-2 * log(bench_random(random))) * cos(2 * pi * bench_random(random));
    double words = (double)median * exp(spread * normal);
    return words < 1 ? 1 : words > LONGEST_MADE_UP ? LONGEST_MADE_UP : (size_t)words;
}

static enum ferry_status make_up_text(struct bench_texts *texts, size_t *capacity, size_t words,
                                      uint64_t *random) {
    static const char *const vocabulary[] = {
        "the",   "ship",  "carries",  "people", "over",   "a",      "wide",  "river", "every",
        "day",   "while", "children", "wait",   "on",     "shore",  "for",   "bread", "and",
        "news",  "from",  "old",      "towns",  "where",  "trains", "stop",  "late",  "at",
        "night", "under", "bright",   "stars",  "nobody", "knows",  "which", "way",   "it",
        "turns", "next",  "after",    "rain",   "falls",  "slowly", "into",  "cold",  "water"};
    const size_t known = sizeof vocabulary / sizeof vocabulary[0];
    char text[LONGEST_MADE_UP * 10];
    size_t used = 0;
    for (size_t word = 0; word < words; word++) {
        size_t choice = (size_t)(bench_random(random) * (double)known) % known;
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", word > 0 ? " " : "",
                                 vocabulary[choice]);
    }
    return add(texts, capacity, text, used);
}

static enum ferry_status make_up_all(const struct cli_options *options, struct bench_texts *texts,
                                     struct ferry_error *error) {
    uint64_t random = ((uint64_t)options->seed + 1) * UINT64_C(0x9E3779B97F4A7C15);
    size_t capacity = 0;
    for (size_t at = 0; at < MADE_UP_TEXTS; at++)
        if (make_up_text(texts, &capacity, random_length(&random, options->words), &random) !=
            FERRY_OK)
            return no_memory(error);
    return FERRY_OK;
}

/* The first `batch` texts follow once more after the last, so that every batch is one piece. */
static enum ferry_status set_pointers(struct bench_texts *texts, size_t batch,
                                      struct ferry_error *error) {
    struct ferry_client_item *items =
        realloc(texts->items, (texts->count + batch) * sizeof *texts->items);
    if (items == NULL)
        return no_memory(error);
    texts->items = items;
    const char *at = (const char *)texts->bytes.data;
    for (size_t index = 0; index < texts->count; index++) {
        items[index].text = at;
        at += items[index].text_bytes;
    }
    for (size_t index = 0; index < batch; index++)
        items[texts->count + index] = items[index]; /* the ones just written, from count on */
    return FERRY_OK;
}

enum ferry_status bench_texts_open(const struct cli_options *options, struct bench_texts *texts,
                                   struct ferry_error *error) {
    *texts = (struct bench_texts){0};
    ferry_buffer_init(&texts->bytes, LARGEST_FILE);
    enum ferry_status status;
    if (options->text_count == 0 && options->file == NULL) {
        status = make_up_all(options, texts, error);
    } else {
        struct text_source source;
        status = text_source_open(options, &source, error);
        if (status == FERRY_OK)
            status = read_all(&source, texts, error);
        text_source_close(&source);
    }
    return status == FERRY_OK ? set_pointers(texts, options->batch, error) : status;
}

void bench_texts_close(struct bench_texts *texts) {
    free(texts->items);
    ferry_buffer_free(&texts->bytes);
}

const struct ferry_client_item *bench_texts_next(struct bench_texts *texts, size_t batch) {
    const struct ferry_client_item *first = &texts->items[texts->next];
    texts->next = (texts->next + batch) % texts->count;
    return first;
}
