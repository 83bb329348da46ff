/* msgpack-c's packer writing into a capped ferry_buffer. The first failure sticks, so that an
 * encoder checks once, at its end, and then takes back what it had written. */
#ifndef FERRY_IPC_MSGPACK_WRITER_H
#define FERRY_IPC_MSGPACK_WRITER_H

#include <msgpack/pack.h>
#include <string.h>

#include "base/buffer.h"
#include "base/status.h"

struct ferry_msgpack_writer {
    msgpack_packer packer;
    struct ferry_buffer *buffer; /* borrowed */
    size_t start;                /* the buffer's size at the beginning */
    enum ferry_status status;
};

/* room: bytes the encoding will need, roughly; saves growing in steps. */
void ferry_msgpack_writer_init(struct ferry_msgpack_writer *writer, struct ferry_buffer *buffer,
                               size_t room);
/* Ends the encoding. On failure the buffer is as it was at the beginning. */
FERRY_MUST_CHECK enum ferry_status ferry_msgpack_writer_finish(struct ferry_msgpack_writer *writer);

static inline void ferry_put_map(struct ferry_msgpack_writer *writer, size_t pairs) {
    msgpack_pack_map(&writer->packer, pairs);
}
static inline void ferry_put_array(struct ferry_msgpack_writer *writer, size_t values) {
    msgpack_pack_array(&writer->packer, values);
}
static inline void ferry_put_uint(struct ferry_msgpack_writer *writer, uint64_t value) {
    msgpack_pack_uint64(&writer->packer, value);
}
static inline void ferry_put_float(struct ferry_msgpack_writer *writer, float value) {
    msgpack_pack_double(&writer->packer, (double)value);
}
static inline void ferry_put_boolean(struct ferry_msgpack_writer *writer, bool value) {
    if (value)
        msgpack_pack_true(&writer->packer);
    else
        msgpack_pack_false(&writer->packer);
}
static inline void ferry_put_str(struct ferry_msgpack_writer *writer, const void *text,
                                 size_t size) {
    msgpack_pack_str(&writer->packer, size);
    msgpack_pack_str_body(&writer->packer, text, size);
}
static inline void ferry_put_bin(struct ferry_msgpack_writer *writer, const void *bytes,
                                 size_t size) {
    msgpack_pack_bin(&writer->packer, size);
    msgpack_pack_bin_body(&writer->packer, bytes, size);
}
/* NULL is sent as "". */
static inline void ferry_put_text(struct ferry_msgpack_writer *writer, const char *text) {
    ferry_put_str(writer, text == NULL ? "" : text, text == NULL ? 0 : strlen(text));
}
/* Bytes that are msgpack already. */
static inline void ferry_put_encoded(struct ferry_msgpack_writer *writer, const void *bytes,
                                     size_t size) {
    msgpack_pack_str_body(&writer->packer, bytes, size);
}

static inline void ferry_put_key_uint(struct ferry_msgpack_writer *writer, const char *key,
                                      uint64_t value) {
    ferry_put_text(writer, key);
    ferry_put_uint(writer, value);
}
static inline void ferry_put_key_double(struct ferry_msgpack_writer *writer, const char *key,
                                        double value) {
    ferry_put_text(writer, key);
    msgpack_pack_double(&writer->packer, value);
}
static inline void ferry_put_key_boolean(struct ferry_msgpack_writer *writer, const char *key,
                                         bool value) {
    ferry_put_text(writer, key);
    ferry_put_boolean(writer, value);
}
static inline void ferry_put_key_text(struct ferry_msgpack_writer *writer, const char *key,
                                      const char *value) {
    ferry_put_text(writer, key);
    ferry_put_text(writer, value);
}

#endif
