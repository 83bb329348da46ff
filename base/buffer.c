#include "base/buffer.h"

#include <stdlib.h>
#include <string.h>

void ferry_buffer_init(struct ferry_buffer *buffer, size_t maximum) {
    *buffer = (struct ferry_buffer){.maximum = maximum};
}

void ferry_buffer_free(struct ferry_buffer *buffer) {
    free(buffer->data);
    *buffer = (struct ferry_buffer){.maximum = buffer->maximum};
}

enum ferry_status ferry_buffer_reserve(struct ferry_buffer *buffer, size_t extra) {
    if (extra > buffer->maximum - buffer->size)
        return FERRY_TOO_LARGE;
    size_t wanted = buffer->size + extra;
    if (wanted <= buffer->capacity)
        return FERRY_OK;
    size_t grown = buffer->capacity < 256 ? 256 : buffer->capacity + buffer->capacity / 2;
    if (grown < wanted)
        grown = wanted;
    if (grown > buffer->maximum)
        grown = buffer->maximum;
    uint8_t *data = realloc(buffer->data, grown);
    if (data == NULL)
        return FERRY_OUT_OF_MEMORY;
    buffer->data = data;
    buffer->capacity = grown;
    return FERRY_OK;
}

enum ferry_status ferry_buffer_append(struct ferry_buffer *buffer, const void *bytes, size_t size) {
    enum ferry_status status = ferry_buffer_reserve(buffer, size);
    if (status != FERRY_OK)
        return status;
    if (size > 0)
        memcpy(buffer->data + buffer->size, bytes, size);
    buffer->size += size;
    return FERRY_OK;
}
