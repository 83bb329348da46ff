/* The tokenize task: one text or pair becomes the tokens of a reply, with windows if asked for. */
#ifndef FERRY_DAEMON_TOKENIZE_ITEMS_H
#define FERRY_DAEMON_TOKENIZE_ITEMS_H

#include "base/arena.h"
#include "base/status.h"
#include "ipc/wire_reply.h"
#include "ipc/wire_request.h"
#include "tokenizer/ferry_tokenizer.h"

/* Everything in *ret_tokens lies in the arena or in the tokenizer. Errors: UNSUPPORTED (ids instead
 * of a text), INVALID_INPUT, TOO_LONG (truncate is "error"), TOO_LARGE, OUT_OF_MEMORY. */
FERRY_MUST_CHECK enum ferry_status ferry_tokenize_item(
    struct ferry_tokenizer_session *session, const struct ferry_tokenizer *tokenizer,
    const struct ferry_wire_request *request, const struct ferry_wire_item *item,
    uint32_t max_length, struct ferry_arena *arena, struct ferry_wire_tokens *ret_tokens,
    bool *ret_truncated, struct ferry_error *error);

#endif
