#include "gpu/decode_check.h"

#include <math.h>

/* Each comparison is written so that a NaN fails it. */
enum ferry_status ferry_decode_check_sampling(const struct ferry_sampling *sampling,
                                              struct ferry_error *error) {
    if (!(sampling->temperature >= 0 && sampling->temperature < INFINITY))
        return ferry_fail(error, FERRY_INVALID_INPUT,
                          "temperature %g; it must be 0 (greedy) or greater",
                          (double)sampling->temperature);
    if (!(sampling->top_p > 0 && sampling->top_p <= 1))
        return ferry_fail(error, FERRY_INVALID_INPUT,
                          "top_p %g; it must be greater than 0 and at most 1",
                          (double)sampling->top_p);
    if (!(sampling->min_p >= 0 && sampling->min_p <= 1))
        return ferry_fail(error, FERRY_INVALID_INPUT, "min_p %g; it must be from 0 to 1",
                          (double)sampling->min_p);
    if (!(sampling->repetition_penalty > 0 && sampling->repetition_penalty < INFINITY))
        return ferry_fail(error, FERRY_INVALID_INPUT,
                          "repetition penalty %g; it must be greater than 0",
                          (double)sampling->repetition_penalty);
    return FERRY_OK;
}

static enum ferry_status check_slot(const struct ferry_decode_slots *slots,
                                    const struct ferry_decode_entry *entry, uint32_t index,
                                    struct ferry_error *error) {
    if (entry->slot >= slots->count)
        return ferry_fail(error, FERRY_INTERNAL, "entry %u: slot %u of %u", index, entry->slot,
                          slots->count);
    const struct ferry_decode_slot *slot = &slots->slots[entry->slot];
    if (slot->in_step)
        return ferry_fail(error, FERRY_INTERNAL, "entry %u: slot %u is twice in the step", index,
                          entry->slot);
    if (slot->failed)
        return ferry_fail(error, FERRY_INTERNAL,
                          "entry %u: slot %u failed in an earlier step and was not released", index,
                          entry->slot);
    if (entry->cached != 0 && entry->cached != slot->held)
        return ferry_fail(error, FERRY_INTERNAL,
                          "entry %u: %u tokens are said to be cached, slot %u holds %u", index,
                          entry->cached, entry->slot, slot->held);
    if (entry->ids == NULL || entry->length <= entry->cached)
        return ferry_fail(error, FERRY_INTERNAL, "entry %u: %u tokens, %u of them cached", index,
                          entry->length, entry->cached);
    return FERRY_OK;
}

/* One comparison a value: a negative id is a large unsigned one. A loop without a way out of it can
 * be vectorised; a sequence is looked through in every step of its. */
static bool all_below(const int32_t *ids, uint32_t count, uint32_t limit) {
    uint32_t largest = 0;
    for (uint32_t at = 0; at < count; at++)
        largest = (uint32_t)ids[at] > largest ? (uint32_t)ids[at] : largest;
    return count == 0 || largest < limit;
}

/* The first value outside of 0 to limit, or count. `none`: a negative value that is allowed, or 0.
 */
static uint32_t first_outside(const int32_t *ids, uint32_t count, int32_t limit, int32_t none) {
    if (all_below(ids, count, (uint32_t)limit))
        return count;
    for (uint32_t at = 0; at < count; at++)
        if ((uint32_t)ids[at] >= (uint32_t)limit && (none == 0 || ids[at] != none))
            return at;
    return count;
}

static enum ferry_status check_ids(const struct ferry_decode_limits *limits,
                                   const struct ferry_decode_entry *entry, uint32_t index,
                                   struct ferry_error *error) {
    uint32_t at = first_outside(entry->ids, entry->length, limits->vocabulary_size, 0);
    if (at < entry->length)
        return ferry_fail(error, FERRY_INVALID_INPUT,
                          "entry %u, position %u: id %d is outside the vocabulary of %d ids", index,
                          at, entry->ids[at], limits->vocabulary_size);
    return FERRY_OK;
}

static enum ferry_status check_length(const struct ferry_decode_limits *limits,
                                      const struct ferry_decode_entry *entry, uint32_t index,
                                      struct ferry_error *error) {
    /* The last token that is chosen needs no position of its own, but in a combined model. */
    uint32_t room = limits->max_length;
    uint32_t wanted = limits->max_new_tokens > 0 ? entry->max_new : 0;
    if (entry->length <= room && wanted <= room - entry->length)
        return FERRY_OK;
    if (wanted > 0)
        return ferry_fail(
            error, FERRY_INVALID_INPUT,
            "entry %u: %u tokens and %u new ones, the model takes at most %u together", index,
            entry->length, wanted, room);
    return ferry_fail(error, FERRY_INVALID_INPUT, "entry %u: %u tokens, the model takes at most %u",
                      index, entry->length, room);
}

static enum ferry_status check_top(const struct ferry_decode_limits *limits,
                                   const struct ferry_decode_entry *entry, uint32_t index,
                                   struct ferry_error *error) {
    if (entry->top > FERRY_DECODE_MAX_TOP || entry->top > (uint32_t)limits->vocabulary_size)
        return ferry_fail(
            error, FERRY_INVALID_INPUT,
            "entry %u: the %u most probable tokens are wanted; at most %d, and no more "
            "than the vocabulary's %d",
            index, entry->top, FERRY_DECODE_MAX_TOP, limits->vocabulary_size);
    if (entry->top > 0 && (entry->top_ids == NULL || entry->top_logprobs == NULL))
        return ferry_fail(error, FERRY_INTERNAL,
                          "entry %u: no room for the %u most probable tokens", index, entry->top);
    return FERRY_OK;
}

static enum ferry_status check_sample(const struct ferry_decode_limits *limits,
                                      const struct ferry_decode_entry *entry, uint32_t index,
                                      struct ferry_error *error) {
    const uint32_t most_new = limits->max_new_tokens > 0 ? limits->max_new_tokens : 1;
    if (entry->sampling == NULL || entry->new_ids == NULL ||
        (entry->forbidden_count > 0 && entry->forbidden == NULL))
        return ferry_fail(error, FERRY_INTERNAL, "entry %u: an array is missing", index);
    if (entry->max_new == 0 || entry->max_new > most_new)
        return ferry_fail(error, FERRY_INTERNAL, "entry %u: %u new tokens, a step makes 1 to %u",
                          index, entry->max_new, most_new);
    uint32_t at =
        first_outside(entry->forbidden, entry->forbidden_count, limits->vocabulary_size, 0);
    if (at < entry->forbidden_count)
        return ferry_fail(error, FERRY_INVALID_INPUT,
                          "entry %u: the forbidden id %d is outside the vocabulary of %d ids",
                          index, entry->forbidden[at], limits->vocabulary_size);
    if (ferry_decode_check_sampling(entry->sampling, error) != FERRY_OK)
        return ferry_fail_within(error, "entry %u", index);
    return FERRY_OK;
}

static enum ferry_status check_score(const struct ferry_decode_limits *limits,
                                     const struct ferry_decode_entry *entry, uint32_t index,
                                     struct ferry_error *error) {
    if (entry->logprobs == NULL)
        return FERRY_OK;
    const uint32_t count = entry->length - entry->cached;
    if (entry->targets == NULL)
        return ferry_fail(error, FERRY_INTERNAL, "entry %u: targets are missing", index);
    uint32_t at = first_outside(entry->targets, count, limits->vocabulary_size, -1);
    if (at < count)
        return ferry_fail(error, FERRY_INVALID_INPUT,
                          "entry %u, position %u: target %d is outside the vocabulary of %d ids",
                          index, entry->cached + at, entry->targets[at], limits->vocabulary_size);
    return FERRY_OK;
}

static enum ferry_status check_wanted(const struct ferry_decode_limits *limits,
                                      const struct ferry_decode_entry *entry, uint32_t index,
                                      struct ferry_error *error) {
    if (limits->max_new_tokens > 0 && (entry->wanted != FERRY_DECODE_SAMPLE || entry->top > 0))
        return ferry_fail(error, FERRY_INTERNAL,
                          "entry %u: a combined model generates, it scores nothing", index);
    if (limits->max_new_tokens > 0 && entry->cached != 0)
        return ferry_fail(error, FERRY_INTERNAL,
                          "entry %u: a combined model begins with the whole prompt", index);
    if (entry->wanted == FERRY_DECODE_NOTHING)
        return FERRY_OK;
    enum ferry_status status = check_top(limits, entry, index, error);
    if (status != FERRY_OK)
        return status;
    return entry->wanted == FERRY_DECODE_SAMPLE ? check_sample(limits, entry, index, error)
                                                : check_score(limits, entry, index, error);
}

static enum ferry_status check_entry(const struct ferry_decode_slots *slots,
                                     const struct ferry_decode_limits *limits,
                                     const struct ferry_decode_entry *entry, uint32_t index,
                                     struct ferry_error *error) {
    enum ferry_status status = check_slot(slots, entry, index, error);
    if (status == FERRY_OK)
        status = check_wanted(limits, entry, index, error);
    if (status == FERRY_OK)
        status = check_length(limits, entry, index, error);
    if (status == FERRY_OK)
        status = check_ids(limits, entry, index, error);
    return status;
}

struct step_sums {
    uint64_t tokens;
    uint64_t blocks;
};

static enum ferry_status check_sums(const struct ferry_decode_slots *slots,
                                    const struct ferry_decode_limits *limits,
                                    const struct step_sums *sums, struct ferry_error *error) {
    if (sums->tokens > limits->max_step_tokens)
        return ferry_fail(error, FERRY_INTERNAL, "%llu new tokens in a step that takes %u",
                          (unsigned long long)sums->tokens, limits->max_step_tokens);
    if (slots->block_tokens != 0 && sums->blocks > limits->blocks)
        return ferry_fail(error, FERRY_INTERNAL,
                          "%llu cache blocks would be in use after the step, there are %u",
                          (unsigned long long)sums->blocks, limits->blocks);
    return FERRY_OK;
}

enum ferry_status ferry_decode_check(struct ferry_decode_slots *slots,
                                     const struct ferry_decode_limits *limits,
                                     const struct ferry_decode_entry *entries, uint32_t count,
                                     struct ferry_error *error) {
    if (count == 0 || count > slots->count)
        return ferry_fail(error, FERRY_INTERNAL, "a step of %u entries, the decoder has %u slots",
                          count, slots->count);
    struct step_sums sums = {0, slots->blocks_used};
    enum ferry_status status = FERRY_OK;
    uint32_t checked = 0;
    while (checked < count) {
        const struct ferry_decode_entry *entry = &entries[checked];
        status = check_entry(slots, limits, entry, checked, error);
        if (status != FERRY_OK)
            break;
        struct ferry_decode_slot *slot = &slots->slots[entry->slot];
        slot->in_step = true;
        sums.tokens += entry->length - entry->cached;
        sums.blocks += ferry_decode_blocks(slots->block_tokens, entry->length);
        sums.blocks -= slot->blocks;
        checked++;
    }
    for (uint32_t at = 0; at < checked; at++)
        slots->slots[entries[at].slot].in_step = false;
    return status == FERRY_OK ? check_sums(slots, limits, &sums, error) : status;
}
