/* The text stage of score, next and generate: items become the sequences that are decoded. */
#ifndef FERRY_DAEMON_DECODE_PREPARE_H
#define FERRY_DAEMON_DECODE_PREPARE_H

#include "daemon/schedule/request.h"

/* session: NULL for a model without a tokenizer. True: the request has sequences to decode. False:
 * none; the request is to be answered. Items that cannot be decoded carry their error. */
FERRY_MUST_CHECK bool ferry_decode_prepare(struct ferry_tokenizer_session *session,
                                           struct ferry_request *request);

#endif
