/* Many short steps on teams of several sizes: each piece is done once, and its results are there
 * when the step returns. A plain program, so that it runs under ThreadSanitizer. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gpu/packed/thread_team.h"

enum { MOST_PIECES = 97, ROUNDS = 3000 };

struct record {
    uint32_t members;
    unsigned done[MOST_PIECES]; /* each written by one member alone */
};

static void count_piece(void *context, uint32_t piece, uint32_t member) {
    struct record *record = context;
    if (member >= record->members)
        abort();
    record->done[piece]++;
}

static int run(uint32_t threads) {
    struct ferry_thread_team *team = NULL;
    struct ferry_error error = {0};
    if (ferry_thread_team_create(threads, &team, &error) != FERRY_OK) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    struct record record = {.members = ferry_thread_team_size(team)};
    int failures = threads != 0 && record.members != threads;
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint32_t pieces = round % (MOST_PIECES + 1);
        memset(record.done, 0, sizeof record.done);
        ferry_thread_team_run(team, count_piece, &record, pieces);
        for (uint32_t piece = 0; piece < MOST_PIECES; piece++)
            failures += record.done[piece] != (piece < pieces);
        if (round % 500 == 0)
            usleep(2000); /* until the helpers sleep */
    }
    ferry_thread_team_free(team);
    return failures;
}

int main(void) {
    int failures = 0;
    for (uint32_t threads = 0; threads <= 5; threads++)
        failures += run(threads);
    ferry_thread_team_free(NULL);
    printf("%d failures\n", failures);
    return failures != 0;
}
