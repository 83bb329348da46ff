/* From what the sequences of a request came to, to the body of a score, next or generate reply, and
 * to the parts of a stream. */
#ifndef FERRY_DAEMON_DECODE_REPLY_H
#define FERRY_DAEMON_DECODE_REPLY_H

#include "daemon/schedule/sequence.h"

/* Every sequence is over; items with an error are empty. Errors: TOO_LARGE, OUT_OF_MEMORY. */
FERRY_MUST_CHECK enum ferry_status ferry_decode_encode(struct ferry_request *request,
                                                       const struct ferry_wire_truth *truth);

/* What the sequence has for its stream since the last part; false when there is nothing. Points
 * into the sequence: under the stream lock. */
FERRY_MUST_CHECK bool ferry_sequence_next_part(const struct ferry_sequence *sequence,
                                               struct ferry_wire_part *ret_part);
/* The part was sent. */
void ferry_sequence_part_sent(struct ferry_sequence *sequence, const struct ferry_wire_part *part);

#endif
