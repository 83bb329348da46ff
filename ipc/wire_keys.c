#include "ipc/wire_keys.h"

#include "ipc/wire_names.h"
#include "ipc/wire_request.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "fields are stored by their low bytes, and the wire's numbers are little-endian");

enum {
    EMBED = 1 << FERRY_OPERATION_EMBED,
    TOKENIZE = 1 << FERRY_OPERATION_TOKENIZE,
    DETOKENIZE = 1 << FERRY_OPERATION_DETOKENIZE,
    SCORE = 1 << FERRY_OPERATION_SCORE,
    NEXT = 1 << FERRY_OPERATION_NEXT,
    GENERATE = 1 << FERRY_OPERATION_GENERATE,
    CANCEL = 1 << FERRY_OPERATION_CANCEL,
    LANGUAGE = SCORE | NEXT | GENERATE,
    ENCODING = EMBED | TOKENIZE | LANGUAGE, /* text becomes ids */
    WORK = ENCODING | DETOKENIZE,
    ALL = (1 << FERRY_OPERATION_COUNT) - 1,
    LARGEST_COUNT = 0x7fffffff
};

#define KEY(text, ops) .name = (text), .name_size = sizeof(text) - 1, .operations = (ops)
#define FIELD(member)                                                                              \
    .offset = offsetof(struct ferry_wire_request, member),                                         \
    .width = sizeof(((struct ferry_wire_request *)0)->member)
#define UINT(member, lowest, highest)                                                              \
    FIELD(member), .kind = FERRY_VALUE_UINT, .minimum = (lowest), .maximum = (highest)
#define FLOAT(member, lowest, highest)                                                             \
    FIELD(generation.member), .kind = FERRY_VALUE_FLOAT, .minimum = (lowest), .maximum = (highest)
#define BOOL(member) FIELD(member), .kind = FERRY_VALUE_BOOL
#define NAME(member, table) FIELD(member), .kind = FERRY_VALUE_NAME, .names = (table)

const struct ferry_wire_key_row ferry_wire_key_rows[FERRY_KEY_COUNT] = {
    [FERRY_KEY_V] = {KEY("v", ALL)},
    [FERRY_KEY_OP] = {KEY("op", ALL)},
    [FERRY_KEY_ID] = {KEY("id", ALL)},
    [FERRY_KEY_MODEL] = {KEY("model", WORK)},
    [FERRY_KEY_TEXTS] = {KEY("texts", ENCODING)},
    [FERRY_KEY_IDS] = {KEY("ids", EMBED | DETOKENIZE | LANGUAGE)},
    [FERRY_KEY_TYPE_IDS] = {KEY("type_ids", EMBED)},
    [FERRY_KEY_TARGET] = {KEY("target", CANCEL)},
    [FERRY_KEY_STOP] = {KEY("stop", GENERATE)},
    [FERRY_KEY_STOP_IDS] = {KEY("stop_ids", GENERATE)},
    [FERRY_KEY_DEADLINE_MS] = {KEY("deadline_ms", WORK),
                               UINT(deadline_ms, 1, FERRY_WIRE_MAX_DEADLINE_MS)},
    [FERRY_KEY_PRIORITY] = {KEY("priority", WORK), NAME(priority, ferry_wire_priority_names)},
    [FERRY_KEY_TRUNCATE] = {KEY("truncate", ENCODING), NAME(truncate, ferry_wire_truncate_names)},
    [FERRY_KEY_STRATEGY] = {KEY("strategy", EMBED | TOKENIZE),
                            NAME(strategy, ferry_wire_strategy_names)},
    [FERRY_KEY_MAX_TOKENS] = {KEY("max_tokens", ENCODING), UINT(max_tokens, 1, LARGEST_COUNT)},
    [FERRY_KEY_SPECIAL_TOKENS] = {KEY("special_tokens", ENCODING),
                                  NAME(special_tokens_as_text, ferry_wire_special_tokens_names)},
    [FERRY_KEY_NORMALIZE] = {KEY("normalize", EMBED), BOOL(normalize)},
    [FERRY_KEY_DTYPE] = {KEY("dtype", EMBED), NAME(dtype, ferry_wire_dtype_names)},
    [FERRY_KEY_ADD_SPECIAL_TOKENS] = {KEY("add_special_tokens", TOKENIZE | LANGUAGE),
                                      BOOL(add_special_tokens)},
    [FERRY_KEY_OFFSETS] = {KEY("offsets", TOKENIZE), BOOL(offsets)},
    [FERRY_KEY_WINDOWS] = {KEY("windows", TOKENIZE | SCORE), BOOL(windows)},
    [FERRY_KEY_STRIDE] = {KEY("stride", TOKENIZE | SCORE), UINT(stride, 0, LARGEST_COUNT)},
    [FERRY_KEY_SKIP_SPECIAL_TOKENS] = {KEY("skip_special_tokens", DETOKENIZE | GENERATE),
                                       BOOL(skip_special_tokens)},
    [FERRY_KEY_TOP] = {KEY("top", LANGUAGE), UINT(top, 0, FERRY_WIRE_MAX_TOP)},
    [FERRY_KEY_MAX_NEW_TOKENS] = {KEY("max_new_tokens", GENERATE),
                                  UINT(generation.max_new_tokens, 1, FERRY_WIRE_MAX_NEW_TOKENS)},
    [FERRY_KEY_MIN_NEW_TOKENS] = {KEY("min_new_tokens", GENERATE),
                                  UINT(generation.min_new_tokens, 0, FERRY_WIRE_MAX_NEW_TOKENS)},
    [FERRY_KEY_N] = {KEY("n", GENERATE), UINT(generation.choices, 1, FERRY_WIRE_MAX_CHOICES)},
    [FERRY_KEY_TEMPERATURE] = {KEY("temperature", GENERATE),
                               FLOAT(temperature, 0, FERRY_WIRE_MAX_TEMPERATURE)},
    [FERRY_KEY_TOP_K] = {KEY("top_k", GENERATE), UINT(generation.top_k, 0, LARGEST_COUNT)},
    [FERRY_KEY_TOP_P] = {KEY("top_p", GENERATE), FLOAT(top_p, 0, 1), .above_minimum = true},
    [FERRY_KEY_MIN_P] = {KEY("min_p", GENERATE), FLOAT(min_p, 0, 1)},
    [FERRY_KEY_REPETITION_PENALTY] = {KEY("repetition_penalty", GENERATE),
                                      FLOAT(repetition_penalty, 0, FERRY_WIRE_MAX_PENALTY),
                                      .above_minimum = true},
    [FERRY_KEY_SEED] = {KEY("seed", GENERATE), FIELD(generation.seed), .kind = FERRY_VALUE_SEED},
    [FERRY_KEY_LOGPROBS] = {KEY("logprobs", GENERATE), BOOL(generation.logprobs)},
    [FERRY_KEY_ECHO] = {KEY("echo", GENERATE), BOOL(generation.echo)},
    [FERRY_KEY_IGNORE_END] = {KEY("ignore_end", GENERATE), BOOL(generation.ignore_end)},
    [FERRY_KEY_STREAM] = {KEY("stream", GENERATE), BOOL(generation.stream)},
};
