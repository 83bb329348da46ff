#include "daemon/serve/admission.h"

#include <inttypes.h>

#include "base/clock.h"
#include "daemon/schedule/sequence.h"
#include "daemon/tasks/embed_rows.h"

enum {
    MEASURE_MS = 250,
    SHORTEST_RETRY_MS = 10,
    LONGEST_RETRY_MS = 60000,
    UNKNOWN_RETRY_MS = 100,
    BYTES_PER_TOKEN = sizeof(int32_t) + 1, /* its id and type id */
    /* tokenize: id, type id, mask, offsets and the text's place; all of it once more in the reply
     */
    BYTES_PER_TOLD_TOKEN = 64,
    BYTES_PER_TEXT_TOKEN = 40, /* detokenize: the id, and twice a long word */
    BYTES_PER_DECODED_TOKEN = 48,
    /* With the smallest buffer of its text. */
    BYTES_PER_SEQUENCE = sizeof(struct ferry_sequence) + sizeof(struct ferry_wire_choice) + 256,
    ADDED_TOKENS = 3 /* special tokens around a pair */
};
/* Weight of the newest measurement: half of what is remembered is younger than a second. */
static const double NEWEST_WEIGHT = 0.25;

static uint64_t token_bound(const struct ferry_wire_item *item, uint32_t max_length) {
    uint64_t tokens = item->id_count;
    if (item->text.data != NULL) /* at most a token a byte */
        tokens = (uint64_t)item->text.size + item->pair.size + ADDED_TOKENS;
    return tokens < max_length ? tokens : max_length;
}

/* Windows hold tokens again and again: those they share, and the other text of a pair, which may
 * leave room for one token of this one. */
static uint64_t told_tokens(const struct ferry_wire_request *wire,
                            const struct ferry_wire_item *item, uint32_t max_length) {
    if (!wire->windows)
        return token_bound(item, max_length);
    uint64_t tokens = (uint64_t)item->text.size + item->pair.size + ADDED_TOKENS;
    uint64_t limit =
        wire->max_tokens > 0 && wire->max_tokens < max_length ? wire->max_tokens : max_length;
    uint64_t shared = (uint64_t)wire->stride + ADDED_TOKENS;
    uint64_t step = item->pair.data != NULL || limit <= shared ? 1 : limit - shared;
    return (tokens / step + 1) * limit;
}

/* What one token of a score or of a choice takes: id, log-probability, the end of its text, some
 * text, its alternatives; all of it once more in the reply. */
static uint64_t decoded_bytes_a_token(const struct ferry_wire_request *wire) {
    return BYTES_PER_DECODED_TOKEN + (uint64_t)wire->top * 2 * (sizeof(int32_t) + sizeof(float));
}

static uint64_t prompt_bound(const struct ferry_wire_request *wire,
                             const struct ferry_wire_item *item, uint32_t max_length) {
    uint64_t most = wire->windows ? UINT32_MAX : max_length;
    uint64_t prompt =
        item->text.data != NULL ? (uint64_t)item->text.size + ADDED_TOKENS : item->id_count;
    return prompt < most ? prompt : most;
}

static uint64_t decoded_tokens(const struct ferry_wire_request *wire,
                               const struct ferry_wire_item *item, uint32_t max_length) {
    uint64_t prompt = prompt_bound(wire, item, max_length);
    if (wire->operation != FERRY_OPERATION_GENERATE)
        return prompt + 1;
    uint64_t total = prompt + wire->generation.max_new_tokens;
    return (total < max_length ? total : max_length) * wire->generation.choices;
}

/* Small windows of a long text are nearly as many as it has tokens. */
static uint64_t decoded_sequences(const struct ferry_wire_request *wire,
                                  const struct ferry_wire_item *item, uint32_t max_length) {
    struct ferry_score_windows windows;
    uint32_t prompt = (uint32_t)prompt_bound(wire, item, max_length);
    if (wire->operation == FERRY_OPERATION_GENERATE)
        return wire->generation.choices;
    if (wire->operation == FERRY_OPERATION_SCORE &&
        ferry_score_windows_cut(wire, prompt, max_length, &windows, NULL) == FERRY_OK)
        return windows.count;
    return 1;
}

static bool is_decoded(const struct ferry_wire_request *wire) {
    return wire->operation == FERRY_OPERATION_SCORE || wire->operation == FERRY_OPERATION_NEXT ||
           wire->operation == FERRY_OPERATION_GENERATE;
}

/* What an item takes beside its part of the message, and its row. */
static uint64_t item_bytes(const struct ferry_wire_request *wire,
                           const struct ferry_wire_item *item, uint32_t max_length) {
    uint64_t ids = (uint64_t)item->id_count * BYTES_PER_TOKEN; /* as decoded, before truncation */
    if (wire->operation == FERRY_OPERATION_TOKENIZE)
        return told_tokens(wire, item, max_length) * BYTES_PER_TOLD_TOKEN;
    if (wire->operation == FERRY_OPERATION_DETOKENIZE)
        return ids + (uint64_t)item->id_count * BYTES_PER_TEXT_TOKEN;
    if (is_decoded(wire))
        return ids + decoded_tokens(wire, item, max_length) * decoded_bytes_a_token(wire) +
               decoded_sequences(wire, item, max_length) * BYTES_PER_SEQUENCE;
    return ids + token_bound(item, max_length) * BYTES_PER_TOKEN;
}

struct ferry_request_load ferry_admission_load(const struct ferry_wire_request *wire,
                                               const struct ferry_loaded_model *model,
                                               size_t body_bytes, size_t arena_maximum) {
    struct ferry_request_load load = {.items = wire->item_count};
    uint64_t contents = 0;
    for (uint32_t i = 0; i < wire->item_count; i++) {
        load.tokens += is_decoded(wire) ? decoded_tokens(wire, &wire->items[i], model->max_length)
                                        : token_bound(&wire->items[i], model->max_length);
        contents += item_bytes(wire, &wire->items[i], model->max_length);
    }
    if (contents / 2 > arena_maximum) /* in the request, and as much in its encoded reply */
        contents = 2 * (uint64_t)arena_maximum;
    size_t row = wire->operation == FERRY_OPERATION_EMBED
                     ? ferry_embed_row_bytes(wire->dtype, model->info->width)
                     : 0;
    /* Rows are there twice: in the request and in its encoded reply. */
    load.bytes =
        body_bytes + contents + sizeof(struct ferry_request) +
        wire->item_count * (sizeof(struct ferry_item) + sizeof(struct ferry_wire_item) + 2 * row);
    return load;
}

static uint32_t retry_after(const struct ferry_admission *admission, uint64_t excess_tokens) {
    if (admission->tokens_per_second <= 0)
        return UNKNOWN_RETRY_MS;
    double milliseconds = 1000.0 * (double)excess_tokens / admission->tokens_per_second;
    if (milliseconds < SHORTEST_RETRY_MS)
        return SHORTEST_RETRY_MS;
    return milliseconds > LONGEST_RETRY_MS ? LONGEST_RETRY_MS : (uint32_t)milliseconds;
}

/* The part of what waits that must go before `load` fits, told in tokens. */
static uint64_t excess(uint64_t used, uint64_t load, uint64_t limit, uint64_t used_tokens) {
    if (used + load <= limit || used == 0)
        return 0;
    return (uint64_t)((double)(used + load - limit) / (double)used * (double)used_tokens);
}

enum ferry_status ferry_admission_check(const struct ferry_admission *admission,
                                        const struct ferry_request_load *load,
                                        uint32_t *ret_retry_after_ms, struct ferry_error *error) {
    const struct ferry_request_load *limit = &admission->limit;
    const struct ferry_request_load *used = &admission->used;
    const struct {
        const char *name;
        uint64_t load, used, limit;
    } checks[] = {{"items", load->items, used->items, limit->items},
                  {"tokens", load->tokens, used->tokens, limit->tokens},
                  {"bytes", load->bytes, used->bytes, limit->bytes}};
    for (unsigned i = 0; i < 3; i++) {
        if (checks[i].load > checks[i].limit)
            return ferry_fail(error, FERRY_TOO_LARGE,
                              "the request counts %" PRIu64 " %s; the daemon's whole queue holds "
                              "%" PRIu64 ": split it",
                              checks[i].load, checks[i].name, checks[i].limit);
        if (checks[i].used + checks[i].load > checks[i].limit) {
            *ret_retry_after_ms = retry_after(
                admission, excess(checks[i].used, checks[i].load, checks[i].limit, used->tokens));
            return ferry_fail(error, FERRY_BUSY,
                              "the queue is full: %" PRIu64 " of %" PRIu64 " %s wait; try again",
                              checks[i].used, checks[i].limit, checks[i].name);
        }
    }
    return FERRY_OK;
}

void ferry_admission_enter(struct ferry_admission *admission, const struct ferry_request_load *load,
                           int64_t now) {
    if (admission->used.items == 0) { /* idle time is no measure of the drain rate */
        admission->measured_ns = now;
        admission->tokens_since = 0;
    }
    admission->used.items += load->items;
    admission->used.tokens += load->tokens;
    admission->used.bytes += load->bytes;
}

static void measure(struct ferry_admission *admission, int64_t now) {
    int64_t passed = now - admission->measured_ns;
    if (passed < MEASURE_MS * FERRY_NANOSECONDS_PER_MILLISECOND)
        return;
    double rate = (double)admission->tokens_since * 1e9 / (double)passed;
    double known = admission->tokens_per_second;
    admission->tokens_per_second = known > 0 ? known + NEWEST_WEIGHT * (rate - known) : rate;
    admission->tokens_since = 0;
    admission->measured_ns = now;
}

void ferry_admission_leave(struct ferry_admission *admission, const struct ferry_request_load *load,
                           uint64_t computed_tokens, int64_t now) {
    admission->used.items -= load->items;
    admission->used.tokens -= load->tokens;
    admission->used.bytes -= load->bytes;
    admission->tokens_since += computed_tokens;
    measure(admission, now);
}
