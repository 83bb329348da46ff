#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static atomic_int current_level = FERRY_LOG_INFO;

void ferry_log_set_level(enum ferry_log_level level) {
    atomic_store(&current_level, (int)level);
}

enum ferry_log_level ferry_log_current_level(void) {
    return (enum ferry_log_level)atomic_load(&current_level);
}

static const char *const level_names[] = {[FERRY_LOG_ERROR] = "error",
                                          [FERRY_LOG_WARNING] = "warning",
                                          [FERRY_LOG_NOTICE] = "notice",
                                          [FERRY_LOG_INFO] = "info",
                                          [FERRY_LOG_DEBUG] = "debug"};

enum ferry_log_level ferry_log_level_from_name(const char *name) {
    for (int level = FERRY_LOG_ERROR; level <= FERRY_LOG_DEBUG; level++)
        if (strcmp(name, level_names[level]) == 0)
            return (enum ferry_log_level)level;
    return (enum ferry_log_level)0;
}

/* JOURNAL_STREAM is set by systemd when standard error goes to the journal. */
static size_t write_prefix(char *line, size_t room, enum ferry_log_level level) {
    if (getenv("JOURNAL_STREAM") != NULL)
        return (size_t)snprintf(line, room, "<%d>", (int)level);
    struct timespec now;
    struct tm parts;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    size_t used = strftime(line, room, "%Y-%m-%dT%H:%M:%S", &parts);
    return used + (size_t)snprintf(line + used, room - used,
                                   ".%03ldZ %s ferryd: ", now.tv_nsec / 1000000,
                                   level_names[level]);
}

void ferry_log(enum ferry_log_level level, const char *format, ...) {
    if ((int)level > atomic_load(&current_level))
        return;
    char line[2048];
    size_t used = write_prefix(line, sizeof line, level);
    va_list arguments;
    va_start(arguments, format);
    int wanted = vsnprintf(line + used, sizeof line - used - 1, format, arguments);
    va_end(arguments);
    size_t end = used + (wanted < 0 ? 0 : (size_t)wanted);
    if (end > sizeof line - 2)
        end = sizeof line - 2;
    for (size_t at = used; at < end; at++)
        if (line[at] == '\n')
            line[at] = ' ';
    line[end++] = '\n';
    /* One write, so that lines of several threads do not mix. There is nowhere to report a failure.
     */
    ssize_t ignored = write(STDERR_FILENO, line, end);
    (void)ignored;
}
