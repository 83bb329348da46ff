#include "ipc/wire_keys.h"

#include "ipc/wire_names.h"
#include "ipc/wire_request.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "fields are stored by their low bytes, and the wire's numbers are little-endian");

enum {
    EMBED = 1 << FERRY_OPERATION_EMBED,
    TOKENIZE = 1 << FERRY_OPERATION_TOKENIZE,
    DETOKENIZE = 1 << FERRY_OPERATION_DETOKENIZE,
    CANCEL = 1 << FERRY_OPERATION_CANCEL,
    WORK = EMBED | TOKENIZE | DETOKENIZE,
    ALL = (1 << FERRY_OPERATION_COUNT) - 1,
    LARGEST_COUNT = 0x7fffffff
};

#define KEY(text, ops) .name = (text), .name_size = sizeof(text) - 1, .operations = (ops)
#define FIELD(member)                                                                              \
    .offset = offsetof(struct ferry_wire_request, member),                                         \
    .width = sizeof(((struct ferry_wire_request *)0)->member)
#define UINT(member, lowest, highest)                                                              \
    FIELD(member), .kind = FERRY_VALUE_UINT, .minimum = (lowest), .maximum = (highest)
#define BOOL(member) FIELD(member), .kind = FERRY_VALUE_BOOL
#define NAME(member, table) FIELD(member), .kind = FERRY_VALUE_NAME, .names = (table)

const struct ferry_wire_key_row ferry_wire_key_rows[FERRY_KEY_COUNT] = {
    [FERRY_KEY_V] = {KEY("v", ALL)},
    [FERRY_KEY_OP] = {KEY("op", ALL)},
    [FERRY_KEY_ID] = {KEY("id", ALL)},
    [FERRY_KEY_MODEL] = {KEY("model", WORK)},
    [FERRY_KEY_TEXTS] = {KEY("texts", EMBED | TOKENIZE)},
    [FERRY_KEY_IDS] = {KEY("ids", EMBED | DETOKENIZE)},
    [FERRY_KEY_TYPE_IDS] = {KEY("type_ids", EMBED)},
    [FERRY_KEY_TARGET] = {KEY("target", CANCEL)},
    [FERRY_KEY_DEADLINE_MS] = {KEY("deadline_ms", WORK),
                               UINT(deadline_ms, 1, FERRY_WIRE_MAX_DEADLINE_MS)},
    [FERRY_KEY_PRIORITY] = {KEY("priority", WORK), NAME(priority, ferry_wire_priority_names)},
    [FERRY_KEY_TRUNCATE] = {KEY("truncate", EMBED | TOKENIZE),
                            NAME(truncate, ferry_wire_truncate_names)},
    [FERRY_KEY_STRATEGY] = {KEY("strategy", EMBED | TOKENIZE),
                            NAME(strategy, ferry_wire_strategy_names)},
    [FERRY_KEY_MAX_TOKENS] = {KEY("max_tokens", EMBED | TOKENIZE),
                              UINT(max_tokens, 1, LARGEST_COUNT)},
    [FERRY_KEY_SPECIAL_TOKENS] = {KEY("special_tokens", EMBED | TOKENIZE),
                                  NAME(special_tokens_as_text, ferry_wire_special_tokens_names)},
    [FERRY_KEY_NORMALIZE] = {KEY("normalize", EMBED), BOOL(normalize)},
    [FERRY_KEY_DTYPE] = {KEY("dtype", EMBED), NAME(dtype, ferry_wire_dtype_names)},
    [FERRY_KEY_ADD_SPECIAL_TOKENS] = {KEY("add_special_tokens", TOKENIZE),
                                      BOOL(add_special_tokens)},
    [FERRY_KEY_OFFSETS] = {KEY("offsets", TOKENIZE), BOOL(offsets)},
    [FERRY_KEY_WINDOWS] = {KEY("windows", TOKENIZE), BOOL(windows)},
    [FERRY_KEY_STRIDE] = {KEY("stride", TOKENIZE), UINT(stride, 0, LARGEST_COUNT)},
    [FERRY_KEY_SKIP_SPECIAL_TOKENS] = {KEY("skip_special_tokens", DETOKENIZE),
                                       BOOL(skip_special_tokens)},
};
