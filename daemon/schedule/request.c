#include "daemon/schedule/request.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/schedule/sequence.h"

/* Enough for a short text with its row; what a larger request took goes back. */
enum { KEPT_ARENA_BYTES = 32 * 1024 };

static struct ferry_request *take_free(struct ferry_request_pool *pool) {
    struct ferry_request *request = pool->free;
    if (request != NULL) {
        pool->free = request->next;
        pool->free_count--;
        return request;
    }
    request = calloc(1, sizeof *request);
    if (request == NULL)
        return NULL;
    ferry_arena_init(&request->arena, pool->arena_maximum);
    ferry_buffer_init(&request->reply, pool->reply_maximum);
    return request;
}

struct ferry_request *ferry_request_acquire(struct ferry_request_pool *pool,
                                            struct ferry_message *message, int64_t now) {
    struct ferry_request *request = take_free(pool);
    if (request == NULL)
        return NULL;
    struct ferry_arena arena = request->arena;
    struct ferry_buffer reply = request->reply;
    *request = (struct ferry_request){.arena = arena,
                                      .reply = reply,
                                      .message = message,
                                      .arrived_ns = now,
                                      .deadline_ns = FERRY_BATCH_NO_DEADLINE};
    return request;
}

static void free_item(struct ferry_item *item) {
    free(item->error_text);
    for (uint32_t i = 0; i < item->sequence_count; i++)
        ferry_sequence_free(&item->sequences[i]);
}

void ferry_request_release(struct ferry_request_pool *pool, struct ferry_request *request) {
    for (uint32_t i = 0; request->items != NULL && i < request->wire.item_count; i++)
        free_item(&request->items[i]);
    ferry_message_free(request->message);
    if (pool->free_count >= pool->free_maximum) {
        ferry_arena_free(&request->arena);
        ferry_buffer_free(&request->reply);
        free(request);
        return;
    }
    ferry_arena_reset(&request->arena, KEPT_ARENA_BYTES);
    if (request->reply.capacity > KEPT_ARENA_BYTES)
        ferry_buffer_free(&request->reply);
    request->reply.size = 0;
    request->items = NULL;
    request->message = NULL;
    request->next = pool->free;
    pool->free = request;
    pool->free_count++;
}

void ferry_request_pool_free(struct ferry_request_pool *pool) {
    while (pool->free != NULL) {
        struct ferry_request *request = pool->free;
        pool->free = request->next;
        ferry_arena_free(&request->arena);
        ferry_buffer_free(&request->reply);
        free(request);
    }
    pool->free_count = 0;
}

static void *allocate_zeroed(struct ferry_arena *arena, size_t count, size_t size) {
    void *memory = ferry_arena_allocate(arena, count * size);
    if (memory != NULL)
        memset(memory, 0, count * size);
    return memory;
}

bool ferry_request_prepare_items(struct ferry_request *request) {
    size_t count = request->wire.item_count;
    request->tokens = allocate_zeroed(&request->arena, count, sizeof *request->tokens);
    request->truncated = allocate_zeroed(&request->arena, count, sizeof *request->truncated);
    request->items = allocate_zeroed(&request->arena, count, sizeof *request->items);
    if (request->tokens == NULL || request->truncated == NULL || request->items == NULL)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        request->items[i].request = request;
        request->items[i].index = i;
    }
    return true;
}

void ferry_request_fail(struct ferry_request *request, enum ferry_status status) {
    int none = FERRY_OK;
    atomic_compare_exchange_strong(&request->failure, &none, (int)status);
}

enum ferry_status ferry_request_failure(struct ferry_request *request) {
    return (enum ferry_status)atomic_load(&request->failure);
}

void ferry_item_fail(struct ferry_item *item, enum ferry_status status, const char *text) {
    if (item->status != FERRY_OK)
        return;
    item->status = status;
    item->error_text = strdup(text); /* without memory the status alone has to do */
}
