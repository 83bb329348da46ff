#include "gpu/decode_slots.h"

#include <stdlib.h>

enum ferry_status ferry_decode_slots_init(struct ferry_decode_slots *slots, uint32_t count,
                                          uint32_t block_tokens, struct ferry_error *error) {
    *slots = (struct ferry_decode_slots){.count = count, .block_tokens = block_tokens};
    slots->slots = calloc(count > 0 ? count : 1, sizeof *slots->slots);
    if (slots->slots == NULL)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for %u slots of a decoder", count);
    return FERRY_OK;
}

void ferry_decode_slots_free(struct ferry_decode_slots *slots) {
    free(slots->slots);
    slots->slots = NULL;
    slots->count = 0;
}

uint32_t ferry_decode_blocks(uint32_t block_tokens, uint32_t tokens) {
    if (block_tokens == 0)
        return 0;
    return tokens / block_tokens + (tokens % block_tokens != 0);
}

void ferry_decode_slots_take(struct ferry_decode_slots *slots,
                             const struct ferry_decode_entry *entry) {
    struct ferry_decode_slot *slot = &slots->slots[entry->slot];
    uint32_t blocks = ferry_decode_blocks(slots->block_tokens, entry->length);
    slots->blocks_used += blocks - slot->blocks;
    slot->blocks = blocks;
    slot->held = entry->length;
    slot->failed = entry->status != FERRY_OK;
}

void ferry_decode_slots_release(struct ferry_decode_slots *slots, uint32_t slot) {
    if (slot >= slots->count)
        return;
    slots->blocks_used -= slots->slots[slot].blocks;
    slots->slots[slot] = (struct ferry_decode_slot){0};
}
