#include "daemon/tasks/detokenize_items.h"

#include <string.h>

enum ferry_status ferry_detokenize_item(struct ferry_tokenizer_session *session,
                                        const struct ferry_wire_item *item,
                                        bool skip_special_tokens, struct ferry_arena *arena,
                                        struct ferry_view *ret_text, struct ferry_error *error) {
    if (item->text.data != NULL)
        return ferry_fail(error, FERRY_UNSUPPORTED, "detokenize takes ids, not texts");
    const char *text = NULL;
    size_t size = 0;
    enum ferry_status status = ferry_tokenizer_decode(session, item->ids, item->id_count,
                                                      skip_special_tokens, &text, &size, error);
    if (status != FERRY_OK)
        return status;
    char *kept = ferry_arena_allocate(arena, size);
    if (kept == NULL)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for a text of %zu bytes", size);
    if (size > 0)
        memcpy(kept, text, size);
    *ret_text = (struct ferry_view){.data = kept, .size = (uint32_t)size};
    return FERRY_OK;
}
