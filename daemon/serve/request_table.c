#include "daemon/serve/request_table.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

enum ferry_status ferry_request_table_init(struct ferry_request_table *table, size_t expected) {
    size_t size = 1024;
    while (size < expected)
        size *= 2;
    *table = (struct ferry_request_table){.mask = size - 1, .seed = ferry_hash_random_seed()};
    table->chains = calloc(size, sizeof(struct ferry_request *));
    return table->chains != NULL ? FERRY_OK : FERRY_OUT_OF_MEMORY;
}

void ferry_request_table_free(struct ferry_request_table *table) {
    free(table->chains);
    table->chains = NULL;
}

static uint64_t hash_of(const struct ferry_request_table *table, uint64_t peer,
                        const struct ferry_wire_id *id) {
    return ferry_hash(id->bytes, id->size, table->seed ^ peer);
}

void ferry_request_table_insert(struct ferry_request_table *table, struct ferry_request *request) {
    if (request->wire.id.size == 0)
        return;
    request->table_hash = hash_of(table, ferry_message_peer(request->message), &request->wire.id);
    struct ferry_request **chain = &table->chains[request->table_hash & table->mask];
    request->table_next = *chain;
    request->table_link = chain;
    if (*chain != NULL)
        (*chain)->table_link = &request->table_next;
    *chain = request;
    request->in_table = true;
}

void ferry_request_table_remove(struct ferry_request *request) {
    if (!request->in_table)
        return;
    *request->table_link = request->table_next;
    if (request->table_next != NULL)
        request->table_next->table_link = request->table_link;
    request->in_table = false;
}

struct ferry_request *ferry_request_table_find(const struct ferry_request_table *table,
                                               uint64_t peer, const struct ferry_wire_id *id) {
    if (id->size == 0)
        return NULL;
    uint64_t hash = hash_of(table, peer, id);
    struct ferry_request *request = table->chains[hash & table->mask];
    for (; request != NULL; request = request->table_next)
        if (request->table_hash == hash && ferry_message_peer(request->message) == peer &&
            request->wire.id.size == id->size &&
            memcmp(request->wire.id.bytes, id->bytes, id->size) == 0)
            return request;
    return NULL;
}
