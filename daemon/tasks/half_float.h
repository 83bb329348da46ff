/* IEEE 754 binary32 to binary16, rounding to the nearest, ties to even; overflow gives infinity,
 * NaN stays NaN. In integer arithmetic, since not every processor has the instruction. */
#ifndef FERRY_DAEMON_HALF_FLOAT_H
#define FERRY_DAEMON_HALF_FLOAT_H

#include <stdint.h>

uint16_t ferry_half_from_float(float value);

#endif
