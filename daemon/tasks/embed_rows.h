/* The embed task: a row of the model becomes a row of the reply's matrix, in the dtype asked for.
 */
#ifndef FERRY_DAEMON_EMBED_ROWS_H
#define FERRY_DAEMON_EMBED_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/wire_request.h"

/* Bytes of a row of `width` numbers. */
size_t ferry_embed_row_bytes(enum ferry_wire_dtype dtype, uint32_t width);

/* Scales row[width] to length 1 in place; a row of zeros stays as it is. */
void ferry_embed_normalize(float *row, uint32_t width);

/* Writes ferry_embed_row_bytes() bytes, little-endian. int8: value = *scale * int8, symmetric, the
 * largest magnitude becomes 127. binary: bit 1 for > 0, the first number in the highest bit.
 * scale is set for int8 only and may be NULL otherwise. */
void ferry_embed_encode_row(enum ferry_wire_dtype dtype, const float *row, uint32_t width,
                            void *bytes, float *scale);

#endif
