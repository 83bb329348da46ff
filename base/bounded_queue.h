/* A first-in first-out queue of pointers with a fixed capacity, between any number of threads. It
 * never owns what the pointers point to. */
#ifndef FERRY_BASE_BOUNDED_QUEUE_H
#define FERRY_BASE_BOUNDED_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

struct ferry_bounded_queue;

/* Errors: OUT_OF_MEMORY. */
FERRY_MUST_CHECK enum ferry_status
ferry_bounded_queue_create(size_t capacity, struct ferry_bounded_queue **ret_queue);
/* The queue must be empty of waiting threads. NULL is allowed. */
void ferry_bounded_queue_free(struct ferry_bounded_queue *queue);

/* False when the queue is full or closed; never waits. */
FERRY_MUST_CHECK bool ferry_bounded_queue_push(struct ferry_bounded_queue *queue, void *entry);
/* Waits for an entry. NULL once the queue is closed and empty. */
void *ferry_bounded_queue_pop(struct ferry_bounded_queue *queue);
/* An entry if there is one, else NULL; never waits. */
void *ferry_bounded_queue_try_pop(struct ferry_bounded_queue *queue);
/* No more entries; wakes every waiting thread. What is inside can still be popped. */
void ferry_bounded_queue_close(struct ferry_bounded_queue *queue);

#endif
