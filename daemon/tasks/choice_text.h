/* The text of one continuation while it grows: tokens become text, stop strings are looked for, and
 * what may still turn out to be the beginning of one is held back from a stream. */
#ifndef FERRY_DAEMON_CHOICE_TEXT_H
#define FERRY_DAEMON_CHOICE_TEXT_H

#include "base/arena.h"
#include "base/buffer.h"
#include "ipc/wire_request.h"
#include "tokenizer/ferry_tokenizer.h"

struct ferry_choice_text {
    struct ferry_text_stream stream;
    struct ferry_buffer text;      /* owned; UTF-8, of all tokens so far, the echoed prompt's too */
    const struct ferry_view *stop; /* borrowed */
    uint32_t stop_count;
    uint32_t *ends; /* borrowed: [token_capacity], bytes of text once each token was added */
    uint32_t token_count, token_capacity;
    size_t searched; /* no stop string begins before this byte */
    size_t safe;     /* bytes that stay, whatever comes: may be streamed */
    uint32_t safe_tokens;
    bool stopped; /* text ends before a stop string; token_count was lowered to what is left */
};

/* Without a tokenizer there is no text: then only tokens are counted, all of them safe.
 * Errors: UNSUPPORTED (stop strings without a tokenizer; a tokenizer that cannot stream),
 * OUT_OF_MEMORY. */
FERRY_MUST_CHECK enum ferry_status
ferry_choice_text_begin(struct ferry_choice_text *choice, const struct ferry_tokenizer *tokenizer,
                        const struct ferry_wire_request *request, uint32_t token_capacity,
                        size_t text_maximum, struct ferry_arena *arena, struct ferry_error *error);
/* Adds tokens. No stop string begins in the text of tokens that are added without `may_stop`: those
 * of an echoed prompt, and those that a choice must have. Errors: TOO_LARGE (text_maximum),
 * OUT_OF_MEMORY. */
FERRY_MUST_CHECK enum ferry_status ferry_choice_text_add(struct ferry_choice_text *choice,
                                                         const int32_t *ids, uint32_t count,
                                                         bool may_stop, struct ferry_error *error);
/* No more tokens: what is unfinished is finished, and everything is safe. */
FERRY_MUST_CHECK enum ferry_status ferry_choice_text_end(struct ferry_choice_text *choice,
                                                         struct ferry_error *error);
/* Safe on one that is all zero. */
void ferry_choice_text_free(struct ferry_choice_text *choice);

#endif
