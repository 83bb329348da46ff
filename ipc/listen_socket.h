/* The Unix socket that the daemon listens on, made by ourselves: libzmq's own bind deletes whatever
 * lies at the path and lets a second daemon take over in silence. */
#ifndef FERRY_IPC_LISTEN_SOCKET_H
#define FERRY_IPC_LISTEN_SOCKET_H

#include "ipc/endpoint_address.h"

struct ferry_listen_socket {
    int fd;      /* listening; -1 once somebody else owns it */
    int lock_fd; /* holds PATH.lock for as long as the socket is ours; -1: nothing is held */
    char path[FERRY_SOCKET_PATH_BYTES + 1];
};

/* Locks PATH.lock, removes a socket at PATH that nobody listens on, binds, sets mode 0660, listens.
 * Errors: UNAVAILABLE (another process has it), CONFIG (something else than a socket is there),
 * PERMISSION, IO. */
FERRY_MUST_CHECK enum ferry_status ferry_listen_socket_open(const char *path,
                                                            struct ferry_listen_socket *ret_socket,
                                                            struct ferry_error *error);
/* Removes the socket file and the lock file; closes fd unless it is -1. */
void ferry_listen_socket_close(struct ferry_listen_socket *listener);

#endif
