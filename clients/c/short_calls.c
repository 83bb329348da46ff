/* The most usual calls, with everything but the texts at its default. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "clients/c/ferry_client.h"

/* request: everything but its items, which are the texts. */
static enum ferry_status call_request(struct ferry_client *client,
                                      struct ferry_client_request request, const char *const *texts,
                                      size_t count, struct ferry_reply **ret_reply,
                                      struct ferry_error *error) {
    struct ferry_client_item *items = calloc(count > 0 ? count : 1, sizeof *items);
    if (items == NULL)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for %zu texts", count);
    for (size_t at = 0; at < count; at++)
        items[at] = (struct ferry_client_item){.text = texts[at], .text_bytes = strlen(texts[at])};
    request.items = items;
    request.item_count = count;
    enum ferry_status status = ferry_client_call(client, &request, ret_reply, error);
    free(items);
    return status;
}

static enum ferry_status call_with_texts(struct ferry_client *client,
                                         enum ferry_client_operation operation,
                                         const char *const *texts, size_t count,
                                         struct ferry_reply **ret_reply,
                                         struct ferry_error *error) {
    struct ferry_client_request request = {.operation = operation};
    return call_request(client, request, texts, count, ret_reply, error);
}

enum ferry_status ferry_client_score(struct ferry_client *client, const char *const *texts,
                                     size_t count, struct ferry_reply **ret_reply,
                                     struct ferry_error *error) {
    return call_with_texts(client, FERRY_CLIENT_SCORE, texts, count, ret_reply, error);
}

enum ferry_status ferry_client_generate(struct ferry_client *client, const char *const *prompts,
                                        size_t count, uint32_t max_new_tokens,
                                        struct ferry_reply **ret_reply, struct ferry_error *error) {
    struct ferry_client_request request = {.operation = FERRY_CLIENT_GENERATE,
                                           .generation = {.max_new_tokens = max_new_tokens}};
    return call_request(client, request, prompts, count, ret_reply, error);
}

enum ferry_status ferry_client_embed(struct ferry_client *client, const char *const *texts,
                                     size_t count, struct ferry_reply **ret_reply,
                                     struct ferry_error *error) {
    return call_with_texts(client, FERRY_CLIENT_EMBED, texts, count, ret_reply, error);
}

enum ferry_status ferry_client_tokenize(struct ferry_client *client, const char *const *texts,
                                        size_t count, struct ferry_reply **ret_reply,
                                        struct ferry_error *error) {
    return call_with_texts(client, FERRY_CLIENT_TOKENIZE, texts, count, ret_reply, error);
}

enum ferry_status ferry_client_detokenize(struct ferry_client *client, const int32_t *ids,
                                          size_t count, struct ferry_reply **ret_reply,
                                          struct ferry_error *error) {
    struct ferry_client_item item = {.ids = ids, .id_count = count};
    struct ferry_client_request request = {
        .operation = FERRY_CLIENT_DETOKENIZE, .items = &item, .item_count = 1};
    return ferry_client_call(client, &request, ret_reply, error);
}

enum ferry_status ferry_client_status(struct ferry_client *client, struct ferry_reply **ret_reply,
                                      struct ferry_error *error) {
    struct ferry_client_request request = {.operation = FERRY_CLIENT_STATUS};
    return ferry_client_call(client, &request, ret_reply, error);
}

enum ferry_status ferry_client_ping(struct ferry_client *client, uint32_t deadline_ms,
                                    uint64_t *ret_microseconds, struct ferry_error *error) {
    struct ferry_client_request request = {.operation = FERRY_CLIENT_PING,
                                           .deadline_ms = deadline_ms};
    struct ferry_reply *reply = NULL;
    int64_t begin = ferry_clock_now();
    enum ferry_status status = ferry_client_call(client, &request, &reply, error);
    if (status != FERRY_OK)
        return status;
    if (ret_microseconds != NULL)
        *ret_microseconds =
            (uint64_t)(ferry_clock_now() - begin) / FERRY_NANOSECONDS_PER_MICROSECOND;
    ferry_reply_free(reply);
    return FERRY_OK;
}
