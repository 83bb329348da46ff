/* From a request of the user to encoded requests within the daemon's limits. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "clients/c/client_parts.h"

_Static_assert((int)FERRY_CLIENT_TRUNCATE_RIGHT == (int)FERRY_WIRE_TRUNCATE_RIGHT + 1 &&
                   (int)FERRY_CLIENT_TRUNCATE_LEFT == (int)FERRY_WIRE_TRUNCATE_LEFT + 1 &&
                   (int)FERRY_CLIENT_TRUNCATE_ERROR == (int)FERRY_WIRE_TRUNCATE_ERROR + 1,
               "truncate, where 0 is the operation's default");
_Static_assert((int)FERRY_CLIENT_ONLY_FIRST == (int)FERRY_WIRE_ONLY_FIRST &&
                   (int)FERRY_CLIENT_ONLY_SECOND == (int)FERRY_WIRE_ONLY_SECOND,
               "strategy");
_Static_assert((int)FERRY_CLIENT_F16 == (int)FERRY_WIRE_F16 &&
                   (int)FERRY_CLIENT_INT8 == (int)FERRY_WIRE_INT8 &&
                   (int)FERRY_CLIENT_BINARY == (int)FERRY_WIRE_BINARY,
               "dtype");
_Static_assert((int)FERRY_CLIENT_BULK == (int)FERRY_WIRE_BULK, "priority");

enum { LONGEST_DEADLINE_MS = 3600000 }; /* of the protocol */

static enum ferry_operation operation_of(enum ferry_client_operation operation) {
    static const enum ferry_operation operations[] = {
        [FERRY_CLIENT_EMBED] = FERRY_OPERATION_EMBED,
        [FERRY_CLIENT_TOKENIZE] = FERRY_OPERATION_TOKENIZE,
        [FERRY_CLIENT_DETOKENIZE] = FERRY_OPERATION_DETOKENIZE,
        [FERRY_CLIENT_STATUS] = FERRY_OPERATION_STATUS,
        [FERRY_CLIENT_PING] = FERRY_OPERATION_PING,
        [FERRY_CLIENT_SCORE] = FERRY_OPERATION_SCORE,
        [FERRY_CLIENT_NEXT] = FERRY_OPERATION_NEXT,
        [FERRY_CLIENT_GENERATE] = FERRY_OPERATION_GENERATE,
    };
    return operations[operation];
}

static bool takes_items(enum ferry_client_operation operation) {
    return operation != FERRY_CLIENT_STATUS && operation != FERRY_CLIENT_PING;
}

static bool is_for_language_models(enum ferry_client_operation operation) {
    return operation == FERRY_CLIENT_SCORE || operation == FERRY_CLIENT_NEXT ||
           operation == FERRY_CLIENT_GENERATE;
}

/* ---- checks ---- */

static enum ferry_status check_item(const struct ferry_client_request *request, size_t index,
                                    struct ferry_error *error) {
    const struct ferry_client_item *item = &request->items[index];
    bool is_text = item->text != NULL;
    if (is_text == (item->ids != NULL || request->operation == FERRY_CLIENT_DETOKENIZE))
        return ferry_fail(error, FERRY_USAGE, "item %zu must be %s", index,
                          request->operation == FERRY_CLIENT_DETOKENIZE ? "ids, not text"
                                                                        : "either text or ids");
    if (is_text != (request->items[0].text != NULL))
        return ferry_fail(error, FERRY_USAGE, "item %zu: texts and ids cannot share one request",
                          index);
    if (item->pair != NULL && is_for_language_models(request->operation))
        return ferry_fail(error, FERRY_USAGE,
                          "item %zu is a pair, which language models do not take", index);
    if (item->text_bytes > INT32_MAX || item->pair_bytes > INT32_MAX ||
        item->id_count > INT32_MAX / sizeof(int32_t))
        return ferry_fail(error, FERRY_TOO_LARGE, "item %zu is larger than 2 GiB", index);
    return FERRY_OK;
}

static enum ferry_status check_request(const struct ferry_client_request *request,
                                       struct ferry_error *error) {
    if ((unsigned)request->operation > FERRY_CLIENT_GENERATE)
        return ferry_fail(error, FERRY_USAGE, "unknown operation %d", (int)request->operation);
    if (!takes_items(request->operation))
        return request->item_count == 0
                   ? FERRY_OK
                   : ferry_fail(error, FERRY_USAGE, "status and ping take no items");
    if (request->item_count == 0 || request->items == NULL)
        return ferry_fail(error, FERRY_USAGE, "the request has no texts: give at least one");
    if (request->model != NULL && strlen(request->model) > FERRY_WIRE_MAX_NAME_BYTES)
        return ferry_fail(error, FERRY_USAGE, "the model's name is longer than %d bytes",
                          FERRY_WIRE_MAX_NAME_BYTES);
    if (request->generation.stop_count > FERRY_WIRE_MAX_STOPS ||
        request->generation.stop_id_count > FERRY_WIRE_MAX_STOPS)
        return ferry_fail(error, FERRY_USAGE, "at most %d stop texts and %d stop ids are allowed",
                          FERRY_WIRE_MAX_STOPS, FERRY_WIRE_MAX_STOPS);
    for (size_t index = 0; index < request->item_count; index++) {
        enum ferry_status status = check_item(request, index, error);
        if (status != FERRY_OK)
            return status;
    }
    return FERRY_OK;
}

/* ---- splitting ---- */

static size_t encoded_bytes(const struct ferry_client_item *item) {
    return 16 + item->text_bytes + item->pair_bytes + item->id_count * sizeof(int32_t) +
           (item->type_ids != NULL ? item->id_count : 0);
}

/* The daemon derives the random numbers of a choice from the seed and the item's index in its
 * request: split, a seeded request would give something else. */
static bool must_stay_whole(const struct ferry_client_request *request) {
    return request->operation == FERRY_CLIENT_GENERATE && request->generation.has_seed;
}

/* How many items from `first` on travel together: at least one, however large it is. */
static size_t items_of_piece(const struct ferry_client_request *request, size_t first,
                             const struct client_settings *settings) {
    if (must_stay_whole(request))
        return request->item_count - first;
    size_t count = 0, bytes = 0;
    while (first + count < request->item_count && count < settings->items_per_piece) {
        bytes += encoded_bytes(&request->items[first + count]);
        if (count > 0 && bytes > settings->bytes_per_piece)
            break;
        count++;
    }
    return count;
}

static size_t count_pieces(const struct ferry_client_request *request,
                           const struct client_settings *settings) {
    size_t pieces = 0;
    for (size_t first = 0; first < request->item_count; pieces++)
        first += items_of_piece(request, first, settings);
    return pieces > 0 ? pieces : 1; /* status and ping have no items */
}

/* ---- encoding ---- */

/* What a request is encoded from, over and over. */
struct encoding {
    struct ferry_wire_request wire;
    struct ferry_view stop[FERRY_WIRE_MAX_STOPS];
    int32_t stop_ids[FERRY_WIRE_MAX_STOPS];
};

static void set_stops(const struct ferry_client_generation *given, struct encoding *encoding) {
    struct ferry_wire_generation *wire = &encoding->wire.generation;
    for (size_t at = 0; at < given->stop_count; at++)
        encoding->stop[at] =
            (struct ferry_view){given->stop[at], (uint32_t)strnlen(given->stop[at], INT32_MAX)};
    if (given->stop_id_count > 0)
        memcpy(encoding->stop_ids, given->stop_ids, given->stop_id_count * sizeof(int32_t));
    wire->stop = encoding->stop;
    wire->stop_count = (uint32_t)given->stop_count;
    wire->stop_ids = encoding->stop_ids;
    wire->stop_id_count = (uint32_t)given->stop_id_count;
}

/* 0 in what cannot be 0 stands for the default, which the wire has already. */
static void set_generation(const struct ferry_client_generation *given, struct encoding *encoding) {
    struct ferry_wire_generation *wire = &encoding->wire.generation;
    if (given->max_new_tokens > 0)
        wire->max_new_tokens = given->max_new_tokens;
    if (given->choices > 0)
        wire->choices = given->choices;
    if (given->top_p != 0)
        wire->top_p = given->top_p;
    if (given->repetition_penalty != 0)
        wire->repetition_penalty = given->repetition_penalty;
    wire->min_new_tokens = given->min_new_tokens;
    wire->top_k = given->top_k;
    wire->temperature = given->temperature;
    wire->has_temperature = given->has_temperature;
    wire->min_p = given->min_p;
    wire->seed = given->seed;
    wire->has_seed = given->has_seed;
    wire->logprobs = given->logprobs;
    wire->echo = given->echo;
    wire->ignore_end = given->ignore_end;
    wire->stream = given->stream;
    set_stops(given, encoding);
}

static void set_language_options(const struct ferry_client_request *request,
                                 struct encoding *encoding) {
    struct ferry_wire_request *wire = &encoding->wire;
    wire->add_special_tokens = !request->without_special_tokens;
    if (request->top > 0)
        wire->top = request->top;
    if (request->operation == FERRY_CLIENT_SCORE) {
        wire->windows = request->windows;
        wire->stride = request->stride;
    }
    if (request->operation == FERRY_CLIENT_GENERATE) {
        wire->skip_special_tokens = !request->keep_special_tokens;
        set_generation(&request->generation, encoding);
    }
}

static void set_options(const struct ferry_client_request *request, uint32_t deadline_ms,
                        struct encoding *encoding) {
    struct ferry_wire_request *wire = &encoding->wire;
    enum ferry_client_operation operation = request->operation;
    ferry_wire_request_init(wire, operation_of(operation));
    if (!takes_items(operation)) /* status and ping know no options, not even a deadline */
        return;
    wire->deadline_ms = deadline_ms;
    wire->priority = (enum ferry_wire_priority)request->priority;
    if (request->model != NULL)
        wire->model =
            (struct ferry_view){.data = request->model, .size = (uint32_t)strlen(request->model)};
    if (operation == FERRY_CLIENT_DETOKENIZE) {
        wire->skip_special_tokens = !request->keep_special_tokens;
        return;
    }
    wire->max_tokens = request->max_tokens;
    if (request->truncate != FERRY_CLIENT_TRUNCATE_DEFAULT)
        wire->truncate = (enum ferry_wire_truncate)((int)request->truncate - 1);
    wire->special_tokens_as_text = request->special_tokens_as_text;
    if (is_for_language_models(operation)) {
        set_language_options(request, encoding);
        return;
    }
    wire->strategy = (enum ferry_wire_strategy)request->strategy;
    if (operation == FERRY_CLIENT_EMBED) {
        wire->dtype = (enum ferry_wire_dtype)request->dtype;
        if (request->normalize != FERRY_CLIENT_AS_MODEL)
            wire->normalize = request->normalize == FERRY_CLIENT_YES;
        return;
    }
    wire->add_special_tokens = !request->without_special_tokens;
    wire->offsets = request->offsets;
    wire->windows = request->windows;
    wire->stride = request->stride;
}

static void set_item(const struct ferry_client_item *item, struct ferry_wire_item *wire) {
    *wire = (struct ferry_wire_item){0};
    if (item->text == NULL) {
        wire->ids = item->ids;
        wire->type_ids = item->type_ids;
        wire->id_count = (uint32_t)item->id_count;
        return;
    }
    wire->text = (struct ferry_view){.data = item->text, .size = (uint32_t)item->text_bytes};
    if (item->pair != NULL)
        wire->pair = (struct ferry_view){.data = item->pair, .size = (uint32_t)item->pair_bytes};
}

static enum ferry_status encode_piece(const struct ferry_client_request *request,
                                      struct ferry_wire_request *wire,
                                      const struct client_settings *settings,
                                      struct request_piece *piece, struct ferry_error *error) {
    for (size_t at = 0; at < piece->item_count; at++)
        set_item(&request->items[piece->first_item + at], &wire->items[at]);
    wire->item_count = (uint32_t)piece->item_count;
    ferry_wire_id_from_uint(piece->id, &wire->id);
    ferry_buffer_init(&piece->body, settings->max_pending_bytes);
    enum ferry_status status = ferry_wire_request_encode(wire, &piece->body);
    if (status == FERRY_TOO_LARGE)
        return ferry_fail(error, status, "item %zu alone is larger than %zu bytes",
                          piece->first_item, settings->max_pending_bytes);
    return status == FERRY_OK ? status : ferry_fail(error, status, "cannot encode the request");
}

static enum ferry_status encode_pieces(const struct ferry_client_request *request,
                                       const struct client_settings *settings,
                                       struct ferry_wire_request *wire, _Atomic uint64_t *next_id,
                                       struct ferry_reply *reply, struct ferry_error *error) {
    size_t first = 0;
    for (size_t at = 0; at < reply->piece_count; at++) {
        struct request_piece *piece = &reply->pieces[at];
        piece->reply = reply;
        piece->id = (*next_id)++;
        piece->first_item = first;
        piece->item_count = items_of_piece(request, first, settings);
        first += piece->item_count;
        enum ferry_status status = encode_piece(request, wire, settings, piece, error);
        if (status != FERRY_OK)
            return status;
        reply->body_bytes += piece->body.size;
        if (reply->body_bytes > settings->max_pending_bytes)
            return ferry_fail(error, FERRY_TOO_LARGE,
                              "the request has more than %zu bytes: send it in parts",
                              settings->max_pending_bytes);
    }
    return FERRY_OK;
}

static struct ferry_reply *allocate_reply(size_t pieces) {
    struct ferry_reply *reply = calloc(1, sizeof *reply);
    if (reply == NULL)
        return NULL;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&reply->lock, NULL);
    pthread_cond_init(&reply->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    reply->pieces = calloc(pieces, sizeof *reply->pieces);
    reply->piece_count = reply->pieces_left = reply->pieces != NULL ? pieces : 0;
    if (reply->pieces == NULL) {
        ferry_reply_free(reply);
        return NULL;
    }
    return reply;
}

static uint32_t deadline_of(const struct ferry_client_request *request,
                            const struct client_settings *settings) {
    int64_t usual = request->operation == FERRY_CLIENT_GENERATE ? settings->generate_deadline_ns
                                                                : settings->deadline_ns;
    int64_t deadline_ms =
        request->deadline_ms > 0 ? request->deadline_ms : usual / FERRY_NANOSECONDS_PER_MILLISECOND;
    return (uint32_t)(deadline_ms < LONGEST_DEADLINE_MS ? deadline_ms : LONGEST_DEADLINE_MS);
}

enum ferry_status ferry_reply_create(const struct ferry_client_request *request,
                                     const struct client_settings *settings,
                                     _Atomic uint64_t *next_id, struct ferry_reply **ret_reply,
                                     struct ferry_error *error) {
    enum ferry_status status = check_request(request, error);
    if (status != FERRY_OK)
        return status;
    struct ferry_reply *reply = allocate_reply(count_pieces(request, settings));
    size_t most = must_stay_whole(request) ? request->item_count : settings->items_per_piece;
    struct ferry_wire_item *items = calloc(most, sizeof *items);
    if (reply == NULL || items == NULL) {
        ferry_reply_free(reply);
        free(items);
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for the request");
    }
    uint32_t deadline_ms = deadline_of(request, settings);
    struct encoding encoding;
    set_options(request, deadline_ms, &encoding);
    encoding.wire.items = items;
    reply->operation = request->operation;
    reply->choices = encoding.wire.generation.choices;
    reply->streams = encoding.wire.generation.stream;
    reply->item_count = request->item_count;
    reply->submitted = ferry_clock_now();
    reply->deadline = reply->submitted + deadline_ms * FERRY_NANOSECONDS_PER_MILLISECOND;
    status = encode_pieces(request, settings, &encoding.wire, next_id, reply, error);
    free(items);
    if (status != FERRY_OK) {
        ferry_reply_free(reply);
        return status;
    }
    *ret_reply = reply;
    return FERRY_OK;
}
