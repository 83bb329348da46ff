/* The daemon's status as JSON: the same names and order as on the wire. */
#include <stdlib.h>

#include "clients/c/client_parts.h"
#include "clients/c/json_text.h"
#include "ipc/wire_status_fields.h"

enum { LARGEST_STATUS = 1 << 24 };

static void put_field(struct json_text *json, const struct ferry_status_field *field,
                      const void *structure) {
    const void *at = (const char *)structure + field->offset;
    json_name(json, field->key);
    switch ((enum ferry_status_field_kind)field->kind) {
    case FERRY_FIELD_TEXT:
        json_put_text(json, *(const char *const *)at);
        return;
    case FERRY_FIELD_UINT32:
        json_put_unsigned(json, *(const uint32_t *)at);
        return;
    case FERRY_FIELD_UINT64:
        json_put_unsigned(json, *(const uint64_t *)at);
        return;
    case FERRY_FIELD_BOOL:
        json_put_boolean(json, *(const bool *)at);
        return;
    }
}

static void put_fields(struct json_text *json, const struct ferry_status_map *map,
                       const void *structure) {
    for (size_t at = 0; at < map->count; at++)
        put_field(json, &map->fields[at], structure);
}

static void put_lists(struct json_text *json, const struct ferry_wire_status *status) {
    json_name(json, "endpoints");
    json_open(json, '[');
    for (uint32_t at = 0; at < status->endpoint_count; at++)
        json_put_text(json, status->endpoints[at]);
    json_close(json, ']');
    json_name(json, "models");
    json_open(json, '[');
    for (uint32_t at = 0; at < status->model_count; at++) {
        json_open(json, '{');
        put_fields(json, &ferry_status_model_fields, &status->models[at]);
        json_close(json, '}');
    }
    json_close(json, ']');
}

static void put_requests(struct json_text *json, const struct ferry_wire_status *status) {
    json_name(json, "requests");
    json_open(json, '{');
    for (int at = 0; at < FERRY_STATUS_COUNT; at++) {
        if (status->requests[at] == 0)
            continue;
        json_name(json, ferry_status_name((enum ferry_status)at));
        json_put_unsigned(json, status->requests[at]);
    }
    json_close(json, '}');
}

char *ferry_status_to_json(const struct ferry_wire_status *status) {
    struct ferry_buffer buffer;
    struct json_text json;
    ferry_buffer_init(&buffer, LARGEST_STATUS);
    json_begin(&json, &buffer);
    json_open(&json, '{');
    put_fields(&json, &ferry_status_server_fields, status);
    put_lists(&json, status);
    put_requests(&json, status);
    for (int at = 0; at < FERRY_STATUS_MAP_COUNT; at++) {
        const struct ferry_status_map *map = &ferry_status_maps[at];
        json_name(&json, map->key);
        json_open(&json, '{');
        put_fields(&json, map, (const char *)status + map->offset);
        json_close(&json, '}');
    }
    json_close(&json, '}');
    if (json_finish(&json) != FERRY_OK || ferry_buffer_append(&buffer, "", 1) != FERRY_OK) {
        ferry_buffer_free(&buffer);
        return NULL;
    }
    return (char *)buffer.data;
}
