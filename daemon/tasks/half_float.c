#include "daemon/tasks/half_float.h"

#include <string.h>

enum {
    FLOAT_FRACTION_BITS = 23,
    HALF_FRACTION_BITS = 10,
    DROPPED_BITS = FLOAT_FRACTION_BITS - HALF_FRACTION_BITS,
    EXPONENT_BIAS_DIFFERENCE = 127 - 15,
    HALF_INFINITY = 0x7C00,
    HALF_QUIET_NAN = 0x7E00
};

/* fraction >> dropped, rounded to the nearest, ties to even; dropped is 1 to 31. */
static uint32_t shift_rounding(uint32_t fraction, unsigned dropped) {
    uint32_t kept = fraction >> dropped;
    uint32_t rest = fraction & ((UINT32_C(1) << dropped) - 1);
    uint32_t half = UINT32_C(1) << (dropped - 1);
    return kept + (rest > half || (rest == half && (kept & 1)));
}

uint16_t ferry_half_from_float(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint32_t sign = bits >> 16 & 0x8000;
    uint32_t magnitude = bits & 0x7FFFFFFF;
    if (magnitude > 0x7F800000)
        return (uint16_t)(sign | HALF_QUIET_NAN);
    if (magnitude >= 0x47800000) /* 65536 and more */
        return (uint16_t)(sign | HALF_INFINITY);
    if (magnitude >= 0x38800000) { /* 2^-14, the smallest normal half: a carry may reach infinity */
        uint32_t rebased = magnitude - ((uint32_t)EXPONENT_BIAS_DIFFERENCE << FLOAT_FRACTION_BITS);
        return (uint16_t)(sign | shift_rounding(rebased, DROPPED_BITS));
    }
    if (magnitude < 0x33000000) /* below 2^-25: rounds to zero */
        return (uint16_t)sign;
    uint32_t exponent = magnitude >> FLOAT_FRACTION_BITS;
    uint32_t fraction = (magnitude & 0x7FFFFF) | 0x800000;
    return (uint16_t)(sign | shift_rounding(fraction, 126 - exponent));
}
