/* The larger parts of a reply, each read in a file of its own for wire_reply_read.c. */
#ifndef FERRY_IPC_WIRE_REPLY_PARTS_H
#define FERRY_IPC_WIRE_REPLY_PARTS_H

#include "ipc/wire_read.h"
#include "ipc/wire_reply.h"

FERRY_MUST_CHECK enum ferry_status ferry_wire_read_matrix(const struct ferry_wire_value *value,
                                                          struct ferry_arena *arena,
                                                          struct ferry_wire_matrix *ret_matrix,
                                                          struct ferry_error *error);
/* The array "items" of a tokenize reply. */
FERRY_MUST_CHECK enum ferry_status ferry_wire_read_token_items(const struct ferry_wire_value *value,
                                                               struct ferry_arena *arena,
                                                               struct ferry_wire_tokens **ret_items,
                                                               uint32_t *ret_count,
                                                               struct ferry_error *error);
FERRY_MUST_CHECK enum ferry_status ferry_wire_read_views(const struct ferry_wire_value *value,
                                                         struct ferry_arena *arena,
                                                         struct ferry_view **ret_views,
                                                         uint32_t *ret_count,
                                                         struct ferry_error *error);
/* The array "scores" of a score reply, "nexts" of a next reply. */
FERRY_MUST_CHECK enum ferry_status ferry_wire_read_scores(const struct ferry_wire_value *value,
                                                          struct ferry_arena *arena,
                                                          struct ferry_wire_score **ret_scores,
                                                          uint32_t *ret_count,
                                                          struct ferry_error *error);
FERRY_MUST_CHECK enum ferry_status ferry_wire_read_nexts(const struct ferry_wire_value *value,
                                                         struct ferry_arena *arena,
                                                         struct ferry_wire_next **ret_nexts,
                                                         uint32_t *ret_count,
                                                         struct ferry_error *error);
/* The array of arrays "choices" of a generate reply; count: items. The seed is left alone. */
FERRY_MUST_CHECK enum ferry_status ferry_wire_read_choices(const struct ferry_wire_value *value,
                                                           struct ferry_arena *arena,
                                                           struct ferry_wire_choices *ret_choices,
                                                           uint32_t *ret_count,
                                                           struct ferry_error *error);

/* A choice while its pairs are read. */
struct ferry_wire_choice_reading {
    struct ferry_arena *arena;
    struct ferry_wire_choice *choice;
    uint32_t logprob_count, top_id_count, top_logprob_count;
};
/* One pair of a choice or of a part: other keys are skipped. A ferry_wire_pair_handler. */
FERRY_MUST_CHECK enum ferry_status
ferry_wire_read_choice_pair(void *context, const struct ferry_msgpack_token *key,
                            const struct ferry_wire_value *value, struct ferry_error *error);
/* After all pairs: the arrays have one length. */
FERRY_MUST_CHECK enum ferry_status
ferry_wire_check_choice(const struct ferry_wire_choice_reading *reading, struct ferry_error *error);

FERRY_MUST_CHECK enum ferry_status
ferry_wire_read_server(const struct ferry_wire_value *value, struct ferry_arena *arena,
                       const struct ferry_wire_status **ret_server, struct ferry_error *error);

#endif
