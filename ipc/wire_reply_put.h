/* How replies begin: shared by the files that write them. */
#ifndef FERRY_IPC_WIRE_REPLY_PUT_H
#define FERRY_IPC_WIRE_REPLY_PUT_H

#include "ipc/msgpack_writer.h"
#include "ipc/wire_reply.h"

/* The map with "v" and "id"; keys: how many more will follow. */
void ferry_wire_put_head(struct ferry_msgpack_writer *writer, const struct ferry_wire_id *id,
                         size_t keys);
/* The map of a reply with results up to the results themselves, which are `keys` more keys. */
void ferry_wire_put_result(struct ferry_msgpack_writer *writer, const struct ferry_wire_id *id,
                           const struct ferry_wire_truth *truth, size_t keys);
/* The bytes that ferry_wire_put_result needs, roughly. */
size_t ferry_wire_truth_room(const struct ferry_wire_truth *truth);

#endif
