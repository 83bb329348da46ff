/* From the owner thread to who asked: a waiting caller, or a queue with an event fd.
 *
 * Lock order: queue->lock, then a client's inbox lock (ferry_client_cancel). The owner thread takes
 * queue->lock holding nothing. */
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "clients/c/client_parts.h"

struct ferry_queue {
    pthread_mutex_t lock;
    struct queue_item_list ready; /* owned */
    struct pending_list pending;  /* owned by their clients' owner threads */
    size_t count;                 /* pending and finished */
    int event_fd;                 /* readable while ready is not empty */
    bool closed;                  /* freed by the user, lives until nothing is pending */
};

enum ferry_status ferry_queue_create(struct ferry_queue **ret_queue, struct ferry_error *error) {
    struct ferry_queue *queue = calloc(1, sizeof *queue);
    if (queue == NULL)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for a queue");
    queue->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (queue->event_fd < 0) {
        free(queue);
        return ferry_fail(error, FERRY_IO, "cannot make an eventfd: %s", strerror(errno));
    }
    pthread_mutex_init(&queue->lock, NULL);
    TAILQ_INIT(&queue->ready);
    LIST_INIT(&queue->pending);
    *ret_queue = queue;
    return FERRY_OK;
}

static void destroy(struct ferry_queue *queue) {
    close(queue->event_fd);
    pthread_mutex_destroy(&queue->lock);
    free(queue);
}

static void free_item(struct queue_item *item) {
    if (item->part != NULL)
        ferry_part_free(&item->part->part);
    else
        ferry_reply_free(item->reply);
}

void ferry_queue_free(struct ferry_queue *queue) {
    if (queue == NULL)
        return;
    pthread_mutex_lock(&queue->lock);
    queue->closed = true;
    while (!TAILQ_EMPTY(&queue->ready)) {
        struct queue_item *item = TAILQ_FIRST(&queue->ready);
        TAILQ_REMOVE(&queue->ready, item, place);
        free_item(item);
    }
    struct ferry_reply *reply;
    LIST_FOREACH(reply, &queue->pending, pending)
    ferry_client_cancel(reply->client, reply->ticket);
    bool is_last = LIST_EMPTY(&queue->pending);
    pthread_mutex_unlock(&queue->lock);
    if (is_last)
        destroy(queue);
}

int ferry_queue_event_fd(const struct ferry_queue *queue) {
    return queue->event_fd;
}

size_t ferry_queue_pending(struct ferry_queue *queue) {
    pthread_mutex_lock(&queue->lock);
    size_t count = queue->count;
    pthread_mutex_unlock(&queue->lock);
    return count;
}

void ferry_queue_expect(struct ferry_queue *queue, struct ferry_reply *reply) {
    pthread_mutex_lock(&queue->lock);
    LIST_INSERT_HEAD(&queue->pending, reply, pending);
    queue->count++;
    pthread_mutex_unlock(&queue->lock);
}

void ferry_queue_forget(struct ferry_queue *queue, struct ferry_reply *reply) {
    pthread_mutex_lock(&queue->lock);
    LIST_REMOVE(reply, pending);
    queue->count--;
    pthread_mutex_unlock(&queue->lock);
}

static void set_event(int event_fd) {
    uint64_t one = 1;
    ssize_t ignored = write(event_fd, &one, sizeof one); /* cannot fail before 2^64 - 1 */
    (void)ignored;
}

static void clear_event(int event_fd) {
    uint64_t value;
    ssize_t ignored = read(event_fd, &value, sizeof value);
    (void)ignored;
}

static void add_ready(struct ferry_queue *queue, struct queue_item *item) {
    if (TAILQ_EMPTY(&queue->ready))
        set_event(queue->event_fd);
    TAILQ_INSERT_TAIL(&queue->ready, item, place);
}

void ferry_stream_part_deliver(struct stream_part *part) {
    struct ferry_queue *queue = part->item.reply->queue;
    pthread_mutex_lock(&queue->lock);
    bool is_closed = queue->closed;
    if (!is_closed) {
        atomic_fetch_add(&part->item.reply->untaken_bytes, part->bytes);
        add_ready(queue, &part->item);
    }
    pthread_mutex_unlock(&queue->lock);
    if (is_closed)
        ferry_part_free(&part->part);
}

static void finish_in_queue(struct ferry_queue *queue, struct ferry_reply *reply) {
    pthread_mutex_lock(&queue->lock);
    LIST_REMOVE(reply, pending);
    bool is_closed = queue->closed;
    bool is_last = is_closed && LIST_EMPTY(&queue->pending);
    reply->end = (struct queue_item){.reply = reply};
    if (!is_closed)
        add_ready(queue, &reply->end);
    pthread_mutex_unlock(&queue->lock);
    if (is_closed)
        ferry_reply_free(reply);
    if (is_last)
        destroy(queue);
}

static void finish_call(struct ferry_reply *reply) {
    pthread_mutex_lock(&reply->lock);
    bool is_abandoned = reply->abandoned;
    reply->finished = true;
    pthread_cond_signal(&reply->changed);
    pthread_mutex_unlock(&reply->lock);
    if (is_abandoned)
        ferry_reply_free(reply);
}

void ferry_reply_finish(struct ferry_reply *reply) {
    if (reply->queue != NULL)
        finish_in_queue(reply->queue, reply);
    else
        finish_call(reply);
}

/* Ticket and tag are copied while the lock is held: as soon as it is not, another thread may take
 * the reply's own item and free the reply. */
static struct queue_item *take_ready(struct ferry_queue *queue,
                                     struct ferry_completion *completion) {
    pthread_mutex_lock(&queue->lock);
    struct queue_item *item = TAILQ_FIRST(&queue->ready);
    if (item != NULL) {
        TAILQ_REMOVE(&queue->ready, item, place);
        if (TAILQ_EMPTY(&queue->ready))
            clear_event(queue->event_fd);
        *completion =
            (struct ferry_completion){.ticket = item->reply->ticket, .tag = item->reply->tag};
        if (item->part == NULL)
            queue->count--;
        else
            atomic_fetch_sub(&item->reply->untaken_bytes, item->part->bytes);
    }
    pthread_mutex_unlock(&queue->lock);
    return item;
}

static void fill_completion(struct ferry_reply *reply, struct ferry_completion *completion) {
    completion->status = reply->status;
    completion->retry_after_ms = reply->retry_after_ms;
    if (reply->status == FERRY_OK)
        completion->status = ferry_reply_make_readable(reply, &completion->error);
    else
        completion->error = reply->error;
    if (completion->status == FERRY_OK)
        completion->reply = reply;
    else
        ferry_reply_free(reply);
}

bool ferry_queue_next(struct ferry_queue *queue, uint32_t timeout_ms,
                      struct ferry_completion *ret_completion) {
    int64_t end = ferry_clock_now() + timeout_ms * FERRY_NANOSECONDS_PER_MILLISECOND;
    struct queue_item *item;
    while ((item = take_ready(queue, ret_completion)) == NULL) {
        int64_t left = end - ferry_clock_now();
        if (timeout_ms == 0 || left <= 0)
            return false;
        struct pollfd wait = {.fd = queue->event_fd, .events = POLLIN};
        struct timespec time = {.tv_sec = left / FERRY_NANOSECONDS_PER_SECOND,
                                .tv_nsec = left % FERRY_NANOSECONDS_PER_SECOND};
        ppoll(&wait, 1, &time, NULL); /* a signal or another taker: look again */
    }
    ret_completion->more = item->part != NULL;
    if (item->part != NULL)
        ret_completion->part = &item->part->part;
    else
        fill_completion(item->reply, ret_completion);
    return true;
}
