#include "ipc/wire_read.h"

#include <string.h>

#include "base/utf8.h"

static void name_value(struct ferry_wire_value *value, const struct ferry_msgpack_token *key) {
    size_t size = key->size < sizeof value->name ? key->size : sizeof value->name - 1;
    for (size_t i = 0; i < size; i++)
        value->name[i] = key->data[i] > 0x20 && key->data[i] < 0x7f ? (char)key->data[i] : '?';
    value->name[size] = '\0';
}

enum ferry_status ferry_wire_each_pair(const struct ferry_wire_value *map,
                                       ferry_wire_pair_handler *handler, void *context,
                                       struct ferry_error *error) {
    struct ferry_wire_value value = *map;
    struct ferry_msgpack_token header;
    enum ferry_status status = ferry_msgpack_next(&value.reader, &header, error);
    if (status != FERRY_OK)
        return status;
    if (header.type != FERRY_MSGPACK_MAP)
        return ferry_fail(error, FERRY_BAD_DATA, "reply: %s: wanted a map, got %s", map->name,
                          ferry_msgpack_type_name(header.type));
    for (uint32_t i = 0; i < header.size; i++) {
        struct ferry_msgpack_token key;
        status = ferry_msgpack_next(&value.reader, &key, error);
        if (status == FERRY_OK && key.type != FERRY_MSGPACK_STR)
            status =
                ferry_fail(error, FERRY_BAD_DATA, "reply: %s: a key must be a string", map->name);
        if (status != FERRY_OK)
            return status;
        name_value(&value, &key);
        status = handler(context, &key, &value, error);
        if (status == FERRY_OK)
            status = ferry_wire_next_element(&value, error);
        if (status != FERRY_OK)
            return status;
    }
    return FERRY_OK;
}

bool ferry_wire_key_is(const struct ferry_msgpack_token *key, const char *name) {
    return strlen(name) == key->size && memcmp(name, key->data, key->size) == 0;
}

enum ferry_status ferry_wire_read_token(const struct ferry_wire_value *value,
                                        enum ferry_msgpack_type wanted,
                                        struct ferry_msgpack_token *ret_token,
                                        struct ferry_error *error) {
    struct ferry_msgpack_reader reader = value->reader;
    enum ferry_status status = ferry_msgpack_next(&reader, ret_token, error);
    if (status == FERRY_OK && ret_token->type != wanted)
        return ferry_fail(error, FERRY_BAD_DATA, "reply: %s: wanted %s, got %s", value->name,
                          ferry_msgpack_type_name(wanted),
                          ferry_msgpack_type_name(ret_token->type));
    return status;
}

enum ferry_status ferry_wire_read_uint(const struct ferry_wire_value *value, uint64_t maximum,
                                       uint64_t *ret_number, struct ferry_error *error) {
    struct ferry_msgpack_token token;
    enum ferry_status status = ferry_wire_read_token(value, FERRY_MSGPACK_UINT, &token, error);
    if (status != FERRY_OK)
        return status;
    if (token.uint > maximum)
        return ferry_fail(error, FERRY_BAD_DATA, "reply: %s: %llu is over %llu", value->name,
                          (unsigned long long)token.uint, (unsigned long long)maximum);
    *ret_number = token.uint;
    return FERRY_OK;
}

enum ferry_status ferry_wire_read_uint32(const struct ferry_wire_value *value, uint32_t *ret_number,
                                         struct ferry_error *error) {
    uint64_t number = 0;
    enum ferry_status status = ferry_wire_read_uint(value, UINT32_MAX, &number, error);
    *ret_number = (uint32_t)number;
    return status;
}

enum ferry_status ferry_wire_read_bool(const struct ferry_wire_value *value, bool *ret_boolean,
                                       struct ferry_error *error) {
    struct ferry_msgpack_token token;
    enum ferry_status status = ferry_wire_read_token(value, FERRY_MSGPACK_BOOLEAN, &token, error);
    if (status == FERRY_OK)
        *ret_boolean = token.boolean;
    return status;
}

enum ferry_status ferry_wire_read_text(const struct ferry_wire_value *value,
                                       struct ferry_arena *arena, const char **ret_text,
                                       struct ferry_error *error) {
    struct ferry_msgpack_token token;
    enum ferry_status status = ferry_wire_read_token(value, FERRY_MSGPACK_STR, &token, error);
    if (status != FERRY_OK)
        return status;
    if (ferry_utf8_valid_prefix((const char *)token.data, token.size) != token.size)
        return ferry_fail(error, FERRY_BAD_DATA, "reply: %s: not valid UTF-8", value->name);
    char *text = NULL;
    status = ferry_wire_allocate(arena, token.size + (size_t)1, 1, &text, error);
    if (status != FERRY_OK)
        return status;
    memcpy(text, token.data, token.size);
    text[token.size] = '\0';
    *ret_text = text;
    return FERRY_OK;
}

enum ferry_status ferry_wire_read_numbers(const struct ferry_wire_value *value,
                                          struct ferry_arena *arena, void *ret_numbers,
                                          uint32_t *ret_count, struct ferry_error *error) {
    struct ferry_msgpack_token token;
    enum ferry_status status = ferry_wire_read_token(value, FERRY_MSGPACK_BIN, &token, error);
    if (status == FERRY_OK && token.size % 4 != 0)
        status =
            ferry_fail(error, FERRY_BAD_DATA, "reply: %s: a bin of 32-bit numbers has %u bytes",
                       value->name, token.size);
    uint32_t *numbers = NULL;
    if (status == FERRY_OK)
        status = ferry_wire_allocate(arena, token.size, 1, &numbers, error);
    if (status != FERRY_OK)
        return status;
    memcpy(numbers, token.data, token.size);
    memcpy(ret_numbers, &numbers, sizeof numbers);
    *ret_count = token.size / 4;
    return FERRY_OK;
}

enum ferry_status ferry_wire_read_double(const struct ferry_wire_value *value, double *ret_number,
                                         struct ferry_error *error) {
    struct ferry_msgpack_token token;
    enum ferry_status status = ferry_wire_read_token(value, FERRY_MSGPACK_FLOAT, &token, error);
    if (status == FERRY_OK)
        *ret_number = token.real;
    return status;
}

enum ferry_status ferry_wire_open_array(struct ferry_wire_value *value, uint32_t *ret_count,
                                        struct ferry_error *error) {
    struct ferry_msgpack_token token;
    enum ferry_status status = ferry_msgpack_next(&value->reader, &token, error);
    if (status != FERRY_OK)
        return status;
    if (token.type != FERRY_MSGPACK_ARRAY)
        return ferry_fail(error, FERRY_BAD_DATA, "reply: %s: wanted an array, got %s", value->name,
                          ferry_msgpack_type_name(token.type));
    *ret_count = token.size;
    return FERRY_OK;
}

enum ferry_status ferry_wire_next_element(struct ferry_wire_value *value,
                                          struct ferry_error *error) {
    return ferry_msgpack_skip(&value->reader, 0, 0, error);
}

enum ferry_status ferry_wire_allocate(struct ferry_arena *arena, size_t count, size_t size,
                                      void *ret_pointer, struct ferry_error *error) {
    size_t bytes = count * size;
    void *pointer = ferry_arena_allocate(arena, bytes > 0 ? bytes : 1);
    if (pointer == NULL) {
        (void)ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory to read the reply");
        return FERRY_OUT_OF_MEMORY;
    }
    memset(pointer, 0, bytes);
    memcpy(ret_pointer, &pointer, sizeof pointer);
    return FERRY_OK;
}
