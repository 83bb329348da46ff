#include "daemon/ops/service_notify.h"

#include <stdarg.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>

void ferry_service_ready(const char *status_format, ...) {
    char status[256];
    va_list arguments;
    va_start(arguments, status_format);
    vsnprintf(status, sizeof status, status_format, arguments);
    va_end(arguments);
    sd_notifyf(0, "READY=1\nSTATUS=%s", status);
}

void ferry_service_stopping(void) {
    sd_notify(0, "STOPPING=1");
}
