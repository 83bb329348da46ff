/* How many bytes of replies libzmq holds for each reader: its high-water mark counts messages,
 * whatever their size. The io thread asks and hands over; libzmq's threads give back. */
#ifndef FERRY_IPC_UNREAD_BODIES_H
#define FERRY_IPC_UNREAD_BODIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ferry_unread_reader;
enum { FERRY_UNREAD_SLOTS = 1024 };

struct ferry_unread_bodies {
    struct ferry_unread_reader *slots[FERRY_UNREAD_SLOTS]; /* chains by peer, owned */
    size_t maximum_bytes;                                  /* of one reader */
};

/* One body that was handed over. */
struct ferry_unread_body;

void ferry_unread_bodies_init(struct ferry_unread_bodies *unread, size_t maximum_bytes);
/* Every body must have been given back. */
void ferry_unread_bodies_free(struct ferry_unread_bodies *unread);
/* One body always may go, however large. The io thread. */
bool ferry_unread_bodies_has_room(struct ferry_unread_bodies *unread, uint64_t peer, size_t size);
/* Counts a body until it is given back. NULL without memory. The io thread. */
struct ferry_unread_body *ferry_unread_body_hand_over(struct ferry_unread_bodies *unread,
                                                      uint64_t peer, size_t size);
/* Any thread. */
void ferry_unread_body_give_back(struct ferry_unread_body *body);

#endif
