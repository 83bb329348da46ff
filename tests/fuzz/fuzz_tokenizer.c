/* Fuzz target: encode and decode arbitrary bytes under arbitrary options.
 *
 * Input: 16 bytes of options (struct plan), then the text, the pair and, as 4-byte numbers, ids to
 * decode. The tokenizers come from tests/fuzz/data/. One session per tokenizer lives on from input
 * to input, and each result is compared with that of a fresh session: what one text or one option
 * leaves behind in the session must never show in the next result. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "tokenizer/ferry_tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PLAN_BYTES = 16, TOKENIZERS = 5, SMALL_CACHE_BYTES = 4096 };

static const char *const TOKENIZER_FILES[TOKENIZERS] = {
    "added_tokens/tokenizer.json", "cased/tokenizer.json", "vocabulary/vocab.txt",
    "byte_level/tokenizer.json", "roberta/tokenizer.json"};

struct subject {
    struct ferry_tokenizer *tokenizer;
    struct ferry_tokenizer_session *session;
};

struct plan {
    struct ferry_encode_options options;
    const struct subject *subject;
    const char *text;
    size_t text_bytes;
    const char *pair;
    size_t pair_bytes;
};

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "fuzz_tokenizer: broken promise: %s (line %d)\n", #condition,          \
                    __LINE__);                                                                     \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static bool is_valid_utf8(const char *text, size_t size) {
    return ferry_utf8_valid_prefix(text, size) == size;
}

static struct subject *load_subjects(void) {
    static struct subject subjects[TOKENIZERS];
    const char *root = getenv("FERRY_SOURCE_DIR");
    for (size_t i = 0; i < TOKENIZERS && !subjects[i].tokenizer; i++) {
        struct ferry_error error = {FERRY_OK, ""};
        char path[4096];
        snprintf(path, sizeof path, "%s/tests/fuzz/data/%s", root ? root : ".", TOKENIZER_FILES[i]);
        if (ferry_tokenizer_load(path, NULL, &subjects[i].tokenizer, &error) != FERRY_OK ||
            ferry_tokenizer_session_create(subjects[i].tokenizer, SMALL_CACHE_BYTES,
                                           &subjects[i].session, &error) != FERRY_OK) {
            fprintf(stderr, "fuzz_tokenizer: %s (set FERRY_SOURCE_DIR)\n", error.text);
            exit(66);
        }
    }
    return subjects;
}

static uint32_t number_at(const uint8_t *data, size_t at) {
    return (uint32_t)data[at] | (uint32_t)data[at + 1] << 8;
}

static struct ferry_encode_options read_options(const uint8_t *data) {
    struct ferry_encode_options options;
    memset(&options, 0, sizeof options);
    options.max_tokens = data[1] == 255 ? number_at(data, 2) : data[1];
    options.stride = data[4] == 255 ? UINT32_MAX - data[5] : data[4] % 32;
    options.strategy = (enum ferry_truncation_strategy)(data[6] % 3);
    options.side = (enum ferry_truncation_side)(data[7] % 2);
    options.offsets = (enum ferry_offset_unit)(data[8] % 3);
    options.add_special_tokens = data[9] & 1;
    options.special_tokens_as_text = data[9] & 2;
    options.windows = data[9] & 4;
    return options;
}

static struct plan read_plan(const uint8_t *data, size_t size, size_t *ret_used) {
    struct plan plan;
    memset(&plan, 0, sizeof plan);
    plan.options = read_options(data);
    plan.subject = &load_subjects()[data[0] % TOKENIZERS];
    size_t left = size - PLAN_BYTES;
    size_t ids_bytes = number_at(data, 10) % (left + 1) / 2;
    size_t text_room = left - ids_bytes;
    size_t pair_bytes = data[9] & 8 ? number_at(data, 12) % (text_room + 1) : 0;
    plan.text = (const char *)data + PLAN_BYTES;
    plan.text_bytes = text_room - pair_bytes;
    plan.pair = data[9] & 8 ? plan.text + plan.text_bytes : NULL;
    plan.pair_bytes = pair_bytes;
    *ret_used = PLAN_BYTES + text_room;
    return plan;
}

static enum ferry_status encode(const struct plan *plan, struct ferry_tokenizer_session *session,
                                struct ferry_encodings *ret_encodings, struct ferry_error *error) {
    memset(error, 0, sizeof *error);
    return ferry_tokenizer_encode(session, plan->text, plan->text_bytes, plan->pair,
                                  plan->pair_bytes, &plan->options, ret_encodings, error);
}

static void check_window(const struct plan *plan, const struct ferry_encoding *window) {
    const struct ferry_encode_options *options = &plan->options;
    int32_t bound = ferry_tokenizer_id_bound(plan->subject->tokenizer);
    size_t longest = plan->text_bytes > plan->pair_bytes ? plan->text_bytes : plan->pair_bytes;
    REQUIRE(!options->max_tokens || window->count <= options->max_tokens);
    REQUIRE((window->offsets != NULL) == (options->offsets != FERRY_OFFSETS_NONE));
    for (uint32_t i = 0; i < window->count; i++) {
        REQUIRE(window->ids[i] >= 0 && window->ids[i] < bound);
        REQUIRE(window->special_mask[i] <= 1);
        REQUIRE(options->add_special_tokens || !window->special_mask[i]);
        if (window->offsets) {
            REQUIRE(window->offsets[i].begin <= window->offsets[i].end);
            REQUIRE(window->offsets[i].end <= longest);
        }
    }
}

static void check_encodings(const struct plan *plan, const struct ferry_encodings *encodings) {
    REQUIRE(encodings->count >= 1);
    REQUIRE(plan->options.windows || encodings->count == 1);
    REQUIRE(encodings->bytes_read[0] <= plan->text_bytes);
    REQUIRE(encodings->bytes_read[1] <= plan->pair_bytes);
    for (uint32_t i = 0; i < encodings->count; i++)
        check_window(plan, &encodings->windows[i]);
    if (encodings->count > 1 || encodings->windows[0].truncated)
        REQUIRE(plan->options.max_tokens);
}

/* Which inputs must fail, and how. */
static void check_status(const struct plan *plan, enum ferry_status status,
                         const struct ferry_error *error) {
    bool is_valid = is_valid_utf8(plan->text, plan->text_bytes) &&
                    is_valid_utf8(plan->pair ? plan->pair : "", plan->pair_bytes);
    bool is_limited = plan->options.max_tokens != 0;
    REQUIRE(status == FERRY_OK || status == FERRY_INVALID_INPUT || status == FERRY_TOO_LONG);
    REQUIRE(status == FERRY_OK || (error->status == status && error->text[0]));
    REQUIRE(status != FERRY_TOO_LONG || is_limited);
    if (!is_limited)
        REQUIRE((status == FERRY_OK) == is_valid);
}

static void check_same(const struct ferry_encodings *one, const struct ferry_encodings *other) {
    REQUIRE(one->count == other->count);
    for (uint32_t i = 0; i < one->count; i++) {
        const struct ferry_encoding *a = &one->windows[i];
        const struct ferry_encoding *b = &other->windows[i];
        REQUIRE(a->count == b->count && a->truncated == b->truncated);
        REQUIRE(!a->count || !memcmp(a->ids, b->ids, a->count * sizeof *a->ids));
        REQUIRE(!a->count || !memcmp(a->type_ids, b->type_ids, a->count));
        REQUIRE(!a->count || !memcmp(a->special_mask, b->special_mask, a->count));
        REQUIRE(!a->offsets || !b->offsets ||
                !memcmp(a->offsets, b->offsets, a->count * sizeof *a->offsets));
    }
}

/* Token by token the same text comes, in whole characters. */
static void compare_with_stream(const struct ferry_tokenizer *tokenizer, const int32_t *ids,
                                size_t count, bool skip, const char *expected, size_t size) {
    struct ferry_text_stream stream;
    struct ferry_error error = {FERRY_OK, ""};
    struct ferry_buffer text;
    bool is_wordpiece = strcmp(ferry_tokenizer_kind(tokenizer), "wordpiece") == 0;
    enum ferry_status status = ferry_text_stream_begin(&stream, tokenizer, skip, &error);
    REQUIRE(status == (is_wordpiece ? FERRY_UNSUPPORTED : FERRY_OK));
    if (is_wordpiece)
        return;
    ferry_buffer_init(&text, size);
    for (size_t i = 0; i < count; i++) {
        REQUIRE(ferry_text_stream_push(&stream, ids[i], &text, &error) == FERRY_OK);
        REQUIRE(!text.size || is_valid_utf8((const char *)text.data, text.size));
    }
    REQUIRE(ferry_text_stream_end(&stream, &text, &error) == FERRY_OK);
    REQUIRE(text.size == size && (!size || !memcmp(text.data, expected, size)));
    ferry_buffer_free(&text);
}

static void decode(const struct plan *plan, struct ferry_tokenizer_session *session,
                   const int32_t *ids, size_t count) {
    struct ferry_error error = {FERRY_OK, ""};
    const char *text = NULL;
    size_t size = 0;
    bool all_exist = true;
    for (size_t i = 0; i < count; i++) {
        size_t ignored;
        if (!ferry_tokenizer_token_text(plan->subject->tokenizer, ids[i], &ignored))
            all_exist = false;
    }
    for (int skip = 0; skip < 2; skip++) {
        enum ferry_status status =
            ferry_tokenizer_decode(session, ids, count, skip, &text, &size, &error);
        REQUIRE(status == (all_exist ? FERRY_OK : FERRY_INVALID_INPUT));
        REQUIRE(status != FERRY_OK || !size || is_valid_utf8(text, size));
        if (status == FERRY_OK)
            compare_with_stream(plan->subject->tokenizer, ids, count, skip, text, size);
    }
}

static void decode_result(const struct plan *plan, struct ferry_tokenizer_session *session,
                          const struct ferry_encoding *window) {
    int32_t *copy = malloc(window->count * sizeof *copy + 1);
    REQUIRE(copy);
    if (window->count)
        memcpy(copy, window->ids, window->count * sizeof *copy);
    decode(plan, session, copy, window->count);
    free(copy);
}

static void decode_given(const struct plan *plan, const uint8_t *data, size_t size) {
    size_t count = size / sizeof(int32_t);
    int32_t *ids = malloc(count * sizeof *ids + 1);
    REQUIRE(ids);
    if (count)
        memcpy(ids, data, count * sizeof *ids);
    int32_t bound = ferry_tokenizer_id_bound(plan->subject->tokenizer);
    decode(plan, plan->subject->session, ids, count);
    for (size_t i = 0; i < count; i++)
        ids[i] = (int32_t)((uint32_t)ids[i] % (uint32_t)bound);
    decode(plan, plan->subject->session, ids, count);
    free(ids);
}

static void compare_with_fresh_session(const struct plan *plan, enum ferry_status status,
                                       const struct ferry_encodings *encodings) {
    struct ferry_tokenizer_session *fresh = NULL;
    struct ferry_error error;
    REQUIRE(ferry_tokenizer_session_create(plan->subject->tokenizer, 0, &fresh, &error) ==
            FERRY_OK);
    struct ferry_encodings again;
    REQUIRE(encode(plan, fresh, &again, &error) == status);
    if (status == FERRY_OK)
        check_same(encodings, &again);
    if (status == FERRY_OK)
        decode_result(plan, fresh, &again.windows[0]);
    ferry_tokenizer_session_free(fresh);
}

/* With and without offsets, text is read by two different ways. */
static void compare_ways_of_reading(const struct plan *plan, enum ferry_status status,
                                    const struct ferry_encodings *encodings) {
    struct plan other = *plan;
    struct ferry_tokenizer_session *fresh = NULL;
    struct ferry_encodings again;
    struct ferry_error error;
    bool has_offsets = plan->options.offsets != FERRY_OFFSETS_NONE;
    other.options.offsets = has_offsets ? FERRY_OFFSETS_NONE : FERRY_OFFSETS_BYTES;
    REQUIRE(ferry_tokenizer_session_create(plan->subject->tokenizer, 0, &fresh, &error) ==
            FERRY_OK);
    enum ferry_status other_status = encode(&other, fresh, &again, &error);
    /* One way may stop before broken bytes that the other has looked at. */
    if (status == FERRY_OK && other_status == FERRY_OK)
        check_same(encodings, &again);
    if (!plan->options.max_tokens)
        REQUIRE(other_status == status);
    ferry_tokenizer_session_free(fresh);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < PLAN_BYTES)
        return 0;
    size_t used;
    struct plan plan = read_plan(data, size, &used);
    struct ferry_encodings encodings;
    struct ferry_error error;
    if (data[14] & 1)
        ferry_tokenizer_session_trim(plan.subject->session, data[15]);
    enum ferry_status status = encode(&plan, plan.subject->session, &encodings, &error);
    check_status(&plan, status, &error);
    if (status == FERRY_OK)
        check_encodings(&plan, &encodings);
    if (status == FERRY_OK)
        compare_ways_of_reading(&plan, status, &encodings);
    compare_with_fresh_session(&plan, status, &encodings);
    decode_given(&plan, data + used, size - used);
    return 0;
}
