#include "base/bounded_queue.h"

#include <pthread.h>
#include <stdlib.h>

struct ferry_bounded_queue {
    pthread_mutex_t lock;
    pthread_cond_t not_empty;
    size_t sleepers; /* threads in pop: the bell is rung only for them */
    size_t first, count, capacity;
    bool closed;
    void *entries[];
};

enum ferry_status ferry_bounded_queue_create(size_t capacity,
                                             struct ferry_bounded_queue **ret_queue) {
    struct ferry_bounded_queue *queue = malloc(sizeof *queue + capacity * sizeof(void *));
    if (queue == NULL)
        return FERRY_OUT_OF_MEMORY;
    *queue = (struct ferry_bounded_queue){.capacity = capacity};
    pthread_mutex_init(&queue->lock, NULL);
    pthread_cond_init(&queue->not_empty, NULL);
    *ret_queue = queue;
    return FERRY_OK;
}

void ferry_bounded_queue_free(struct ferry_bounded_queue *queue) {
    if (queue == NULL)
        return;
    pthread_cond_destroy(&queue->not_empty);
    pthread_mutex_destroy(&queue->lock);
    free(queue);
}

bool ferry_bounded_queue_push(struct ferry_bounded_queue *queue, void *entry) {
    pthread_mutex_lock(&queue->lock);
    bool accepted = !queue->closed && queue->count < queue->capacity;
    if (accepted)
        queue->entries[(queue->first + queue->count++) % queue->capacity] = entry;
    bool ring = accepted && queue->sleepers > 0;
    pthread_mutex_unlock(&queue->lock);
    if (ring)
        pthread_cond_signal(&queue->not_empty);
    return accepted;
}

static void *take_first(struct ferry_bounded_queue *queue) {
    if (queue->count == 0)
        return NULL;
    void *entry = queue->entries[queue->first];
    queue->first = (queue->first + 1) % queue->capacity;
    queue->count--;
    return entry;
}

void *ferry_bounded_queue_pop(struct ferry_bounded_queue *queue) {
    pthread_mutex_lock(&queue->lock);
    queue->sleepers++;
    while (queue->count == 0 && !queue->closed)
        pthread_cond_wait(&queue->not_empty, &queue->lock);
    queue->sleepers--;
    void *entry = take_first(queue);
    pthread_mutex_unlock(&queue->lock);
    return entry;
}

void *ferry_bounded_queue_try_pop(struct ferry_bounded_queue *queue) {
    pthread_mutex_lock(&queue->lock);
    void *entry = take_first(queue);
    pthread_mutex_unlock(&queue->lock);
    return entry;
}

void ferry_bounded_queue_close(struct ferry_bounded_queue *queue) {
    pthread_mutex_lock(&queue->lock);
    queue->closed = true;
    pthread_cond_broadcast(&queue->not_empty);
    pthread_mutex_unlock(&queue->lock);
}
