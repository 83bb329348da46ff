#include "daemon/schedule/decode_queue.h"

void ferry_decode_queue_init(struct ferry_decode_queue *queue,
                             const struct ferry_loaded_model *model, struct ferry_done_list *done) {
    *queue = (struct ferry_decode_queue){.model = model, .done = done};
    queue->counters.blocks = model->decoder_info->blocks;
    pthread_mutex_init(&queue->lock, NULL);
    pthread_mutex_init(&queue->stream_lock, NULL);
    pthread_cond_init(&queue->work, NULL);
}

void ferry_decode_queue_free(struct ferry_decode_queue *queue) {
    pthread_cond_destroy(&queue->work);
    pthread_mutex_destroy(&queue->stream_lock);
    pthread_mutex_destroy(&queue->lock);
}

void ferry_decode_queue_add(struct ferry_decode_queue *queue, struct ferry_request *requests) {
    pthread_mutex_lock(&queue->lock);
    while (requests != NULL) {
        struct ferry_request *next = requests->next;
        ferry_request_chain_append(&queue->inbox, requests);
        requests = next;
    }
    pthread_cond_signal(&queue->work);
    pthread_mutex_unlock(&queue->lock);
}

static void look_again(struct ferry_decode_queue *queue) {
    pthread_mutex_lock(&queue->lock);
    queue->look = true;
    pthread_cond_signal(&queue->work);
    pthread_mutex_unlock(&queue->lock);
}

void ferry_decode_queue_cancel(struct ferry_decode_queue *queue, struct ferry_request *request) {
    ferry_request_fail(request, FERRY_CANCELLED);
    look_again(queue);
}

void ferry_decode_queue_close(struct ferry_decode_queue *queue, enum ferry_status status) {
    pthread_mutex_lock(&queue->lock);
    if (queue->closed == FERRY_OK)
        queue->closed = status;
    pthread_mutex_unlock(&queue->lock);
    look_again(queue);
}

void ferry_decode_queue_stop(struct ferry_decode_queue *queue) {
    pthread_mutex_lock(&queue->lock);
    queue->stopping = true;
    pthread_cond_signal(&queue->work);
    pthread_mutex_unlock(&queue->lock);
}

struct ferry_decode_counters ferry_decode_queue_count(struct ferry_decode_queue *queue) {
    pthread_mutex_lock(&queue->lock);
    struct ferry_decode_counters counters = queue->counters;
    pthread_mutex_unlock(&queue->lock);
    return counters;
}

bool ferry_decode_queue_take(struct ferry_decode_queue *queue, bool idle,
                             struct ferry_decode_news *ret_news) {
    pthread_mutex_lock(&queue->lock);
    while (idle && !queue->stopping && !queue->look && queue->inbox.first == NULL)
        pthread_cond_wait(&queue->work, &queue->lock);
    *ret_news = (struct ferry_decode_news){
        .requests = queue->inbox.first, .look = queue->look, .closed = queue->closed};
    queue->inbox = (struct ferry_request_chain){0};
    queue->look = false;
    bool go_on = !queue->stopping;
    pthread_mutex_unlock(&queue->lock);
    return go_on;
}

void ferry_decode_queue_tell(struct ferry_decode_queue *queue,
                             const struct ferry_decode_counters *counters) {
    pthread_mutex_lock(&queue->lock);
    queue->counters = *counters;
    pthread_mutex_unlock(&queue->lock);
}
