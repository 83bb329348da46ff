/* One sequence that is decoded: a continuation of generate, a window of score, the one row of next.
 * It lies in its request's arena; the text stage makes it, the decode worker runs it. Of a streamed
 * request the io thread reads along: that part is under the request's stream lock. */
#ifndef FERRY_DAEMON_SEQUENCE_H
#define FERRY_DAEMON_SEQUENCE_H

#include "daemon/schedule/decode_policy.h"
#include "daemon/schedule/request.h"
#include "daemon/tasks/choice_text.h"
#include "daemon/tasks/prompt_ids.h"
#include "gpu/engine.h"

struct ferry_sequence {
    struct ferry_decode_item decode; /* first: the policy hands back pointers to it */
    struct ferry_item *item;
    uint32_t choice;        /* generate: below n */
    const int32_t *ids;     /* [capacity]: the prompt, then what is new */
    int32_t *growing;       /* where the new ones go: [capacity - prompt_length]; NULL: score */
    uint32_t prompt_length; /* tokens of the prompt, or of the window */
    uint32_t capacity;      /* tokens it may come to */
    uint32_t least;         /* tokens it must come to before it may end */
    /* The successors of the tokens [score_from, score_until) are scored: of a window, or of an
     * echoed prompt. */
    uint32_t score_from, score_until;
    const int32_t *forbidden; /* [forbidden_count], while it has fewer tokens than `least` */
    uint32_t forbidden_count;
    uint32_t top;
    struct ferry_sampling sampling;
    /* Of every token of ids (score, echo) or of every new one; place 0 belongs to ids[told_from].
     */
    uint32_t told_from;
    float *logprobs;     /* [capacity - told_from]; NULL: not wanted */
    int32_t *top_ids;    /* [(capacity - told_from) * top]; NULL: not wanted */
    float *top_logprobs; /* likewise */
    enum ferry_wire_finish finish;
    bool is_over;                     /* its item needs nothing more of it */
    struct ferry_sequence *next_over; /* in the list of those that a sweep takes out */
    bool has_ended;                   /* finish is known. Under the stream lock, as what follows */
    struct ferry_choice_text text;    /* counts tokens also where there is no text */
    bool has_progress;                /* it is in its request's list `progressed` */
    struct ferry_sequence *progress_next;
    uint32_t sent_tokens;
    size_t sent_bytes;
    bool sent_last;
};

/* Makes the sequences of one item, from its prompt. Errors: INVALID_INPUT, UNSUPPORTED,
 * OUT_OF_MEMORY. */
FERRY_MUST_CHECK enum ferry_status ferry_sequences_make(struct ferry_item *item,
                                                        const struct ferry_item_ids *prompt,
                                                        struct ferry_error *error);
/* How many there are of one item of this length, so that they can be counted before. Errors: as
 * ferry_score_windows_cut. */
FERRY_MUST_CHECK enum ferry_status ferry_sequences_count(const struct ferry_request *request,
                                                         uint32_t prompt_length,
                                                         uint32_t *ret_count,
                                                         struct ferry_error *error);

/* What a step has to do for the tokens [cached, until). Points into the sequence. */
void ferry_sequence_fill_entry(const struct ferry_sequence *sequence, uint32_t until,
                               struct ferry_decode_entry *entry);
/* Takes over what the step has brought, before the policy is told that it ran. whole: a combined
 * model's step, after which nothing comes. *ret_over: the sequence has come to its end.
 * Errors: TOO_LARGE, OUT_OF_MEMORY; then it is over too. */
FERRY_MUST_CHECK enum ferry_status ferry_sequence_take(struct ferry_sequence *sequence,
                                                       const struct ferry_decode_entry *entry,
                                                       bool whole, bool *ret_over,
                                                       struct ferry_error *error);
/* Under the stream lock: the sequence may have something for its stream. Behind the others of its
 * request; `again`, because its part was not sent, before them. */
void ferry_sequence_progress(struct ferry_sequence *sequence, bool again);
/* Under the stream lock: takes the first of them out; NULL when there is none. */
struct ferry_sequence *ferry_sequence_take_progressed(struct ferry_request *request);
void ferry_sequence_free(struct ferry_sequence *sequence);

#endif
