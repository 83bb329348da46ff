#include "clients/c/exchange.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* Pauses before a request is sent again: doubled with each attempt, between these two; never
 * shorter than what the daemon advises. */
static const int64_t shortest_pause = 10 * FERRY_NANOSECONDS_PER_MILLISECOND;
static const int64_t longest_pause = 2 * FERRY_NANOSECONDS_PER_SECOND;
/* How often patience and heartbeat are looked at while something is pending. */
static const int64_t tick = 100 * FERRY_NANOSECONDS_PER_MILLISECOND;

void exchange_init(struct exchange *exchange, const struct client_settings *settings,
                   const struct exchange_output *output, const char *endpoint, uint64_t seed) {
    *exchange = (struct exchange){.settings = *settings,
                                  .output = *output,
                                  .endpoint = endpoint,
                                  .window = settings->max_in_flight,
                                  .random_state = seed | 1};
    TAILQ_INIT(&exchange->live);
    TAILQ_INIT(&exchange->waiting);
    TAILQ_INIT(&exchange->delayed);
    TAILQ_INIT(&exchange->sent);
}

static int64_t later_of(int64_t left, int64_t right) {
    return left > right ? left : right;
}

static int64_t earlier_of(int64_t left, int64_t right) {
    return left < right ? left : right;
}

static void look_by(struct exchange *exchange, int64_t when) {
    exchange->next_look = earlier_of(exchange->next_look, when);
}

/* ---- where a piece is ---- */

static struct request_piece **bucket_of(struct exchange *exchange, uint64_t id) {
    return &exchange->buckets[id % EXCHANGE_BUCKETS];
}

static struct piece_list *list_of(struct exchange *exchange, enum piece_state state) {
    return state == PIECE_WAITING   ? &exchange->waiting
           : state == PIECE_DELAYED ? &exchange->delayed
           : state == PIECE_SENT    ? &exchange->sent
                                    : NULL;
}

static void move_piece(struct exchange *exchange, struct request_piece *piece,
                       enum piece_state state) {
    TAILQ_REMOVE(list_of(exchange, piece->state), piece, place);
    exchange->sent_count -= piece->state == PIECE_SENT;
    piece->state = state;
    exchange->sent_count += state == PIECE_SENT;
    if (state != PIECE_DONE)
        TAILQ_INSERT_TAIL(list_of(exchange, state), piece, place);
}

static struct request_piece *find_piece(struct exchange *exchange, uint64_t id) {
    struct request_piece *piece = *bucket_of(exchange, id);
    while (piece != NULL && piece->id != id)
        piece = piece->next_of_bucket;
    return piece;
}

static void piece_done(struct exchange *exchange, struct request_piece *piece) {
    move_piece(exchange, piece, PIECE_DONE);
    struct request_piece **at = bucket_of(exchange, piece->id);
    while (*at != piece)
        at = &(*at)->next_of_bucket;
    *at = piece->next_of_bucket;
    ferry_buffer_free(&piece->body);
    piece->reply->pieces_left--;
}

void exchange_add(struct exchange *exchange, struct ferry_reply *reply, int64_t now) {
    if (TAILQ_EMPTY(&exchange->live))
        exchange->busy_since = now;
    TAILQ_INSERT_TAIL(&exchange->live, reply, place);
    look_by(exchange, reply->deadline);
    for (size_t at = 0; at < reply->piece_count; at++) {
        struct request_piece *piece = &reply->pieces[at];
        struct request_piece **bucket = bucket_of(exchange, piece->id);
        piece->next_of_bucket = *bucket;
        *bucket = piece;
        piece->state = PIECE_WAITING;
        TAILQ_INSERT_TAIL(&exchange->waiting, piece, place);
    }
}

/* ---- the end of a call ---- */

static void hand_over(struct exchange *exchange, struct ferry_reply *reply) {
    TAILQ_REMOVE(&exchange->live, reply, place);
    exchange->output.finish(exchange->output.context, reply);
}

/* Best effort: when it does not arrive, the daemon's own deadline ends the request. */
static void send_cancel(struct exchange *exchange, uint64_t id) {
    struct ferry_wire_request request;
    ferry_wire_request_init(&request, FERRY_OPERATION_CANCEL);
    ferry_wire_id_from_uint(id, &request.cancel_target);
    struct ferry_buffer body;
    ferry_buffer_init(&body, 256);
    if (ferry_wire_request_encode(&request, &body) == FERRY_OK)
        (void)exchange->output.send(exchange->output.context, body.data, body.size);
    ferry_buffer_free(&body);
}

/* The whole call ends with the status and text in reply->error. */
static void fail_reply(struct exchange *exchange, struct ferry_reply *reply) {
    reply->status = reply->error.status;
    for (size_t at = 0; at < reply->piece_count; at++) {
        struct request_piece *piece = &reply->pieces[at];
        if (piece->state == PIECE_SENT)
            send_cancel(exchange, piece->id);
        if (piece->state != PIECE_DONE)
            piece_done(exchange, piece);
    }
    hand_over(exchange, reply);
}

void exchange_fail_all(struct exchange *exchange, enum ferry_status status, const char *text) {
    while (!TAILQ_EMPTY(&exchange->live)) {
        struct ferry_reply *reply = TAILQ_FIRST(&exchange->live);
        ferry_fail(&reply->error, status, "%s", text);
        fail_reply(exchange, reply);
    }
}

void exchange_cancel(struct exchange *exchange, uint64_t ticket) {
    struct ferry_reply *reply;
    TAILQ_FOREACH(reply, &exchange->live, place) {
        if (reply->ticket == ticket) {
            ferry_fail(&reply->error, FERRY_CANCELLED, "the caller gave the request up");
            fail_reply(exchange, reply);
            return;
        }
    }
}

/* ---- replies ---- */

static bool is_worth_another_attempt(enum ferry_status status) {
    return status == FERRY_BUSY || status == FERRY_OUT_OF_MEMORY || status == FERRY_DEVICE_LOST ||
           status == FERRY_SHUTTING_DOWN;
}

/* xorshift64*, Vigna 2014: only spreads retries of many clients. */
static uint64_t next_random(struct exchange *exchange) {
    uint64_t x = exchange->random_state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    exchange->random_state = x;
    return x * UINT64_C(2685821657736338717);
}

static int64_t pause_before_retry(struct exchange *exchange, const struct request_piece *piece,
                                  uint32_t advice_ms) {
    int64_t pause = shortest_pause << (piece->attempts < 16 ? piece->attempts : 16);
    int64_t advised = (int64_t)advice_ms * FERRY_NANOSECONDS_PER_MILLISECOND;
    pause = later_of(earlier_of(pause, longest_pause), advised);
    return pause + (int64_t)(next_random(exchange) % (uint64_t)(pause / 4 + 1));
}

/* What is still out is what the daemon had room for. */
static void heed_busy(struct exchange *exchange, struct request_piece *piece) {
    uint32_t others = exchange->sent_count - (piece->state == PIECE_SENT);
    exchange->window = others > 0 ? others : 1;
    if (others > 0)
        piece->attempts--; /* the queue is full of our own requests: no attempt in vain */
}

static void widen_window(struct exchange *exchange) {
    if (++exchange->answered_in_window < exchange->window)
        return;
    exchange->answered_in_window = 0;
    exchange->window += exchange->window / 8 > 0 ? exchange->window / 8 : 1;
    if (exchange->window > exchange->settings.max_in_flight)
        exchange->window = exchange->settings.max_in_flight;
}

static bool retry_later(struct exchange *exchange, struct request_piece *piece, int64_t now) {
    int64_t pause = pause_before_retry(exchange, piece, piece->wire.retry_after_ms);
    if (piece->wire.status == FERRY_BUSY)
        heed_busy(exchange, piece);
    if (piece->attempts >= exchange->settings.max_attempts || now + pause >= piece->reply->deadline)
        return false;
    piece->not_before = now + pause;
    ferry_client_reply_free(piece->message);
    piece->message = NULL;
    ferry_arena_free(&piece->arena);
    move_piece(exchange, piece, PIECE_DELAYED);
    look_by(exchange, piece->not_before);
    return true;
}

static void piece_failed(struct exchange *exchange, struct request_piece *piece, int64_t now) {
    struct ferry_reply *reply = piece->reply;
    enum ferry_status status = piece->wire.status;
    bool may_begin_anew = piece->next_part == 0; /* parts would come to the user twice */
    if (may_begin_anew && is_worth_another_attempt(status) && retry_later(exchange, piece, now))
        return;
    const char *text = piece->wire.message != NULL ? piece->wire.message : "";
    if (status == FERRY_TOO_LARGE && piece->item_count == 1) { /* that item's fault alone */
        piece->too_large = true;
        piece->refusal = strdup(text);
        piece_done(exchange, piece);
        if (reply->pieces_left == 0)
            hand_over(exchange, reply);
        return;
    }
    reply->retry_after_ms = piece->wire.retry_after_ms;
    ferry_fail(&reply->error, status, "%s", text);
    piece_done(exchange, piece); /* the daemon is through with it: nothing to cancel there */
    fail_reply(exchange, reply);
}

/* A daemon that answers something else than was asked must not crash who reads the answer. */
static bool fits_the_request(const struct request_piece *piece) {
    const struct ferry_wire_reply *wire = &piece->wire;
    switch (piece->reply->operation) {
    case FERRY_CLIENT_EMBED:
        return wire->has_truth && wire->has_matrix && wire->truth.item_count == piece->item_count &&
               wire->matrix.rows == piece->item_count;
    case FERRY_CLIENT_TOKENIZE:
        return wire->has_truth && wire->items != NULL &&
               wire->truth.item_count == piece->item_count;
    case FERRY_CLIENT_DETOKENIZE:
        return wire->has_truth && wire->texts != NULL &&
               wire->truth.item_count == piece->item_count;
    case FERRY_CLIENT_SCORE:
        return wire->has_truth && wire->scores != NULL &&
               wire->truth.item_count == piece->item_count;
    case FERRY_CLIENT_NEXT:
        return wire->has_truth && wire->nexts != NULL &&
               wire->truth.item_count == piece->item_count;
    case FERRY_CLIENT_GENERATE:
        return wire->has_truth && wire->has_choices &&
               wire->truth.item_count == piece->item_count &&
               wire->choices.n == piece->reply->choices;
    case FERRY_CLIENT_STATUS:
        return wire->server != NULL;
    case FERRY_CLIENT_PING:
        return true;
    }
    return false;
}

static void answered_wrongly(struct exchange *exchange, struct ferry_reply *reply) {
    ferry_fail(&reply->error, FERRY_BAD_DATA,
               "the daemon at %s answered something else than was asked: is it a ferryd of this "
               "version?",
               exchange->endpoint);
    fail_reply(exchange, reply);
}

/* ---- parts of a stream ---- */

static void stream_broken(struct exchange *exchange, struct request_piece *piece) {
    ferry_fail(
        &piece->reply->error, FERRY_BAD_DATA,
        "parts of the stream from %s were lost: %u came in order; a daemon drops what is not "
        "read in time",
        exchange->endpoint, piece->next_part);
    fail_reply(exchange, piece->reply);
}

static bool part_fits_the_request(const struct request_piece *piece) {
    const struct ferry_wire_part *part = &piece->wire.part;
    return piece->reply->streams && part->index < piece->item_count &&
           part->choice < piece->reply->choices;
}

/* Moves what was read out of the piece, which waits for more. */
static struct stream_part *take_part(struct request_piece *piece, size_t size) {
    struct stream_part *part = calloc(1, sizeof *part);
    if (part == NULL)
        return NULL;
    const struct ferry_wire_part *wire = &piece->wire.part;
    part->part = (struct ferry_part){.index = piece->first_item + wire->index,
                                     .choice = wire->choice,
                                     .piece = ferry_reply_choice_of(&wire->piece)};
    part->item = (struct queue_item){.reply = piece->reply, .part = part};
    part->message = piece->message;
    part->arena = piece->arena;
    part->bytes = sizeof *part + size + part->arena.total;
    piece->message = NULL;
    piece->arena = (struct ferry_arena){0};
    return part;
}

static void piece_streamed(struct exchange *exchange, struct request_piece *piece, size_t size) {
    struct ferry_reply *reply = piece->reply;
    const struct ferry_wire_part *wire = &piece->wire.part;
    if (!part_fits_the_request(piece)) {
        answered_wrongly(exchange, reply);
        return;
    }
    if (wire->part != piece->next_part) {
        stream_broken(exchange, piece);
        return;
    }
    bool is_last = wire->is_last;
    struct stream_part *part = NULL;
    if (reply->untaken_bytes <= exchange->settings.max_pending_bytes)
        part = take_part(piece, size);
    if (part == NULL) {
        ferry_fail(&reply->error, FERRY_BUSY, "%zu bytes of the stream's parts wait to be taken",
                   reply->untaken_bytes);
        fail_reply(exchange, reply);
        return;
    }
    piece->next_part++;
    piece->ended_choices += is_last;
    exchange->output.deliver(exchange->output.context, part);
}

/* The last part of every choice has come: nothing was lost at the end either. */
static bool stream_is_complete(const struct request_piece *piece) {
    const struct ferry_wire_truth *truth = &piece->wire.truth;
    size_t failed = truth->error_count < truth->item_count ? truth->error_count : truth->item_count;
    return !piece->reply->streams ||
           piece->ended_choices >= (truth->item_count - failed) * piece->reply->choices;
}

static void piece_answered(struct exchange *exchange, struct request_piece *piece) {
    struct ferry_reply *reply = piece->reply;
    if (!fits_the_request(piece)) {
        answered_wrongly(exchange, reply);
        return;
    }
    if (!stream_is_complete(piece)) {
        stream_broken(exchange, piece);
        return;
    }
    widen_window(exchange);
    piece_done(exchange, piece);
    if (reply->pieces_left == 0)
        hand_over(exchange, reply);
}

/* The daemon does not read a body that is over its limit, so its TOO_LARGE carries no id: the
 * largest request that is out has to be meant. */
static struct request_piece *largest_sent(struct exchange *exchange) {
    struct request_piece *largest = TAILQ_FIRST(&exchange->sent), *piece;
    TAILQ_FOREACH(piece, &exchange->sent, place) {
        if (piece->body.size > largest->body.size)
            largest = piece;
    }
    return largest;
}

static struct request_piece *find_addressee(struct exchange *exchange, const uint8_t *body,
                                            size_t size) {
    struct ferry_wire_id id;
    uint64_t number;
    if (ferry_wire_reply_read_id(body, size, &id) && id.size > 0)
        return ferry_wire_id_to_uint(&id, &number) ? find_piece(exchange, number) : NULL;
    struct ferry_arena arena;
    struct ferry_wire_reply reply;
    ferry_arena_init(&arena, exchange->settings.max_reply_bytes);
    bool is_refusal = ferry_wire_reply_read(body, size, &arena, &reply, NULL) == FERRY_OK &&
                      reply.status == FERRY_TOO_LARGE;
    ferry_arena_free(&arena);
    return is_refusal ? largest_sent(exchange) : NULL;
}

void exchange_receive(struct exchange *exchange, struct ferry_client_reply *message,
                      const uint8_t *body, size_t size, int64_t now) {
    exchange->last_heard = now;
    struct request_piece *piece = find_addressee(exchange, body, size);
    if (piece == NULL) { /* a pong, or the second reply to a request that was sent twice */
        ferry_client_reply_free(message);
        return;
    }
    piece->message = message;
    ferry_arena_init(&piece->arena, exchange->settings.max_reply_bytes * 2);
    struct ferry_reply *reply = piece->reply;
    if (ferry_wire_reply_read(body, size, &piece->arena, &piece->wire, &reply->error) != FERRY_OK) {
        ferry_fail_within(&reply->error, "reply of %s", exchange->endpoint);
        fail_reply(exchange, reply);
    } else if (piece->wire.is_part) {
        piece_streamed(exchange, piece, size);
    } else if (piece->wire.status == FERRY_OK) {
        piece_answered(exchange, piece);
    } else {
        piece_failed(exchange, piece, now);
    }
}

/* ---- time ---- */

void exchange_connection_lost(struct exchange *exchange, int64_t now) {
    struct request_piece *piece = TAILQ_FIRST(&exchange->sent);
    while (piece != NULL) {
        if (piece->next_part > 0) {
            ferry_fail(&piece->reply->error, FERRY_UNAVAILABLE,
                       "the connection to %s was lost in the middle of a stream",
                       exchange->endpoint);
            fail_reply(exchange, piece->reply);
        } else if (piece->attempts >= exchange->settings.max_attempts) {
            ferry_fail(&piece->reply->error, FERRY_UNAVAILABLE,
                       "the connection to %s was lost %u times while it worked on this request",
                       exchange->endpoint, piece->attempts);
            fail_reply(exchange, piece->reply);
        } else {
            /* The pause keeps a request that kills the daemon from doing so in a tight loop. */
            piece->not_before = now + pause_before_retry(exchange, piece, 0);
            move_piece(exchange, piece, PIECE_DELAYED);
            look_by(exchange, piece->not_before);
        }
        piece = TAILQ_FIRST(&exchange->sent);
    }
}

static void give_up_if_late(struct exchange *exchange, struct ferry_reply *reply, int64_t now) {
    if (now >= reply->deadline) {
        ferry_fail(&reply->error, FERRY_TIMEOUT, "no reply from %s within the deadline of %.3g s",
                   exchange->endpoint, (double)(reply->deadline - reply->submitted) / 1e9);
    } else if (now - later_of(exchange->last_heard, reply->submitted) >=
               exchange->settings.patience_ns) {
        exchange->gone = true;
        ferry_fail(&reply->error, FERRY_UNAVAILABLE,
                   "nobody answers at %s (silent for %.3g s): is ferryd running there?",
                   exchange->endpoint, (double)exchange->settings.patience_ns / 1e9);
    } else {
        return;
    }
    fail_reply(exchange, reply);
}

static void give_up_what_is_late(struct exchange *exchange, int64_t now) {
    struct ferry_reply *reply = TAILQ_FIRST(&exchange->live);
    while (reply != NULL) {
        struct ferry_reply *next = TAILQ_NEXT(reply, place);
        give_up_if_late(exchange, reply, now);
        reply = next;
    }
}

static void wake_delayed(struct exchange *exchange, int64_t now) {
    struct request_piece *piece = TAILQ_FIRST(&exchange->delayed);
    while (piece != NULL) {
        struct request_piece *next = TAILQ_NEXT(piece, place);
        if (now >= piece->not_before)
            move_piece(exchange, piece, PIECE_WAITING);
        piece = next;
    }
}

static void send_heartbeat(struct exchange *exchange, int64_t now) {
    int64_t heard = later_of(exchange->last_heard, exchange->busy_since);
    if (now - later_of(heard, exchange->last_ping) < exchange->settings.heartbeat_ns)
        return;
    exchange->last_ping = now;
    struct ferry_wire_request request;
    ferry_wire_request_init(&request, FERRY_OPERATION_PING);
    struct ferry_buffer body;
    ferry_buffer_init(&body, 256);
    if (ferry_wire_request_encode(&request, &body) == FERRY_OK)
        (void)exchange->output.send(exchange->output.context, body.data, body.size);
    ferry_buffer_free(&body);
}

static void send_waiting(struct exchange *exchange) {
    while (!TAILQ_EMPTY(&exchange->waiting) && exchange->sent_count < exchange->window) {
        struct request_piece *piece = TAILQ_FIRST(&exchange->waiting);
        if (exchange->output.send(exchange->output.context, piece->body.data, piece->body.size) !=
            FERRY_OK)
            return; /* deadline and patience end it if this stays so */
        piece->attempts++;
        move_piece(exchange, piece, PIECE_SENT);
    }
}

static int64_t next_event(const struct exchange *exchange, int64_t now) {
    int64_t next = now + tick;
    const struct ferry_reply *reply;
    TAILQ_FOREACH(reply, &exchange->live, place) next = earlier_of(next, reply->deadline);
    const struct request_piece *piece;
    TAILQ_FOREACH(piece, &exchange->delayed, place) next = earlier_of(next, piece->not_before);
    return next;
}

int exchange_timeout_ms(const struct exchange *exchange, int64_t now) {
    if (TAILQ_EMPTY(&exchange->live))
        return -1;
    int64_t left = later_of(exchange->next_look - now, 0);
    return (int)((left + FERRY_NANOSECONDS_PER_MILLISECOND - 1) /
                 FERRY_NANOSECONDS_PER_MILLISECOND);
}

void exchange_advance(struct exchange *exchange, int64_t now, bool connected) {
    if (now >= exchange->next_look) {
        give_up_what_is_late(exchange, now);
        wake_delayed(exchange, now);
        exchange->next_look = next_event(exchange, now);
    }
    if (!connected || TAILQ_EMPTY(&exchange->live))
        return;
    send_heartbeat(exchange, now);
    send_waiting(exchange);
}
