/* The parts of streamed requests. What a part holds is decided when it is sent: while a reader is
 * slow nothing piles up, the next part simply has more tokens. */
#include "base/clock.h"
#include "daemon/schedule/decode_reply.h"
#include "daemon/serve/server.h"

enum {
    PART_BYTES = 64 << 20, /* one part is bounded by its request's memory; this is a guard */
    PARTS_A_TURN = 1024,   /* of one request; the rest comes with its next progress */
    BLOCKED_MS = 50        /* a part is encoded before a slow reader refuses it: not each step */
};

static bool is_streamed(const struct ferry_request *request) {
    return request->decode != NULL && request->wire.generation.stream && request->items != NULL;
}

/* Encodes the sequence's next part. The stream lock is held only here. */
static bool encode_part(struct ferry_request *request, const struct ferry_sequence *sequence,
                        struct ferry_wire_part *part, struct ferry_buffer *body) {
    pthread_mutex_lock(&request->decode->stream_lock);
    bool there = ferry_sequence_next_part(sequence, part);
    part->part = request->parts_sent;
    there = there && ferry_wire_part_encode(&request->wire.id, part, body) == FERRY_OK;
    pthread_mutex_unlock(&request->decode->stream_lock);
    return there;
}

static void note_sent(struct ferry_server *server, struct ferry_request *request,
                      struct ferry_sequence *sequence, const struct ferry_wire_part *part) {
    ferry_sequence_part_sent(sequence, part); /* the io thread's own fields */
    request->parts_sent++;
    server->statistics.parts++;
}

static enum ferry_send_result stream_sequence(struct ferry_server *server,
                                              struct ferry_request *request,
                                              struct ferry_sequence *sequence) {
    struct ferry_wire_part part;
    struct ferry_buffer body;
    enum ferry_send_result result = FERRY_SEND_DONE;
    ferry_buffer_init(&body, PART_BYTES);
    if (encode_part(request, sequence, &part, &body)) {
        result = ferry_server_endpoint_send_part(server->endpoint, request->message, &body);
        if (result == FERRY_SEND_DONE)
            note_sent(server, request, sequence, &part);
    }
    ferry_buffer_free(&body);
    return result;
}

static struct ferry_sequence *take_progressed(struct ferry_request *request) {
    pthread_mutex_lock(&request->decode->stream_lock);
    struct ferry_sequence *sequence = ferry_sequence_take_progressed(request);
    pthread_mutex_unlock(&request->decode->stream_lock);
    return sequence;
}

static void try_again(struct ferry_request *request, struct ferry_sequence *sequence) {
    pthread_mutex_lock(&request->decode->stream_lock);
    ferry_sequence_progress(sequence, true);
    pthread_mutex_unlock(&request->decode->stream_lock);
}

void ferry_server_stream(struct ferry_server *server, struct ferry_request *request) {
    enum ferry_send_result result = FERRY_SEND_DONE;
    struct ferry_sequence *sequence;
    if (!is_streamed(request) || ferry_request_failure(request) != FERRY_OK ||
        server->now < request->blocked_until_ns)
        return;
    for (int i = 0; result == FERRY_SEND_DONE && i < PARTS_A_TURN &&
                    (sequence = take_progressed(request)) != NULL;
         i++) {
        result = stream_sequence(server, request, sequence);
        if (result == FERRY_SEND_BLOCKED) {
            try_again(request, sequence);
            request->blocked_until_ns =
                server->now + BLOCKED_MS * FERRY_NANOSECONDS_PER_MILLISECOND;
        }
    }
    if (result == FERRY_SEND_GONE)
        ferry_pipeline_cancel(server->pipeline, request);
}

static void send_rest(struct ferry_server *server, struct ferry_request *request,
                      struct ferry_sequence *sequence) {
    struct ferry_wire_part part;
    struct ferry_buffer body;
    ferry_buffer_init(&body, PART_BYTES);
    struct ferry_message *address = NULL;
    if (encode_part(request, sequence, &part, &body))
        address = ferry_message_copy_address(request->message);
    if (address != NULL) {
        ferry_server_endpoint_reply(server->endpoint, address, &body);
        note_sent(server, request, sequence, &part);
    }
    ferry_buffer_free(&body);
}

void ferry_server_end_stream(struct ferry_server *server, struct ferry_request *request) {
    if (!is_streamed(request) || request->status != FERRY_OK)
        return;
    for (uint32_t i = 0; i < request->wire.item_count; i++) {
        struct ferry_item *item = &request->items[i];
        for (uint32_t s = 0; item->status == FERRY_OK && s < item->sequence_count; s++)
            send_rest(server, request, &item->sequences[s]);
    }
}
