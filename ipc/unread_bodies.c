#include "ipc/unread_bodies.h"

#include <stdatomic.h>
#include <stdlib.h>

struct ferry_unread_reader {
    struct ferry_unread_reader *next;
    uint64_t peer;
    atomic_size_t bytes; /* 0: nobody else knows this reader, the io thread may free it */
};

struct ferry_unread_body {
    struct ferry_unread_reader *reader;
    size_t size;
};

void ferry_unread_bodies_init(struct ferry_unread_bodies *unread, size_t maximum_bytes) {
    *unread = (struct ferry_unread_bodies){.maximum_bytes = maximum_bytes};
}

void ferry_unread_bodies_free(struct ferry_unread_bodies *unread) {
    for (unsigned slot = 0; slot < FERRY_UNREAD_SLOTS; slot++)
        while (unread->slots[slot] != NULL) {
            struct ferry_unread_reader *reader = unread->slots[slot];
            unread->slots[slot] = reader->next;
            free(reader);
        }
}

/* Neighbouring peers differ in any of their bytes: Fibonacci hashing spreads them. */
static struct ferry_unread_reader **slot_of(struct ferry_unread_bodies *unread, uint64_t peer) {
    return &unread->slots[peer * UINT64_C(0x9E3779B97F4A7C15) >> 32 & (FERRY_UNREAD_SLOTS - 1)];
}

/* Frees, on its way, the readers of this slot for which nothing is held. */
static struct ferry_unread_reader *find(struct ferry_unread_bodies *unread, uint64_t peer) {
    struct ferry_unread_reader *found = NULL;
    struct ferry_unread_reader **link = slot_of(unread, peer);
    while (*link != NULL) {
        struct ferry_unread_reader *reader = *link;
        if (atomic_load(&reader->bytes) == 0) {
            *link = reader->next;
            free(reader);
            continue;
        }
        if (reader->peer == peer)
            found = reader;
        link = &reader->next;
    }
    return found;
}

bool ferry_unread_bodies_has_room(struct ferry_unread_bodies *unread, uint64_t peer, size_t size) {
    struct ferry_unread_reader *reader = find(unread, peer);
    return reader == NULL || atomic_load(&reader->bytes) + size <= unread->maximum_bytes;
}

static struct ferry_unread_reader *add(struct ferry_unread_bodies *unread, uint64_t peer) {
    struct ferry_unread_reader *reader = malloc(sizeof *reader);
    if (reader == NULL)
        return NULL;
    struct ferry_unread_reader **slot = slot_of(unread, peer);
    reader->next = *slot;
    reader->peer = peer;
    atomic_init(&reader->bytes, 0);
    *slot = reader;
    return reader;
}

struct ferry_unread_body *ferry_unread_body_hand_over(struct ferry_unread_bodies *unread,
                                                      uint64_t peer, size_t size) {
    struct ferry_unread_body *body = malloc(sizeof *body);
    struct ferry_unread_reader *reader = body == NULL ? NULL : find(unread, peer);
    if (body != NULL && reader == NULL)
        reader = add(unread, peer);
    if (reader == NULL) {
        free(body);
        return NULL;
    }
    atomic_fetch_add(&reader->bytes, size);
    *body = (struct ferry_unread_body){reader, size};
    return body;
}

void ferry_unread_body_give_back(struct ferry_unread_body *body) {
    atomic_fetch_sub(&body->reader->bytes, body->size);
    free(body);
}
