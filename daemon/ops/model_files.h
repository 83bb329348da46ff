/* The files of a model directory as bytes that are proven to be what the manifest names. What is
 * loaded later is these bytes, never the file again. */
#ifndef FERRY_DAEMON_MODEL_FILES_H
#define FERRY_DAEMON_MODEL_FILES_H

#include "base/buffer.h"
#include "daemon/ops/manifest.h"

struct ferry_model_files {
    struct ferry_buffer bytes[FERRY_MANIFEST_MAX_FILES]; /* as manifest->files */
    uint32_t count;
};

/* Errors: NO_INPUT, BAD_DATA (size or digest differ; names the file and both), OUT_OF_MEMORY. */
FERRY_MUST_CHECK enum ferry_status ferry_model_files_read(const char *directory,
                                                          const struct ferry_manifest *manifest,
                                                          struct ferry_model_files *ret_files,
                                                          struct ferry_error *error);
void ferry_model_files_free(struct ferry_model_files *files);
/* Index of a file by its name, or -1. */
int ferry_model_files_find(const struct ferry_manifest *manifest, const char *name);

#endif
