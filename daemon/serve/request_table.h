/* Finds an accepted request by who sent it and by its id, for cancel. Chained hashing with a secret
 * seed, since clients choose the ids. It owns no requests. The io thread's alone. */
#ifndef FERRY_DAEMON_REQUEST_TABLE_H
#define FERRY_DAEMON_REQUEST_TABLE_H

#include "daemon/schedule/request.h"

struct ferry_request_table {
    struct ferry_request **chains; /* owned */
    uint64_t mask;
    uint64_t seed;
};

/* expected: how many requests it should hold well. Errors: OUT_OF_MEMORY. */
FERRY_MUST_CHECK enum ferry_status ferry_request_table_init(struct ferry_request_table *table,
                                                            size_t expected);
void ferry_request_table_free(struct ferry_request_table *table);

/* A request without an id is not kept: nobody can name it. */
void ferry_request_table_insert(struct ferry_request_table *table, struct ferry_request *request);
/* Walks no chain: a client may give all its requests the same id. */
void ferry_request_table_remove(struct ferry_request *request);
/* The latest request of this sender with this id, or NULL. */
struct ferry_request *ferry_request_table_find(const struct ferry_request_table *table,
                                               uint64_t peer, const struct ferry_wire_id *id);

#endif
