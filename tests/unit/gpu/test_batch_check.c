/* Every batch is checked before it can reach a device. */
#include <criterion/criterion.h>
#include <string.h>

#include "gpu/batch_check.h"

static const struct ferry_batch_limits limits = {
    .vocabulary_size = 100, .max_length = 4, .width = 2, .max_type_id = 1};

struct case_row {
    int32_t ids[6];
    uint8_t type_ids[6];
    uint32_t offsets[4];
    uint32_t sequences;
    size_t capacity;
    enum ferry_status status;
    const char *text;
};

static const struct case_row cases[] = {
    {{1, 2, 3, 4, 5, 99}, {0, 1, 0, 1, 0, 1}, {0, 2, 5, 6}, 3, 6, FERRY_OK, ""},
    {{1, 2, 3, 4, 5, 100},
     {0},
     {0, 2, 5, 6},
     3,
     6,
     FERRY_INVALID_INPUT,
     "sequence 2 of the batch, position 0: id 100 is outside the vocabulary of 100 ids"},
    {{1, 2, 3, -1, 5, 6},
     {0},
     {0, 2, 5, 6},
     3,
     6,
     FERRY_INVALID_INPUT,
     "sequence 1 of the batch, position 1: id -1"},
    {{INT32_MIN}, {0}, {0, 1}, 1, 2, FERRY_INVALID_INPUT, "id -2147483648"},
    {{1, 2, 3},
     {0, 0, 2},
     {0, 1, 3},
     2,
     4,
     FERRY_INVALID_INPUT,
     "sequence 1 of the batch, position 1: type id 2, the model knows 0 to 1"},
    {{1, 2, 3, 4, 5},
     {0},
     {0, 5},
     1,
     2,
     FERRY_INVALID_INPUT,
     "sequence 0 of the batch has 5 ids, the model takes at most 4"},
    {{1, 2}, {0}, {0, 1, 1, 2}, 3, 6, FERRY_INVALID_INPUT, "sequence 1 of the batch has no ids"},
    {{1, 2}, {0}, {0, 2, 1}, 2, 4, FERRY_INTERNAL, "offset 1"},
    {{1, 2}, {0}, {0, 1, 2}, 2, 3, FERRY_INTERNAL, "room for 3 floats"},
    {{0}, {0}, {0}, 0, 0, FERRY_INTERNAL, "without sequences"},
};

Test(batch_check, every_limit_and_its_text) {
    for (size_t at = 0; at < sizeof cases / sizeof cases[0]; at++) {
        const struct case_row *row = &cases[at];
        struct ferry_batch batch = {row->ids, row->type_ids, row->offsets, row->sequences};
        struct ferry_batch_result result = {.rows_capacity = row->capacity};
        struct ferry_error error = {0};
        cr_expect_eq(ferry_batch_check(&batch, &result, &limits, &error), row->status, "case %zu",
                     at);
        cr_expect(strstr(error.text, row->text) != NULL, "case %zu: %s", at, error.text);
    }
}

/* A batch is a view: its first offset need not be 0, and what lies outside is not its business. */
Test(batch_check, only_its_own_range_is_looked_at) {
    const int32_t ids[] = {-5, 1, 2, 500};
    const uint8_t type_ids[] = {9, 0, 1, 9};
    const uint32_t offsets[] = {1, 2, 3};
    struct ferry_batch batch = {ids, type_ids, offsets, 2};
    struct ferry_batch_result result = {.rows_capacity = 4};
    cr_expect_eq(ferry_batch_check(&batch, &result, &limits, NULL), FERRY_OK);
}

Test(batch_check, token_rows_need_room_for_every_token) {
    const int32_t ids[] = {1, 2, 3};
    const uint32_t offsets[] = {0, 3};
    struct ferry_batch batch = {ids, NULL, offsets, 1};
    struct ferry_batch_result result = {.rows_capacity = 5};
    struct ferry_batch_limits token_limits = limits;
    token_limits.rows_per_token = true;
    cr_expect_eq(ferry_batch_check(&batch, &result, &token_limits, NULL), FERRY_INTERNAL);
    result.rows_capacity = 6;
    cr_expect_eq(ferry_batch_check(&batch, &result, &token_limits, NULL), FERRY_OK);
}
