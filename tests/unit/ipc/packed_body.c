#include "tests/unit/ipc/packed_body.h"

#include <msgpack.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static int append(void *data, const char *bytes, size_t size) {
    if (ferry_buffer_append(data, bytes, size) != FERRY_OK)
        abort();
    return 0;
}

static void pack_bytes(msgpack_packer *packer, char letter, const char *bytes, size_t size) {
    if (letter == 's')
        msgpack_pack_str_with_body(packer, bytes, size);
    else if (letter == 'b')
        msgpack_pack_bin_with_body(packer, bytes, size);
    else
        append(packer->data, bytes, size);
}

/* NOLINTBEGIN(clang-analyzer-valist.Uninitialized): it loses sight of va_start in the loop */
void pack_body(struct ferry_buffer *buffer, const char *description, ...) {
    va_list values;
    va_start(values, description);
    buffer->size = 0;
    msgpack_packer packer;
    msgpack_packer_init(&packer, buffer, append);
    for (const char *at = description; *at != '\0'; at++) {
        const char *bytes;
        switch (*at) {
        case '{':
            msgpack_pack_map(&packer, (size_t)(*++at - '0'));
            break;
        case '[':
            msgpack_pack_array(&packer, (size_t)(*++at - '0'));
            break;
        case 's':
            bytes = va_arg(values, const char *);
            pack_bytes(&packer, 's', bytes, strlen(bytes));
            break;
        case 'b':
        case 'r':
            bytes = va_arg(values, const char *);
            pack_bytes(&packer, *at, bytes, (size_t)va_arg(values, int));
            break;
        case 'u':
            msgpack_pack_unsigned_int(&packer, va_arg(values, unsigned));
            break;
        case 'i':
            msgpack_pack_int(&packer, va_arg(values, int));
            break;
        case 'f':
            msgpack_pack_double(&packer, va_arg(values, double));
            break;
        case 't':
            msgpack_pack_true(&packer);
            break;
        case 'F':
            msgpack_pack_false(&packer);
            break;
        case 'n':
            msgpack_pack_nil(&packer);
            break;
        default:
            break;
        }
    }
    va_end(values);
}
/* NOLINTEND(clang-analyzer-valist.Uninitialized) */
