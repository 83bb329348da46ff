#include "ipc/msgpack_reader.h"

#include <string.h>

void ferry_msgpack_reader_init(struct ferry_msgpack_reader *reader, const uint8_t *bytes,
                               size_t size) {
    *reader = (struct ferry_msgpack_reader){bytes, bytes, bytes + size};
}

static size_t bytes_left(const struct ferry_msgpack_reader *reader) {
    return (size_t)(reader->end - reader->at);
}

static uint64_t load_big_endian(const uint8_t *bytes, unsigned size) {
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++)
        value = value << 8 | bytes[i];
    return value;
}

/* The number of `size` bytes after the first byte of a token, in *ret_value. */
static enum ferry_status read_number(struct ferry_msgpack_reader *reader, unsigned size,
                                     uint64_t *ret_value, struct ferry_error *error) {
    if (bytes_left(reader) < size)
        return ferry_fail(error, FERRY_BAD_DATA, "msgpack ends inside a number, at byte %zu",
                          (size_t)(reader->end - reader->begin));
    *ret_value = load_big_endian(reader->at, size);
    reader->at += size;
    return FERRY_OK;
}

static enum ferry_status read_bytes(struct ferry_msgpack_reader *reader,
                                    enum ferry_msgpack_type type, uint64_t size,
                                    struct ferry_msgpack_token *token, struct ferry_error *error) {
    if (size > bytes_left(reader))
        return ferry_fail(error, FERRY_BAD_DATA,
                          "msgpack declares %s of %llu bytes at byte %zu, but %zu bytes are left",
                          ferry_msgpack_type_name(type), (unsigned long long)size,
                          (size_t)(reader->at - reader->begin), bytes_left(reader));
    *token = (struct ferry_msgpack_token){.type = type, .size = (uint32_t)size, .data = reader->at};
    reader->at += size;
    return FERRY_OK;
}

static enum ferry_status read_container(struct ferry_msgpack_reader *reader,
                                        enum ferry_msgpack_type type, uint64_t size,
                                        struct ferry_msgpack_token *token,
                                        struct ferry_error *error) {
    uint64_t values = type == FERRY_MSGPACK_MAP ? size * 2 : size;
    if (values > bytes_left(reader))
        return ferry_fail(error, FERRY_BAD_DATA,
                          "msgpack declares %s of %llu values at byte %zu, but %zu bytes are left",
                          ferry_msgpack_type_name(type), (unsigned long long)values,
                          (size_t)(reader->at - reader->begin), bytes_left(reader));
    *token = (struct ferry_msgpack_token){.type = type, .size = (uint32_t)size};
    return FERRY_OK;
}

/* The header of a string or container carries its size in `bytes` bytes. */
static enum ferry_status read_sized(struct ferry_msgpack_reader *reader,
                                    enum ferry_msgpack_type type, unsigned bytes,
                                    struct ferry_msgpack_token *token, struct ferry_error *error) {
    uint64_t size = 0;
    enum ferry_status status = read_number(reader, bytes, &size, error);
    if (status != FERRY_OK)
        return status;
    if (type == FERRY_MSGPACK_STR || type == FERRY_MSGPACK_BIN)
        return read_bytes(reader, type, size, token, error);
    return read_container(reader, type, size, token, error);
}

static enum ferry_status read_float(struct ferry_msgpack_reader *reader, unsigned bytes,
                                    struct ferry_msgpack_token *token, struct ferry_error *error) {
    uint64_t bits = 0;
    enum ferry_status status = read_number(reader, bytes, &bits, error);
    token->type = FERRY_MSGPACK_FLOAT;
    if (bytes == 4) {
        uint32_t bits32 = (uint32_t)bits;
        float real;
        memcpy(&real, &bits32, sizeof real);
        token->real = (double)real;
    } else {
        memcpy(&token->real, &bits, sizeof token->real);
    }
    return status;
}

static void set_integer(struct ferry_msgpack_token *token, int64_t value) {
    if (value < 0) {
        token->type = FERRY_MSGPACK_NEGATIVE;
        token->negative = value;
    } else {
        token->type = FERRY_MSGPACK_UINT;
        token->uint = (uint64_t)value;
    }
}

static enum ferry_status read_signed(struct ferry_msgpack_reader *reader, unsigned bytes,
                                     struct ferry_msgpack_token *token, struct ferry_error *error) {
    uint64_t bits = 0;
    enum ferry_status status = read_number(reader, bytes, &bits, error);
    unsigned shift = 64 - 8 * bytes;
    set_integer(token, (int64_t)(bits << shift) >> shift);
    return status;
}

static enum ferry_status read_boolean(struct ferry_msgpack_token *token, bool value) {
    token->type = FERRY_MSGPACK_BOOLEAN;
    token->boolean = value;
    return FERRY_OK;
}

/* Tokens from 0xc0 to 0xdf: the first byte says which, and how many bytes of size or value follow.
 */
static enum ferry_status read_tagged(struct ferry_msgpack_reader *reader, uint8_t first,
                                     struct ferry_msgpack_token *token, struct ferry_error *error) {
    switch (first) {
    case 0xc0:
        token->type = FERRY_MSGPACK_NIL;
        return FERRY_OK;
    case 0xc2:
    case 0xc3:
        return read_boolean(token, first == 0xc3);
    case 0xc4:
    case 0xc5:
    case 0xc6:
        return read_sized(reader, FERRY_MSGPACK_BIN, 1U << (first - 0xc4), token, error);
    case 0xca:
    case 0xcb:
        return read_float(reader, 4U << (first - 0xca), token, error);
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf:
        token->type = FERRY_MSGPACK_UINT;
        return read_number(reader, 1U << (first - 0xcc), &token->uint, error);
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3:
        return read_signed(reader, 1U << (first - 0xd0), token, error);
    case 0xd9:
    case 0xda:
    case 0xdb:
        return read_sized(reader, FERRY_MSGPACK_STR, 1U << (first - 0xd9), token, error);
    case 0xdc:
    case 0xdd:
        return read_sized(reader, FERRY_MSGPACK_ARRAY, 2U << (first - 0xdc), token, error);
    case 0xde:
    case 0xdf:
        return read_sized(reader, FERRY_MSGPACK_MAP, 2U << (first - 0xde), token, error);
    default:
        return ferry_fail(error, FERRY_BAD_DATA, "msgpack type 0x%02x at byte %zu is not allowed",
                          first, (size_t)(reader->at - reader->begin) - 1);
    }
}

enum ferry_status ferry_msgpack_next(struct ferry_msgpack_reader *reader,
                                     struct ferry_msgpack_token *ret_token,
                                     struct ferry_error *error) {
    *ret_token = (struct ferry_msgpack_token){0};
    if (reader->at == reader->end)
        return ferry_fail(error, FERRY_BAD_DATA,
                          "msgpack ends at byte %zu, where a value should be",
                          (size_t)(reader->end - reader->begin));
    uint8_t first = *reader->at++;
    if (first < 0x80 || first >= 0xe0) {
        set_integer(ret_token, (int8_t)first);
        return FERRY_OK;
    }
    if (first < 0x90)
        return read_container(reader, FERRY_MSGPACK_MAP, first & 0x0f, ret_token, error);
    if (first < 0xa0)
        return read_container(reader, FERRY_MSGPACK_ARRAY, first & 0x0f, ret_token, error);
    if (first < 0xc0)
        return read_bytes(reader, FERRY_MSGPACK_STR, first & 0x1f, ret_token, error);
    return read_tagged(reader, first, ret_token, error);
}

static size_t values_inside(const struct ferry_msgpack_token *token) {
    if (token->type == FERRY_MSGPACK_MAP)
        return (size_t)token->size * 2;
    return token->type == FERRY_MSGPACK_ARRAY ? token->size : 0;
}

enum ferry_status ferry_msgpack_skip(struct ferry_msgpack_reader *reader, unsigned depth,
                                     size_t pending, struct ferry_error *error) {
    size_t left_on_level[FERRY_MSGPACK_MAX_DEPTH + 1];
    unsigned level = 0; /* containers open inside this value */
    left_on_level[0] = 1;
    for (;;) {
        while (left_on_level[level] == 0) {
            if (level == 0)
                return FERRY_OK;
            level--;
        }
        left_on_level[level]--;
        struct ferry_msgpack_token token;
        enum ferry_status status = ferry_msgpack_next(reader, &token, error);
        if (status != FERRY_OK)
            return status;
        if (token.type != FERRY_MSGPACK_ARRAY && token.type != FERRY_MSGPACK_MAP) {
            pending -= level > 0;
            continue;
        }
        if (depth + level >= FERRY_MSGPACK_MAX_DEPTH)
            return ferry_fail(error, FERRY_BAD_DATA,
                              "msgpack is nested deeper than %d levels at byte %zu",
                              FERRY_MSGPACK_MAX_DEPTH, (size_t)(reader->at - reader->begin) - 1);
        pending -= level > 0;
        pending += values_inside(&token);
        if (pending > bytes_left(reader))
            return ferry_fail(
                error, FERRY_BAD_DATA,
                "msgpack declares %zu more values at byte %zu, but %zu bytes are left", pending,
                (size_t)(reader->at - reader->begin), bytes_left(reader));
        left_on_level[++level] = values_inside(&token);
    }
}

enum ferry_status ferry_msgpack_validate(const uint8_t *bytes, size_t size,
                                         struct ferry_error *error) {
    struct ferry_msgpack_reader reader;
    ferry_msgpack_reader_init(&reader, bytes, size);
    enum ferry_status status = ferry_msgpack_skip(&reader, 0, 0, error);
    if (status == FERRY_OK && reader.at != reader.end)
        return ferry_fail(error, FERRY_BAD_DATA, "%zu bytes follow the end of the msgpack value",
                          bytes_left(&reader));
    return status;
}

const char *ferry_msgpack_type_name(enum ferry_msgpack_type type) {
    static const char *const names[] = {"nil",
                                        "a boolean",
                                        "an unsigned integer",
                                        "a negative integer",
                                        "a float",
                                        "a string",
                                        "a bin",
                                        "an array",
                                        "a map"};
    return names[type];
}

const char *ferry_printable(const void *bytes, size_t size, char text[FERRY_PRINTABLE_BYTES]) {
    static const char digits[] = "0123456789abcdef";
    const uint8_t *at = bytes;
    size_t used = 0;
    for (size_t i = 0; i < size; i++) {
        bool plain = at[i] >= 0x20 && at[i] < 0x7f && at[i] != '\\';
        if (used + (plain ? 1 : 4) > 64) {
            memcpy(text + used, "...", 3);
            used += 3;
            break;
        }
        if (plain) {
            text[used++] = (char)at[i];
        } else {
            text[used++] = '\\';
            text[used++] = 'x';
            text[used++] = digits[at[i] >> 4];
            text[used++] = digits[at[i] & 15];
        }
    }
    text[used] = '\0';
    return text;
}
