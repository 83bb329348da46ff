/* Tells systemd how the daemon is; does nothing when it was not started by systemd. */
#ifndef FERRY_DAEMON_SERVICE_NOTIFY_H
#define FERRY_DAEMON_SERVICE_NOTIFY_H

#include "base/status.h"

/* Models are proven, the endpoint is bound. */
void ferry_service_ready(const char *status_format, ...) FERRY_PRINTF(1, 2);
/* No new requests are accepted. */
void ferry_service_stopping(void);

#endif
