#include "daemon/schedule/done_list.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum ferry_status ferry_done_list_init(struct ferry_done_list *list, struct ferry_error *error) {
    atomic_init(&list->newest, NULL);
    atomic_init(&list->progressed, NULL);
    atomic_init(&list->sleeping, false);
    list->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (list->bell < 0)
        return ferry_fail(error, FERRY_IO, "eventfd: %s", strerror(errno));
    return FERRY_OK;
}

void ferry_done_list_free(struct ferry_done_list *list) {
    if (list->bell >= 0)
        close(list->bell);
    list->bell = -1;
}

void ferry_done_list_ring(struct ferry_done_list *list) {
    uint64_t one = 1;
    /* Fails only when the counter is full, and then the bell rings already. */
    ssize_t ignored = write(list->bell, &one, sizeof one);
    (void)ignored;
}

static void wake_sleeper(struct ferry_done_list *list) {
    if (atomic_load(&list->sleeping) && atomic_exchange(&list->sleeping, false))
        ferry_done_list_ring(list);
}

/* Both sides first publish and then look, in sequentially consistent order: either the pusher sees
 * the sleeper, or the sleeper sees the request. */
void ferry_done_list_push(struct ferry_done_list *list, struct ferry_request *first,
                          struct ferry_request *last) {
    struct ferry_request *newest = atomic_load(&list->newest);
    /* The chain is given oldest first; the stack is newest first. */
    last->next = NULL;
    struct ferry_request *reversed = first;
    struct ferry_request *rest = first->next;
    while (rest != NULL) {
        struct ferry_request *next = rest->next;
        rest->next = reversed;
        reversed = rest;
        rest = next;
    }
    do
        first->next = newest;
    while (!atomic_compare_exchange_weak(&list->newest, &newest, reversed));
    wake_sleeper(list);
}

void ferry_done_list_progress(struct ferry_done_list *list, struct ferry_request *request) {
    if (atomic_exchange(&request->has_progress, true))
        return; /* it is in the list, and not yet looked at */
    struct ferry_request *newest = atomic_load(&list->progressed);
    do
        request->progress_next = newest;
    while (!atomic_compare_exchange_weak(&list->progressed, &newest, request));
    wake_sleeper(list);
}

struct ferry_request *ferry_done_list_take_progress(struct ferry_done_list *list) {
    if (atomic_load(&list->progressed) == NULL)
        return NULL;
    return atomic_exchange(&list->progressed, NULL);
}

struct ferry_request *ferry_progress_next(struct ferry_request **list_head) {
    struct ferry_request *request = *list_head;
    if (request == NULL)
        return NULL;
    *list_head = request->progress_next; /* before it may be pushed again */
    atomic_store(&request->has_progress, false);
    return request;
}

struct ferry_request *ferry_done_list_take(struct ferry_done_list *list) {
    if (atomic_load_explicit(&list->newest, memory_order_relaxed) == NULL)
        return NULL;
    struct ferry_request *request = atomic_exchange(&list->newest, NULL);
    struct ferry_request *oldest = NULL;
    while (request != NULL) {
        struct ferry_request *next = request->next;
        request->next = oldest;
        oldest = request;
        request = next;
    }
    return oldest;
}

bool ferry_done_list_prepare_wait(struct ferry_done_list *list) {
    atomic_store(&list->sleeping, true);
    if (atomic_load(&list->newest) == NULL && atomic_load(&list->progressed) == NULL)
        return true;
    atomic_store(&list->sleeping, false);
    return false;
}

void ferry_done_list_woken(struct ferry_done_list *list, bool rung) {
    atomic_store(&list->sleeping, false);
    uint64_t count;
    if (rung) {
        ssize_t ignored = read(list->bell, &count, sizeof count);
        (void)ignored;
    }
}
