/* Texts collected for one request. Owns copies of them until the request is encoded. */
#ifndef FERRY_CLIENTS_CLI_TEXT_GROUP_H
#define FERRY_CLIENTS_CLI_TEXT_GROUP_H

#include "base/buffer.h"
#include "clients/c/ferry_client.h"

enum { TEXT_GROUP_BYTES = 256 << 10 }; /* a group is full beyond it */

struct text_group {
    struct ferry_client_item *items; /* [capacity]; pointers are set by text_group_items */
    size_t count, capacity;
    struct ferry_buffer bytes; /* all texts, one after another */
};

FERRY_MUST_CHECK enum ferry_status text_group_init(struct text_group *group, size_t capacity,
                                                   struct ferry_error *error);
void text_group_free(struct text_group *group);
/* Copies a text, a pair or a row of ids. Errors: OUT_OF_MEMORY. */
FERRY_MUST_CHECK enum ferry_status text_group_add(struct text_group *group,
                                                  const struct ferry_client_item *item,
                                                  struct ferry_error *error);
bool text_group_is_full(const struct text_group *group);
/* The items, valid until the next add or clear. */
const struct ferry_client_item *text_group_items(struct text_group *group);
void text_group_clear(struct text_group *group);

#endif
