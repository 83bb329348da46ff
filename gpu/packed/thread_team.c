#include "gpu/packed/thread_team.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

enum {
    MOST_THREADS = 256,
    SPINS = 4000 /* some 20 microseconds: longer than the gap between two steps of a layer */
};

struct member {
    struct ferry_thread_team *team;
    uint32_t index;
    pthread_t thread;
};

/* Work is announced by storing a ticket: the number of pieces above, the next piece below. Whoever
 * takes a piece that is below the number owns it, and the caller waits for it; a helper that comes
 * late finds nothing and delays nobody. */
struct ferry_thread_team {
    uint32_t size;
    uint32_t started; /* helpers that run */
    struct member members[MOST_THREADS];

    /* Written while no piece is owned, read by owners of pieces alone. */
    ferry_team_work *work;
    void *context;

    _Alignas(64) atomic_uint_least64_t ticket;
    _Alignas(64) atomic_uint done; /* pieces */
    _Alignas(64) atomic_uint sleepers;
    atomic_bool caller_sleeps;
    atomic_bool stopping;

    pthread_mutex_t mutex; /* for those that sleep */
    pthread_cond_t announced;
    pthread_cond_t finished;
};

static void pause_briefly(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static bool has_pieces(uint64_t ticket) {
    return (uint32_t)ticket < (uint32_t)(ticket >> 32);
}

static bool is_finished(struct ferry_thread_team *team, uint32_t pieces) {
    return atomic_load_explicit(&team->done, memory_order_acquire) == pieces;
}

static void report_piece(struct ferry_thread_team *team, uint32_t pieces) {
    if (atomic_fetch_add(&team->done, 1) + 1 != pieces || !atomic_load(&team->caller_sleeps))
        return;
    pthread_mutex_lock(&team->mutex);
    pthread_cond_signal(&team->finished);
    pthread_mutex_unlock(&team->mutex);
}

static void take_pieces(struct ferry_thread_team *team, uint32_t member) {
    while (has_pieces(atomic_load_explicit(&team->ticket, memory_order_relaxed))) {
        uint64_t ticket = atomic_fetch_add(&team->ticket, 1);
        if (!has_pieces(ticket))
            return;
        team->work(team->context, (uint32_t)ticket, member);
        report_piece(team, (uint32_t)(ticket >> 32));
    }
}

static bool is_needed(struct ferry_thread_team *team) {
    return has_pieces(atomic_load(&team->ticket)) || atomic_load(&team->stopping);
}

static void wait_for_pieces(struct ferry_thread_team *team) {
    for (unsigned spin = 0; spin < SPINS; spin++) {
        if (is_needed(team))
            return;
        pause_briefly();
    }
    pthread_mutex_lock(&team->mutex);
    atomic_fetch_add(&team->sleepers, 1);
    while (!is_needed(team))
        pthread_cond_wait(&team->announced, &team->mutex);
    atomic_fetch_sub(&team->sleepers, 1);
    pthread_mutex_unlock(&team->mutex);
}

static void *help(void *argument) {
    struct member *self = argument;
    while (!atomic_load(&self->team->stopping)) {
        take_pieces(self->team, self->index);
        wait_for_pieces(self->team);
    }
    return NULL;
}

/* A helper that is about to sleep either sees what was stored before, or is seen here. */
static void wake_sleepers(struct ferry_thread_team *team) {
    if (atomic_load(&team->sleepers) == 0)
        return;
    pthread_mutex_lock(&team->mutex);
    pthread_cond_broadcast(&team->announced);
    pthread_mutex_unlock(&team->mutex);
}

static void wait_for_pieces_of_others(struct ferry_thread_team *team, uint32_t pieces) {
    for (unsigned spin = 0; spin < SPINS; spin++) {
        if (is_finished(team, pieces))
            return;
        pause_briefly();
    }
    pthread_mutex_lock(&team->mutex);
    atomic_store(&team->caller_sleeps, true);
    while (atomic_load(&team->done) != pieces)
        pthread_cond_wait(&team->finished, &team->mutex);
    atomic_store(&team->caller_sleeps, false);
    pthread_mutex_unlock(&team->mutex);
}

void ferry_thread_team_run(struct ferry_thread_team *team, ferry_team_work *work, void *context,
                           uint32_t pieces) {
    if (team->started == 0 || pieces <= 1) {
        for (uint32_t piece = 0; piece < pieces; piece++)
            work(context, piece, 0);
        return;
    }
    team->work = work;
    team->context = context;
    atomic_store(&team->done, 0);
    atomic_store(&team->ticket, (uint64_t)pieces << 32);
    wake_sleepers(team);
    take_pieces(team, 0);
    wait_for_pieces_of_others(team, pieces);
}

static uint32_t core_count(void) {
    cpu_set_t cores;
    CPU_ZERO(&cores);
    if (sched_getaffinity(0, sizeof cores, &cores) != 0)
        return 1;
    return (uint32_t)CPU_COUNT(&cores);
}

enum ferry_status ferry_thread_team_create(uint32_t threads, struct ferry_thread_team **ret_team,
                                           struct ferry_error *error) {
    struct ferry_thread_team *team = aligned_alloc(64, (sizeof *team + 63) / 64 * 64);
    if (team == NULL)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for a team of threads");
    const uint32_t wanted = threads != 0 ? threads : core_count();
    const uint32_t size = wanted < MOST_THREADS ? wanted : MOST_THREADS;
    *team = (struct ferry_thread_team){.size = size};
    pthread_mutex_init(&team->mutex, NULL);
    pthread_cond_init(&team->announced, NULL);
    pthread_cond_init(&team->finished, NULL);
    for (uint32_t index = 1; index < size; index++) {
        struct member *member = &team->members[index];
        *member = (struct member){.team = team, .index = index};
        if (pthread_create(&member->thread, NULL, help, member) != 0) {
            ferry_thread_team_free(team);
            return ferry_fail(error, FERRY_OUT_OF_MEMORY,
                              "thread %u of a team of %u cannot be started: a limit on threads or "
                              "memory is reached",
                              index, size);
        }
        team->started++;
    }
    *ret_team = team;
    return FERRY_OK;
}

void ferry_thread_team_free(struct ferry_thread_team *team) {
    if (team == NULL)
        return;
    atomic_store(&team->stopping, true);
    wake_sleepers(team);
    for (uint32_t index = 1; index <= team->started; index++)
        pthread_join(team->members[index].thread, NULL);
    pthread_cond_destroy(&team->finished);
    pthread_cond_destroy(&team->announced);
    pthread_mutex_destroy(&team->mutex);
    free(team);
}

uint32_t ferry_thread_team_size(const struct ferry_thread_team *team) {
    return team->size;
}
