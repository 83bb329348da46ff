/* Reads msgpack from untrusted memory, one token after the other: nothing is allocated, strings are
 * views into the input, and no read passes its end. (msgpack-c's unpacker allocates whatever a
 * header declares, so five bytes can ask for gigabytes: msgpack-c issue 1013.)
 *
 * Format: https://github.com/msgpack/msgpack/blob/master/spec.md. Extension types and 0xc1 are
 * errors, as ferry's protocol has no use for them. */
#ifndef FERRY_IPC_MSGPACK_READER_H
#define FERRY_IPC_MSGPACK_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum { FERRY_MSGPACK_MAX_DEPTH = 8 };

enum ferry_msgpack_type {
    FERRY_MSGPACK_NIL,
    FERRY_MSGPACK_BOOLEAN,
    FERRY_MSGPACK_UINT, /* every integer >= 0, however it is encoded */
    FERRY_MSGPACK_NEGATIVE,
    FERRY_MSGPACK_FLOAT,
    FERRY_MSGPACK_STR,
    FERRY_MSGPACK_BIN,
    FERRY_MSGPACK_ARRAY,
    FERRY_MSGPACK_MAP
};

struct ferry_msgpack_token {
    enum ferry_msgpack_type type;
    uint32_t size;       /* str, bin: bytes; array: elements; map: pairs */
    const uint8_t *data; /* str, bin: the content */
    union {
        bool boolean;
        uint64_t uint;
        int64_t negative;
        double real;
    };
};

struct ferry_msgpack_reader {
    const uint8_t *begin, *at, *end;
};

void ferry_msgpack_reader_init(struct ferry_msgpack_reader *reader, const uint8_t *bytes,
                               size_t size);
/* Reads one token: a whole scalar or string, or the header of an array or map, whose declared size
 * is not more than the bytes that are left. BAD_DATA at the end or at a token that is malformed. */
FERRY_MUST_CHECK enum ferry_status ferry_msgpack_next(struct ferry_msgpack_reader *reader,
                                                      struct ferry_msgpack_token *ret_token,
                                                      struct ferry_error *error);
/* Walks over one value with everything in it and so proves that it is well formed. depth: levels
 * already open around it. pending: values that are declared around it and have still to come after
 * it; as each takes a byte at least, no declared size may claim the bytes that they need. */
FERRY_MUST_CHECK enum ferry_status ferry_msgpack_skip(struct ferry_msgpack_reader *reader,
                                                      unsigned depth, size_t pending,
                                                      struct ferry_error *error);
/* The whole input is one well-formed value of at most FERRY_MSGPACK_MAX_DEPTH levels. */
FERRY_MUST_CHECK enum ferry_status ferry_msgpack_validate(const uint8_t *bytes, size_t size,
                                                          struct ferry_error *error);

/* For error texts: "a string", "an unsigned integer", ... */
const char *ferry_msgpack_type_name(enum ferry_msgpack_type type);

enum { FERRY_PRINTABLE_BYTES = 72 };
/* What a client sent, for an error text: at most 64 bytes, everything but printable ASCII as \xNN,
 * "..." at the end when cut. Returns text. */
const char *ferry_printable(const void *bytes, size_t size, char text[FERRY_PRINTABLE_BYTES]);

#endif
