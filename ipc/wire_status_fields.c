#include "ipc/wire_status_fields.h"

#include "ipc/wire_status.h"

#define ROW(structure, member, name, type)                                                         \
    { .key = (name), .kind = (type), .offset = offsetof(struct structure, member) }
#define SERVER(member, type) ROW(ferry_wire_status, member, #member, type)
#define MODEL(member, type) ROW(ferry_wire_status_model, member, #member, type)
#define LIMIT(member, type) ROW(ferry_wire_status_limits, member, #member, type)
#define STEP(member, name) ROW(ferry_wire_histogram, member, name, FERRY_FIELD_UINT64)
#define ENDPOINT(member) ROW(ferry_server_counters, member, #member, FERRY_FIELD_UINT64)
#define COUNT_OF(rows) (sizeof(rows) / sizeof((rows)[0]))

static const struct ferry_status_field server_rows[] = {
    SERVER(version, FERRY_FIELD_TEXT),
    SERVER(state, FERRY_FIELD_TEXT),
    SERVER(pid, FERRY_FIELD_UINT32),
    SERVER(uptime_s, FERRY_FIELD_UINT64),
};

static const struct ferry_status_field model_rows[] = {
    MODEL(name, FERRY_FIELD_TEXT),
    MODEL(digest, FERRY_FIELD_TEXT),
    MODEL(task, FERRY_FIELD_TEXT),
    MODEL(engine, FERRY_FIELD_TEXT),
    MODEL(precision, FERRY_FIELD_TEXT),
    MODEL(device, FERRY_FIELD_TEXT),
    MODEL(pooling, FERRY_FIELD_TEXT),
    MODEL(proof, FERRY_FIELD_TEXT),
    MODEL(max_length, FERRY_FIELD_UINT32),
    MODEL(width, FERRY_FIELD_UINT32),
    MODEL(vocabulary_size, FERRY_FIELD_UINT32),
    MODEL(fixed_length, FERRY_FIELD_UINT32),
    MODEL(fixed_batch, FERRY_FIELD_UINT32),
    MODEL(workers, FERRY_FIELD_UINT32),
    MODEL(decode_running, FERRY_FIELD_UINT32),
    MODEL(decode_waiting, FERRY_FIELD_UINT32),
    MODEL(decode_blocks_used, FERRY_FIELD_UINT32),
    MODEL(decode_blocks, FERRY_FIELD_UINT32),
    MODEL(decode_steps, FERRY_FIELD_UINT64),
    MODEL(decode_preempted, FERRY_FIELD_UINT64),
    MODEL(decode_computed_tokens, FERRY_FIELD_UINT64),
    MODEL(decode_new_tokens, FERRY_FIELD_UINT64),
    MODEL(normalize, FERRY_FIELD_BOOL),
    MODEL(pads, FERRY_FIELD_BOOL),
    MODEL(equal_lengths_only, FERRY_FIELD_BOOL),
    MODEL(padding_affects_result, FERRY_FIELD_BOOL),
};

static const struct ferry_status_field limit_rows[] = {
    LIMIT(max_request_bytes, FERRY_FIELD_UINT64), LIMIT(max_items, FERRY_FIELD_UINT32),
    LIMIT(max_ids_per_item, FERRY_FIELD_UINT32),  LIMIT(queue_items, FERRY_FIELD_UINT64),
    LIMIT(queue_tokens, FERRY_FIELD_UINT64),      LIMIT(queue_bytes, FERRY_FIELD_UINT64),
    LIMIT(batch_tokens, FERRY_FIELD_UINT32),      LIMIT(default_deadline_ms, FERRY_FIELD_UINT32),
    LIMIT(max_deadline_ms, FERRY_FIELD_UINT32),
};

static const struct ferry_status_field computed_rows[] = {
    SERVER(items, FERRY_FIELD_UINT64),         SERVER(tokens, FERRY_FIELD_UINT64),
    SERVER(padded_tokens, FERRY_FIELD_UINT64), SERVER(batches, FERRY_FIELD_UINT64),
    SERVER(duplicates, FERRY_FIELD_UINT64),
};

static const struct ferry_status_field queue_rows[] = {
    ROW(ferry_wire_status, queued_items, "items", FERRY_FIELD_UINT64),
    ROW(ferry_wire_status, queued_tokens, "tokens", FERRY_FIELD_UINT64),
    ROW(ferry_wire_status, queued_bytes, "bytes", FERRY_FIELD_UINT64),
};

static const struct ferry_status_field histogram_rows[] = {
    STEP(count, "count"), STEP(p50, "p50"),     STEP(p90, "p90"),
    STEP(p99, "p99"),     STEP(maximum, "max"),
};

static const struct ferry_status_field endpoint_rows[] = {
    ENDPOINT(received),
    ENDPOINT(sent),
    ENDPOINT(malformed_envelopes),
    ENDPOINT(oversized),
    ENDPOINT(dropped_client_gone),
    ENDPOINT(dropped_slow_reader),
    ENDPOINT(outbox_bytes),
    ENDPOINT(turned_away),
};

#define MAP(name, rows, at)                                                                        \
    { name, rows, COUNT_OF(rows), at }
#define AT(member) offsetof(struct ferry_wire_status, member)

const struct ferry_status_map ferry_status_server_fields = MAP(NULL, server_rows, 0);
const struct ferry_status_map ferry_status_model_fields = MAP(NULL, model_rows, 0);
const struct ferry_status_map ferry_status_maps[FERRY_STATUS_MAP_COUNT] = {
    MAP("limits", limit_rows, AT(limits)),
    MAP("computed", computed_rows, 0),
    MAP("queued", queue_rows, 0),
    MAP("tokenize_us", histogram_rows, AT(tokenize)),
    MAP("queue_us", histogram_rows, AT(queue)),
    MAP("compute_us", histogram_rows, AT(compute)),
    MAP("total_us", histogram_rows, AT(total)),
    MAP("endpoint", endpoint_rows, AT(endpoint)),
};
