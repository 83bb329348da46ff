/* An exchange with a scripted clock and a pretended daemon, for test_exchange.c. */
#ifndef FERRY_TESTS_UNIT_CLIENTS_EXCHANGE_SCENARIO_H
#define FERRY_TESTS_UNIT_CLIENTS_EXCHANGE_SCENARIO_H

#include <criterion/criterion.h>

#include "base/clock.h"
#include "clients/c/exchange.h"

enum { SCENARIO_MOST = 4096 };
#define MILLISECONDS(count) ((count)*FERRY_NANOSECONDS_PER_MILLISECOND)
#define SECONDS(count) ((count)*FERRY_NANOSECONDS_PER_SECOND)

struct scenario {
    struct exchange exchange;
    struct client_settings settings;
    _Atomic uint64_t next_id;
    int64_t now;
    bool connected, socket_is_full;
    struct ferry_arena arena;                      /* of the requests that were sent */
    struct ferry_wire_request sent[SCENARIO_MOST]; /* work, as the daemon would read it */
    size_t sent_count;
    struct ferry_wire_id cancelled[SCENARIO_MOST]; /* targets of the cancels that were sent */
    size_t cancelled_count, ping_count;
    struct ferry_reply *finished[SCENARIO_MOST]; /* owned */
    size_t finished_count;
    struct stream_part *parts[SCENARIO_MOST]; /* owned; in the order in which they came out */
    size_t part_count;
    struct ferry_buffer replies[SCENARIO_MOST]; /* bodies must outlive what points into them */
    size_t reply_count;
};

struct scenario *scenario_create(void);
void scenario_free(struct scenario *scenario);
/* Adds an embed call of `items` texts; it ends after deadline_ms. Returns its ticket. */
uint64_t scenario_submit(struct scenario *scenario, size_t items, uint32_t deadline_ms);
/* Adds any call. */
uint64_t scenario_submit_request(struct scenario *scenario,
                                 const struct ferry_client_request *request);
/* Lets time pass, in steps of at most 50 ms. */
void scenario_pass(struct scenario *scenario, int64_t nanoseconds);
void scenario_advance(struct scenario *scenario);
/* Answers the embed that was sent as number `at` with vectors, or with an error. */
void scenario_answer(struct scenario *scenario, size_t at);
void scenario_refuse(struct scenario *scenario, size_t at, enum ferry_status status,
                     uint32_t retry_after_ms);
/* Sends a part of the generate that was sent as number `at`; a text of one letter and one id. */
void scenario_send_part(struct scenario *scenario, size_t at, const struct ferry_wire_part *part);
/* Answers it with empty choices that have ended; n: of each item. */
void scenario_answer_generate(struct scenario *scenario, size_t at, uint32_t n);
/* The only finished call; fails the test if there is none or several. */
const struct ferry_reply *scenario_only_finished(const struct scenario *scenario);

#endif
