#include "daemon/ops/model_files.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"

static const size_t LARGEST_FILE = (size_t)64 << 30;

int ferry_model_files_find(const struct ferry_manifest *manifest, const char *name) {
    for (uint32_t i = 0; i < manifest->file_count; i++)
        if (strcmp(manifest->files[i].name, name) == 0)
            return (int)i;
    return -1;
}

static enum ferry_status read_one(const char *directory, const struct ferry_manifest_file *file,
                                  struct ferry_buffer *bytes, struct ferry_error *error) {
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", directory, file->name) >= (int)sizeof path)
        return ferry_fail(error, FERRY_NO_INPUT, "%s/%s: the path is too long", directory,
                          file->name);
    enum ferry_status status = ferry_file_read(path, bytes, error);
    if (status != FERRY_OK)
        return status;
    char digest[FERRY_SHA256_TEXT_BYTES];
    ferry_sha256_text(bytes->data, bytes->size, digest);
    if (strcmp(digest, file->sha256) != 0)
        return ferry_fail(
            error, FERRY_BAD_DATA,
            "%s is not the file that ferry.json names: its sha256 is %s with %zu bytes, "
            "ferry.json says %s with %" PRIu64 "; export the model again",
            path, digest, bytes->size, file->sha256, file->bytes);
    if (file->bytes > 0 && bytes->size != file->bytes)
        return ferry_fail(error, FERRY_BAD_DATA,
                          "%s has %zu bytes, but files.%s.bytes in ferry.json says %" PRIu64, path,
                          bytes->size, file->name, file->bytes);
    return FERRY_OK;
}

enum ferry_status ferry_model_files_read(const char *directory,
                                         const struct ferry_manifest *manifest,
                                         struct ferry_model_files *ret_files,
                                         struct ferry_error *error) {
    struct ferry_model_files files = {.count = manifest->file_count};
    enum ferry_status status = FERRY_OK;
    for (uint32_t i = 0; i < files.count; i++)
        ferry_buffer_init(&files.bytes[i], LARGEST_FILE);
    for (uint32_t i = 0; status == FERRY_OK && i < files.count; i++)
        status = read_one(directory, &manifest->files[i], &files.bytes[i], error);
    if (status != FERRY_OK)
        ferry_model_files_free(&files);
    else
        *ret_files = files;
    return status;
}

void ferry_model_files_free(struct ferry_model_files *files) {
    for (uint32_t i = 0; i < files->count; i++)
        ferry_buffer_free(&files->bytes[i]);
    files->count = 0;
}
