#include "daemon/schedule/sequence.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Bytes of text a token may bring on average; vocabularies have longer tokens, but few. */
enum { TEXT_BYTES_A_TOKEN = 1024 };

static const char no_memory[] = "no memory for this item: ask for fewer tokens at once";

/* SplitMix64's finaliser (Steele et al., 2014): 0 stays 0, so that the first choice of the first
 * item has the seed that was asked for. */
static uint64_t mix(uint64_t number) {
    number = (number ^ number >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    number = (number ^ number >> 27) * UINT64_C(0x94D049BB133111EB);
    return number ^ number >> 31;
}

static uint64_t seed_of(uint64_t seed, uint32_t item, uint32_t choice) {
    return seed ^ mix((uint64_t)item << 32 | choice);
}

static enum ferry_status out_of_memory(struct ferry_error *error) {
    return ferry_fail(error, FERRY_OUT_OF_MEMORY, "%s", no_memory);
}

/* ---- making ---- */

static struct ferry_score_windows windows_of(const struct ferry_request *request, uint32_t length) {
    struct ferry_score_windows windows;
    if (ferry_score_windows_cut(&request->wire, length, request->model->max_length, &windows,
                                NULL) != FERRY_OK)
        windows = (struct ferry_score_windows){.window = length, .count = 1};
    return windows;
}

enum ferry_status ferry_sequences_count(const struct ferry_request *request, uint32_t prompt_length,
                                        uint32_t *ret_count, struct ferry_error *error) {
    struct ferry_score_windows windows = {.count = 1};
    enum ferry_status status = FERRY_OK;
    if (request->wire.operation == FERRY_OPERATION_GENERATE)
        windows.count = request->wire.generation.choices;
    if (request->wire.operation == FERRY_OPERATION_SCORE)
        status = ferry_score_windows_cut(&request->wire, prompt_length, request->model->max_length,
                                         &windows, error);
    *ret_count = windows.count;
    return status;
}

/* No more alternatives than the vocabulary has. */
static uint32_t top_of(const struct ferry_request *request) {
    uint32_t most = (uint32_t)request->model->vocabulary_size;
    return request->wire.top < most ? request->wire.top : most;
}

/* Room for what is told of `tokens` tokens; NaN until it is known. */
static bool allocate_told(struct ferry_arena *arena, uint32_t tokens, uint32_t top,
                          float **ret_logprobs, int32_t **ret_top_ids, float **ret_top_logprobs) {
    size_t tops = (size_t)tokens * top;
    *ret_logprobs = ferry_arena_allocate(arena, tokens * sizeof(float));
    *ret_top_ids = top == 0 ? NULL : ferry_arena_allocate(arena, tops * sizeof(int32_t));
    *ret_top_logprobs = top == 0 ? NULL : ferry_arena_allocate(arena, tops * sizeof(float));
    if (*ret_logprobs == NULL || (top > 0 && (*ret_top_ids == NULL || *ret_top_logprobs == NULL)))
        return false;
    for (uint32_t i = 0; i < tokens; i++)
        (*ret_logprobs)[i] = NAN;
    for (size_t i = 0; i < tops; i++) {
        (*ret_top_ids)[i] = -1;
        (*ret_top_logprobs)[i] = NAN;
    }
    return true;
}

static void set_decode(struct ferry_sequence *sequence, uint32_t length, uint32_t cut) {
    struct ferry_request *request = sequence->item->request;
    sequence->decode = (struct ferry_decode_item){
        .priority =
            request->wire.priority == FERRY_WIRE_BULK ? FERRY_BATCH_BULK : FERRY_BATCH_INTERACTIVE,
        .arrived_ns = request->arrived_ns,
        .owner_slots = &request->decode_slots,
        .length = length,
        .cut = cut,
        .slot = FERRY_DECODE_NO_SLOT};
}

/* A window's last token is only a target: nothing after it is asked for. */
static void make_window(struct ferry_sequence *sequence, const struct ferry_score_window *window) {
    struct ferry_item *item = sequence->item;
    sequence->ids = item->prompt + window->begin;
    sequence->prompt_length = sequence->capacity = window->length;
    sequence->score_from = window->skipped == 0 ? 0 : window->skipped - 1;
    sequence->score_until = window->length - 1;
    sequence->top = top_of(item->request);
    sequence->logprobs = item->logprobs + window->begin;
    if (item->top_ids != NULL) {
        sequence->top_ids = item->top_ids + (size_t)window->begin * sequence->top;
        sequence->top_logprobs = item->top_logprobs + (size_t)window->begin * sequence->top;
    }
    set_decode(sequence, window->length - 1, sequence->score_from);
    sequence->is_over = window->length < 2;
}

static enum ferry_status make_windows(struct ferry_item *item, struct ferry_error *error) {
    struct ferry_request *request = item->request;
    struct ferry_score_windows windows = windows_of(request, item->prompt_length);
    if (!allocate_told(&request->arena, item->prompt_length, top_of(request), &item->logprobs,
                       &item->top_ids, &item->top_logprobs))
        return out_of_memory(error);
    for (uint32_t i = 0; i < windows.count; i++) {
        struct ferry_score_window window = ferry_score_windows_at(&windows, item->prompt_length, i);
        make_window(&item->sequences[i], &window);
    }
    return FERRY_OK;
}

static enum ferry_status make_next(struct ferry_item *item, struct ferry_error *error) {
    struct ferry_sequence *sequence = &item->sequences[0];
    struct ferry_arena *arena = &item->request->arena;
    sequence->ids = item->prompt;
    sequence->prompt_length = item->prompt_length;
    sequence->capacity = item->prompt_length + 1;
    sequence->told_from = item->prompt_length;
    sequence->top = top_of(item->request);
    sequence->sampling = (struct ferry_sampling){.top_p = 1, .repetition_penalty = 1};
    sequence->growing = ferry_arena_allocate(arena, sizeof *sequence->growing);
    if (sequence->growing == NULL || !allocate_told(arena, 1, sequence->top, &sequence->logprobs,
                                                    &sequence->top_ids, &sequence->top_logprobs))
        return out_of_memory(error);
    set_decode(sequence, item->prompt_length, 0);
    return FERRY_OK;
}

static uint32_t most_new_tokens(const struct ferry_request *request, uint32_t prompt_length) {
    const struct ferry_loaded_model *model = request->model;
    uint32_t most = request->wire.generation.max_new_tokens;
    uint32_t room = model->max_length - prompt_length;
    if (model->decoding.combined && most > model->decoding.max_new_tokens)
        most = model->decoding.max_new_tokens;
    return most < room ? most : room;
}

/* Ids that may not come before min_new_tokens: those that would end the choice. A client may name
 * ids that the model does not have; they cannot come anyway. */
static bool make_forbidden(struct ferry_sequence *sequence) {
    struct ferry_request *request = sequence->item->request;
    const struct ferry_wire_generation *generation = &request->wire.generation;
    const struct ferry_manifest_decoding *decoding = &request->model->decoding;
    uint32_t count = generation->ignore_end ? 0 : decoding->end_id_count;
    if (generation->min_new_tokens == 0)
        return true;
    int32_t *forbidden = ferry_arena_allocate(
        &request->arena, (count + generation->stop_id_count + 1UL) * sizeof *forbidden);
    if (forbidden == NULL)
        return false;
    memcpy(forbidden, decoding->end_ids, count * sizeof *forbidden);
    for (uint32_t i = 0; i < generation->stop_id_count; i++)
        if (generation->stop_ids[i] < request->model->vocabulary_size)
            forbidden[count++] = generation->stop_ids[i];
    sequence->forbidden = forbidden;
    sequence->forbidden_count = count;
    return true;
}

static void set_sampling(struct ferry_sequence *sequence) {
    const struct ferry_item *item = sequence->item;
    const struct ferry_wire_generation *generation = &item->request->wire.generation;
    /* A sampler of somebody else's may divide by the temperature: it gets 0 only on demand. */
    bool as_is = item->request->model->decoding.combined && !generation->has_temperature;
    sequence->sampling = (struct ferry_sampling){
        .temperature = as_is ? 1 : generation->temperature,
        .top_p = generation->top_p,
        .min_p = generation->min_p,
        .repetition_penalty = generation->repetition_penalty,
        .top_k = generation->top_k,
        .seed = seed_of(item->request->seed, item->index, sequence->choice)};
}

/* The text of an echoed prompt is told like the rest. */
static enum ferry_status begin_text(struct ferry_sequence *sequence, struct ferry_error *error) {
    struct ferry_request *request = sequence->item->request;
    bool echo = request->wire.generation.echo;
    uint32_t tokens = sequence->capacity - sequence->told_from;
    enum ferry_status status = ferry_choice_text_begin(
        &sequence->text, request->model->tokenizer, &request->wire, tokens,
        (size_t)sequence->capacity * TEXT_BYTES_A_TOKEN, &request->arena, error);
    if (status == FERRY_OK && echo)
        status = ferry_choice_text_add(&sequence->text, sequence->ids, sequence->prompt_length,
                                       false, error);
    return status;
}

static enum ferry_status make_choice(struct ferry_sequence *sequence, struct ferry_error *error) {
    const struct ferry_item *item = sequence->item;
    struct ferry_request *request = item->request;
    const struct ferry_wire_generation *generation = &request->wire.generation;
    uint32_t length = item->prompt_length;
    if (length >= request->model->max_length)
        return ferry_fail(error, FERRY_TOO_LONG,
                          "a prompt of %u tokens leaves no room: the model's limit is %u", length,
                          request->model->max_length);
    sequence->prompt_length = length;
    sequence->capacity = length + most_new_tokens(request, length);
    sequence->least = generation->min_new_tokens > sequence->capacity - length
                          ? sequence->capacity
                          : length + generation->min_new_tokens;
    sequence->told_from = generation->echo ? 0 : length;
    int32_t *ids =
        ferry_arena_allocate(&request->arena, sequence->capacity * sizeof *sequence->growing);
    if (ids == NULL || !make_forbidden(sequence))
        return out_of_memory(error);
    memcpy(ids, item->prompt, length * sizeof *ids);
    sequence->ids = ids;
    sequence->growing = ids + length;
    if (generation->logprobs) {
        sequence->top = top_of(request);
        sequence->score_until = generation->echo ? length - 1 : 0;
        if (!allocate_told(&request->arena, sequence->capacity - sequence->told_from, sequence->top,
                           &sequence->logprobs, &sequence->top_ids, &sequence->top_logprobs))
            return out_of_memory(error);
    }
    set_sampling(sequence);
    set_decode(sequence, length, sequence->score_until);
    return begin_text(sequence, error);
}

static enum ferry_status make_choices(struct ferry_item *item, struct ferry_error *error) {
    enum ferry_status status = FERRY_OK;
    for (uint32_t i = 0; status == FERRY_OK && i < item->sequence_count; i++) {
        item->sequences[i].choice = i;
        status = make_choice(&item->sequences[i], error);
    }
    return status;
}

enum ferry_status ferry_sequences_make(struct ferry_item *item, const struct ferry_item_ids *prompt,
                                       struct ferry_error *error) {
    struct ferry_request *request = item->request;
    uint32_t count = 0;
    enum ferry_status status = ferry_sequences_count(request, prompt->length, &count, error);
    if (status != FERRY_OK)
        return status;
    item->sequences = ferry_arena_allocate(&request->arena, count * sizeof *item->sequences);
    if (item->sequences == NULL)
        return out_of_memory(error);
    memset(item->sequences, 0, count * sizeof *item->sequences);
    item->sequence_count = count;
    item->prompt = prompt->ids;
    item->prompt_length = prompt->length;
    for (uint32_t i = 0; i < count; i++)
        item->sequences[i].item = item;
    switch (request->wire.operation) {
    case FERRY_OPERATION_SCORE:
        return make_windows(item, error);
    case FERRY_OPERATION_NEXT:
        return make_next(item, error);
    default:
        return make_choices(item, error);
    }
}

void ferry_sequence_free(struct ferry_sequence *sequence) {
    ferry_choice_text_free(&sequence->text);
}

/* ---- running ---- */

static bool is_scoring(const struct ferry_sequence *sequence) {
    return sequence->decode.cached >= sequence->score_from &&
           sequence->decode.cached < sequence->score_until;
}

static void tell_into(const struct ferry_sequence *sequence, uint32_t place,
                      struct ferry_decode_entry *entry) {
    if (sequence->logprobs == NULL)
        return;
    entry->logprobs = sequence->logprobs + place;
    if (sequence->top_ids == NULL)
        return;
    entry->top = sequence->top;
    entry->top_ids = sequence->top_ids + (size_t)place * sequence->top;
    entry->top_logprobs = sequence->top_logprobs + (size_t)place * sequence->top;
}

void ferry_sequence_fill_entry(const struct ferry_sequence *sequence, uint32_t until,
                               struct ferry_decode_entry *entry) {
    const struct ferry_decode_item *decode = &sequence->decode;
    *entry = (struct ferry_decode_entry){.slot = decode->slot,
                                         .ids = sequence->ids,
                                         .cached = decode->cached,
                                         .length = until,
                                         .wanted = FERRY_DECODE_NOTHING,
                                         .max_new = 1};
    if (is_scoring(sequence)) {
        entry->wanted = FERRY_DECODE_SCORE;
        entry->targets = sequence->ids + decode->cached + 1;
        tell_into(sequence, decode->cached + 1, entry);
    } else if (sequence->growing != NULL && until == decode->length) {
        entry->wanted = FERRY_DECODE_SAMPLE;
        entry->sampling = &sequence->sampling;
        entry->new_ids = sequence->growing + (decode->length - sequence->prompt_length);
        if (sequence->item->request->model->decoder_info->whole_generation)
            entry->max_new = sequence->capacity - decode->length;
        tell_into(sequence, decode->length - sequence->told_from, entry);
        if (decode->length < sequence->least) {
            entry->forbidden = sequence->forbidden;
            entry->forbidden_count = sequence->forbidden_count;
        }
    }
}

static bool is_among(int32_t id, const int32_t *ids, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        if (ids[i] == id)
            return true;
    return false;
}

static bool end_with(struct ferry_sequence *sequence, enum ferry_wire_finish finish) {
    sequence->finish = finish;
    return true;
}

/* One new token, which stands behind the others already. True: the choice ends. */
static bool accept(struct ferry_sequence *sequence, int32_t id, enum ferry_status *status,
                   struct ferry_error *error) {
    const struct ferry_request *request = sequence->item->request;
    const struct ferry_wire_generation *generation = &request->wire.generation;
    const struct ferry_manifest_decoding *decoding = &request->model->decoding;
    if (!generation->ignore_end && is_among(id, decoding->end_ids, decoding->end_id_count))
        return end_with(sequence, FERRY_WIRE_FINISH_END);
    if (is_among(id, generation->stop_ids, generation->stop_id_count))
        return end_with(sequence, FERRY_WIRE_FINISH_STOP);
    sequence->decode.length++;
    *status = ferry_choice_text_add(&sequence->text, &id, 1,
                                    sequence->decode.length > sequence->least, error);
    if (*status != FERRY_OK)
        return true;
    if (sequence->text.stopped)
        return end_with(sequence, FERRY_WIRE_FINISH_STOP);
    return sequence->decode.length == sequence->capacity &&
           end_with(sequence, FERRY_WIRE_FINISH_LENGTH);
}

static enum ferry_status take_new_ids(struct ferry_sequence *sequence,
                                      const struct ferry_decode_entry *entry, bool whole,
                                      struct ferry_error *error) {
    enum ferry_status status = FERRY_OK;
    bool ends = false;
    for (uint32_t i = 0; i < entry->new_count && !ends; i++)
        ends = accept(sequence, entry->new_ids[i], &status, error);
    if (!ends && whole)
        ends = end_with(sequence, FERRY_WIRE_FINISH_END);
    if (status == FERRY_OK && ends)
        status = ferry_choice_text_end(&sequence->text, error);
    sequence->has_ended = ends && status == FERRY_OK;
    return status;
}

enum ferry_status ferry_sequence_take(struct ferry_sequence *sequence,
                                      const struct ferry_decode_entry *entry, bool whole,
                                      bool *ret_over, struct ferry_error *error) {
    enum ferry_status status = FERRY_OK;
    bool over = false;
    if (entry->wanted == FERRY_DECODE_SCORE && sequence->growing == NULL) {
        over = entry->length == sequence->decode.length;
    } else if (entry->wanted == FERRY_DECODE_SCORE && entry->length == sequence->score_until) {
        sequence->score_until = 0; /* told; should the cache be computed again, this is not */
        sequence->decode.cut = 0;
    } else if (entry->wanted == FERRY_DECODE_SAMPLE &&
               sequence->item->request->wire.operation == FERRY_OPERATION_NEXT) {
        over = true;
    } else if (entry->wanted == FERRY_DECODE_SAMPLE) {
        status = take_new_ids(sequence, entry, whole, error);
        over = sequence->has_ended || status != FERRY_OK;
    }
    *ret_over = over;
    return status;
}

/* ---- streaming ---- */

void ferry_sequence_progress(struct ferry_sequence *sequence, bool again) {
    struct ferry_request *request = sequence->item->request;
    struct ferry_sequence *first = request->progressed;
    if (sequence->has_progress)
        return;
    sequence->has_progress = true;
    sequence->progress_next = again ? first : NULL;
    if (again || first == NULL)
        request->progressed = sequence;
    else
        request->progressed_last->progress_next = sequence;
    if (!again || first == NULL)
        request->progressed_last = sequence;
}

struct ferry_sequence *ferry_sequence_take_progressed(struct ferry_request *request) {
    struct ferry_sequence *sequence = request->progressed;
    if (sequence == NULL)
        return NULL;
    request->progressed = sequence->progress_next;
    sequence->has_progress = false;
    return sequence;
}
