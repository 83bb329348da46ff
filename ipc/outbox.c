#include "ipc/outbox.h"

#include <stdlib.h>

struct waiting_reply {
    struct waiting_reply *next;
    struct ferry_message *message; /* owned */
    struct ferry_buffer body;      /* owned */
    int64_t give_up_at;
};

struct ferry_outbox_peer {
    struct ferry_outbox_peer *next;
    uint64_t peer;
    struct waiting_reply *first; /* owned list, oldest first */
    struct waiting_reply **last_link;
};

void ferry_outbox_init(struct ferry_outbox *outbox, const struct ferry_outbox_calls *calls,
                       void *context, size_t maximum_bytes, int64_t longest_wait_ns) {
    *outbox = (struct ferry_outbox){.calls = *calls,
                                    .context = context,
                                    .maximum_bytes = maximum_bytes,
                                    .longest_wait_ns = longest_wait_ns};
}

static size_t cost_of(const struct ferry_buffer *body) {
    return body->capacity + sizeof(struct waiting_reply) + sizeof(struct ferry_outbox_peer);
}

static struct ferry_outbox_peer *find_peer(const struct ferry_outbox *outbox, uint64_t peer) {
    struct ferry_outbox_peer *entry = outbox->peers;
    while (entry != NULL && entry->peer != peer)
        entry = entry->next;
    return entry;
}

bool ferry_outbox_has_peer(const struct ferry_outbox *outbox, uint64_t peer) {
    return find_peer(outbox, peer) != NULL;
}

static struct ferry_outbox_peer *find_or_add_peer(struct ferry_outbox *outbox, uint64_t peer) {
    struct ferry_outbox_peer *entry = find_peer(outbox, peer);
    if (entry != NULL)
        return entry;
    entry = malloc(sizeof *entry);
    if (entry == NULL)
        return NULL;
    *entry = (struct ferry_outbox_peer){.next = outbox->peers, .peer = peer};
    entry->last_link = &entry->first;
    outbox->peers = entry;
    return entry;
}

static void drop(struct ferry_outbox *outbox, struct ferry_message *message,
                 struct ferry_buffer *body, uint64_t *counter) {
    outbox->calls.release(message);
    ferry_buffer_free(body);
    (*counter)++;
}

void ferry_outbox_put(struct ferry_outbox *outbox, uint64_t peer, struct ferry_message *message,
                      struct ferry_buffer *body, int64_t now) {
    size_t cost = cost_of(body);
    struct waiting_reply *reply = NULL;
    struct ferry_outbox_peer *entry = NULL;
    if (cost <= outbox->maximum_bytes - outbox->bytes) {
        reply = malloc(sizeof *reply);
        entry = reply == NULL ? NULL : find_or_add_peer(outbox, peer);
    }
    if (entry == NULL) {
        free(reply);
        drop(outbox, message, body, &outbox->dropped_slow);
        return;
    }
    *reply = (struct waiting_reply){
        .message = message, .body = *body, .give_up_at = now + outbox->longest_wait_ns};
    *body = (struct ferry_buffer){.maximum = body->maximum};
    *entry->last_link = reply;
    entry->last_link = &reply->next;
    outbox->bytes += cost;
}

static void free_first(struct ferry_outbox *outbox, struct ferry_outbox_peer *entry, size_t cost) {
    struct waiting_reply *reply = entry->first;
    entry->first = reply->next;
    outbox->bytes -= cost;
    free(reply);
}

static enum ferry_send_result send_first(struct ferry_outbox *outbox,
                                         struct ferry_outbox_peer *entry, int64_t now) {
    struct waiting_reply *reply = entry->first;
    size_t cost = cost_of(&reply->body);
    enum ferry_send_result result =
        outbox->calls.send(outbox->context, reply->message, &reply->body);
    if (result == FERRY_SEND_BLOCKED && now < reply->give_up_at)
        return FERRY_SEND_BLOCKED;
    if (result == FERRY_SEND_DONE) {
        outbox->calls.release(reply->message);
        ferry_buffer_free(&reply->body);
        outbox->sent++;
    } else {
        drop(outbox, reply->message, &reply->body,
             result == FERRY_SEND_GONE ? &outbox->dropped_gone : &outbox->dropped_slow);
    }
    free_first(outbox, entry, cost);
    return FERRY_SEND_DONE;
}

int64_t ferry_outbox_flush(struct ferry_outbox *outbox, int64_t now) {
    int64_t next_time = INT64_MAX;
    struct ferry_outbox_peer **link = &outbox->peers;
    while (*link != NULL) {
        struct ferry_outbox_peer *entry = *link;
        while (entry->first != NULL && send_first(outbox, entry, now) == FERRY_SEND_DONE)
            ;
        if (entry->first != NULL) {
            if (entry->first->give_up_at < next_time)
                next_time = entry->first->give_up_at;
            link = &entry->next;
        } else {
            *link = entry->next;
            free(entry);
        }
    }
    return next_time;
}

void ferry_outbox_free(struct ferry_outbox *outbox) {
    while (outbox->peers != NULL) {
        struct ferry_outbox_peer *entry = outbox->peers;
        while (entry->first != NULL) {
            size_t cost = cost_of(&entry->first->body);
            drop(outbox, entry->first->message, &entry->first->body, &outbox->dropped_slow);
            free_first(outbox, entry, cost);
        }
        outbox->peers = entry->next;
        free(entry);
    }
}
