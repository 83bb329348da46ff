/* Endpoint strings: which are allowed, and what they name. */
#ifndef FERRY_IPC_ENDPOINT_ADDRESS_H
#define FERRY_IPC_ENDPOINT_ADDRESS_H

#include <stdbool.h>

#include "base/status.h"

enum {
    FERRY_SOCKET_PATH_BYTES = 107, /* sun_path of unix(7) less its NUL */
    FERRY_ADDRESS_BYTES = 320
};

struct ferry_endpoint_address {
    bool is_ipc;
    char path[FERRY_SOCKET_PATH_BYTES + 1]; /* ipc: of the socket file */
    char zmq[FERRY_ADDRESS_BYTES];          /* as libzmq takes it */
};

/* For the daemon: "ipc:///path", or "tcp://HOST:PORT" with HOST 127.x.y.z, localhost or [::1] and
 * PORT a number or "*" (any free one). Nothing else, as there is no authentication yet. */
FERRY_MUST_CHECK enum ferry_status
ferry_endpoint_address_to_listen(const char *endpoint, struct ferry_endpoint_address *ret_address,
                                 struct ferry_error *error);
/* For a client: any host, no "*". */
FERRY_MUST_CHECK enum ferry_status
ferry_endpoint_address_to_connect(const char *endpoint, struct ferry_endpoint_address *ret_address,
                                  struct ferry_error *error);

#endif
