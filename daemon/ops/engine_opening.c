#include "daemon/ops/engine_opening.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static enum ferry_status own_folder(char path[PATH_MAX], struct ferry_error *error) {
    ssize_t size = readlink("/proc/self/exe", path, PATH_MAX - 1);
    if (size <= 0)
        return ferry_fail(
            error, FERRY_UNAVAILABLE,
            "cannot tell where ferryd lies (/proc/self/exe); name the engines' folder "
            "with --engine-path");
    path[size] = '\0';
    char *slash = strrchr(path, '/');
    if (slash != NULL)
        *slash = '\0';
    return FERRY_OK;
}

static enum ferry_status open_library(const char *name, const char *folder, void **ret_library,
                                      char path[PATH_MAX], struct ferry_error *error) {
    char own[PATH_MAX];
    if (folder[0] == '\0') {
        enum ferry_status status = own_folder(own, error);
        if (status != FERRY_OK)
            return status;
        folder = own;
    }
    if (snprintf(path, PATH_MAX, "%s/libferry_%s.so", folder, name) >= PATH_MAX)
        return ferry_fail(error, FERRY_CONFIG, "the path of engine %s is too long", name);
    *ret_library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (*ret_library == NULL)
        return ferry_fail(error, FERRY_UNAVAILABLE,
                          "engine %s cannot be opened: %s; build it, or name its folder with "
                          "--engine-path",
                          name, dlerror());
    return FERRY_OK;
}

enum ferry_status ferry_engine_open(const char *name, const char *folder,
                                    const struct ferry_engine **ret_engine,
                                    struct ferry_error *error) {
    if (strcmp(name, "fake") == 0) {
        *ret_engine = ferry_fake_engine();
        return FERRY_OK;
    }
    void *library = NULL;
    char path[PATH_MAX];
    enum ferry_status status = open_library(name, folder, &library, path, error);
    if (status != FERRY_OK)
        return status;
    ferry_engine_entry_function *entry;
    *(void **)&entry = dlsym(library, FERRY_ENGINE_SYMBOL);
    if (entry == NULL)
        return ferry_fail(error, FERRY_UNSUPPORTED, "%s is not an engine: no symbol %s", path,
                          FERRY_ENGINE_SYMBOL);
    const struct ferry_engine *engine = entry(FERRY_ENGINE_ABI_VERSION);
    if (engine == NULL || engine->abi_version != FERRY_ENGINE_ABI_VERSION)
        return ferry_fail(error, FERRY_UNSUPPORTED,
                          "%s was built for another version of ferry: build both together", path);
    *ret_engine = engine;
    return FERRY_OK;
}
