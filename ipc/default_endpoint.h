/* Where daemon and clients meet when nobody names an endpoint; the same rule for both.
 *
 * $FERRY_ENDPOINT if it is set and not empty; else ipc:///run/ferry/ferry.sock for root and for the
 * systemd service (which has RUNTIME_DIRECTORY set); else ipc://$XDG_RUNTIME_DIR/ferry.sock; else
 * ipc:///tmp/ferry-UID/ferry.sock. */
#ifndef FERRY_IPC_DEFAULT_ENDPOINT_H
#define FERRY_IPC_DEFAULT_ENDPOINT_H

#include <stddef.h>

#include "base/status.h"

/* Room for every endpoint: a Unix socket path has at most 107 bytes, a host name 255. */
enum { FERRY_ENDPOINT_BYTES = 320 };

/* Writes the default endpoint, NUL-terminated, into endpoint[size].
 *
 * Everybody may write to /tmp: its ferry-UID folder is used only if it is a real folder, belongs to
 * this user, and nobody else may write in it. make_folder (the daemon) creates it, mode 0700, when
 * it is not there; without it (clients) a missing folder is no error, since then nobody listens.
 *
 * Reads the environment: not while another thread changes it. Errors: CONFIG (does not fit in
 * size), PERMISSION (the folder belongs to somebody else), IO. */
FERRY_MUST_CHECK enum ferry_status
ferry_default_endpoint(char *endpoint, size_t size, bool make_folder, struct ferry_error *error);

#endif
