#include <string.h>

#include "ipc/msgpack_reader.h"
#include "ipc/wire_request.h"

/* Always as uint 64: ids of one client then have one length. */
void ferry_wire_id_from_uint(uint64_t number, struct ferry_wire_id *ret_id) {
    ret_id->bytes[0] = 0xcf;
    for (unsigned i = 0; i < 8; i++)
        ret_id->bytes[1 + i] = (uint8_t)(number >> (56 - 8 * i));
    ret_id->size = 9;
}

bool ferry_wire_id_to_uint(const struct ferry_wire_id *id, uint64_t *ret_number) {
    struct ferry_msgpack_reader reader;
    struct ferry_msgpack_token token;
    ferry_msgpack_reader_init(&reader, id->bytes, id->size);
    if (ferry_msgpack_next(&reader, &token, NULL) != FERRY_OK || token.type != FERRY_MSGPACK_UINT)
        return false;
    *ret_number = token.uint;
    return true;
}

bool ferry_wire_id_equal(const struct ferry_wire_id *left, const struct ferry_wire_id *right) {
    return left->size == right->size && memcmp(left->bytes, right->bytes, left->size) == 0;
}
