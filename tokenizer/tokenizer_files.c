/* Loading from disk: the only place where the tokenizer touches a file. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tokenizer/ferry_tokenizer.h"

enum { FILE_BYTES_LIMIT = 1 << 28, FILES = 3 };

static const char *const file_names[FILES] = {"tokenizer.json", "vocab.txt",
                                              "tokenizer_config.json"};

/* Reads the rest of a stream into *ret_bytes, owned by the caller. */
static enum ferry_status read_stream(FILE *stream, char **ret_bytes, size_t *ret_size,
                                     struct ferry_error *error) {
    struct stat info;
    if (fstat(fileno(stream), &info) != 0)
        return ferry_fail(error, FERRY_IO, "%s", strerror(errno));
    if (!S_ISREG(info.st_mode))
        return ferry_fail(error, FERRY_NO_INPUT, "not a regular file");
    if (info.st_size > FILE_BYTES_LIMIT)
        return ferry_fail(error, FERRY_TOO_LARGE, "%lld bytes; %d are allowed",
                          (long long)info.st_size, FILE_BYTES_LIMIT);
    char *bytes = malloc((size_t)info.st_size + 1);
    if (!bytes)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for the file");
    *ret_size = fread(bytes, 1, (size_t)info.st_size, stream);
    if (ferror(stream) || *ret_size != (size_t)info.st_size) {
        free(bytes);
        return ferry_fail(error, FERRY_IO, "could not be read to its end");
    }
    *ret_bytes = bytes;
    return FERRY_OK;
}

/* A file that is not there is no error: *ret_bytes stays NULL. */
static enum ferry_status read_file(const char *path, char **ret_bytes, size_t *ret_size,
                                   struct ferry_error *error) {
    FILE *stream = fopen(path, "rb");
    if (!stream && errno == ENOENT)
        return FERRY_OK;
    if (!stream)
        return ferry_fail(error, FERRY_NO_INPUT, "%s: %s", path, strerror(errno));
    enum ferry_status status = read_stream(stream, ret_bytes, ret_size, error);
    fclose(stream);
    return status == FERRY_OK ? FERRY_OK : ferry_fail_within(error, "%s", path);
}

/* "directory/name" in a new string, owned by the caller; NULL without memory. */
static char *join_path(const char *directory, size_t directory_size, const char *name) {
    size_t size = directory_size + strlen(name) + 2;
    char *path = malloc(size);
    if (path)
        snprintf(path, size, "%.*s/%s", (int)directory_size, directory, name);
    return path;
}

/* Which of the three files to read, and from where. */
struct file_choice {
    char *paths[FILES]; /* owned; NULL: not wanted */
    char *bytes[FILES]; /* owned */
    size_t sizes[FILES];
};

/* A directory has all three; a file stands for itself, with its configuration beside it. */
static bool choose_files(const char *path, bool is_directory, struct file_choice *choice) {
    size_t size = strlen(path);
    if (is_directory) {
        bool has_memory = true;
        for (size_t at = 0; at < FILES; at++) {
            choice->paths[at] = join_path(path, size, file_names[at]);
            has_memory = has_memory && choice->paths[at];
        }
        return has_memory;
    }
    bool is_json = size >= 5 && strcmp(path + size - 5, ".json") == 0;
    choice->paths[is_json ? 0 : 1] = strdup(path);
    const char *slash = strrchr(path, '/');
    choice->paths[2] =
        join_path(slash ? path : ".", slash ? (size_t)(slash - path) : 1, file_names[2]);
    return choice->paths[is_json ? 0 : 1] && choice->paths[2];
}

static enum ferry_status load_choice(struct file_choice *choice,
                                     const struct ferry_tokenizer_overrides *overrides,
                                     struct ferry_tokenizer **ret_tokenizer,
                                     struct ferry_error *error) {
    struct ferry_tokenizer_file files[FILES];
    size_t count = 0;
    for (size_t at = 0; at < FILES; at++) {
        if (!choice->paths[at] || (at == 1 && choice->bytes[0]))
            continue;
        enum ferry_status status =
            read_file(choice->paths[at], &choice->bytes[at], &choice->sizes[at], error);
        if (status != FERRY_OK)
            return status;
        if (choice->bytes[at])
            files[count++] =
                (struct ferry_tokenizer_file){file_names[at], choice->bytes[at], choice->sizes[at]};
    }
    return ferry_tokenizer_load_files(files, count, overrides, ret_tokenizer, error);
}

enum ferry_status ferry_tokenizer_load(const char *path,
                                       const struct ferry_tokenizer_overrides *overrides,
                                       struct ferry_tokenizer **ret_tokenizer,
                                       struct ferry_error *error) {
    struct stat info;
    if (stat(path, &info) != 0)
        return ferry_fail(error, FERRY_NO_INPUT, "%s: %s", path, strerror(errno));
    struct file_choice choice = {0};
    enum ferry_status status = FERRY_OK;
    if (!choose_files(path, S_ISDIR(info.st_mode), &choice))
        status = ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for a path");
    else
        status = load_choice(&choice, overrides, ret_tokenizer, error);
    for (size_t at = 0; at < FILES; at++) {
        free(choice.paths[at]);
        free(choice.bytes[at]);
    }
    return status == FERRY_OK ? FERRY_OK : ferry_fail_within(error, "%s", path);
}
