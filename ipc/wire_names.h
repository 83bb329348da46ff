/* The strings of protocol v1 that stand for enumerated values, for both directions. */
#ifndef FERRY_IPC_WIRE_NAMES_H
#define FERRY_IPC_WIRE_NAMES_H

#include <stddef.h>

/* Values in the order of their enum; a NULL ends the table. */
extern const char *const ferry_wire_operation_names[];
extern const char *const ferry_wire_truncate_names[];
extern const char *const ferry_wire_strategy_names[];
extern const char *const ferry_wire_dtype_names[];
extern const char *const ferry_wire_priority_names[];
extern const char *const ferry_wire_special_tokens_names[];
extern const char *const ferry_wire_finish_names[]; /* "none" is never sent */

/* The index of the name in the table, or -1. */
int ferry_wire_name_index(const char *const *names, const void *name, size_t size);

#endif
