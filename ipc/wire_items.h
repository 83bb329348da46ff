/* The items of a request: texts, pairs, ids, type ids. Used by wire_request_decode.c alone. */
#ifndef FERRY_IPC_WIRE_ITEMS_H
#define FERRY_IPC_WIRE_ITEMS_H

#include "ipc/msgpack_reader.h"
#include "ipc/wire_request.h"

struct ferry_wire_item_reader {
    const struct ferry_wire_limits *limits;
    struct ferry_arena *arena;
    struct ferry_wire_request *request; /* items and item_count are set */
};

/* Each reads the value at reader, which is known to be well formed. Errors: BAD_REQUEST, TOO_LARGE,
 * OUT_OF_MEMORY. */
FERRY_MUST_CHECK enum ferry_status ferry_wire_read_texts(const struct ferry_wire_item_reader *items,
                                                         struct ferry_msgpack_reader reader,
                                                         struct ferry_error *error);
FERRY_MUST_CHECK enum ferry_status ferry_wire_read_ids(const struct ferry_wire_item_reader *items,
                                                       struct ferry_msgpack_reader reader,
                                                       struct ferry_error *error);
/* After ferry_wire_read_ids: there must be as many, of the same lengths. */
FERRY_MUST_CHECK enum ferry_status
ferry_wire_read_type_ids(const struct ferry_wire_item_reader *items,
                         struct ferry_msgpack_reader reader, struct ferry_error *error);

#endif
