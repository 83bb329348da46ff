/* A growable byte buffer that is created with a hard maximum. One owner; not thread-safe. */
#ifndef FERRY_BASE_BUFFER_H
#define FERRY_BASE_BUFFER_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct ferry_buffer {
    uint8_t *data; /* owned; NULL while capacity is 0 */
    size_t size;
    size_t capacity;
    size_t maximum;
};

void ferry_buffer_init(struct ferry_buffer *buffer, size_t maximum);
/* Frees the memory; safe on a buffer that was only initialised. */
void ferry_buffer_free(struct ferry_buffer *buffer);
/* Makes room for `extra` more bytes. TOO_LARGE over the maximum, OUT_OF_MEMORY without memory;
 * the content stays as it was in both cases. */
FERRY_MUST_CHECK enum ferry_status ferry_buffer_reserve(struct ferry_buffer *buffer, size_t extra);
FERRY_MUST_CHECK enum ferry_status ferry_buffer_append(struct ferry_buffer *buffer,
                                                       const void *bytes, size_t size);

#endif
