/* One line per event on standard error: "<6>text" under systemd (which reads the level from the
 * number), "time level text" elsewhere. Never logs what a client sent. Any thread. */
#ifndef FERRY_BASE_LOG_H
#define FERRY_BASE_LOG_H

#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Values are syslog's. */
enum ferry_log_level {
    FERRY_LOG_ERROR = 3,
    FERRY_LOG_WARNING = 4,
    FERRY_LOG_NOTICE = 5,
    FERRY_LOG_INFO = 6,
    FERRY_LOG_DEBUG = 7
};

void ferry_log_set_level(enum ferry_log_level level);
enum ferry_log_level ferry_log_current_level(void);
/* The level called name ("error", "warning", "notice", "info", "debug"), or 0. */
enum ferry_log_level ferry_log_level_from_name(const char *name);
void ferry_log(enum ferry_log_level level, const char *format, ...) FERRY_PRINTF(2, 3);

#ifdef __cplusplus
}
#endif
#endif
