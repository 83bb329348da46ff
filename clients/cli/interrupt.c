#include "clients/cli/interrupt.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

static void only_interrupt(sigset_t *set) {
    sigemptyset(set);
    sigaddset(set, SIGINT);
}

enum ferry_status interrupt_open(int *ret_fd, struct ferry_error *error) {
    sigset_t set;
    only_interrupt(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    *ret_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (*ret_fd < 0)
        return ferry_fail(error, FERRY_IO, "signalfd: %s", strerror(errno));
    return FERRY_OK;
}

void interrupt_close(int fd) {
    if (fd < 0)
        return;
    struct signalfd_siginfo taken; /* unread, it would end the program as soon as it may */
    ssize_t ignored = read(fd, &taken, sizeof taken);
    (void)ignored;
    close(fd);
    sigset_t set;
    only_interrupt(&set);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}
