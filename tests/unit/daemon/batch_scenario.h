/* A batcher under random traffic with a scripted clock, and a second, simple model of what it may
 * do. Used by the property test. */
#ifndef FERRY_TESTS_BATCH_SCENARIO_H
#define FERRY_TESTS_BATCH_SCENARIO_H

#include <stdint.h>

struct scenario_totals {
    uint64_t items, batches, expired, cancelled, duplicates, bulk_turns;
};

/* Plays one scenario and checks every rule after every step. Prints what broke and returns 0, or 1.
 */
int scenario_play(uint64_t seed, struct scenario_totals *totals);

#endif
