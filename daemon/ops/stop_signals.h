/* SIGTERM and SIGINT ask ferryd to stop: the first to drain, a second one to end at once. Installed
 * by the main thread, which is the only one that receives them. */
#ifndef FERRY_DAEMON_STOP_SIGNALS_H
#define FERRY_DAEMON_STOP_SIGNALS_H

/* Counts the signals from now on, and ignores SIGPIPE. The counter is the daemon's stop flag. */
const volatile int *ferry_stop_signals_install(void);
/* Every further signal also writes to this eventfd, so that the io thread wakes; -1: to none. */
void ferry_stop_signals_ring(int bell);

#endif
