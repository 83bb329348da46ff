/* The commands that take texts: a stream of them in, their results out in the same order. At most
 * --in-flight requests of --batch texts are held at one time, however long the input is. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "clients/cli/commands.h"
#include "clients/cli/interrupt.h"
#include "clients/cli/result_output.h"
#include "clients/cli/text_group.h"
#include "clients/cli/text_source.h"

/* One request in flight, with those texts between its own that never left: lines that are wrong. */
struct stream_slot {
    uint64_t first_index;
    size_t count;                  /* texts, wrong lines included */
    enum ferry_status *line_error; /* [batch]: FERRY_OK for texts that were sent */
    bool is_done;
    struct ferry_completion completion; /* its reply is owned */
};

struct text_stream {
    const struct cli_options *options;
    struct ferry_client *client;
    struct ferry_queue *queue;
    struct text_source source;
    struct text_group group;
    struct result_output output;
    struct stream_slot *slots; /* a ring of options->in_flight */
    size_t oldest, used;       /* used counts the slot that is being filled only once it is sent */
    uint64_t next_index;
    bool input_ended;
    bool needs_read;  /* the source has handed out all it has read */
    int interrupt_fd; /* readable after Ctrl-C; -1: that just ends the program */
    bool was_interrupted;
    uint64_t failed_texts;
    struct ferry_error first_failure;
};

static struct stream_slot *slot_at(struct text_stream *stream, size_t from_oldest) {
    return &stream->slots[(stream->oldest + from_oldest) % stream->options->in_flight];
}

/* ---- input ---- */

static enum ferry_status submit_group(struct text_stream *stream, struct ferry_error *error) {
    struct stream_slot *slot = slot_at(stream, stream->used);
    if (slot->count == 0)
        return FERRY_OK;
    stream->used++;
    slot->is_done = stream->group.count == 0; /* nothing but wrong lines */
    slot->completion = (struct ferry_completion){.status = FERRY_OK};
    if (slot->is_done)
        return FERRY_OK;
    struct ferry_client_request request = cli_request(stream->options);
    request.items = text_group_items(&stream->group);
    request.item_count = stream->group.count;
    enum ferry_status status =
        ferry_client_submit(stream->client, &request, stream->queue, slot, NULL, error);
    text_group_clear(&stream->group);
    return status;
}

static enum ferry_status add_text(struct text_stream *stream, enum text_result result,
                                  const struct ferry_client_item *item,
                                  const struct ferry_error *line_error, struct ferry_error *error) {
    struct stream_slot *slot = slot_at(stream, stream->used);
    if (slot->count == 0)
        slot->first_index = stream->next_index;
    slot->line_error[slot->count++] = result == TEXT_IS_WRONG ? line_error->status : FERRY_OK;
    stream->next_index++;
    if (result == TEXT_IS_WRONG)
        return FERRY_OK;
    return text_group_add(&stream->group, item, error);
}

static bool has_free_slot(const struct text_stream *stream) {
    return stream->used < stream->options->in_flight;
}

/* Takes texts until there are none for now or no slot is left. */
static enum ferry_status take_texts(struct text_stream *stream, struct ferry_error *error) {
    while (has_free_slot(stream)) {
        struct ferry_client_item item;
        struct ferry_error line_error;
        enum text_result result = text_source_next(&stream->source, &item, &line_error);
        stream->input_ended = result == TEXT_AT_END;
        stream->needs_read = result == TEXT_NOT_YET;
        if (result == TEXT_NOT_YET)
            return FERRY_OK;
        if (result == TEXT_AT_END)
            return submit_group(stream, error);
        enum ferry_status status = add_text(stream, result, &item, &line_error, error);
        struct stream_slot *slot = slot_at(stream, stream->used);
        bool is_full = text_group_is_full(&stream->group) || slot->count == stream->options->batch;
        if (status == FERRY_OK && is_full)
            status = submit_group(stream, error);
        if (status != FERRY_OK)
            return status;
    }
    return FERRY_OK;
}

/* ---- output ---- */

/* Failures that the next text would meet just the same end the command. */
static bool is_fatal(enum ferry_status status) {
    switch (status) {
    case FERRY_TOO_LARGE:
    case FERRY_INVALID_INPUT:
    case FERRY_TOO_LONG:
    case FERRY_ENGINE:
    case FERRY_BAD_DATA:
        return false;
    case FERRY_UNAVAILABLE:
        return true;
    default:
        return !ferry_status_is_retryable(status);
    }
}

static enum ferry_status put_failure(struct text_stream *stream, uint64_t index,
                                     enum ferry_status status, const char *message,
                                     struct ferry_error *error) {
    if (stream->failed_texts++ == 0)
        ferry_fail(&stream->first_failure, status, "text %llu: %s", (unsigned long long)index,
                   message);
    return result_output_put_error(&stream->output, index, status, message, error);
}

static enum ferry_status put_text(struct text_stream *stream, struct stream_slot *slot, size_t at,
                                  size_t at_in_reply, struct ferry_error *error) {
    uint64_t index = slot->first_index + at;
    const struct ferry_completion *completion = &slot->completion;
    if (slot->line_error[at] != FERRY_OK)
        return put_failure(stream, index, slot->line_error[at],
                           text_source_explain(slot->line_error[at]), error);
    if (completion->status != FERRY_OK)
        return put_failure(stream, index, completion->status, completion->error.text, error);
    const char *message;
    enum ferry_status status = ferry_reply_item_status(completion->reply, at_in_reply, &message);
    if (status != FERRY_OK)
        return put_failure(stream, index, status, message, error);
    return result_output_put(&stream->output, index, completion->reply, at_in_reply, error);
}

static enum ferry_status put_slot(struct text_stream *stream, struct stream_slot *slot,
                                  struct ferry_error *error) {
    enum ferry_status status = FERRY_OK;
    if (is_fatal(slot->completion.status) && slot->completion.status != FERRY_OK)
        status = ferry_fail(error, slot->completion.status, "%s", slot->completion.error.text);
    size_t at_in_reply = 0;
    for (size_t at = 0; at < slot->count && status == FERRY_OK; at++) {
        status = put_text(stream, slot, at, at_in_reply, error);
        at_in_reply += slot->line_error[at] == FERRY_OK;
    }
    ferry_reply_free(slot->completion.reply);
    slot->completion.reply = NULL;
    slot->count = 0;
    return status;
}

/* The text that is item number `item` of the slot's request: wrong lines are not in it. */
static uint64_t text_of_item(const struct stream_slot *slot, size_t item) {
    size_t at = 0;
    for (; at < slot->count; at++) {
        if (slot->line_error[at] != FERRY_OK)
            continue;
        if (item-- == 0)
            break;
    }
    return slot->first_index + at;
}

static enum ferry_status put_part(struct text_stream *stream,
                                  const struct ferry_completion *completion,
                                  struct ferry_error *error) {
    uint64_t index = text_of_item(completion->tag, completion->part->index);
    enum ferry_status status =
        result_output_put_part(&stream->output, index, completion->part, error);
    ferry_part_free(completion->part);
    return status;
}

static enum ferry_status take_completions(struct text_stream *stream, struct ferry_error *error) {
    struct ferry_completion completion;
    enum ferry_status status = FERRY_OK;
    while (status == FERRY_OK && ferry_queue_next(stream->queue, 0, &completion)) {
        struct stream_slot *slot = completion.tag;
        if (completion.more) {
            status = put_part(stream, &completion, error);
            continue;
        }
        slot->completion = completion;
        slot->is_done = true;
    }
    return status;
}

static enum ferry_status put_finished(struct text_stream *stream, struct ferry_error *error) {
    enum ferry_status status = take_completions(stream, error);
    bool put_any = false;
    while (status == FERRY_OK && stream->used > 0 && slot_at(stream, 0)->is_done) {
        struct stream_slot *slot = slot_at(stream, 0);
        status = put_slot(stream, slot, error);
        stream->oldest = (stream->oldest + 1) % stream->options->in_flight;
        stream->used--;
        put_any = true;
    }
    /* Results that were put before a failure are the reader's all the same. */
    if (put_any && status == FERRY_OK)
        status = result_output_flush(&stream->output, error);
    return status;
}

/* ---- the loop ---- */

static bool wants_input(const struct text_stream *stream) {
    return stream->needs_read && has_free_slot(stream);
}

static enum ferry_status wait_and_read(struct text_stream *stream, struct ferry_error *error) {
    struct pollfd waits[3] = {
        {.fd = ferry_queue_event_fd(stream->queue), .events = POLLIN},
        {.fd = wants_input(stream) ? stream->source.fd : -1, .events = POLLIN},
        {.fd = stream->interrupt_fd, .events = POLLIN}};
    /* Who types, or feeds line by line, gets answers without filling a whole group first. */
    bool has_part = wants_input(stream) && slot_at(stream, stream->used)->count > 0;
    int count = poll(waits, 3, has_part ? 0 : -1);
    if (count == 0)
        return submit_group(stream, error);
    if (count < 0 && errno != EINTR)
        return ferry_fail(error, FERRY_IO, "poll: %s", strerror(errno));
    stream->was_interrupted = count > 0 && waits[2].revents != 0;
    if (stream->was_interrupted)
        return ferry_fail(error, FERRY_CANCELLED, "interrupted");
    if (count > 0 && waits[1].revents != 0)
        return text_source_read(&stream->source, error);
    return FERRY_OK;
}

static enum ferry_status run(struct text_stream *stream, struct ferry_error *error) {
    for (;;) {
        enum ferry_status status = take_texts(stream, error);
        if (status == FERRY_OK)
            status = put_finished(stream, error);
        if (status != FERRY_OK)
            return status;
        if (stream->input_ended && stream->used == 0)
            return FERRY_OK;
        bool has_more_texts = !stream->input_ended && !stream->needs_read && has_free_slot(stream);
        if (!has_more_texts)
            status = wait_and_read(stream, error);
        if (status != FERRY_OK)
            return status;
    }
}

/* ---- set-up ---- */

static enum ferry_status make_slots(struct text_stream *stream, struct ferry_error *error) {
    size_t count = stream->options->in_flight, batch = stream->options->batch;
    stream->slots = calloc(count, sizeof *stream->slots);
    if (stream->slots == NULL)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for %zu requests", count);
    for (size_t at = 0; at < count; at++) {
        stream->slots[at].line_error = calloc(batch, sizeof(enum ferry_status));
        if (stream->slots[at].line_error == NULL)
            return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for %zu requests", count);
    }
    return FERRY_OK;
}

static enum ferry_status open_stream(struct text_stream *stream, struct ferry_error *error) {
    enum ferry_status status = text_source_open(stream->options, &stream->source, error);
    bool is_long = (stream->options->command & CLI_LANGUAGE) != 0;
    if (status == FERRY_OK && is_long) /* what nobody waits for must not go on for minutes */
        status = interrupt_open(&stream->interrupt_fd, error);
    if (status == FERRY_OK)
        status = text_group_init(&stream->group, stream->options->batch, error);
    if (status == FERRY_OK)
        status = make_slots(stream, error);
    if (status == FERRY_OK)
        status = ferry_queue_create(&stream->queue, error);
    if (status == FERRY_OK)
        status = cli_connect(stream->options, &stream->client, error);
    if (status == FERRY_OK)
        status = result_output_open(stream->options, &stream->output, error);
    return status;
}

/* What is pending is cancelled at the daemon. */
static void close_stream(struct text_stream *stream) {
    ferry_queue_free(stream->queue);
    ferry_client_free(stream->client);
    interrupt_close(stream->interrupt_fd);
    for (size_t at = 0; stream->slots != NULL && at < stream->options->in_flight; at++) {
        ferry_reply_free(stream->slots[at].completion.reply);
        free(stream->slots[at].line_error);
    }
    free(stream->slots);
    text_group_free(&stream->group);
    text_source_close(&stream->source);
}

static int report(const struct text_stream *stream) {
    if (stream->failed_texts == 0)
        return 0;
    struct ferry_error error;
    ferry_fail(&error, stream->first_failure.status, "%llu of %llu texts failed; %s",
               (unsigned long long)stream->failed_texts, (unsigned long long)stream->next_index,
               stream->first_failure.text);
    return cli_complain(&error);
}

int cli_run_texts(const struct cli_options *options) {
    struct text_stream stream = {.options = options, .interrupt_fd = -1};
    struct ferry_error error, closing_error;
    enum ferry_status status = open_stream(&stream, &error);
    bool is_open = status == FERRY_OK;
    if (is_open)
        status = run(&stream, &error);
    if (is_open && result_output_end_text(&stream.output, &closing_error) != FERRY_OK &&
        status == FERRY_OK) {
        status = closing_error.status;
        error = closing_error;
    }
    if (is_open && result_output_close(&stream.output, &closing_error) != FERRY_OK &&
        status == FERRY_OK) {
        status = closing_error.status;
        error = closing_error;
    }
    close_stream(&stream);
    if (stream.was_interrupted)
        return INTERRUPT_EXIT_CODE;
    return status == FERRY_OK ? report(&stream) : cli_complain(&error);
}
