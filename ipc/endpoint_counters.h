/* What the daemon's end of the wire counted since it was opened; told in every status reply. */
#ifndef FERRY_IPC_ENDPOINT_COUNTERS_H
#define FERRY_IPC_ENDPOINT_COUNTERS_H

#include <stdint.h>

struct ferry_server_counters {
    uint64_t received;            /* requests handed to the daemon, oversized ones included */
    uint64_t sent;                /* replies taken by libzmq */
    uint64_t malformed_envelopes; /* messages with a number of frames nobody may send: dropped */
    uint64_t oversized;           /* bodies over max_request_bytes, answered with TOO_LARGE */
    uint64_t dropped_client_gone; /* replies whose client had left */
    uint64_t dropped_slow_reader; /* replies that found the outbox full or waited too long in it */
    uint64_t outbox_bytes;        /* waiting for slow readers now */
    uint64_t turned_away;         /* connections closed for want of file descriptors */
};

#endif
