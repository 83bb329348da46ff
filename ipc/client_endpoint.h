/* A client's end of the wire: one DEALER socket to one daemon. Used by one thread.
 *
 * Sends bodies and hands out bodies; which reply belongs to which request, deadlines and retries
 * are the caller's business (the "id" in the body tells). Nothing is queued towards a daemon that
 * is not there: send says UNAVAILABLE instead.
 *
 * Liveness. A connection that breaks (daemon ended or killed) is seen at once, a peer that is
 * unreachable within heartbeat_ms * 3. Heartbeats are answered by libzmq's own thread inside the
 * daemon, so a daemon that is alive but stuck is only found by sending "ping" requests and looking
 * at ferry_client_endpoint_last_heard.
 *
 * zmq.h appears only in server_endpoint.c and client_endpoint.c. */
#ifndef FERRY_IPC_CLIENT_ENDPOINT_H
#define FERRY_IPC_CLIENT_ENDPOINT_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct ferry_client_endpoint;
/* One received reply. One owner at a time. */
struct ferry_client_reply;

struct ferry_client_endpoint_options {
    const char *endpoint;   /* "ipc:///path" or "tcp://host:port" */
    size_t max_reply_bytes; /* a larger reply breaks the connection; 0: 256 MiB */
    uint32_t queue_length;  /* requests that may wait in the socket; 0: 1000 */
    uint32_t heartbeat_ms;  /* 0: 1000 */
};

enum ferry_client_state {
    FERRY_CLIENT_CONNECTING, /* not yet, or not any more; libzmq keeps trying (100 ms to 1 s) */
    FERRY_CLIENT_CONNECTED
};

/* Opens the socket and starts to connect; does not wait. Errors: CONFIG (endpoint not understood,
 * path over 107 bytes), OUT_OF_MEMORY, IO. */
FERRY_MUST_CHECK enum ferry_status
ferry_client_endpoint_open(const struct ferry_client_endpoint_options *options,
                           struct ferry_client_endpoint **ret_endpoint, struct ferry_error *error);
/* Gives what was sent up to linger_ms to leave. NULL is allowed. */
void ferry_client_endpoint_close(struct ferry_client_endpoint *endpoint, int linger_ms);

/* An endpoint that is not connected connects by itself again, as long as it is waited on; this is
 * for a caller that wants to forget what is in flight.
 *
 * Drops the socket with everything that waits in it (requests not yet sent, replies not yet read)
 * and connects with a fresh one. After it, no reply to an older request can arrive. */
FERRY_MUST_CHECK enum ferry_status
ferry_client_endpoint_reconnect(struct ferry_client_endpoint *endpoint, struct ferry_error *error);

/* Waits until a reply is there, the state has changed, extra_fd (-1: none) is readable, or
 * timeout_ms (-1: no limit) is over. Returns the bits that hold; 0 on time-out or signal. */
enum { FERRY_CLIENT_WAIT_REPLY = 1, FERRY_CLIENT_WAIT_EXTRA = 2, FERRY_CLIENT_WAIT_STATE = 4 };
unsigned ferry_client_endpoint_wait(struct ferry_client_endpoint *endpoint, int extra_fd,
                                    int timeout_ms);

/* Copies body and sends it; never blocks. Errors: UNAVAILABLE (not connected), BUSY (queue_length
 * requests already wait: receive replies first), OUT_OF_MEMORY, IO. */
FERRY_MUST_CHECK enum ferry_status
ferry_client_endpoint_send(struct ferry_client_endpoint *endpoint, const void *body, size_t size,
                           struct ferry_error *error);

/* The next reply, or NULL when none waits. Never blocks. The caller owns it. */
struct ferry_client_reply *ferry_client_endpoint_receive(struct ferry_client_endpoint *endpoint);
/* Stays valid until the reply is freed. */
const uint8_t *ferry_client_reply_body(const struct ferry_client_reply *reply, size_t *size);
/* Any thread. NULL is allowed. */
void ferry_client_reply_free(struct ferry_client_reply *reply);

/* As of the last wait, send or receive. */
enum ferry_client_state ferry_client_endpoint_state(const struct ferry_client_endpoint *endpoint);
/* How often an established connection was lost since open. A change means: requests in flight may
 * have been lost and have to be sent again. */
uint64_t ferry_client_endpoint_losses(const struct ferry_client_endpoint *endpoint);
/* ferry_clock_now() when the last reply arrived or the connection was made; 0: never. */
int64_t ferry_client_endpoint_last_heard(const struct ferry_client_endpoint *endpoint);

#endif
