#include "ipc/wire_names.h"

#include <string.h>

const char *const ferry_wire_operation_names[] = {"embed",  "tokenize", "detokenize", "score",
                                                  "next",   "generate", "status",     "ping",
                                                  "cancel", NULL};
const char *const ferry_wire_truncate_names[] = {"right", "left", "error", NULL};
const char *const ferry_wire_strategy_names[] = {"longest_first", "only_first", "only_second",
                                                 NULL};
const char *const ferry_wire_dtype_names[] = {"f32", "f16", "int8", "binary", NULL};
const char *const ferry_wire_priority_names[] = {"interactive", "bulk", NULL};
const char *const ferry_wire_special_tokens_names[] = {"parse", "text", NULL};
const char *const ferry_wire_finish_names[] = {"none", "length", "end", "stop", NULL};

int ferry_wire_name_index(const char *const *names, const void *name, size_t size) {
    for (int i = 0; names[i] != NULL; i++) {
        if (strlen(names[i]) == size && memcmp(names[i], name, size) == 0)
            return i;
    }
    return -1;
}
