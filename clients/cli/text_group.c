#include "clients/cli/text_group.h"

#include <stdlib.h>

enum ferry_status text_group_init(struct text_group *group, size_t capacity,
                                  struct ferry_error *error) {
    *group = (struct text_group){.capacity = capacity};
    ferry_buffer_init(&group->bytes, SIZE_MAX / 4);
    group->items = calloc(capacity, sizeof *group->items);
    if (group->items == NULL)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for %zu texts", capacity);
    return FERRY_OK;
}

void text_group_free(struct text_group *group) {
    free(group->items);
    ferry_buffer_free(&group->bytes);
}

/* Pointers into bytes would not survive its growth: here they only tell whether there is a pair. */
enum ferry_status text_group_add(struct text_group *group, const struct ferry_client_item *item,
                                 struct ferry_error *error) {
    bool is_row = item->ids != NULL; /* all of a group or none, so that ids stay aligned */
    enum ferry_status status =
        is_row ? ferry_buffer_append(&group->bytes, item->ids, item->id_count * sizeof *item->ids)
               : ferry_buffer_append(&group->bytes, item->text, item->text_bytes);
    if (status == FERRY_OK && item->pair != NULL)
        status = ferry_buffer_append(&group->bytes, item->pair, item->pair_bytes);
    if (status == FERRY_OK) /* an empty text needs an address too */
        status = ferry_buffer_reserve(&group->bytes, 1);
    if (status != FERRY_OK)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for the texts of a request");
    group->items[group->count++] = *item;
    return FERRY_OK;
}

bool text_group_is_full(const struct text_group *group) {
    return group->count == group->capacity || group->bytes.size >= TEXT_GROUP_BYTES;
}

const struct ferry_client_item *text_group_items(struct text_group *group) {
    const char *at = (const char *)group->bytes.data;
    for (size_t index = 0; index < group->count; index++) {
        struct ferry_client_item *item = &group->items[index];
        if (item->ids != NULL) {
            item->ids = (const int32_t *)(const void *)at;
            at += item->id_count * sizeof *item->ids;
            continue;
        }
        item->text = at;
        at += item->text_bytes;
        if (item->pair == NULL)
            continue;
        item->pair = at;
        at += item->pair_bytes;
    }
    return group->items;
}

void text_group_clear(struct text_group *group) {
    group->count = 0;
    group->bytes.size = 0;
}
