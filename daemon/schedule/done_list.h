/* Finished requests on their way back to the io thread: any thread pushes, the io thread takes all
 * at once. The bell (an eventfd) is rung only when the io thread sleeps.
 *
 * Streamed requests that have something new go the same way without being given up. The io thread
 * takes what is done first and what has progressed after it, and looks at the latter first: so a
 * request that is done is never among the progress that it has not yet seen. */
#ifndef FERRY_DAEMON_DONE_LIST_H
#define FERRY_DAEMON_DONE_LIST_H

#include <stdatomic.h>

#include "daemon/schedule/request.h"

struct ferry_done_list {
    _Atomic(struct ferry_request *) newest;     /* a stack, linked by next */
    _Atomic(struct ferry_request *) progressed; /* a stack, linked by progress_next */
    atomic_bool sleeping;                       /* the io thread is about to wait, or waits */
    int bell;                                   /* eventfd; owned */
};

/* Errors: IO (no eventfd). */
FERRY_MUST_CHECK enum ferry_status ferry_done_list_init(struct ferry_done_list *list,
                                                        struct ferry_error *error);
void ferry_done_list_free(struct ferry_done_list *list);

/* Gives a chain, linked by next from first to last, to the io thread. Any thread. */
void ferry_done_list_push(struct ferry_done_list *list, struct ferry_request *first,
                          struct ferry_request *last);
/* Tells that a request has something to stream; it stays with its owner, who must not have pushed
 * it. Any thread. */
void ferry_done_list_progress(struct ferry_done_list *list, struct ferry_request *request);
/* Wakes the io thread without a request: something changed that it should look at. */
void ferry_done_list_ring(struct ferry_done_list *list);

/* The io thread only: everything that is done, oldest first; NULL when there is nothing. */
struct ferry_request *ferry_done_list_take(struct ferry_done_list *list);
/* The io thread only: one request that has progressed, from a list that begins with *list_head
 * (ferry_done_list_take_progress); NULL at its end. Progress after this call is told again. */
struct ferry_request *ferry_done_list_take_progress(struct ferry_done_list *list);
struct ferry_request *ferry_progress_next(struct ferry_request **list_head);
/* The io thread only: from now on the bell is rung. False when something is there already. */
FERRY_MUST_CHECK bool ferry_done_list_prepare_wait(struct ferry_done_list *list);
/* The io thread only: it is awake. `rung` says that the bell was readable. */
void ferry_done_list_woken(struct ferry_done_list *list, bool rung);

#endif
