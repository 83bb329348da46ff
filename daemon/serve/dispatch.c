/* What happens to one message: decoded, checked, and either answered at once or accepted. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/serve/server.h"
#include "ipc/msgpack_reader.h"
#include "ipc/wire_names.h"

static void refuse(struct ferry_server *server, struct ferry_request *request,
                   const struct ferry_error *error, uint32_t retry_after_ms) {
    ferry_request_answer_error(request, error->status, error->text, retry_after_ms);
    ferry_server_send(server, request);
}

static const struct ferry_loaded_model *find_model(const struct ferry_server *server,
                                                   const struct ferry_view *name,
                                                   uint32_t *ret_index, struct ferry_error *error) {
    for (uint32_t i = 0; i < server->model_count; i++) {
        const struct ferry_loaded_model *model = server->models[i];
        if (name->data == NULL || (strlen(model->name) == name->size &&
                                   memcmp(model->name, name->data, name->size) == 0)) {
            *ret_index = i;
            return model;
        }
    }
    char printable[FERRY_PRINTABLE_BYTES];
    ferry_fail(error, FERRY_NOT_FOUND, "no model \"%s\" here; the default one is \"%s\"",
               ferry_printable(name->data, name->size, printable), server->models[0]->name);
    return NULL;
}

static const char *missing_settings(const struct ferry_wire_generation *generation,
                                    const struct ferry_loaded_model *model) {
    const struct {
        const char *name;
        bool asked;
        enum ferry_input_kind input;
    } settings[] = {
        {"top_k", generation->top_k != 0, FERRY_INPUT_TOP_K},
        {"top_p", generation->top_p < 1, FERRY_INPUT_TOP_P},
        {"min_p", generation->min_p > 0, FERRY_INPUT_MIN_P},
        {"repetition_penalty",
         generation->repetition_penalty < 1 || generation->repetition_penalty > 1,
         FERRY_INPUT_REPETITION_PENALTY},
        {"temperature", generation->has_temperature, FERRY_INPUT_TEMPERATURE},
    };
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        if (settings[i].asked && (model->settings >> settings[i].input & 1) == 0)
            return settings[i].name;
    return generation->logprobs             ? "logprobs"
           : generation->min_new_tokens > 0 ? "min_new_tokens"
                                            : NULL;
}

/* Whether the model can be asked for this at all. */
static enum ferry_status check_operation(const struct ferry_wire_request *wire,
                                         const struct ferry_loaded_model *model,
                                         struct ferry_error *error) {
    const char *name = ferry_wire_operation_names[wire->operation];
    bool offered = true;
    switch (wire->operation) {
    case FERRY_OPERATION_EMBED:
        offered = ferry_model_embeds(model);
        break;
    case FERRY_OPERATION_SCORE:
    case FERRY_OPERATION_NEXT:
        offered = ferry_model_scores(model);
        break;
    case FERRY_OPERATION_GENERATE:
        offered = ferry_model_generates(model);
        break;
    default:
        if (model->tokenizer == NULL)
            return ferry_fail(error, FERRY_UNSUPPORTED, "%s: model \"%s\" has no tokenizer", name,
                              model->name);
    }
    if (!offered)
        return ferry_fail(error, FERRY_UNSUPPORTED,
                          "%s: model \"%s\" was exported for the task %s%s", name, model->name,
                          model->task, model->decoding.combined ? ", as a combined model" : "");
    if (wire->operation != FERRY_OPERATION_GENERATE || !model->decoding.combined)
        return FERRY_OK;
    const char *missing = missing_settings(&wire->generation, model);
    return missing == NULL
               ? FERRY_OK
               : ferry_fail(error, FERRY_UNSUPPORTED,
                            "%s: model \"%s\" chooses its tokens itself and does not take it",
                            missing, model->name);
}

static void accept_request(struct ferry_server *server, struct ferry_request *request) {
    request->newer = NULL;
    request->older = server->newest;
    *(server->newest ? &server->newest->newer : &server->oldest) = request;
    server->newest = request;
    server->active++;
    ferry_request_table_insert(&server->table, request);
    if (request->deadline_ns < server->next_deadline_ns)
        server->next_deadline_ns = request->deadline_ns;
}

static void forget_request(struct ferry_server *server, struct ferry_request *request) {
    server->newest = request->older;
    *(request->older ? &request->older->newer : &server->oldest) = NULL;
    server->active--;
    ferry_request_table_remove(request);
}

static void set_deadline(const struct ferry_server *server, struct ferry_request *request) {
    uint32_t milliseconds = request->wire.deadline_ms;
    if (milliseconds == 0)
        milliseconds = server->settings->default_deadline_ms;
    request->deadline_ns = request->arrived_ns + milliseconds * FERRY_NANOSECONDS_PER_MILLISECOND;
}

static void submit(struct ferry_server *server, struct ferry_request *request) {
    uint32_t retry_after_ms = 0;
    struct ferry_error error = {.status = FERRY_INTERNAL};
    accept_request(server, request);
    switch (ferry_pipeline_submit(server->pipeline, request)) {
    case FERRY_SUBMIT_FULL:
        forget_request(server, request);
        (void)ferry_fail(&error, FERRY_BUSY, "too many long texts wait to be tokenized; try again");
        retry_after_ms = 100;
        refuse(server, request, &error, retry_after_ms);
        return;
    case FERRY_SUBMIT_READY:
        request->load.tokens = request->token_count; /* known now */
        break;
    case FERRY_SUBMIT_QUEUED:
        break;
    }
    ferry_admission_enter(&server->admission, &request->load, server->now);
}

static bool is_decoded(enum ferry_operation operation) {
    return operation == FERRY_OPERATION_SCORE || operation == FERRY_OPERATION_NEXT ||
           operation == FERRY_OPERATION_GENERATE;
}

static void handle_work(struct ferry_server *server, struct ferry_request *request,
                        size_t body_bytes) {
    struct ferry_error error = {.status = FERRY_INTERNAL};
    uint32_t index = 0;
    uint32_t retry_after_ms = 0;
    request->model = find_model(server, &request->wire.model, &index, &error);
    if (request->model == NULL) {
        refuse(server, request, &error, 0);
        return;
    }
    if (server->draining) {
        (void)ferry_fail(&error, FERRY_SHUTTING_DOWN,
                         "the daemon is stopping: send it again later");
        refuse(server, request, &error, 0);
        return;
    }
    if (check_operation(&request->wire, request->model, &error) != FERRY_OK) {
        refuse(server, request, &error, 0);
        return;
    }
    request->queue = ferry_pipeline_queue(server->pipeline, index);
    if (is_decoded(request->wire.operation))
        request->decode = ferry_pipeline_decode_queue(server->pipeline, index);
    request->normalize =
        request->wire.normalize < 0 ? request->model->normalize : request->wire.normalize == 1;
    request->load = ferry_admission_load(&request->wire, request->model, body_bytes,
                                         server->pool.arena_maximum);
    if (ferry_admission_check(&server->admission, &request->load, &retry_after_ms, &error) !=
        FERRY_OK) {
        refuse(server, request, &error, retry_after_ms);
        return;
    }
    set_deadline(server, request);
    submit(server, request);
}

/* Answers cancel itself; the cancelled request is answered on its own. */
static void handle_cancel(struct ferry_server *server, struct ferry_request *request) {
    struct ferry_request *target = ferry_request_table_find(
        &server->table, ferry_message_peer(request->message), &request->wire.cancel_target);
    if (target != NULL)
        ferry_pipeline_cancel(server->pipeline, target);
    if (ferry_wire_reply_cancel(&request->wire.id, target != NULL, &request->reply) != FERRY_OK)
        ferry_request_answer_error(request, FERRY_OUT_OF_MEMORY, "no memory for the reply", 0);
    ferry_server_send(server, request);
}

static void handle_ping(struct ferry_server *server, struct ferry_request *request) {
    if (ferry_wire_reply_pong(&request->wire.id, &request->reply) != FERRY_OK)
        ferry_request_answer_error(request, FERRY_OUT_OF_MEMORY, "no memory for the reply", 0);
    ferry_server_send(server, request);
}

static void handle_request(struct ferry_server *server, struct ferry_request *request) {
    struct ferry_error error = {.status = FERRY_INTERNAL};
    size_t size = 0;
    const uint8_t *body = ferry_message_body(request->message, &size);
    enum ferry_status status = ferry_wire_request_decode(body, size, &server->settings->wire,
                                                         &request->arena, &request->wire, &error);
    if (status != FERRY_OK) {
        refuse(server, request, &error, 0);
        return;
    }
    switch (request->wire.operation) {
    case FERRY_OPERATION_PING:
        handle_ping(server, request);
        return;
    case FERRY_OPERATION_STATUS:
        ferry_server_answer_status(server, request);
        ferry_server_send(server, request);
        return;
    case FERRY_OPERATION_CANCEL:
        handle_cancel(server, request);
        return;
    default:
        handle_work(server, request, size);
    }
}

void ferry_server_handle(struct ferry_server *server, struct ferry_message *message) {
    struct ferry_request *request = ferry_request_acquire(&server->pool, message, server->now);
    if (request == NULL) { /* without memory there is no reply either */
        ferry_message_free(message);
        return;
    }
    if (!ferry_message_is_oversized(message)) {
        handle_request(server, request);
        return;
    }
    struct ferry_error error = {.status = FERRY_INTERNAL};
    size_t kept = 0;
    const uint8_t *beginning = ferry_message_body(message, &kept);
    (void)ferry_wire_request_read_id(beginning, kept, &request->wire.id);
    (void)ferry_fail(&error, FERRY_TOO_LARGE,
                     "the request is over the limit of %zu bytes: split it",
                     server->settings->max_request_bytes);
    refuse(server, request, &error, 0);
}
