/* Whatever arrives instead of a reply: the client ends the call with a result or an error, and
 * every accessor can be called on the result. First byte: the operation; the rest: a reply's body.
 * The call that waits for it has the id 1, as uint 64. */
#include <stdlib.h>
#include <string.h>

#include "clients/c/exchange.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct ferry_reply *finished;

static enum ferry_status swallow(void *context, const void *body, size_t size) {
    (void)context, (void)body, (void)size;
    return FERRY_OK;
}

static void keep(void *context, struct ferry_reply *reply) {
    (void)context;
    if (finished != NULL)
        abort(); /* a call ends once */
    finished = reply;
}

static void read_tokens(const struct ferry_reply *reply, size_t index) {
    for (size_t window = 0; window <= ferry_reply_window_count(reply, index); window++) {
        struct ferry_reply_window tokens;
        if (!ferry_reply_get_window(reply, index, window, &tokens))
            continue;
        volatile int64_t sum = 0;
        for (size_t at = 0; at < tokens.count; at++) {
            size_t bytes = 0;
            const char *text = ferry_reply_token(reply, index, window, at, &bytes);
            sum += tokens.ids[at] + tokens.type_ids[at] + tokens.special[at];
            sum += tokens.offsets != NULL ? tokens.offsets[2 * at + 1] : 0;
            sum += bytes > 0 ? text[bytes - 1] : 0;
        }
    }
}

static double sum_choice(const struct ferry_reply_choice *choice) {
    double sum = choice->finish_reason != NULL ? (double)strlen(choice->finish_reason) : 0;
    sum += choice->text_bytes > 0 ? choice->text[choice->text_bytes - 1] : 0;
    for (size_t at = 0; at < choice->count; at++)
        sum += choice->ids[at] + (choice->logprobs != NULL ? (double)choice->logprobs[at] : 0);
    for (size_t at = 0; at < choice->count * choice->top; at++)
        sum += choice->top_ids[at] + (double)choice->top_logprobs[at];
    return sum;
}

static void read_part(void *context, struct stream_part *part) {
    (void)context;
    if (part->part.index > 1 || part->part.choice > 1)
        abort(); /* of two items with two choices */
    volatile double sum = sum_choice(&part->part.piece);
    (void)sum;
    ferry_part_free(&part->part);
}

static double sum_language(const struct ferry_reply *reply, size_t index) {
    struct ferry_reply_score score;
    struct ferry_reply_next next;
    struct ferry_reply_choice choice;
    double sum = (double)ferry_reply_seed(reply, index);
    if (ferry_reply_get_score(reply, index, &score)) {
        for (size_t at = 0; at < score.count; at++)
            sum += score.ids[at] + (double)score.logprobs[at];
        for (size_t at = 0; at < score.count * score.top; at++)
            sum += score.top_ids[at] + (double)score.top_logprobs[at];
    }
    if (ferry_reply_get_next(reply, index, &next)) {
        for (size_t at = 0; at < next.count; at++)
            sum += next.ids[at] + (double)next.logprobs[at];
    }
    for (size_t at = 0; ferry_reply_get_choice(reply, index, at, &choice); at++)
        sum += sum_choice(&choice);
    for (size_t at = 0; at < 8; at++) {
        size_t bytes = 0;
        const char *text = ferry_reply_token(reply, index, 0, at, &bytes);
        sum += text != NULL && bytes > 0 ? text[bytes - 1] : 0;
    }
    return sum;
}

static void read_all(const struct ferry_reply *reply) {
    volatile double sum = 0;
    for (size_t index = 0; index <= ferry_reply_count(reply); index++) {
        const char *message;
        size_t bytes = 0;
        sum += (double)ferry_reply_item_status(reply, index, &message) + (double)strlen(message);
        sum += ferry_reply_tokens(reply, index) + (double)ferry_reply_truncated(reply, index);
        const uint8_t *row = ferry_reply_raw_row(reply, index, &bytes);
        sum += row != NULL && bytes > 0 ? row[bytes - 1] : 0;
        sum += (double)ferry_reply_scale(reply, index);
        bytes = 0;
        const char *text = ferry_reply_text(reply, index, &bytes);
        sum += text != NULL && bytes > 0 ? text[bytes - 1] : 0;
        read_tokens(reply, index);
        sum += sum_language(reply, index);
    }
    size_t numbers =
        ferry_reply_rows(reply) ? ferry_reply_count(reply) * ferry_reply_width(reply) : 0;
    for (size_t at = 0; at < numbers; at++)
        sum += (double)ferry_reply_rows(reply)[at];
    struct ferry_reply_model model;
    struct ferry_reply_times times;
    if (ferry_reply_get_model(reply, &model))
        sum += (double)(strlen(model.name) + strlen(model.digest) + strlen(model.device));
    ferry_reply_get_times(reply, &times);
    sum += (double)ferry_reply_error_count(reply) + (double)ferry_reply_padded_tokens(reply);
    if (ferry_reply_status_json(reply) != NULL)
        sum += (double)strlen(ferry_reply_status_json(reply));
}

/* The number behind the last operation is generate, streamed. */
static struct ferry_reply *make_call(uint8_t number, const struct client_settings *settings) {
    unsigned operations = FERRY_CLIENT_GENERATE + 1;
    bool streams = number % (operations + 1) == operations;
    enum ferry_client_operation operation =
        streams ? FERRY_CLIENT_GENERATE : (enum ferry_client_operation)(number % (operations + 1));
    static const int32_t ids[] = {1, 2};
    struct ferry_client_item text = {.text = "text", .text_bytes = 4};
    struct ferry_client_item row = {.ids = ids, .id_count = 2};
    struct ferry_client_item items[2] = {text, text};
    if (operation == FERRY_CLIENT_DETOKENIZE)
        items[0] = items[1] = row;
    bool has_items = operation != FERRY_CLIENT_STATUS && operation != FERRY_CLIENT_PING;
    struct ferry_client_request request = {
        .operation = operation,
        .items = items,
        .item_count = has_items ? 2 : 0,
        .generation = {.choices = 2, .logprobs = true, .stream = streams}};
    _Atomic uint64_t next_id = 1;
    struct ferry_reply *reply = NULL;
    if (ferry_reply_create(&request, settings, &next_id, &reply, NULL) != FERRY_OK)
        abort();
    reply->deadline = INT64_MAX;
    reply->submitted = 0;
    return reply;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1)
        return 0;
    const struct client_settings settings = {.deadline_ns = 1000000000,
                                             .generate_deadline_ns = 1000000000,
                                             .patience_ns = INT64_MAX,
                                             .heartbeat_ns = INT64_MAX,
                                             .max_attempts = 2,
                                             .max_in_flight = 10,
                                             .items_per_piece = 4,
                                             .bytes_per_piece = 1000,
                                             .max_pending_bytes = 1 << 20,
                                             .max_reply_bytes = 1 << 20};
    struct exchange_output output = {.send = swallow, .deliver = read_part, .finish = keep};
    struct exchange *exchange = malloc(sizeof *exchange);
    uint8_t *body = malloc(size);
    if (exchange == NULL || body == NULL)
        abort();
    finished = NULL;
    exchange_init(exchange, &settings, &output, "fuzz", 1);
    exchange_add(exchange, make_call(data[0], &settings), 0);
    exchange_advance(exchange, 0, true);
    memcpy(body, data + 1, size - 1);
    exchange_receive(exchange, NULL, body, size - 1, 1);
    if (finished != NULL && finished->status == FERRY_OK &&
        ferry_reply_make_readable(finished, NULL) == FERRY_OK)
        read_all(finished);
    exchange_fail_all(exchange, FERRY_CANCELLED, "end of input");
    if (finished == NULL || !TAILQ_EMPTY(&exchange->live))
        abort(); /* every call ends */
    ferry_reply_free(finished);
    free(body);
    free(exchange);
    return 0;
}
