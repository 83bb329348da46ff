/* How a long text is cut into windows for score, and what a prompt may have. */
#include <criterion/criterion.h>

#include "daemon/tasks/prompt_ids.h"

static struct ferry_wire_request request_of(enum ferry_operation operation) {
    struct ferry_wire_request request;
    ferry_wire_request_init(&request, operation);
    return request;
}

Test(prompt_ids, every_token_but_the_first_is_scored_once) {
    struct ferry_wire_request request = request_of(FERRY_OPERATION_SCORE);
    request.windows = true;
    for (uint32_t most = 2; most < 20; most++)
        for (request.stride = 0; request.stride < most; request.stride++)
            for (uint32_t length = 1; length < 70; length++) {
                struct ferry_score_windows windows;
                cr_assert_eq(ferry_score_windows_cut(&request, length, most, &windows, NULL),
                             FERRY_OK);
                uint32_t next = 1; /* the first token has nothing before it */
                for (uint32_t i = 0; i < windows.count; i++) {
                    struct ferry_score_window at = ferry_score_windows_at(&windows, length, i);
                    cr_assert_leq(at.length, most);
                    cr_assert_geq(at.length, 1);
                    uint32_t first = at.begin + (at.skipped > 0 ? at.skipped : 1);
                    cr_assert_eq(first, next, "length %u, window %u of %u, stride %u", length, i,
                                 most, request.stride);
                    cr_assert_gt(at.begin + at.length, first - 1);
                    next = at.begin + at.length;
                }
                cr_assert_eq(next, length > 1 ? length : 1);
            }
}

Test(prompt_ids, a_stride_as_long_as_the_window_is_refused) {
    struct ferry_wire_request request = request_of(FERRY_OPERATION_SCORE);
    struct ferry_score_windows windows;
    struct ferry_error error;
    request.windows = true;
    request.stride = 8;
    cr_assert_eq(ferry_score_windows_cut(&request, 100, 8, &windows, &error), FERRY_INVALID_INPUT);
    cr_assert_eq(ferry_score_windows_cut(&request, 8, 8, &windows, &error), FERRY_OK, "%s",
                 error.text);
}

Test(prompt_ids, one_huge_text_is_one_window_without_being_asked_for_more) {
    struct ferry_wire_request request = request_of(FERRY_OPERATION_SCORE);
    struct ferry_score_windows windows;
    cr_assert_eq(ferry_score_windows_cut(&request, 100, 8, &windows, NULL), FERRY_OK);
    cr_assert_eq(windows.count, 1);
}

Test(prompt_ids, generate_keeps_room) {
    struct ferry_prompt_limits limits = {.ids = {.max_length = 64}, .most_new_tokens = UINT32_MAX};
    struct ferry_wire_request request = request_of(FERRY_OPERATION_GENERATE);
    cr_assert_eq(request.truncate, FERRY_WIRE_TRUNCATE_ERROR);
    cr_assert_eq(ferry_prompt_room(&request, &limits), 63, "not cut: one token has to fit");
    request.truncate = FERRY_WIRE_TRUNCATE_LEFT;
    request.generation.max_new_tokens = 20;
    cr_assert_eq(ferry_prompt_room(&request, &limits), 44,
                 "cut: all that was asked for has to fit");
    request.generation.max_new_tokens = 100;
    cr_assert_eq(ferry_prompt_room(&request, &limits), 32, "half of it stays the prompt's");
    limits.most_new_tokens = 16;
    cr_assert_eq(ferry_prompt_room(&request, &limits), 48, "a combined model makes no more");
    request = request_of(FERRY_OPERATION_SCORE);
    cr_assert_eq(ferry_prompt_room(&request, &limits), 64);
}
