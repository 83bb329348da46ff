#include "ipc/msgpack_writer.h"
#include "ipc/wire_keys.h"
#include "ipc/wire_names.h"
#include "ipc/wire_request.h"

static uint64_t field_value(const struct ferry_wire_request *request,
                            const struct ferry_wire_key_row *row) {
    const uint8_t *field = (const uint8_t *)request + row->offset;
    uint64_t value = 0;
    switch (row->width) { /* constant sizes: no calls of memcpy */
    case 1:
        return *field;
    case 4:
        memcpy(&value, field, 4);
        return value;
    default:
        memcpy(&value, field, sizeof value);
        return value;
    }
}

static bool is_default(const struct ferry_wire_request *request,
                       const struct ferry_wire_request *defaults,
                       const struct ferry_wire_key_row *row) {
    if (row->kind == FERRY_VALUE_SEED)
        return !request->generation.has_seed;
    if (row == &ferry_wire_key_rows[FERRY_KEY_TEMPERATURE] && request->generation.has_temperature)
        return false;
    return field_value(request, row) == field_value(defaults, row);
}

/* The plain keys that the operation takes and that are not at their defaults, as bits. */
static uint64_t plain_keys_to_send(const struct ferry_wire_request *request) {
    struct ferry_wire_request defaults;
    ferry_wire_request_init(&defaults, request->operation);
    uint64_t keys = 0;
    for (int key = FERRY_KEY_FIRST_PLAIN; key < FERRY_KEY_COUNT; key++) {
        const struct ferry_wire_key_row *row = &ferry_wire_key_rows[key];
        if ((row->operations >> request->operation & 1) != 0 &&
            !is_default(request, &defaults, row))
            keys |= ferry_wire_key_bit((enum ferry_wire_key)key);
    }
    return keys;
}

static void put_plain_value(struct ferry_msgpack_writer *writer,
                            const struct ferry_wire_request *request,
                            const struct ferry_wire_key_row *row) {
    uint64_t value = field_value(request, row);
    float real = 0;
    ferry_put_str(writer, row->name, row->name_size);
    switch (row->kind) {
    case FERRY_VALUE_UINT:
    case FERRY_VALUE_SEED:
        ferry_put_uint(writer, value);
        break;
    case FERRY_VALUE_NAME:
        ferry_put_text(writer, row->names[value]);
        break;
    case FERRY_VALUE_FLOAT:
        memcpy(&real, &value, sizeof real);
        ferry_put_float(writer, real);
        break;
    default:
        ferry_put_boolean(writer, value != 0);
    }
}

static void put_stops(struct ferry_msgpack_writer *writer,
                      const struct ferry_wire_generation *generation) {
    if (generation->stop_count > 0) {
        ferry_put_text(writer, "stop");
        ferry_put_array(writer, generation->stop_count);
    }
    for (uint32_t i = 0; i < generation->stop_count; i++)
        ferry_put_str(writer, generation->stop[i].data, generation->stop[i].size);
    if (generation->stop_id_count > 0) {
        ferry_put_text(writer, "stop_ids");
        ferry_put_array(writer, generation->stop_id_count);
    }
    for (uint32_t i = 0; i < generation->stop_id_count; i++)
        ferry_put_uint(writer, (uint32_t)generation->stop_ids[i]);
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
    size_t room = 512;
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
    uint64_t plain = plain_keys_to_send(request);
    const struct ferry_wire_generation *generation = &request->generation;
    unsigned stops = 0;
    if (request->operation == FERRY_OPERATION_GENERATE)
        stops = 0U + (generation->stop_count > 0) + (generation->stop_id_count > 0);
    struct ferry_msgpack_writer writer;
    ferry_msgpack_writer_init(&writer, body, encoding_room(request));
    ferry_put_map(&writer, 2U + (request->id.size > 0) + (request->cancel_target.size > 0) +
                               (request->model.data != NULL) + (request->item_count > 0) +
                               type_ids + stops + (unsigned)__builtin_popcountll(plain));
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
        put_plain_value(&writer, request, &ferry_wire_key_rows[__builtin_ctzll(plain)]);
    if (stops > 0)
        put_stops(&writer, generation);
    if (ids)
        put_ids(&writer, request);
    else if (request->item_count > 0)
        put_texts(&writer, request);
    if (type_ids)
        put_type_ids(&writer, request);
    return ferry_msgpack_writer_finish(&writer);
}
