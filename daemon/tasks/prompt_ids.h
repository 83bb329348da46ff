/* One item of score, next or generate becomes the ids that are continued or scored. */
#ifndef FERRY_DAEMON_PROMPT_IDS_H
#define FERRY_DAEMON_PROMPT_IDS_H

#include "daemon/tasks/text_to_ids.h"

struct ferry_prompt_limits {
    struct ferry_id_limits ids; /* the model's */
    int32_t begin_id;           /* stands for an empty prompt; -1: none */
    uint32_t most_new_tokens;   /* that the model makes for one request */
};

/* The longest prompt that a request may have here: score takes the whole context, next and generate
 * leave room for what is to come (where the prompt may be cut, all of max_new_tokens that the model
 * makes, but at most half of the context; one token where a longer prompt is an error). */
uint32_t ferry_prompt_room(const struct ferry_wire_request *request,
                           const struct ferry_prompt_limits *limits);

/* As ferry_text_to_ids, but: no pairs, an empty prompt of next and generate is the begin id, and
 * with request->windows the ids may be longer than the limit. Errors: likewise. */
FERRY_MUST_CHECK enum ferry_status
ferry_prompt_ids(struct ferry_tokenizer_session *session, const struct ferry_wire_request *request,
                 const struct ferry_wire_item *item, const struct ferry_prompt_limits *limits,
                 struct ferry_arena *arena, struct ferry_item_ids *ret_ids,
                 struct ferry_error *error);

/* How a long text is cut into windows for score. Neighbours share `shared` tokens, at least one, so
 * that only the first token of all has nothing before it. */
struct ferry_score_windows {
    uint32_t window; /* tokens of one, at least 2 when there are several */
    uint32_t shared; /* below window */
    uint32_t count;
};
/* Errors: INVALID_INPUT (a stride that leaves no room in a window). */
FERRY_MUST_CHECK enum ferry_status ferry_score_windows_cut(const struct ferry_wire_request *request,
                                                           uint32_t length, uint32_t max_length,
                                                           struct ferry_score_windows *ret_windows,
                                                           struct ferry_error *error);
/* Window i covers [begin, begin + length) of the ids; its first `skipped` tokens were scored
 * before.
 */
struct ferry_score_window {
    uint32_t begin, length, skipped;
};
struct ferry_score_window ferry_score_windows_at(const struct ferry_score_windows *windows,
                                                 uint32_t length, uint32_t index);

#endif
