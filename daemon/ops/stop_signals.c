#include "daemon/ops/stop_signals.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <unistd.h>

/* Handlers have no argument: this is the one place where the daemon needs process-wide state. */
static volatile int stops;
static volatile int stop_bell = -1;

static void count_stop(int signal_number) {
    (void)signal_number;
    int saved = errno;
    stops = stops + 1;
    uint64_t one = 1;
    if (stop_bell >= 0) {
        ssize_t ignored = write(stop_bell, &one, sizeof one);
        (void)ignored;
    }
    errno = saved;
}

const volatile int *ferry_stop_signals_install(void) {
    struct sigaction stop = {.sa_handler = count_stop};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigemptyset(&stop.sa_mask);
    sigemptyset(&ignore.sa_mask);
    sigaction(SIGTERM, &stop, NULL);
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
    return &stops;
}

void ferry_stop_signals_ring(int bell) {
    stop_bell = bell;
}
