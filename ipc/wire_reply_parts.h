/* The larger parts of a reply, each read in a file of its own for wire_reply_read.c. */
#ifndef FERRY_IPC_WIRE_REPLY_PARTS_H
#define FERRY_IPC_WIRE_REPLY_PARTS_H

#include "ipc/wire_read.h"
#include "ipc/wire_reply.h"

FERRY_MUST_CHECK enum ferry_status ferry_wire_read_matrix(const struct ferry_wire_value *value,
                                                          struct ferry_arena *arena,
                                                          struct ferry_wire_matrix *ret_matrix,
                                                          struct ferry_error *error);
/* The array "items" of a tokenize reply. */
FERRY_MUST_CHECK enum ferry_status ferry_wire_read_token_items(const struct ferry_wire_value *value,
                                                               struct ferry_arena *arena,
                                                               struct ferry_wire_tokens **ret_items,
                                                               uint32_t *ret_count,
                                                               struct ferry_error *error);
FERRY_MUST_CHECK enum ferry_status ferry_wire_read_views(const struct ferry_wire_value *value,
                                                         struct ferry_arena *arena,
                                                         struct ferry_view **ret_views,
                                                         uint32_t *ret_count,
                                                         struct ferry_error *error);
FERRY_MUST_CHECK enum ferry_status
ferry_wire_read_server(const struct ferry_wire_value *value, struct ferry_arena *arena,
                       const struct ferry_wire_status **ret_server, struct ferry_error *error);

#endif
