/* Finds an engine by its name. The fake one is linked in; the others are shared objects, opened
 * when a model needs them and never closed again: libraries of that size do not survive it. */
#ifndef FERRY_DAEMON_ENGINE_OPENING_H
#define FERRY_DAEMON_ENGINE_OPENING_H

#include "gpu/engine.h"

/* folder: where libferry_NAME.so lies; "" for the folder of the running program.
 * Errors: UNAVAILABLE (cannot be opened: says why and where it was looked for), UNSUPPORTED (made
 * for another version of the boundary). */
FERRY_MUST_CHECK enum ferry_status ferry_engine_open(const char *name, const char *folder,
                                                     const struct ferry_engine **ret_engine,
                                                     struct ferry_error *error);

#endif
