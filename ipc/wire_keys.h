/* The keys of a request: what each is called, which operations take it, and where its value goes.
 * One table, so that decoding, encoding and refusing cannot disagree. */
#ifndef FERRY_IPC_WIRE_KEYS_H
#define FERRY_IPC_WIRE_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ferry_wire_key {
    FERRY_KEY_V,
    FERRY_KEY_OP,
    FERRY_KEY_ID,
    FERRY_KEY_MODEL,
    FERRY_KEY_TEXTS,
    FERRY_KEY_IDS,
    FERRY_KEY_TYPE_IDS,
    FERRY_KEY_TARGET,
    FERRY_KEY_STOP,
    FERRY_KEY_STOP_IDS,
    FERRY_KEY_DEADLINE_MS, /* from here on: plain values, handled by their row alone */
    FERRY_KEY_PRIORITY,
    FERRY_KEY_TRUNCATE,
    FERRY_KEY_STRATEGY,
    FERRY_KEY_MAX_TOKENS,
    FERRY_KEY_SPECIAL_TOKENS,
    FERRY_KEY_NORMALIZE,
    FERRY_KEY_DTYPE,
    FERRY_KEY_ADD_SPECIAL_TOKENS,
    FERRY_KEY_OFFSETS,
    FERRY_KEY_WINDOWS,
    FERRY_KEY_STRIDE,
    FERRY_KEY_SKIP_SPECIAL_TOKENS,
    FERRY_KEY_TOP,
    FERRY_KEY_MAX_NEW_TOKENS,
    FERRY_KEY_MIN_NEW_TOKENS,
    FERRY_KEY_N,
    FERRY_KEY_TEMPERATURE,
    FERRY_KEY_TOP_K,
    FERRY_KEY_TOP_P,
    FERRY_KEY_MIN_P,
    FERRY_KEY_REPETITION_PENALTY,
    FERRY_KEY_SEED,
    FERRY_KEY_LOGPROBS,
    FERRY_KEY_ECHO,
    FERRY_KEY_IGNORE_END,
    FERRY_KEY_STREAM,
    FERRY_KEY_COUNT
};
enum { FERRY_KEY_FIRST_PLAIN = FERRY_KEY_DEADLINE_MS };

enum ferry_wire_value_kind {
    FERRY_VALUE_OTHER,
    FERRY_VALUE_UINT,
    FERRY_VALUE_BOOL,
    FERRY_VALUE_NAME,
    FERRY_VALUE_FLOAT, /* an integer is taken as well */
    FERRY_VALUE_SEED   /* any uint 64; has_seed tells whether there is one */
};

struct ferry_wire_key_row {
    const char *name;
    uint8_t name_size;
    uint16_t operations; /* bit 1 << enum ferry_operation */
    uint8_t kind;        /* enum ferry_wire_value_kind */
    uint8_t width;       /* bytes of the field, 1, 4 or 8 */
    uint16_t offset;     /* of the field in struct ferry_wire_request */
    uint32_t minimum, maximum;
    bool above_minimum;       /* the minimum itself is not allowed */
    const char *const *names; /* FERRY_VALUE_NAME */
};

extern const struct ferry_wire_key_row ferry_wire_key_rows[FERRY_KEY_COUNT];

/* Sets of keys are bits of a number. */
_Static_assert(FERRY_KEY_COUNT <= 64, "a set of keys has 64 bits");
static inline uint64_t ferry_wire_key_bit(enum ferry_wire_key key) {
    return UINT64_C(1) << key;
}

#endif
