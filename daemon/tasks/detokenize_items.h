/* The detokenize task: ids become text. */
#ifndef FERRY_DAEMON_DETOKENIZE_ITEMS_H
#define FERRY_DAEMON_DETOKENIZE_ITEMS_H

#include "base/arena.h"
#include "base/status.h"
#include "ipc/wire_request.h"
#include "tokenizer/ferry_tokenizer.h"

/* The text is copied into the arena. Errors: UNSUPPORTED (a text instead of ids), INVALID_INPUT (an
 * id that does not exist), OUT_OF_MEMORY. */
FERRY_MUST_CHECK enum ferry_status
ferry_detokenize_item(struct ferry_tokenizer_session *session, const struct ferry_wire_item *item,
                      bool skip_special_tokens, struct ferry_arena *arena,
                      struct ferry_view *ret_text, struct ferry_error *error);

#endif
