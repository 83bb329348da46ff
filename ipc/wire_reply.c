#include "ipc/wire_reply.h"

#include "ipc/msgpack_writer.h"
#include "ipc/wire_names.h"
#include "ipc/wire_reply_put.h"

enum { ERROR_MESSAGE_BYTES = FERRY_ERROR_TEXT_BYTES - 1, FIXED_ROOM = 640, MESSAGE_ROOM = 64 };

void ferry_wire_put_head(struct ferry_msgpack_writer *writer, const struct ferry_wire_id *id,
                         size_t keys) {
    ferry_put_map(writer, 1U + (id->size > 0) + keys);
    ferry_put_key_uint(writer, "v", FERRY_WIRE_VERSION);
    if (id->size > 0) {
        ferry_put_text(writer, "id");
        ferry_put_encoded(writer, id->bytes, id->size);
    }
}

/* keys: how many more than those of every reply will follow. */
static void begin_reply(struct ferry_msgpack_writer *writer, const struct ferry_wire_id *id,
                        enum ferry_status status, size_t keys) {
    ferry_wire_put_head(writer, id, 1 + keys);
    ferry_put_key_text(writer, "status", ferry_status_name(status));
}

static void put_message(struct ferry_msgpack_writer *writer, const char *message) {
    size_t size = message == NULL ? 0 : strnlen(message, ERROR_MESSAGE_BYTES);
    ferry_put_text(writer, "message");
    ferry_put_str(writer, message == NULL ? "" : message, size);
}

static void put_model(struct ferry_msgpack_writer *writer, const struct ferry_wire_model *model) {
    ferry_put_text(writer, "model");
    ferry_put_map(writer, 5);
    ferry_put_key_text(writer, "name", model->name);
    ferry_put_key_text(writer, "digest", model->digest);
    ferry_put_key_text(writer, "engine", model->engine);
    ferry_put_key_text(writer, "precision", model->precision);
    ferry_put_key_text(writer, "device", model->device);
}

static void put_times(struct ferry_msgpack_writer *writer, const struct ferry_wire_times *times) {
    ferry_put_text(writer, "times_us");
    ferry_put_map(writer, 4);
    ferry_put_key_uint(writer, "tokenize", times->tokenize);
    ferry_put_key_uint(writer, "queue", times->queue);
    ferry_put_key_uint(writer, "compute", times->compute);
    ferry_put_key_uint(writer, "total", times->total);
}

static void put_errors(struct ferry_msgpack_writer *writer, const struct ferry_wire_truth *truth) {
    ferry_put_text(writer, "errors");
    ferry_put_array(writer, truth->error_count);
    for (uint32_t i = 0; i < truth->error_count; i++) {
        const struct ferry_wire_item_error *item = &truth->errors[i];
        ferry_put_map(writer, 3);
        ferry_put_key_uint(writer, "index", item->index);
        ferry_put_key_text(writer, "status", ferry_status_name(item->status));
        put_message(writer, item->message);
    }
}

static size_t truth_keys(const struct ferry_wire_truth *truth) {
    return 5U + truth->model.padding_affects_result + (truth->error_count > 0);
}

static void put_truth(struct ferry_msgpack_writer *writer, const struct ferry_wire_truth *truth) {
    put_model(writer, &truth->model);
    ferry_put_text(writer, "tokens");
    ferry_put_array(writer, truth->item_count);
    for (uint32_t i = 0; i < truth->item_count; i++)
        ferry_put_uint(writer, truth->tokens[i]);
    ferry_put_text(writer, "truncated");
    ferry_put_array(writer, truth->item_count);
    for (uint32_t i = 0; i < truth->item_count; i++)
        ferry_put_boolean(writer, truth->truncated[i] != 0);
    ferry_put_key_uint(writer, "padded_tokens", truth->padded_tokens);
    if (truth->model.padding_affects_result)
        ferry_put_key_boolean(writer, "padding_affects_result", true);
    put_times(writer, &truth->times);
    if (truth->error_count > 0)
        put_errors(writer, truth);
}

void ferry_wire_put_result(struct ferry_msgpack_writer *writer, const struct ferry_wire_id *id,
                           const struct ferry_wire_truth *truth, size_t keys) {
    begin_reply(writer, id, FERRY_OK, truth_keys(truth) + keys);
    put_truth(writer, truth);
}

size_t ferry_wire_truth_room(const struct ferry_wire_truth *truth) {
    return FIXED_ROOM + truth->item_count * 6UL + truth->error_count * (size_t)MESSAGE_ROOM;
}

static void put_matrix(struct ferry_msgpack_writer *writer,
                       const struct ferry_wire_matrix *matrix) {
    bool scaled = matrix->dtype == FERRY_WIRE_INT8;
    ferry_put_text(writer, "vectors");
    ferry_put_map(writer, 3U + scaled);
    ferry_put_key_text(writer, "dtype", ferry_wire_dtype_names[matrix->dtype]);
    ferry_put_text(writer, "shape");
    ferry_put_array(writer, 2);
    ferry_put_uint(writer, matrix->rows);
    ferry_put_uint(writer, matrix->columns);
    if (scaled) {
        ferry_put_text(writer, "scales");
        ferry_put_bin(writer, matrix->scales, matrix->rows * sizeof *matrix->scales);
    }
    ferry_put_text(writer, "data");
    ferry_put_bin(writer, matrix->data, matrix->size);
}

enum ferry_status ferry_wire_reply_error(const struct ferry_wire_id *id, enum ferry_status status,
                                         const char *message, uint32_t retry_after_ms,
                                         struct ferry_buffer *body) {
    struct ferry_msgpack_writer writer;
    ferry_msgpack_writer_init(&writer, body, 256);
    begin_reply(&writer, id, status, 1U + (retry_after_ms > 0));
    put_message(&writer, message);
    if (retry_after_ms > 0)
        ferry_put_key_uint(&writer, "retry_after_ms", retry_after_ms);
    return ferry_msgpack_writer_finish(&writer);
}

enum ferry_status ferry_wire_reply_embed(const struct ferry_wire_id *id,
                                         const struct ferry_wire_truth *truth,
                                         const struct ferry_wire_matrix *matrix,
                                         struct ferry_buffer *body) {
    struct ferry_msgpack_writer writer;
    ferry_msgpack_writer_init(
        &writer, body, ferry_wire_truth_room(truth) + matrix->size + matrix->rows * sizeof(float));
    ferry_wire_put_result(&writer, id, truth, 1);
    put_matrix(&writer, matrix);
    return ferry_msgpack_writer_finish(&writer);
}

/* The map of one item or window, without what the windows of an item add. */
static void put_tokens(struct ferry_msgpack_writer *writer, const struct ferry_wire_tokens *tokens,
                       bool windows_follow) {
    ferry_put_map(writer, 4U + (tokens->offsets != NULL) + windows_follow);
    ferry_put_text(writer, "ids");
    ferry_put_bin(writer, tokens->ids, tokens->count * sizeof *tokens->ids);
    ferry_put_text(writer, "type_ids");
    ferry_put_bin(writer, tokens->type_ids, tokens->count);
    ferry_put_text(writer, "special");
    ferry_put_bin(writer, tokens->special, tokens->count);
    ferry_put_text(writer, "tokens");
    ferry_put_array(writer, tokens->count);
    for (uint32_t i = 0; i < tokens->count; i++)
        ferry_put_str(writer, tokens->tokens[i].data, tokens->tokens[i].size);
    if (tokens->offsets != NULL) {
        ferry_put_text(writer, "offsets");
        ferry_put_bin(writer, tokens->offsets, tokens->count * 2UL * sizeof *tokens->offsets);
    }
}

static void put_item(struct ferry_msgpack_writer *writer, const struct ferry_wire_tokens *item) {
    put_tokens(writer, item, item->windows != NULL);
    if (item->windows == NULL)
        return;
    ferry_put_text(writer, "windows");
    ferry_put_array(writer, item->window_count);
    for (uint32_t i = 0; i < item->window_count; i++)
        put_tokens(writer, &item->windows[i], false);
}

static size_t tokens_room(const struct ferry_wire_tokens *tokens) {
    return 64 + tokens->count * 22UL;
}

enum ferry_status ferry_wire_reply_tokenize(const struct ferry_wire_id *id,
                                            const struct ferry_wire_truth *truth,
                                            const struct ferry_wire_tokens *items,
                                            struct ferry_buffer *body) {
    size_t room = ferry_wire_truth_room(truth);
    for (uint32_t i = 0; i < truth->item_count; i++)
        room += tokens_room(&items[i]) * (1UL + items[i].window_count);
    struct ferry_msgpack_writer writer;
    ferry_msgpack_writer_init(&writer, body, room);
    ferry_wire_put_result(&writer, id, truth, 1);
    ferry_put_text(&writer, "items");
    ferry_put_array(&writer, truth->item_count);
    for (uint32_t i = 0; i < truth->item_count; i++)
        put_item(&writer, &items[i]);
    return ferry_msgpack_writer_finish(&writer);
}

enum ferry_status ferry_wire_reply_detokenize(const struct ferry_wire_id *id,
                                              const struct ferry_wire_truth *truth,
                                              const struct ferry_view *texts,
                                              struct ferry_buffer *body) {
    size_t room = ferry_wire_truth_room(truth);
    for (uint32_t i = 0; i < truth->item_count; i++)
        room += texts[i].size + 5UL;
    struct ferry_msgpack_writer writer;
    ferry_msgpack_writer_init(&writer, body, room);
    ferry_wire_put_result(&writer, id, truth, 1);
    ferry_put_text(&writer, "texts");
    ferry_put_array(&writer, truth->item_count);
    for (uint32_t i = 0; i < truth->item_count; i++)
        ferry_put_str(&writer, texts[i].data, texts[i].size);
    return ferry_msgpack_writer_finish(&writer);
}

enum ferry_status ferry_wire_reply_cancel(const struct ferry_wire_id *id, bool cancelled,
                                          struct ferry_buffer *body) {
    struct ferry_msgpack_writer writer;
    ferry_msgpack_writer_init(&writer, body, 128);
    begin_reply(&writer, id, FERRY_OK, 1);
    ferry_put_key_boolean(&writer, "cancelled", cancelled);
    return ferry_msgpack_writer_finish(&writer);
}

enum ferry_status ferry_wire_reply_pong(const struct ferry_wire_id *id, struct ferry_buffer *body) {
    struct ferry_msgpack_writer writer;
    ferry_msgpack_writer_init(&writer, body, 128);
    begin_reply(&writer, id, FERRY_OK, 0);
    return ferry_msgpack_writer_finish(&writer);
}
