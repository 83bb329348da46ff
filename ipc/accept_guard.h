/* Keeps the daemon alive when file descriptors run out.
 *
 * libzmq (4.3.4, 4.3.5) ends the process when accept fails with EMFILE on an ipc listener, so
 * anybody who may connect could kill the daemon. Linking accept_guard.c replaces accept and accept4
 * for the whole program: on EMFILE the waiting connection is taken with a descriptor held in
 * reserve, closed at once, and ECONNABORTED is returned, which libzmq treats as a client that went
 * away. */
#ifndef FERRY_IPC_ACCEPT_GUARD_H
#define FERRY_IPC_ACCEPT_GUARD_H

#include <stdint.h>

/* Takes the descriptor in reserve. Before the first listener; more than once is harmless. */
void ferry_accept_guard_install(void);
/* Connections turned away since the start. Any thread. */
uint64_t ferry_accept_guard_turned_away(void);

#endif
