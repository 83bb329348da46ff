/* A row of token ids as people and programs write it. */
#ifndef FERRY_CLIENTS_CLI_ID_ROW_H
#define FERRY_CLIENTS_CLI_ID_ROW_H

#include "base/buffer.h"

/* "[1, 2, 3]" or "1 2 3", into *ids as int32. Errors: INVALID_INPUT (what it is not),
 * OUT_OF_MEMORY.
 */
FERRY_MUST_CHECK enum ferry_status
id_row_parse(const char *text, size_t size, struct ferry_buffer *ids, struct ferry_error *error);
/* The message for INVALID_INPUT. */
extern const char id_row_explanation[];

#endif
