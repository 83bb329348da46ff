#include "ipc/wire_items.h"

#include <string.h>

#include "ipc/wire_names.h"

static enum ferry_status out_of_arena(struct ferry_error *error) {
    return ferry_fail(error, FERRY_OUT_OF_MEMORY,
                      "no memory for the request's items; send fewer of them at a time");
}

/* Opens the array of items and allocates them. */
static enum ferry_status open_items(const struct ferry_wire_item_reader *items, const char *key,
                                    struct ferry_msgpack_reader *reader,
                                    struct ferry_error *error) {
    struct ferry_msgpack_token array;
    enum ferry_status status = ferry_msgpack_next(reader, &array, error);
    if (status != FERRY_OK)
        return status;
    if (array.type != FERRY_MSGPACK_ARRAY)
        return ferry_fail(error, FERRY_BAD_REQUEST, "%s: wanted an array, got %s", key,
                          ferry_msgpack_type_name(array.type));
    if (array.size == 0)
        return ferry_fail(error, FERRY_BAD_REQUEST, "%s: the array is empty", key);
    if (array.size > items->limits->max_items)
        return ferry_fail(error, FERRY_TOO_LARGE,
                          "%s: %u items, at most %u are allowed; send them in several requests",
                          key, array.size, items->limits->max_items);
    struct ferry_wire_item *memory =
        ferry_arena_allocate(items->arena, array.size * sizeof *memory);
    if (memory == NULL)
        return out_of_arena(error);
    memset(memory, 0, array.size * sizeof *memory);
    items->request->items = memory;
    items->request->item_count = array.size;
    return FERRY_OK;
}

static struct ferry_view view_of(const struct ferry_msgpack_token *token) {
    return (struct ferry_view){(const char *)token->data, token->size};
}

static enum ferry_status read_pair(struct ferry_msgpack_reader *reader, uint32_t index,
                                   uint32_t size, struct ferry_wire_item *item,
                                   struct ferry_error *error) {
    if (size != 2)
        return ferry_fail(error, FERRY_BAD_REQUEST, "texts[%u]: a pair has 2 texts, got %u", index,
                          size);
    struct ferry_view *const sides[2] = {&item->text, &item->pair};
    for (int side = 0; side < 2; side++) {
        struct ferry_msgpack_token token;
        enum ferry_status status = ferry_msgpack_next(reader, &token, error);
        if (status != FERRY_OK)
            return status;
        if (token.type != FERRY_MSGPACK_STR)
            return ferry_fail(error, FERRY_BAD_REQUEST, "texts[%u][%d]: wanted a string, got %s",
                              index, side, ferry_msgpack_type_name(token.type));
        *sides[side] = view_of(&token);
    }
    return FERRY_OK;
}

static bool takes_pairs(enum ferry_operation operation) {
    return operation == FERRY_OPERATION_EMBED || operation == FERRY_OPERATION_TOKENIZE;
}

enum ferry_status ferry_wire_read_texts(const struct ferry_wire_item_reader *items,
                                        struct ferry_msgpack_reader reader,
                                        struct ferry_error *error) {
    enum ferry_status status = open_items(items, "texts", &reader, error);
    if (status != FERRY_OK)
        return status;
    for (uint32_t i = 0; i < items->request->item_count; i++) {
        struct ferry_wire_item *item = &items->request->items[i];
        struct ferry_msgpack_token token;
        status = ferry_msgpack_next(&reader, &token, error);
        if (status != FERRY_OK)
            return status;
        if (token.type == FERRY_MSGPACK_STR)
            item->text = view_of(&token);
        else if (!takes_pairs(items->request->operation))
            return ferry_fail(error, FERRY_BAD_REQUEST,
                              "texts[%u]: wanted a string, got %s; \"%s\" takes no pairs", i,
                              ferry_msgpack_type_name(token.type),
                              ferry_wire_operation_names[items->request->operation]);
        else if (token.type == FERRY_MSGPACK_ARRAY)
            status = read_pair(&reader, i, token.size, item, error);
        else
            return ferry_fail(error, FERRY_BAD_REQUEST,
                              "texts[%u]: wanted a string or an array of 2 strings, got %s", i,
                              ferry_msgpack_type_name(token.type));
        if (status != FERRY_OK)
            return status;
    }
    return FERRY_OK;
}

static enum ferry_status check_id_count(const struct ferry_wire_item_reader *items, uint32_t index,
                                        uint32_t count, struct ferry_error *error) {
    if (count <= items->limits->max_ids_per_item)
        return FERRY_OK;
    return ferry_fail(error, FERRY_TOO_LARGE, "ids[%u]: %u ids, at most %u are allowed", index,
                      count, items->limits->max_ids_per_item);
}

/* Ids below zero or above the vocabulary are the item's own error, found where the vocabulary is
 * known; what an int32 cannot hold ends here. */
static enum ferry_status read_id_array(struct ferry_msgpack_reader *reader, uint32_t index,
                                       uint32_t count, int32_t *ids, struct ferry_error *error) {
    for (uint32_t i = 0; i < count; i++) {
        struct ferry_msgpack_token token;
        enum ferry_status status = ferry_msgpack_next(reader, &token, error);
        if (status != FERRY_OK)
            return status;
        if (token.type == FERRY_MSGPACK_UINT && token.uint <= INT32_MAX)
            ids[i] = (int32_t)token.uint;
        else if (token.type == FERRY_MSGPACK_NEGATIVE && token.negative >= INT32_MIN)
            ids[i] = (int32_t)token.negative;
        else if (token.type == FERRY_MSGPACK_UINT || token.type == FERRY_MSGPACK_NEGATIVE)
            return ferry_fail(error, FERRY_BAD_REQUEST, "ids[%u][%u]: does not fit 32 bits", index,
                              i);
        else
            return ferry_fail(error, FERRY_BAD_REQUEST,
                              "ids[%u][%u]: wanted an unsigned integer, got %s", index, i,
                              ferry_msgpack_type_name(token.type));
    }
    return FERRY_OK;
}

static enum ferry_status read_ids_of_item(const struct ferry_wire_item_reader *items,
                                          struct ferry_msgpack_reader *reader, uint32_t index,
                                          struct ferry_error *error) {
    struct ferry_msgpack_token token;
    enum ferry_status status = ferry_msgpack_next(reader, &token, error);
    if (status != FERRY_OK)
        return status;
    bool packed = token.type == FERRY_MSGPACK_BIN;
    if (!packed && token.type != FERRY_MSGPACK_ARRAY)
        return ferry_fail(error, FERRY_BAD_REQUEST,
                          "ids[%u]: wanted an array or a bin of int32, got %s", index,
                          ferry_msgpack_type_name(token.type));
    if (packed && token.size % sizeof(int32_t) != 0)
        return ferry_fail(error, FERRY_BAD_REQUEST,
                          "ids[%u]: a bin of int32 has a multiple of 4 bytes, got %u", index,
                          token.size);
    uint32_t count = packed ? token.size / (uint32_t)sizeof(int32_t) : token.size;
    status = check_id_count(items, index, count, error);
    if (status != FERRY_OK)
        return status;
    int32_t *ids = ferry_arena_allocate(items->arena, (count + 1U) * sizeof *ids);
    if (ids == NULL)
        return out_of_arena(error);
    items->request->items[index].ids = ids;
    items->request->items[index].id_count = count;
    if (!packed)
        return read_id_array(reader, index, count, ids, error);
    memcpy(ids, token.data, token.size);
    return FERRY_OK;
}

enum ferry_status ferry_wire_read_ids(const struct ferry_wire_item_reader *items,
                                      struct ferry_msgpack_reader reader,
                                      struct ferry_error *error) {
    enum ferry_status status = open_items(items, "ids", &reader, error);
    for (uint32_t i = 0; status == FERRY_OK && i < items->request->item_count; i++)
        status = read_ids_of_item(items, &reader, i, error);
    return status;
}

static enum ferry_status read_type_id_array(struct ferry_msgpack_reader *reader, uint32_t index,
                                            uint32_t count, uint8_t *type_ids,
                                            struct ferry_error *error) {
    for (uint32_t i = 0; i < count; i++) {
        struct ferry_msgpack_token token;
        enum ferry_status status = ferry_msgpack_next(reader, &token, error);
        if (status != FERRY_OK)
            return status;
        if (token.type != FERRY_MSGPACK_UINT || token.uint > UINT8_MAX)
            return ferry_fail(
                error, FERRY_BAD_REQUEST,
                "type_ids[%u][%u]: wanted an unsigned integer below 256, got %s", index, i,
                token.type == FERRY_MSGPACK_UINT ? "a larger one"
                                                 : ferry_msgpack_type_name(token.type));
        type_ids[i] = (uint8_t)token.uint;
    }
    return FERRY_OK;
}

static enum ferry_status read_type_ids_of_item(const struct ferry_wire_item_reader *items,
                                               struct ferry_msgpack_reader *reader, uint32_t index,
                                               struct ferry_error *error) {
    struct ferry_wire_item *item = &items->request->items[index];
    struct ferry_msgpack_token token;
    enum ferry_status status = ferry_msgpack_next(reader, &token, error);
    if (status != FERRY_OK)
        return status;
    if (token.type != FERRY_MSGPACK_BIN && token.type != FERRY_MSGPACK_ARRAY)
        return ferry_fail(error, FERRY_BAD_REQUEST,
                          "type_ids[%u]: wanted an array or a bin of uint8, got %s", index,
                          ferry_msgpack_type_name(token.type));
    if (token.size != item->id_count)
        return ferry_fail(error, FERRY_BAD_REQUEST, "type_ids[%u]: %u type ids for %u ids", index,
                          token.size, item->id_count);
    uint8_t *type_ids = ferry_arena_allocate(items->arena, token.size + 1U);
    if (type_ids == NULL)
        return out_of_arena(error);
    item->type_ids = type_ids;
    if (token.type == FERRY_MSGPACK_ARRAY)
        return read_type_id_array(reader, index, token.size, type_ids, error);
    memcpy(type_ids, token.data, token.size);
    return FERRY_OK;
}

enum ferry_status ferry_wire_read_type_ids(const struct ferry_wire_item_reader *items,
                                           struct ferry_msgpack_reader reader,
                                           struct ferry_error *error) {
    struct ferry_msgpack_token array;
    enum ferry_status status = ferry_msgpack_next(&reader, &array, error);
    if (status != FERRY_OK)
        return status;
    if (array.type != FERRY_MSGPACK_ARRAY)
        return ferry_fail(error, FERRY_BAD_REQUEST, "type_ids: wanted an array, got %s",
                          ferry_msgpack_type_name(array.type));
    if (array.size != items->request->item_count)
        return ferry_fail(error, FERRY_BAD_REQUEST, "type_ids: %u items, but ids has %u",
                          array.size, items->request->item_count);
    for (uint32_t i = 0; status == FERRY_OK && i < array.size; i++)
        status = read_type_ids_of_item(items, &reader, i, error);
    return status;
}
