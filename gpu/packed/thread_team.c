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

struct ferry_thread_team {
    uint32_t size;
    uint32_t started; /* helpers that run */
    struct member members[MOST_THREADS];

    /* Written by the caller before `generation` announces it. */
    ferry_team_work *work;
    void *context;
    uint32_t pieces;

    _Alignas(64) atomic_uint next;    /* piece to take */
    _Alignas(64) atomic_uint running; /* helpers that have not yet finished */
    _Alignas(64) atomic_uint generation;
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

static void take_pieces(struct ferry_thread_team *team, uint32_t member) {
    for (uint32_t piece; (piece = atomic_fetch_add(&team->next, 1)) < team->pieces;)
        team->work(team->context, piece, member);
}

static void wait_for_generation(struct ferry_thread_team *team, uint32_t seen) {
    for (unsigned spin = 0; spin < SPINS; spin++) {
        if (atomic_load_explicit(&team->generation, memory_order_acquire) != seen)
            return;
        pause_briefly();
    }
    pthread_mutex_lock(&team->mutex);
    while (atomic_load(&team->generation) == seen)
        pthread_cond_wait(&team->announced, &team->mutex);
    pthread_mutex_unlock(&team->mutex);
}

static void report_finished(struct ferry_thread_team *team) {
    if (atomic_fetch_sub(&team->running, 1) != 1)
        return;
    pthread_mutex_lock(&team->mutex);
    pthread_cond_signal(&team->finished);
    pthread_mutex_unlock(&team->mutex);
}

static void *help(void *argument) {
    struct member *self = argument;
    struct ferry_thread_team *team = self->team;
    for (uint32_t seen = 0;; seen++) {
        wait_for_generation(team, seen);
        if (atomic_load(&team->stopping))
            return NULL;
        take_pieces(team, self->index);
        report_finished(team);
    }
}

static void announce(struct ferry_thread_team *team) {
    atomic_store(&team->running, team->started);
    atomic_store(&team->next, 0);
    pthread_mutex_lock(&team->mutex);
    atomic_fetch_add(&team->generation, 1);
    pthread_cond_broadcast(&team->announced);
    pthread_mutex_unlock(&team->mutex);
}

static void wait_for_helpers(struct ferry_thread_team *team) {
    for (unsigned spin = 0; spin < SPINS; spin++) {
        if (atomic_load_explicit(&team->running, memory_order_acquire) == 0)
            return;
        pause_briefly();
    }
    pthread_mutex_lock(&team->mutex);
    while (atomic_load(&team->running) != 0)
        pthread_cond_wait(&team->finished, &team->mutex);
    pthread_mutex_unlock(&team->mutex);
}

void ferry_thread_team_run(struct ferry_thread_team *team, ferry_team_work *work, void *context,
                           uint32_t pieces) {
    if (team->started == 0 || pieces == 1) {
        for (uint32_t piece = 0; piece < pieces; piece++)
            work(context, piece, 0);
        return;
    }
    team->work = work;
    team->context = context;
    team->pieces = pieces;
    announce(team);
    take_pieces(team, 0);
    wait_for_helpers(team);
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
    *team = (struct ferry_thread_team){.size = threads != 0 ? threads : core_count()};
    if (team->size > MOST_THREADS)
        team->size = MOST_THREADS;
    pthread_mutex_init(&team->mutex, NULL);
    pthread_cond_init(&team->announced, NULL);
    pthread_cond_init(&team->finished, NULL);
    for (uint32_t index = 1; index < team->size; index++) {
        struct member *member = &team->members[index];
        *member = (struct member){.team = team, .index = index};
        if (pthread_create(&member->thread, NULL, help, member) != 0) {
            ferry_thread_team_free(team);
            return ferry_fail(error, FERRY_OUT_OF_MEMORY,
                              "thread %u of a team of %u cannot be started: a limit on threads or "
                              "memory is reached",
                              index, threads);
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
    announce(team);
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
