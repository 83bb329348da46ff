/* Reading a finished reply. Nothing here fails: what is not there reads as 0, NULL or false. */
#include <stdlib.h>
#include <string.h>

#include "clients/c/client_parts.h"

void ferry_reply_free(struct ferry_reply *reply) {
    if (reply == NULL)
        return;
    for (size_t at = 0; at < reply->piece_count; at++) {
        struct request_piece *piece = &reply->pieces[at];
        ferry_buffer_free(&piece->body);
        ferry_client_reply_free(piece->message);
        ferry_arena_free(&piece->arena);
        free(piece->refusal);
    }
    pthread_cond_destroy(&reply->changed);
    pthread_mutex_destroy(&reply->lock);
    free(reply->pieces);
    free(reply->rows);
    free(reply->status_json);
    free(reply);
}

/* The last piece that starts at or before the item. */
const struct request_piece *ferry_reply_piece_of(const struct ferry_reply *reply, size_t index,
                                                 size_t *ret_index_in_piece) {
    if (index >= reply->item_count)
        return NULL;
    size_t low = 0, high = reply->piece_count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (reply->pieces[middle].first_item <= index)
            low = middle;
        else
            high = middle;
    }
    *ret_index_in_piece = index - reply->pieces[low].first_item;
    return &reply->pieces[low];
}

/* As above, but NULL for a piece that was refused as a whole. */
static const struct ferry_wire_reply *wire_of(const struct ferry_reply *reply, size_t index,
                                              size_t *ret_index_in_piece) {
    const struct request_piece *piece = ferry_reply_piece_of(reply, index, ret_index_in_piece);
    return piece == NULL || piece->too_large ? NULL : &piece->wire;
}

static const struct ferry_wire_reply *first_wire(const struct ferry_reply *reply) {
    for (size_t at = 0; at < reply->piece_count; at++)
        if (!reply->pieces[at].too_large)
            return &reply->pieces[at].wire;
    return NULL;
}

size_t ferry_reply_count(const struct ferry_reply *reply) {
    return reply->item_count;
}

enum ferry_status ferry_reply_item_status(const struct ferry_reply *reply, size_t index,
                                          const char **ret_message) {
    const char *ignored;
    if (ret_message == NULL)
        ret_message = &ignored;
    *ret_message = "";
    size_t local;
    const struct request_piece *piece = ferry_reply_piece_of(reply, index, &local);
    if (piece == NULL)
        return FERRY_USAGE;
    if (piece->too_large) {
        *ret_message = piece->refusal != NULL ? piece->refusal : "";
        return FERRY_TOO_LARGE;
    }
    const struct ferry_wire_truth *truth = &piece->wire.truth;
    for (uint32_t at = 0; at < truth->error_count; at++) {
        if (truth->errors[at].index == local) {
            *ret_message = truth->errors[at].message != NULL ? truth->errors[at].message : "";
            return truth->errors[at].status;
        }
    }
    return FERRY_OK;
}

size_t ferry_reply_error_count(const struct ferry_reply *reply) {
    size_t count = 0;
    for (size_t at = 0; at < reply->piece_count; at++)
        count += reply->pieces[at].too_large ? 1 : reply->pieces[at].wire.truth.error_count;
    return count;
}

uint32_t ferry_reply_tokens(const struct ferry_reply *reply, size_t index) {
    size_t local;
    const struct ferry_wire_reply *wire = wire_of(reply, index, &local);
    return wire == NULL || wire->truth.tokens == NULL ? 0 : wire->truth.tokens[local];
}

bool ferry_reply_truncated(const struct ferry_reply *reply, size_t index) {
    size_t local;
    const struct ferry_wire_reply *wire = wire_of(reply, index, &local);
    return wire != NULL && wire->truth.truncated != NULL && wire->truth.truncated[local] != 0;
}

/* ---- embed ---- */

size_t ferry_reply_width(const struct ferry_reply *reply) {
    return reply->width;
}

enum ferry_client_dtype ferry_reply_dtype(const struct ferry_reply *reply) {
    const struct ferry_wire_reply *wire = first_wire(reply);
    return wire != NULL && wire->has_matrix ? (enum ferry_client_dtype)wire->matrix.dtype
                                            : FERRY_CLIENT_F32;
}

const float *ferry_reply_rows(const struct ferry_reply *reply) {
    return reply->rows;
}

const void *ferry_reply_raw_row(const struct ferry_reply *reply, size_t index, size_t *ret_bytes) {
    size_t local;
    const struct ferry_wire_reply *wire = wire_of(reply, index, &local);
    if (wire == NULL || !wire->has_matrix || wire->matrix.rows == 0)
        return NULL;
    *ret_bytes = wire->matrix.size / wire->matrix.rows;
    return (const uint8_t *)wire->matrix.data + local * *ret_bytes;
}

float ferry_reply_scale(const struct ferry_reply *reply, size_t index) {
    size_t local;
    const struct ferry_wire_reply *wire = wire_of(reply, index, &local);
    if (wire == NULL || !wire->has_matrix || wire->matrix.scales == NULL)
        return 1.0f;
    return wire->matrix.scales[local];
}

/* ---- tokenize, detokenize ---- */

/* The item itself for window 0, its further windows for the rest. */
static const struct ferry_wire_tokens *window_of(const struct ferry_reply *reply, size_t index,
                                                 size_t window) {
    size_t local;
    const struct ferry_wire_reply *wire = wire_of(reply, index, &local);
    if (wire == NULL || wire->items == NULL)
        return NULL;
    const struct ferry_wire_tokens *tokens = &wire->items[local];
    if (window == 0)
        return tokens;
    return window - 1 < tokens->window_count ? &tokens->windows[window - 1] : NULL;
}

size_t ferry_reply_window_count(const struct ferry_reply *reply, size_t index) {
    const struct ferry_wire_tokens *tokens = window_of(reply, index, 0);
    return tokens == NULL ? 0 : 1 + (size_t)tokens->window_count;
}

bool ferry_reply_get_window(const struct ferry_reply *reply, size_t index, size_t window,
                            struct ferry_reply_window *ret_window) {
    const struct ferry_wire_tokens *tokens = window_of(reply, index, window);
    if (tokens == NULL)
        return false;
    *ret_window = (struct ferry_reply_window){.count = tokens->count,
                                              .ids = tokens->ids,
                                              .type_ids = tokens->type_ids,
                                              .special = tokens->special,
                                              .offsets = tokens->offsets};
    return true;
}

/* The tokens' texts of whatever kind of result the item has. */
static const struct ferry_view *tokens_of(const struct ferry_reply *reply, size_t index,
                                          size_t window, uint32_t *ret_count) {
    size_t local;
    const struct ferry_wire_reply *wire = wire_of(reply, index, &local);
    const struct ferry_wire_tokens *tokens = window_of(reply, index, window);
    if (tokens != NULL) {
        *ret_count = tokens->count;
        return tokens->tokens;
    }
    if (wire == NULL || window > 0)
        return NULL;
    if (wire->scores != NULL) {
        *ret_count = wire->scores[local].count;
        return wire->scores[local].tokens;
    }
    if (wire->nexts == NULL)
        return NULL;
    *ret_count = wire->nexts[local].count;
    return wire->nexts[local].tokens;
}

const char *ferry_reply_token(const struct ferry_reply *reply, size_t index, size_t window,
                              size_t position, size_t *ret_bytes) {
    uint32_t count = 0;
    const struct ferry_view *tokens = tokens_of(reply, index, window, &count);
    if (tokens == NULL || position >= count)
        return NULL;
    *ret_bytes = tokens[position].size;
    return tokens[position].data;
}

const char *ferry_reply_text(const struct ferry_reply *reply, size_t index, size_t *ret_bytes) {
    size_t local;
    const struct ferry_wire_reply *wire = wire_of(reply, index, &local);
    if (wire != NULL && wire->has_choices && wire->choices.n > 0) {
        const struct ferry_wire_choice *first = &wire->choices.choices[local * wire->choices.n];
        *ret_bytes = first->text.size;
        return first->text.data;
    }
    if (wire == NULL || wire->texts == NULL)
        return NULL;
    *ret_bytes = wire->texts[local].size;
    return wire->texts[local].data;
}

/* ---- about the daemon ---- */

const struct ferry_wire_status *ferry_reply_wire_status(const struct ferry_reply *reply) {
    const struct ferry_wire_reply *wire = first_wire(reply);
    return wire == NULL ? NULL : wire->server;
}

const char *ferry_reply_status_json(const struct ferry_reply *reply) {
    return reply->status_json;
}

bool ferry_reply_get_model(const struct ferry_reply *reply, struct ferry_reply_model *ret_model) {
    const struct ferry_wire_reply *wire = first_wire(reply);
    if (wire == NULL || !wire->has_truth)
        return false;
    const struct ferry_wire_model *model = &wire->truth.model;
    *ret_model =
        (struct ferry_reply_model){.name = model->name,
                                   .digest = model->digest,
                                   .engine = model->engine,
                                   .precision = model->precision,
                                   .device = model->device,
                                   .padding_affects_result = model->padding_affects_result};
    return true;
}

void ferry_reply_get_times(const struct ferry_reply *reply, struct ferry_reply_times *ret_times) {
    *ret_times = (struct ferry_reply_times){0};
    for (size_t at = 0; at < reply->piece_count; at++) {
        const struct ferry_wire_times *times = &reply->pieces[at].wire.truth.times;
        ret_times->tokenize += times->tokenize;
        ret_times->queue += times->queue;
        ret_times->compute += times->compute;
        if (times->total > ret_times->total)
            ret_times->total = times->total;
    }
}

uint64_t ferry_reply_padded_tokens(const struct ferry_reply *reply) {
    uint64_t sum = 0;
    for (size_t at = 0; at < reply->piece_count; at++)
        sum += reply->pieces[at].wire.truth.padded_tokens;
    return sum;
}
