/* A fixed team of threads for short parallel steps: the caller and its helpers take numbered pieces
 * of work until none is left. One caller at a time. */
#ifndef FERRY_GPU_PACKED_THREAD_TEAM_H
#define FERRY_GPU_PACKED_THREAD_TEAM_H

#include <stdint.h>

#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

struct ferry_thread_team;

/* `threads` counts the caller; 0: one for every core. */
FERRY_MUST_CHECK enum ferry_status ferry_thread_team_create(uint32_t threads,
                                                            struct ferry_thread_team **ret_team,
                                                            struct ferry_error *error);
/* NULL is allowed. */
void ferry_thread_team_free(struct ferry_thread_team *team);
uint32_t ferry_thread_team_size(const struct ferry_thread_team *team);

/* `member` is below the team's size and tells scratch memory apart. Called once for each piece, by
 * any member, in no order. */
typedef void ferry_team_work(void *context, uint32_t piece, uint32_t member);

/* Returns when all pieces are done. */
void ferry_thread_team_run(struct ferry_thread_team *team, ferry_team_work *work, void *context,
                           uint32_t pieces);

#ifdef __cplusplus
}
#endif
#endif
