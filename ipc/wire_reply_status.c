#include "ipc/msgpack_writer.h"
#include "ipc/wire_reply.h"
#include "ipc/wire_status_fields.h"

static void put_field(struct ferry_msgpack_writer *writer, const struct ferry_status_field *field,
                      const void *structure) {
    const void *at = (const char *)structure + field->offset;
    ferry_put_text(writer, field->key);
    switch (field->kind) {
    case FERRY_FIELD_TEXT:
        ferry_put_text(writer, *(const char *const *)at);
        break;
    case FERRY_FIELD_UINT32:
        ferry_put_uint(writer, *(const uint32_t *)at);
        break;
    case FERRY_FIELD_UINT64:
        ferry_put_uint(writer, *(const uint64_t *)at);
        break;
    default:
        ferry_put_boolean(writer, *(const bool *)at);
    }
}

static void put_fields(struct ferry_msgpack_writer *writer, const struct ferry_status_map *map,
                       const void *structure) {
    for (size_t i = 0; i < map->count; i++)
        put_field(writer, &map->fields[i], structure);
}

static void put_models(struct ferry_msgpack_writer *writer,
                       const struct ferry_wire_status *server) {
    ferry_put_text(writer, "models");
    ferry_put_array(writer, server->model_count);
    for (uint32_t i = 0; i < server->model_count; i++) {
        ferry_put_map(writer, ferry_status_model_fields.count);
        put_fields(writer, &ferry_status_model_fields, &server->models[i]);
    }
}

static void put_endpoints(struct ferry_msgpack_writer *writer,
                          const struct ferry_wire_status *server) {
    ferry_put_text(writer, "endpoints");
    ferry_put_array(writer, server->endpoint_count);
    for (uint32_t i = 0; i < server->endpoint_count; i++)
        ferry_put_text(writer, server->endpoints[i]);
}

/* Only statuses that occurred. */
static void put_requests(struct ferry_msgpack_writer *writer,
                         const struct ferry_wire_status *server) {
    size_t occurred = 0;
    for (int status = 0; status < FERRY_STATUS_COUNT; status++)
        occurred += server->requests[status] > 0;
    ferry_put_text(writer, "requests");
    ferry_put_map(writer, occurred);
    for (int status = 0; status < FERRY_STATUS_COUNT; status++) {
        if (server->requests[status] > 0)
            ferry_put_key_uint(writer, ferry_status_name((enum ferry_status)status),
                               server->requests[status]);
    }
}

enum ferry_status ferry_wire_reply_status(const struct ferry_wire_id *id,
                                          const struct ferry_wire_status *server,
                                          struct ferry_buffer *body) {
    struct ferry_msgpack_writer writer;
    ferry_msgpack_writer_init(&writer, body, 2048 + server->model_count * 1024UL);
    ferry_put_map(&writer, 3U + (id->size > 0));
    ferry_put_key_uint(&writer, "v", FERRY_WIRE_VERSION);
    if (id->size > 0) {
        ferry_put_text(&writer, "id");
        ferry_put_encoded(&writer, id->bytes, id->size);
    }
    ferry_put_key_text(&writer, "status", ferry_status_name(FERRY_OK));
    ferry_put_text(&writer, "server");
    ferry_put_map(&writer, ferry_status_server_fields.count + 3 + FERRY_STATUS_MAP_COUNT);
    put_fields(&writer, &ferry_status_server_fields, server);
    put_endpoints(&writer, server);
    put_models(&writer, server);
    put_requests(&writer, server);
    for (int i = 0; i < FERRY_STATUS_MAP_COUNT; i++) {
        const struct ferry_status_map *map = &ferry_status_maps[i];
        ferry_put_text(&writer, map->key);
        ferry_put_map(&writer, map->count);
        put_fields(&writer, map, (const char *)server + map->offset);
    }
    return ferry_msgpack_writer_finish(&writer);
}
