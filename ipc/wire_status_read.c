#include "ipc/wire_reply_parts.h"
#include "ipc/wire_status_fields.h"

struct fields_reading {
    struct ferry_arena *arena;
    const struct ferry_status_map *map;
    void *structure;
};

struct server_reading {
    struct ferry_arena *arena;
    struct ferry_wire_status *server;
};

static enum ferry_status read_field(const struct ferry_status_field *field, void *structure,
                                    const struct ferry_wire_value *value, struct ferry_arena *arena,
                                    struct ferry_error *error) {
    void *at = (char *)structure + field->offset;
    switch (field->kind) {
    case FERRY_FIELD_TEXT:
        return ferry_wire_read_text(value, arena, (const char **)at, error);
    case FERRY_FIELD_UINT32:
        return ferry_wire_read_uint32(value, (uint32_t *)at, error);
    case FERRY_FIELD_UINT64:
        return ferry_wire_read_uint(value, UINT64_MAX, (uint64_t *)at, error);
    default:
        return ferry_wire_read_bool(value, (bool *)at, error);
    }
}

static enum ferry_status read_fields_pair(void *context, const struct ferry_msgpack_token *key,
                                          const struct ferry_wire_value *value,
                                          struct ferry_error *error) {
    struct fields_reading *reading = context;
    for (size_t i = 0; i < reading->map->count; i++) {
        const struct ferry_status_field *field = &reading->map->fields[i];
        if (ferry_wire_key_is(key, field->key))
            return read_field(field, reading->structure, value, reading->arena, error);
    }
    return FERRY_OK;
}

/* Texts that are missing become "", so that whoever shows them need not look. */
static void set_missing_texts(const struct ferry_status_map *map, void *structure) {
    for (size_t i = 0; i < map->count; i++) {
        const char **text = (const char **)((char *)structure + map->fields[i].offset);
        if (map->fields[i].kind == FERRY_FIELD_TEXT && *text == NULL)
            *text = "";
    }
}

static enum ferry_status read_fields(const struct ferry_status_map *map, void *structure,
                                     const struct ferry_wire_value *value,
                                     struct ferry_arena *arena, struct ferry_error *error) {
    struct fields_reading reading = {arena, map, structure};
    enum ferry_status status = ferry_wire_each_pair(value, read_fields_pair, &reading, error);
    set_missing_texts(map, structure);
    return status;
}

static enum ferry_status read_models(struct server_reading *reading,
                                     const struct ferry_wire_value *value,
                                     struct ferry_error *error) {
    struct ferry_wire_value element = *value;
    struct ferry_wire_status_model *models = NULL;
    uint32_t count = 0;
    enum ferry_status status = ferry_wire_open_array(&element, &count, error);
    if (status == FERRY_OK)
        status = ferry_wire_allocate(reading->arena, count, sizeof *models, &models, error);
    for (uint32_t i = 0; status == FERRY_OK && i < count; i++) {
        status =
            read_fields(&ferry_status_model_fields, &models[i], &element, reading->arena, error);
        if (status == FERRY_OK)
            status = ferry_wire_next_element(&element, error);
    }
    reading->server->models = models;
    reading->server->model_count = status == FERRY_OK ? count : 0;
    return status;
}

static enum ferry_status read_endpoints(struct server_reading *reading,
                                        const struct ferry_wire_value *value,
                                        struct ferry_error *error) {
    struct ferry_wire_value element = *value;
    const char **endpoints = NULL;
    uint32_t count = 0;
    enum ferry_status status = ferry_wire_open_array(&element, &count, error);
    if (status == FERRY_OK)
        status = ferry_wire_allocate(reading->arena, count, sizeof *endpoints, &endpoints, error);
    for (uint32_t i = 0; status == FERRY_OK && i < count; i++) {
        status = ferry_wire_read_text(&element, reading->arena, &endpoints[i], error);
        if (status == FERRY_OK)
            status = ferry_wire_next_element(&element, error);
    }
    reading->server->endpoints = endpoints;
    reading->server->endpoint_count = status == FERRY_OK ? count : 0;
    return status;
}

static enum ferry_status read_request_count(void *context, const struct ferry_msgpack_token *key,
                                            const struct ferry_wire_value *value,
                                            struct ferry_error *error) {
    struct ferry_wire_status *server = context;
    enum ferry_status counted = ferry_status_from_name((const char *)key->data, key->size);
    if (counted == FERRY_STATUS_COUNT)
        return FERRY_OK;
    return ferry_wire_read_uint(value, UINT64_MAX, &server->requests[counted], error);
}

static enum ferry_status read_server_pair(void *context, const struct ferry_msgpack_token *key,
                                          const struct ferry_wire_value *value,
                                          struct ferry_error *error) {
    struct server_reading *reading = context;
    if (ferry_wire_key_is(key, "models"))
        return read_models(reading, value, error);
    if (ferry_wire_key_is(key, "endpoints"))
        return read_endpoints(reading, value, error);
    if (ferry_wire_key_is(key, "requests"))
        return ferry_wire_each_pair(value, read_request_count, reading->server, error);
    for (int i = 0; i < FERRY_STATUS_MAP_COUNT; i++) {
        const struct ferry_status_map *map = &ferry_status_maps[i];
        if (ferry_wire_key_is(key, map->key))
            return read_fields(map, (char *)reading->server + map->offset, value, reading->arena,
                               error);
    }
    struct fields_reading fields = {reading->arena, &ferry_status_server_fields, reading->server};
    return read_fields_pair(&fields, key, value, error);
}

enum ferry_status ferry_wire_read_server(const struct ferry_wire_value *value,
                                         struct ferry_arena *arena,
                                         const struct ferry_wire_status **ret_server,
                                         struct ferry_error *error) {
    struct server_reading reading = {.arena = arena};
    enum ferry_status status =
        ferry_wire_allocate(arena, 1, sizeof *reading.server, &reading.server, error);
    if (status != FERRY_OK)
        return status;
    status = ferry_wire_each_pair(value, read_server_pair, &reading, error);
    set_missing_texts(&ferry_status_server_fields, reading.server);
    *ret_server = reading.server;
    return status;
}
