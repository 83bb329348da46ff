/* The maps of a status reply as tables: key and field. Written and read from the same rows, so that
 * both ends agree. Used by wire_reply_status.c and wire_status_read.c alone. */
#ifndef FERRY_IPC_WIRE_STATUS_FIELDS_H
#define FERRY_IPC_WIRE_STATUS_FIELDS_H

#include <stddef.h>
#include <stdint.h>

enum ferry_status_field_kind {
    FERRY_FIELD_TEXT,
    FERRY_FIELD_UINT32,
    FERRY_FIELD_UINT64,
    FERRY_FIELD_BOOL
};

struct ferry_status_field {
    const char *key;
    uint16_t kind; /* enum ferry_status_field_kind */
    uint16_t offset;
};

struct ferry_status_map {
    const char *key; /* of the map in "server"; NULL: rows of "server" itself or of a model */
    const struct ferry_status_field *fields;
    size_t count;
    size_t offset; /* of the structure in struct ferry_wire_status */
};

enum { FERRY_STATUS_MAP_COUNT = 8 };
extern const struct ferry_status_map ferry_status_server_fields;
extern const struct ferry_status_map ferry_status_model_fields;
/* limits, counters, queue, four histograms, endpoint */
extern const struct ferry_status_map ferry_status_maps[FERRY_STATUS_MAP_COUNT];

#endif
