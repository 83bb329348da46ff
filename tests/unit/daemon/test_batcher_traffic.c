/* The batcher under random traffic: every scenario is one seed, which is printed when a rule
 * breaks. FERRY_BATCH_SCENARIOS says how many (20,000 unless set); FERRY_BATCH_SEED where to start.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/daemon/batch_scenario.h"

static uint64_t number_from(const char *name, uint64_t fallback) {
    const char *text = getenv(name);
    return text != NULL && *text != '\0' ? strtoull(text, NULL, 10) : fallback;
}

int main(void) {
    uint64_t count = number_from("FERRY_BATCH_SCENARIOS", 20000);
    uint64_t seed = number_from("FERRY_BATCH_SEED", 1);
    struct scenario_totals totals = {0};
    for (uint64_t i = 0; i < count; i++)
        if (!scenario_play(seed + i, &totals))
            return 1;
    printf(
        "%llu scenarios: %llu items, %llu batches, %llu expired, %llu cancelled, %llu duplicates, "
        "%llu turns of aged bulk\n",
        (unsigned long long)count, (unsigned long long)totals.items,
        (unsigned long long)totals.batches, (unsigned long long)totals.expired,
        (unsigned long long)totals.cancelled, (unsigned long long)totals.duplicates,
        (unsigned long long)totals.bulk_turns);
    /* Traffic that never came to a rule would prove nothing about it. */
    return count >= 1000 && (totals.expired == 0 || totals.cancelled == 0 ||
                             totals.duplicates == 0 || totals.bulk_turns == 0);
}
