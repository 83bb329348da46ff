/* Fuzz target: a request's body from anybody. What is accepted must be well formed for msgpack-c
 * too, must lie within the limits, and must mean the same after it was encoded again. */
#include <msgpack.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/msgpack_reader.h"
#include "ipc/wire_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "fuzz_wire_request: broken promise: %s (line %d)\n", #condition,       \
                    __LINE__);                                                                     \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static const struct ferry_wire_limits limits = {.max_items = 64, .max_ids_per_item = 256};

static void check_error(enum ferry_status status, const struct ferry_error *error) {
    REQUIRE(status == error->status);
    REQUIRE(status == FERRY_BAD_REQUEST || status == FERRY_UNSUPPORTED ||
            status == FERRY_TOO_LARGE || status == FERRY_OUT_OF_MEMORY);
    REQUIRE(error->text[0] != '\0');
    for (const char *at = error->text; *at != '\0'; at++)
        REQUIRE(*at >= 0x20 && *at < 0x7f);
}

static bool same_view(struct ferry_view left, struct ferry_view right) {
    return left.size == right.size &&
           (left.size == 0 || (left.data != NULL && right.data != NULL &&
                               memcmp(left.data, right.data, left.size) == 0));
}

static void check_same_item(const struct ferry_wire_item *left,
                            const struct ferry_wire_item *right) {
    REQUIRE((left->ids == NULL) == (right->ids == NULL));
    REQUIRE((left->pair.data == NULL) == (right->pair.data == NULL));
    REQUIRE(left->text.size == right->text.size && left->pair.size == right->pair.size);
    REQUIRE(same_view(left->text, right->text) && same_view(left->pair, right->pair));
    REQUIRE(left->id_count == right->id_count && left->id_count <= limits.max_ids_per_item);
    for (uint32_t i = 0; i < left->id_count; i++) {
        REQUIRE(left->ids != NULL && right->ids != NULL && left->ids[i] == right->ids[i]);
        REQUIRE(left->type_ids == NULL || left->type_ids[i] == right->type_ids[i]);
    }
}

static void check_generation(const struct ferry_wire_generation *generation) {
    REQUIRE(generation->max_new_tokens >= 1 &&
            generation->max_new_tokens <= FERRY_WIRE_MAX_NEW_TOKENS);
    REQUIRE(generation->min_new_tokens <= generation->max_new_tokens);
    REQUIRE(generation->choices >= 1 && generation->choices <= FERRY_WIRE_MAX_CHOICES);
    REQUIRE(generation->temperature >= 0 && generation->temperature <= FERRY_WIRE_MAX_TEMPERATURE);
    REQUIRE(generation->top_p > 0 && generation->top_p <= 1);
    REQUIRE(generation->min_p >= 0 && generation->min_p <= 1);
    REQUIRE(generation->repetition_penalty > 0 &&
            generation->repetition_penalty <= FERRY_WIRE_MAX_PENALTY);
    REQUIRE(generation->stop_count <= FERRY_WIRE_MAX_STOPS);
    REQUIRE(generation->stop_id_count <= FERRY_WIRE_MAX_STOPS);
    for (uint32_t i = 0; i < generation->stop_id_count; i++)
        REQUIRE(generation->stop_ids[i] >= 0);
    for (uint32_t i = 0; i < generation->stop_count; i++) {
        REQUIRE(generation->stop[i].size >= 1);
        REQUIRE(generation->stop[i].size <= FERRY_WIRE_MAX_STOP_BYTES);
    }
}

static void check_same_stops(const struct ferry_wire_generation *left,
                             const struct ferry_wire_generation *right) {
    REQUIRE(left->stop_count == right->stop_count && left->stop_id_count == right->stop_id_count);
    for (uint32_t i = 0; i < left->stop_count; i++) {
        REQUIRE(left->stop[i].size == right->stop[i].size);
        REQUIRE(!memcmp(left->stop[i].data, right->stop[i].data, left->stop[i].size));
    }
    for (uint32_t i = 0; i < left->stop_id_count; i++)
        REQUIRE(left->stop_ids[i] == right->stop_ids[i]);
}

static void check_same_generation(const struct ferry_wire_generation *left,
                                  const struct ferry_wire_generation *right) {
    REQUIRE(left->max_new_tokens == right->max_new_tokens);
    REQUIRE(left->min_new_tokens == right->min_new_tokens);
    REQUIRE(left->choices == right->choices && left->top_k == right->top_k);
    REQUIRE(left->temperature == right->temperature && left->top_p == right->top_p);
    REQUIRE(left->min_p == right->min_p);
    REQUIRE(left->repetition_penalty == right->repetition_penalty);
    REQUIRE(left->has_seed == right->has_seed && left->seed == right->seed);
    REQUIRE(left->logprobs == right->logprobs && left->echo == right->echo);
    REQUIRE(left->ignore_end == right->ignore_end && left->stream == right->stream);
    check_same_stops(left, right);
}

static void check_same(const struct ferry_wire_request *left,
                       const struct ferry_wire_request *right) {
    REQUIRE(left->operation == right->operation);
    REQUIRE(ferry_wire_id_equal(&left->id, &right->id));
    REQUIRE(ferry_wire_id_equal(&left->cancel_target, &right->cancel_target));
    REQUIRE(left->model.size == right->model.size);
    REQUIRE(left->deadline_ms == right->deadline_ms && left->priority == right->priority);
    REQUIRE(left->max_tokens == right->max_tokens && left->truncate == right->truncate);
    REQUIRE(left->strategy == right->strategy && left->dtype == right->dtype);
    REQUIRE(left->normalize == right->normalize && left->stride == right->stride);
    REQUIRE(left->special_tokens_as_text == right->special_tokens_as_text);
    REQUIRE(left->add_special_tokens == right->add_special_tokens);
    REQUIRE(left->offsets == right->offsets && left->windows == right->windows);
    REQUIRE(left->skip_special_tokens == right->skip_special_tokens);
    REQUIRE(left->top == right->top && left->top <= FERRY_WIRE_MAX_TOP);
    check_generation(&left->generation);
    check_same_generation(&left->generation, &right->generation);
    REQUIRE(left->item_count == right->item_count && left->item_count <= limits.max_items);
    for (uint32_t i = 0; i < left->item_count; i++)
        check_same_item(&left->items[i], &right->items[i]);
}

static void encode_again(const struct ferry_wire_request *request) {
    struct ferry_buffer body;
    struct ferry_arena arena;
    struct ferry_wire_request again;
    ferry_buffer_init(&body, 1 << 20);
    ferry_arena_init(&arena, 1 << 20);
    REQUIRE(ferry_wire_request_encode(request, &body) == FERRY_OK);
    REQUIRE(ferry_wire_request_decode(body.data, body.size, &limits, &arena, &again, NULL) ==
            FERRY_OK);
    check_same(request, &again);
    ferry_arena_free(&arena);
    ferry_buffer_free(&body);
}

/* The differential: the validator accepts nothing that msgpack-c refuses. Only bodies that it
 * accepts are handed over, as msgpack-c allocates what a body declares. */
static bool is_well_formed(const uint8_t *data, size_t size) {
    if (ferry_msgpack_validate(data, size, NULL) != FERRY_OK)
        return false;
    msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    size_t offset = 0;
    REQUIRE(msgpack_unpack_next(&unpacked, (const char *)data, size, &offset) ==
            MSGPACK_UNPACK_SUCCESS);
    REQUIRE(offset == size);
    msgpack_unpacked_destroy(&unpacked);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct ferry_arena arena;
    struct ferry_wire_request request;
    struct ferry_error error = {FERRY_OK, ""};
    bool well_formed = is_well_formed(data, size);
    ferry_arena_init(&arena, 1 << 18);
    enum ferry_status status =
        ferry_wire_request_decode(data, size, &limits, &arena, &request, &error);
    if (status == FERRY_OK) {
        REQUIRE(well_formed);
        encode_again(&request);
    } else {
        check_error(status, &error);
    }
    ferry_arena_free(&arena);
    return 0;
}
