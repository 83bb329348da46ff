/* The values of single keys of a request. Used by wire_request_decode.c alone. */
#ifndef FERRY_IPC_WIRE_VALUES_H
#define FERRY_IPC_WIRE_VALUES_H

#include "ipc/msgpack_reader.h"
#include "ipc/wire_keys.h"
#include "ipc/wire_request.h"

/* Each reads the value at reader, which is known to be well formed. Errors: BAD_REQUEST (key, value
 * and what is allowed), OUT_OF_MEMORY. */
FERRY_MUST_CHECK enum ferry_status ferry_wire_read_plain_value(const struct ferry_wire_key_row *row,
                                                               struct ferry_msgpack_reader reader,
                                                               struct ferry_wire_request *request,
                                                               struct ferry_error *error);
/* One string, or an array of them. */
FERRY_MUST_CHECK enum ferry_status ferry_wire_read_stop(struct ferry_msgpack_reader reader,
                                                        struct ferry_arena *arena,
                                                        struct ferry_wire_generation *generation,
                                                        struct ferry_error *error);
FERRY_MUST_CHECK enum ferry_status
ferry_wire_read_stop_ids(struct ferry_msgpack_reader reader, struct ferry_arena *arena,
                         struct ferry_wire_generation *generation, struct ferry_error *error);
/* "key: wanted an array, got a string" */
FERRY_MUST_CHECK enum ferry_status ferry_wire_wrong_type(const char *key, const char *wanted,
                                                         const struct ferry_msgpack_token *got,
                                                         struct ferry_error *error);

#endif
