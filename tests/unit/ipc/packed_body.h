/* Bodies for tests, written by msgpack-c from a short description. */
#ifndef FERRY_TESTS_UNIT_IPC_PACKED_BODY_H
#define FERRY_TESTS_UNIT_IPC_PACKED_BODY_H

#include "base/buffer.h"

/* Replaces what is in the buffer. The description has one letter a value; blanks mean nothing:
 * {N map of N pairs, [N array of N values (N one digit), s str (const char *), b bin (const char *,
 * int), u uint (unsigned), i negative (int), f float (double), t true, F false, n nil, r raw bytes
 * (const char *, int). */
void pack_body(struct ferry_buffer *buffer, const char *description, ...);

#endif
