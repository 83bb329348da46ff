#include "ipc/default_endpoint.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *environment_value(const char *name) {
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

static enum ferry_status copy(char *endpoint, size_t size, const char *prefix, const char *folder,
                              const char *suffix, struct ferry_error *error) {
    int wanted = snprintf(endpoint, size, "%s%s%s", prefix, folder, suffix);
    if (wanted < 0 || (size_t)wanted >= size)
        return ferry_fail(error, FERRY_CONFIG,
                          "the default endpoint %s%s%s is too long: set FERRY_ENDPOINT", prefix,
                          folder, suffix);
    return FERRY_OK;
}

static enum ferry_status check_folder(const char *folder, bool make_folder,
                                      struct ferry_error *error) {
    if (make_folder && mkdir(folder, 0700) != 0 && errno != EEXIST)
        return ferry_fail(error, FERRY_IO,
                          "cannot make %s: %s; set FERRY_ENDPOINT to another place", folder,
                          strerror(errno));
    struct stat entry;
    if (lstat(folder, &entry) != 0) {
        if (errno == ENOENT)
            return FERRY_OK;
        return ferry_fail(error, FERRY_IO, "cannot look at %s: %s", folder, strerror(errno));
    }
    if (!S_ISDIR(entry.st_mode) || entry.st_uid != geteuid() || (entry.st_mode & 022) != 0)
        return ferry_fail(error, FERRY_PERMISSION,
                          "%s is not a folder that only this user can write to: somebody else may "
                          "have made it; remove it or set FERRY_ENDPOINT",
                          folder);
    return FERRY_OK;
}

enum ferry_status ferry_default_endpoint(char *endpoint, size_t size, bool make_folder,
                                         struct ferry_error *error) {
    const char *named = environment_value("FERRY_ENDPOINT");
    if (named != NULL)
        return copy(endpoint, size, "", named, "", error);
    if (geteuid() == 0 || environment_value("RUNTIME_DIRECTORY") != NULL)
        return copy(endpoint, size, "ipc://", "/run/ferry", "/ferry.sock", error);
    const char *runtime_folder = environment_value("XDG_RUNTIME_DIR");
    if (runtime_folder != NULL)
        return copy(endpoint, size, "ipc://", runtime_folder, "/ferry.sock", error);
    char folder[64];
    snprintf(folder, sizeof folder, "/tmp/ferry-%lu", (unsigned long)geteuid());
    enum ferry_status status = check_folder(folder, make_folder, error);
    return status != FERRY_OK ? status
                              : copy(endpoint, size, "ipc://", folder, "/ferry.sock", error);
}
