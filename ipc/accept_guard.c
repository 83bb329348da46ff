#include "ipc/accept_guard.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define EXPORTED __attribute__((visibility("default")))

static pthread_mutex_t reserve_lock = PTHREAD_MUTEX_INITIALIZER;
static int reserve_fd = -1;
static atomic_uint_least64_t turned_away;

static int open_reserve(void) {
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

void ferry_accept_guard_install(void) {
    pthread_mutex_lock(&reserve_lock);
    if (reserve_fd < 0)
        reserve_fd = open_reserve();
    pthread_mutex_unlock(&reserve_lock);
}

uint64_t ferry_accept_guard_turned_away(void) {
    return atomic_load_explicit(&turned_away, memory_order_relaxed);
}

static int system_accept4(int listener, struct sockaddr *address, socklen_t *size, int flags) {
    return (int)syscall(SYS_accept4, listener, address, size, flags);
}

/* Another thread may grab the freed descriptor first: then the connection stays in the backlog, and
 * the pause keeps the listener, which is ready still, from spinning. */
static void turn_one_away(int listener) {
    pthread_mutex_lock(&reserve_lock);
    if (reserve_fd >= 0)
        close(reserve_fd);
    int connection = system_accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (connection >= 0) {
        close(connection);
        atomic_fetch_add_explicit(&turned_away, 1, memory_order_relaxed);
    } else if (errno == EMFILE) {
        nanosleep(&(struct timespec){.tv_nsec = 10L * 1000 * 1000}, NULL);
    }
    reserve_fd = open_reserve();
    pthread_mutex_unlock(&reserve_lock);
}

/* The C library's own parameter names are reserved to it. */
/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name) */
EXPORTED int accept4(int listener, struct sockaddr *address, socklen_t *size, int flags) {
    int connection = system_accept4(listener, address, size, flags);
    if (connection >= 0 || errno != EMFILE)
        return connection;
    turn_one_away(listener);
    errno = ECONNABORTED;
    return -1;
}

/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name) */
EXPORTED int accept(int listener, struct sockaddr *address, socklen_t *size) {
    return accept4(listener, address, size, 0);
}
