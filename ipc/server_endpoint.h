/* The daemon's end of the wire: one ROUTER socket. Used by one thread, the io thread.
 *
 * zmq.h appears only in server_endpoint.c and client_endpoint.c. */
#ifndef FERRY_IPC_SERVER_ENDPOINT_H
#define FERRY_IPC_SERVER_ENDPOINT_H

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/status.h"
#include "ipc/endpoint_counters.h"
#include "ipc/outbox.h"

struct ferry_server_endpoint;
/* One received request: who sent it, and its body. One owner at a time. */
struct ferry_message;

struct ferry_server_options {
    const char *const
        *listen; /* "ipc:///path" (mode 0660), "tcp://127.0.0.1:5555" (loopback only) */
    size_t listen_count;
    size_t max_request_bytes; /* a larger body is cut, and received with oversized set */
    size_t outbox_bytes;      /* replies that wait for slow readers; beyond it they are dropped */
    int64_t outbox_wait_ns;   /* longest wait of one reply for a slow reader */
};

/* Takes the endpoint's lock file first, so that a second daemon is refused instead of silently
 * stealing the socket, and replaces only a socket nobody listens on.
 * Errors: CONFIG (endpoint not understood, path over 107 bytes, tcp beyond loopback), PERMISSION,
 * UNAVAILABLE (another daemon has it), IO. */
FERRY_MUST_CHECK enum ferry_status
ferry_server_endpoint_open(const struct ferry_server_options *options,
                           struct ferry_server_endpoint **ret_endpoint, struct ferry_error *error);
/* Gives what is in the outbox up to linger_ms to leave; removes the socket file. NULL is allowed.
 */
void ferry_server_endpoint_close(struct ferry_server_endpoint *endpoint, int linger_ms);

/* Where it listens, as a client connects to it: the port of "tcp://127.0.0.1:*" is filled in. NULL
 * when there are not that many. Valid until close. */
const char *ferry_server_endpoint_address(const struct ferry_server_endpoint *endpoint,
                                          size_t index);

/* Waits until a request is there, extra_fd is readable, or timeout_ms (-1: no limit) is over; also
 * sends what the outbox holds as readers take it. Interrupted by a signal: returns 0 bits. */
enum { FERRY_WAIT_REQUEST = 1, FERRY_WAIT_EXTRA = 2 };
unsigned ferry_server_endpoint_wait(struct ferry_server_endpoint *endpoint, int extra_fd,
                                    int timeout_ms);

/* The next request, or NULL when none waits, or after many messages that are no requests. Never
 * blocks. The caller owns it. */
struct ferry_message *ferry_server_endpoint_receive(struct ferry_server_endpoint *endpoint);

const uint8_t *ferry_message_body(const struct ferry_message *message, size_t *size);
/* The body was over max_request_bytes: only its first FERRY_OVERSIZED_KEPT bytes are there, enough
 * to find the id of the request in them (ferry_wire_request_read_id). */
enum { FERRY_OVERSIZED_KEPT = 1024 };
bool ferry_message_is_oversized(const struct ferry_message *message);
/* Number that stands for the sending connection; equal for all its messages while it lives. */
uint64_t ferry_message_peer(const struct ferry_message *message);
/* An empty message from the same sender, to reply to while somebody still reads this one's body.
 * NULL without memory. The io thread. */
struct ferry_message *ferry_message_copy_address(struct ferry_message *message);
/* Frees the body early (its views end), keeps the return address. Any thread. */
void ferry_message_drop_body(struct ferry_message *message);
/* Any thread. NULL is allowed. */
void ferry_message_free(struct ferry_message *message);

/* Sends body to the sender of message. Takes both: *message is freed and body is emptied (size 0;
 * its memory may stay for reuse, free it in the end), whatever happens. A client that is gone or
 * too slow is counted, never waited for. */
void ferry_server_endpoint_reply(struct ferry_server_endpoint *endpoint,
                                 struct ferry_message *message, struct ferry_buffer *body);

/* Sends body, a part of a stream, to the sender of message, which stays the caller's and open for
 * more. Empties body only with FERRY_SEND_DONE. BLOCKED: its reader is slow, nothing was sent or
 * kept; GONE: nobody is there any more. */
enum ferry_send_result ferry_server_endpoint_send_part(struct ferry_server_endpoint *endpoint,
                                                       struct ferry_message *message,
                                                       struct ferry_buffer *body);

void ferry_server_endpoint_counters(const struct ferry_server_endpoint *endpoint,
                                    struct ferry_server_counters *ret_counters);

#endif
