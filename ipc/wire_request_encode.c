#include "ipc/msgpack_writer.h"
#include "ipc/wire_keys.h"
#include "ipc/wire_names.h"
#include "ipc/wire_request.h"

static uint32_t field_value(const struct ferry_wire_request *request,
                            const struct ferry_wire_key_row *row) {
    uint32_t value = 0;
    memcpy(&value, (const uint8_t *)request + row->offset, row->width);
    return value;
}

/* The plain keys that the operation takes and that are not at their defaults, as bits. */
static uint32_t plain_keys_to_send(const struct ferry_wire_request *request) {
    struct ferry_wire_request defaults;
    ferry_wire_request_init(&defaults, request->operation);
    uint32_t keys = 0;
    for (int key = FERRY_KEY_FIRST_PLAIN; key < FERRY_KEY_COUNT; key++) {
        const struct ferry_wire_key_row *row = &ferry_wire_key_rows[key];
        if ((row->operations >> request->operation & 1) != 0 &&
            field_value(request, row) != field_value(&defaults, row))
            keys |= 1U << key;
    }
    return keys;
}

static void put_plain_value(struct ferry_msgpack_writer *writer,
                            const struct ferry_wire_request *request,
                            const struct ferry_wire_key_row *row) {
    uint32_t value = field_value(request, row);
    ferry_put_str(writer, row->name, row->name_size);
    if (row->kind == FERRY_VALUE_UINT)
        ferry_put_uint(writer, value);
    else if (row->kind == FERRY_VALUE_NAME)
        ferry_put_text(writer, row->names[value]);
    else
        ferry_put_boolean(writer, value != 0);
}

static void put_texts(struct ferry_msgpack_writer *writer,
                      const struct ferry_wire_request *request) {
    ferry_put_text(writer, "texts");
    ferry_put_array(writer, request->item_count);
    for (uint32_t i = 0; i < request->item_count; i++) {
        const struct ferry_wire_item *item = &request->items[i];
        if (item->pair.data != NULL)
            ferry_put_array(writer, 2);
        ferry_put_str(writer, item->text.data, item->text.size);
        if (item->pair.data != NULL)
            ferry_put_str(writer, item->pair.data, item->pair.size);
    }
}

static bool has_type_ids(const struct ferry_wire_request *request) {
    for (uint32_t i = 0; i < request->item_count; i++) {
        if (request->items[i].type_ids != NULL)
            return true;
    }
    return false;
}

static void put_type_ids(struct ferry_msgpack_writer *writer,
                         const struct ferry_wire_request *request) {
    static const uint8_t zeros[256];
    ferry_put_text(writer, "type_ids");
    ferry_put_array(writer, request->item_count);
    for (uint32_t i = 0; i < request->item_count; i++) {
        const struct ferry_wire_item *item = &request->items[i];
        if (item->type_ids != NULL) {
            ferry_put_bin(writer, item->type_ids, item->id_count);
            continue;
        }
        msgpack_pack_bin(&writer->packer, item->id_count);
        for (size_t left = item->id_count; left > 0;) {
            size_t part = left < sizeof zeros ? left : sizeof zeros;
            ferry_put_encoded(writer, zeros, part);
            left -= part;
        }
    }
}

static void put_ids(struct ferry_msgpack_writer *writer, const struct ferry_wire_request *request) {
    ferry_put_text(writer, "ids");
    ferry_put_array(writer, request->item_count);
    for (uint32_t i = 0; i < request->item_count; i++) {
        const struct ferry_wire_item *item = &request->items[i];
        ferry_put_bin(writer, item->ids, item->id_count * sizeof *item->ids);
    }
}

static size_t encoding_room(const struct ferry_wire_request *request) {
    size_t room = 256;
    for (uint32_t i = 0; i < request->item_count; i++) {
        const struct ferry_wire_item *item = &request->items[i];
        room += item->text.size + item->pair.size + item->id_count * 5UL + 16;
    }
    return room;
}

enum ferry_status ferry_wire_request_encode(const struct ferry_wire_request *request,
                                            struct ferry_buffer *body) {
    bool ids = request->item_count > 0 && request->items[0].ids != NULL;
    bool type_ids = ids && request->operation == FERRY_OPERATION_EMBED && has_type_ids(request);
    uint32_t plain = plain_keys_to_send(request);
    struct ferry_msgpack_writer writer;
    ferry_msgpack_writer_init(&writer, body, encoding_room(request));
    ferry_put_map(&writer, 2U + (request->id.size > 0) + (request->cancel_target.size > 0) +
                               (request->model.data != NULL) + (request->item_count > 0) +
                               type_ids + (unsigned)__builtin_popcount(plain));
    ferry_put_key_uint(&writer, "v", FERRY_WIRE_VERSION);
    ferry_put_key_text(&writer, "op", ferry_wire_operation_names[request->operation]);
    if (request->id.size > 0) {
        ferry_put_text(&writer, "id");
        ferry_put_encoded(&writer, request->id.bytes, request->id.size);
    }
    if (request->cancel_target.size > 0) {
        ferry_put_text(&writer, "target");
        ferry_put_encoded(&writer, request->cancel_target.bytes, request->cancel_target.size);
    }
    if (request->model.data != NULL) {
        ferry_put_text(&writer, "model");
        ferry_put_str(&writer, request->model.data, request->model.size);
    }
    for (; plain != 0; plain &= plain - 1)
        put_plain_value(&writer, request, &ferry_wire_key_rows[__builtin_ctz(plain)]);
    if (ids)
        put_ids(&writer, request);
    else if (request->item_count > 0)
        put_texts(&writer, request);
    if (type_ids)
        put_type_ids(&writer, request);
    return ferry_msgpack_writer_finish(&writer);
}
