#include "ipc/msgpack_writer.h"

static int write_into_buffer(void *data, const char *bytes, size_t size) {
    struct ferry_msgpack_writer *writer = data;
    struct ferry_buffer *buffer = writer->buffer;
    if (writer->status != FERRY_OK)
        return -1;
    if (size > buffer->capacity - buffer->size) {
        writer->status = ferry_buffer_append(buffer, bytes, size);
        return writer->status == FERRY_OK ? 0 : -1;
    }
    if (size > 0)
        memcpy(buffer->data + buffer->size, bytes, size);
    buffer->size += size;
    return 0;
}

void ferry_msgpack_writer_init(struct ferry_msgpack_writer *writer, struct ferry_buffer *buffer,
                               size_t room) {
    writer->buffer = buffer;
    writer->start = buffer->size;
    msgpack_packer_init(&writer->packer, writer, write_into_buffer);
    writer->status = ferry_buffer_reserve(buffer, room);
    if (writer->status == FERRY_TOO_LARGE)
        writer->status = FERRY_OK; /* room was a guess; the appends decide */
}

enum ferry_status ferry_msgpack_writer_finish(struct ferry_msgpack_writer *writer) {
    if (writer->status != FERRY_OK)
        writer->buffer->size = writer->start;
    return writer->status;
}
