/* One item of a request becomes the ids that the model gets: by the tokenizer, or as the client
 * sent them, after every check that keeps a bad id away from the device. */
#ifndef FERRY_DAEMON_TEXT_TO_IDS_H
#define FERRY_DAEMON_TEXT_TO_IDS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "ipc/wire_request.h"
#include "tokenizer/ferry_tokenizer.h"

/* What the model allows; type ids above 1 would index out of a BERT's table of two segments. */
struct ferry_id_limits {
    uint32_t max_length;     /* tokens */
    int32_t vocabulary_size; /* ids are below it */
};
enum { FERRY_LARGEST_TYPE_ID = 1 };

struct ferry_item_ids {
    const int32_t *ids;      /* [length], in the arena, or the client's own in the request's */
    const uint8_t *type_ids; /* NULL: all 0 */
    uint32_t length;         /* 1 to max_length */
    bool truncated;
};

/* The encode options that a request asks for; max_tokens is the lower of its own and the model's.
 */
struct ferry_encode_options ferry_encode_options_of(const struct ferry_wire_request *request,
                                                    uint32_t max_length);

/* session may be NULL when no item is text. Errors: INVALID_INPUT, TOO_LONG (truncate is "error"),
 * TOO_LARGE, OUT_OF_MEMORY. */
FERRY_MUST_CHECK enum ferry_status
ferry_text_to_ids(struct ferry_tokenizer_session *session, const struct ferry_wire_request *request,
                  const struct ferry_wire_item *item, const struct ferry_id_limits *limits,
                  struct ferry_arena *arena, struct ferry_item_ids *ret_ids,
                  struct ferry_error *error);

#endif
