/* The replies of language models: score, next, generate, and the parts of a stream. */
#include "ipc/msgpack_writer.h"
#include "ipc/wire_names.h"
#include "ipc/wire_reply.h"
#include "ipc/wire_reply_put.h"

enum { MAP_ROOM = 160, TOKEN_ROOM = 20 };

static void put_numbers(struct ferry_msgpack_writer *writer, const char *key, const void *numbers,
                        size_t count) {
    ferry_put_text(writer, key);
    ferry_put_bin(writer, numbers, count * 4);
}

static void put_token_texts(struct ferry_msgpack_writer *writer, const struct ferry_view *tokens,
                            uint32_t count) {
    ferry_put_text(writer, "tokens");
    ferry_put_array(writer, count);
    for (uint32_t i = 0; i < count; i++)
        ferry_put_str(writer, tokens[i].data, tokens[i].size);
}

static void put_top(struct ferry_msgpack_writer *writer, const int32_t *ids, const float *logprobs,
                    size_t count) {
    put_numbers(writer, "top_ids", ids, count);
    put_numbers(writer, "top_logprobs", logprobs, count);
}

static void put_score(struct ferry_msgpack_writer *writer, const struct ferry_wire_score *score) {
    bool has_top = score->top_ids != NULL;
    ferry_put_map(writer, 5U + (score->tokens != NULL) + (has_top ? 2U : 0U));
    put_numbers(writer, "ids", score->ids, score->count);
    put_numbers(writer, "logprobs", score->logprobs, score->count);
    if (score->tokens != NULL)
        put_token_texts(writer, score->tokens, score->count);
    ferry_put_key_uint(writer, "scored", score->scored);
    ferry_put_key_double(writer, "logprob_sum", score->logprob_sum);
    ferry_put_key_double(writer, "perplexity", score->perplexity);
    if (has_top)
        put_top(writer, score->top_ids, score->top_logprobs, (size_t)score->count * score->top);
}

enum ferry_status ferry_wire_reply_score(const struct ferry_wire_id *id,
                                         const struct ferry_wire_truth *truth,
                                         const struct ferry_wire_score *scores,
                                         struct ferry_buffer *body) {
    size_t room = ferry_wire_truth_room(truth);
    for (uint32_t i = 0; i < truth->item_count; i++)
        room += MAP_ROOM + scores[i].count * (TOKEN_ROOM + scores[i].top * (size_t)8);
    struct ferry_msgpack_writer writer;
    ferry_msgpack_writer_init(&writer, body, room);
    ferry_wire_put_result(&writer, id, truth, 1);
    ferry_put_text(&writer, "scores");
    ferry_put_array(&writer, truth->item_count);
    for (uint32_t i = 0; i < truth->item_count; i++)
        put_score(&writer, &scores[i]);
    return ferry_msgpack_writer_finish(&writer);
}

enum ferry_status ferry_wire_reply_next(const struct ferry_wire_id *id,
                                        const struct ferry_wire_truth *truth,
                                        const struct ferry_wire_next *nexts,
                                        struct ferry_buffer *body) {
    size_t room = ferry_wire_truth_room(truth);
    for (uint32_t i = 0; i < truth->item_count; i++)
        room += MAP_ROOM + nexts[i].count * (size_t)TOKEN_ROOM;
    struct ferry_msgpack_writer writer;
    ferry_msgpack_writer_init(&writer, body, room);
    ferry_wire_put_result(&writer, id, truth, 1);
    ferry_put_text(&writer, "nexts");
    ferry_put_array(&writer, truth->item_count);
    for (uint32_t i = 0; i < truth->item_count; i++) {
        const struct ferry_wire_next *next = &nexts[i];
        ferry_put_map(&writer, 2U + (next->tokens != NULL));
        put_numbers(&writer, "ids", next->ids, next->count);
        put_numbers(&writer, "logprobs", next->logprobs, next->count);
        if (next->tokens != NULL)
            put_token_texts(&writer, next->tokens, next->count);
    }
    return ferry_msgpack_writer_finish(&writer);
}

static size_t choice_keys(const struct ferry_wire_choice *choice) {
    return 1U + (choice->text.data != NULL) + (choice->logprobs != NULL) +
           (choice->top_ids != NULL ? 2U : 0U) + (choice->finish != FERRY_WIRE_FINISH_NONE);
}

static size_t choice_room(const struct ferry_wire_choice *choice) {
    return MAP_ROOM + choice->text.size + choice->count * (8 + choice->top * (size_t)8);
}

static void put_choice(struct ferry_msgpack_writer *writer,
                       const struct ferry_wire_choice *choice) {
    if (choice->text.data != NULL) {
        ferry_put_text(writer, "text");
        ferry_put_str(writer, choice->text.data, choice->text.size);
    }
    put_numbers(writer, "ids", choice->ids, choice->count);
    if (choice->logprobs != NULL)
        put_numbers(writer, "logprobs", choice->logprobs, choice->count);
    if (choice->top_ids != NULL)
        put_top(writer, choice->top_ids, choice->top_logprobs, (size_t)choice->count * choice->top);
    if (choice->finish != FERRY_WIRE_FINISH_NONE)
        ferry_put_key_text(writer, "finish_reason", ferry_wire_finish_names[choice->finish]);
}

enum ferry_status ferry_wire_reply_generate(const struct ferry_wire_id *id,
                                            const struct ferry_wire_truth *truth,
                                            const struct ferry_wire_choices *choices,
                                            struct ferry_buffer *body) {
    size_t room = ferry_wire_truth_room(truth);
    for (size_t i = 0; i < (size_t)truth->item_count * choices->n; i++)
        room += choice_room(&choices->choices[i]);
    struct ferry_msgpack_writer writer;
    ferry_msgpack_writer_init(&writer, body, room);
    ferry_wire_put_result(&writer, id, truth, 2);
    ferry_put_key_uint(&writer, "seed", choices->seed);
    ferry_put_text(&writer, "choices");
    ferry_put_array(&writer, truth->item_count);
    const struct ferry_wire_choice *choice = choices->choices;
    for (uint32_t i = 0; i < truth->item_count; i++) {
        ferry_put_array(&writer, choices->n);
        for (uint32_t j = 0; j < choices->n; j++, choice++) {
            ferry_put_map(&writer, choice_keys(choice));
            put_choice(&writer, choice);
        }
    }
    return ferry_msgpack_writer_finish(&writer);
}

enum ferry_status ferry_wire_part_encode(const struct ferry_wire_id *id,
                                         const struct ferry_wire_part *part,
                                         struct ferry_buffer *body) {
    struct ferry_wire_choice piece = part->piece;
    if (!part->is_last)
        piece.finish = FERRY_WIRE_FINISH_NONE;
    struct ferry_msgpack_writer writer;
    ferry_msgpack_writer_init(&writer, body, choice_room(&piece));
    ferry_wire_put_head(&writer, id, 3 + choice_keys(&piece));
    ferry_put_key_uint(&writer, "part", part->part);
    ferry_put_key_uint(&writer, "index", part->index);
    ferry_put_key_uint(&writer, "choice", part->choice);
    put_choice(&writer, &piece);
    return ferry_msgpack_writer_finish(&writer);
}
