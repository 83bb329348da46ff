#include <criterion/criterion.h>
#include <string.h>

#include "daemon/tasks/detokenize_items.h"
#include "daemon/tasks/text_to_ids.h"
#include "daemon/tasks/tokenize_items.h"
#include "tests/unit/daemon/small_model.h"

static struct ferry_loaded_model *model;
static struct ferry_tokenizer_session *session;
static struct ferry_arena arena;
static struct ferry_wire_request request;
static struct ferry_wire_item item;
static struct ferry_item_ids ids;
static struct ferry_error error;
static const struct ferry_id_limits limits = {.max_length = 8, .vocabulary_size = 68};

static void set_up(void) {
    model = small_model_open("");
    cr_assert_eq(ferry_tokenizer_session_create(model->tokenizer, 0, &session, &error), FERRY_OK);
    ferry_arena_init(&arena, 1 << 20);
    ferry_wire_request_init(&request, FERRY_OPERATION_EMBED);
    item = (struct ferry_wire_item){0};
}

static void tear_down(void) {
    ferry_arena_free(&arena);
    ferry_tokenizer_session_free(session);
    small_model_close(model);
}

TestSuite(text_to_ids, .init = set_up, .fini = tear_down);

static enum ferry_status convert(void) {
    return ferry_text_to_ids(session, &request, &item, &limits, &arena, &ids, &error);
}

static void set_text(const char *text, const char *pair) {
    item.text = (struct ferry_view){text, (uint32_t)strlen(text)};
    if (pair != NULL)
        item.pair = (struct ferry_view){pair, (uint32_t)strlen(pair)};
}

Test(text_to_ids, texts_and_pairs) {
    set_text("w0 w5", NULL);
    cr_assert_eq(convert(), FERRY_OK);
    cr_assert_eq(ids.length, 4);
    cr_assert_arr_eq(ids.ids, ((int32_t[]){2, 4, 9, 3}), 4 * sizeof(int32_t));
    cr_assert_null(ids.type_ids);
    cr_assert_not(ids.truncated);
    set_text("w0", "w1");
    cr_assert_eq(convert(), FERRY_OK);
    cr_assert_arr_eq(ids.ids, ((int32_t[]){2, 4, 3, 5, 3}), 5 * sizeof(int32_t));
    cr_assert_arr_eq(ids.type_ids, ((uint8_t[]){0, 0, 0, 1, 1}), 5);
}

Test(text_to_ids, truncation_does_what_was_asked) {
    set_text("w0 w1 w2 w3 w4 w5 w6 w7 w8", NULL);
    cr_assert_eq(convert(), FERRY_OK);
    cr_assert(ids.length == 8 && ids.truncated && ids.ids[1] == 4);
    request.truncate = FERRY_WIRE_TRUNCATE_LEFT;
    cr_assert_eq(convert(), FERRY_OK);
    cr_assert(ids.length == 8 && ids.truncated && ids.ids[6] == 12);
    request.max_tokens = 5;
    cr_assert_eq(convert(), FERRY_OK);
    cr_assert_eq(ids.length, 5);
    request.truncate = FERRY_WIRE_TRUNCATE_ERROR;
    cr_assert_eq(convert(), FERRY_TOO_LONG);
    cr_assert_not_null(strstr(error.text, "5"));
    request.max_tokens = 100; /* the model's own limit stays */
    cr_assert_eq(convert(), FERRY_TOO_LONG);
    cr_assert_not_null(strstr(error.text, "8"));
}

Test(text_to_ids, ids_are_taken_as_they_are_and_checked) {
    static const int32_t good[] = {67, 0, 5};
    static const uint8_t types[] = {0, 1, 1};
    item.ids = good;
    item.type_ids = types;
    item.id_count = 3;
    cr_assert_eq(convert(), FERRY_OK);
    cr_assert(ids.ids == good && ids.type_ids == types && ids.length == 3);
    static const int32_t bad[] = {67, 68, -1};
    item.ids = bad;
    cr_assert_eq(convert(), FERRY_INVALID_INPUT);
    cr_assert_not_null(strstr(error.text, "68"));
    item.ids = bad + 2;
    item.id_count = 1;
    cr_assert_eq(convert(), FERRY_INVALID_INPUT);
    cr_assert_not_null(strstr(error.text, "-1"));
    static const uint8_t segments[] = {0, 2, 1};
    item.ids = good;
    item.id_count = 3;
    item.type_ids = segments;
    cr_assert_eq(convert(), FERRY_INVALID_INPUT);
    cr_assert_not_null(strstr(error.text, "type id 2"));
    item.id_count = 0;
    cr_assert_eq(convert(), FERRY_INVALID_INPUT);
}

Test(text_to_ids, long_ids_are_cut_on_the_side_asked_for) {
    int32_t many[10];
    for (int i = 0; i < 10; i++)
        many[i] = i;
    item.ids = many;
    item.id_count = 10;
    cr_assert_eq(convert(), FERRY_OK);
    cr_assert(ids.length == 8 && ids.truncated && ids.ids[0] == 0);
    request.truncate = FERRY_WIRE_TRUNCATE_LEFT;
    cr_assert_eq(convert(), FERRY_OK);
    cr_assert(ids.length == 8 && ids.ids[0] == 2 && ids.ids[7] == 9);
    request.truncate = FERRY_WIRE_TRUNCATE_ERROR;
    cr_assert_eq(convert(), FERRY_TOO_LONG);
}

Test(text_to_ids, broken_utf8_is_the_items_own_error) {
    set_text("w0 \xFF", NULL);
    cr_assert_eq(convert(), FERRY_INVALID_INPUT);
}

Test(text_to_ids, no_memory_is_an_error_and_nothing_else) {
    ferry_arena_init(&arena, 8);
    set_text("w0 w5", NULL);
    cr_assert_eq(convert(), FERRY_OUT_OF_MEMORY);
}

Test(text_to_ids, tokenize_gives_windows_offsets_and_texts) {
    struct ferry_wire_tokens tokens;
    bool truncated = false;
    request.offsets = request.windows = true;
    request.max_tokens = 4;
    set_text("w0 w11 w2", NULL);
    cr_assert_eq(ferry_tokenize_item(session, model->tokenizer, &request, &item, 8, &arena, &tokens,
                                     &truncated, &error),
                 FERRY_OK);
    cr_assert(truncated && tokens.count == 4 && tokens.window_count == 1);
    cr_assert_arr_eq(tokens.ids, ((int32_t[]){2, 4, 15, 3}), 4 * sizeof(int32_t));
    cr_assert_arr_eq(tokens.special, ((uint8_t[]){1, 0, 0, 1}), 4);
    cr_assert(tokens.offsets[4] == 3 && tokens.offsets[5] == 6);
    cr_assert(tokens.tokens[2].size == 3 && memcmp(tokens.tokens[2].data, "w11", 3) == 0);
    cr_assert(tokens.windows[0].count == 3 && tokens.windows[0].ids[1] == 6);
    request.truncate = FERRY_WIRE_TRUNCATE_ERROR;
    cr_assert_eq(ferry_tokenize_item(session, model->tokenizer, &request, &item, 8, &arena, &tokens,
                                     &truncated, &error),
                 FERRY_TOO_LONG);
}

Test(text_to_ids, detokenize_gives_the_text_back) {
    static const int32_t some[] = {2, 4, 9, 3};
    struct ferry_view text;
    item.ids = some;
    item.id_count = 4;
    cr_assert_eq(ferry_detokenize_item(session, &item, true, &arena, &text, &error), FERRY_OK);
    cr_assert(text.size == 5 && memcmp(text.data, "w0 w5", 5) == 0);
    static const int32_t none[] = {68};
    item.ids = none;
    item.id_count = 1;
    cr_assert_eq(ferry_detokenize_item(session, &item, true, &arena, &text, &error),
                 FERRY_INVALID_INPUT);
}
