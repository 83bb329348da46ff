/* Loading from disk: the only place where the tokenizer touches a file. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tokenizer/ferry_tokenizer.h"

enum { FILE_BYTES_LIMIT = 1 << 28, FILES = 8 };

/* In the order in which they are preferred. */
enum { JSON, WORDS, VOCABULARY, RANKS, CONFIG, FIRST_BESIDE = CONFIG };
static const char *const file_names[FILES] = {
    "tokenizer.json",        "vocab.txt",  "vocab.json",        ".tiktoken",
    "tokenizer_config.json", "merges.txt", "added_tokens.json", "special_tokens_map.json"};

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

/* Which files to read, and from where. */
struct file_choice {
    char *paths[FILES]; /* owned; NULL: not wanted */
    char *bytes[FILES]; /* owned */
    size_t sizes[FILES];
};

static const char *name_in(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static bool ends_with(const char *text, const char *ending) {
    size_t size = strlen(text), ending_size = strlen(ending);
    return size >= ending_size && strcmp(text + size - ending_size, ending) == 0;
}

/* A rank file has a name of its own; of several the first by name. NULL when there is none. */
static char *find_rank_file(const char *directory) {
    char *found = NULL;
    DIR *listing = opendir(directory);
    for (struct dirent *entry = listing ? readdir(listing) : NULL; entry;
         entry = readdir(listing)) {
        if (!ends_with(entry->d_name, file_names[RANKS]))
            continue;
        char *path = join_path(directory, strlen(directory), entry->d_name);
        bool is_first = path && (!found || strcmp(path, found) < 0);
        free(is_first ? found : path);
        found = is_first ? path : found;
    }
    if (listing)
        closedir(listing);
    return found;
}

/* A directory has all of them; a file stands for itself, with what belongs to it beside it. */
static bool choose_files(const char *path, bool is_directory, struct file_choice *choice) {
    const char *name = name_in(path);
    size_t directory_size = is_directory ? strlen(path) : (size_t)(name - path);
    const char *directory = directory_size > 0 ? path : ".";
    bool has_memory = true;
    for (size_t at = is_directory ? 0 : FIRST_BESIDE; at < FILES; at++) {
        if (at == RANKS)
            continue;
        choice->paths[at] =
            join_path(directory, directory_size > 0 ? directory_size : 1, file_names[at]);
        has_memory = has_memory && choice->paths[at];
    }
    if (is_directory) {
        choice->paths[RANKS] = find_rank_file(path);
        return has_memory;
    }
    size_t kind = WORDS;
    if (ends_with(name, file_names[RANKS]))
        kind = RANKS;
    else if (strcmp(name, file_names[VOCABULARY]) == 0)
        kind = VOCABULARY;
    else if (ends_with(name, ".json"))
        kind = JSON;
    choice->paths[kind] = strdup(path);
    return has_memory && choice->paths[kind];
}

/* A vocabulary of another kind that is not needed is not read. */
static bool is_needed(const struct file_choice *choice, size_t file) {
    for (size_t at = 0; at < file && file < FIRST_BESIDE; at++)
        if (choice->bytes[at])
            return false;
    return choice->paths[file] != NULL;
}

static enum ferry_status load_choice(struct file_choice *choice,
                                     const struct ferry_tokenizer_overrides *overrides,
                                     struct ferry_tokenizer **ret_tokenizer,
                                     struct ferry_error *error) {
    struct ferry_tokenizer_file files[FILES];
    size_t count = 0;
    for (size_t at = 0; at < FILES; at++) {
        if (!is_needed(choice, at))
            continue;
        enum ferry_status status =
            read_file(choice->paths[at], &choice->bytes[at], &choice->sizes[at], error);
        if (status != FERRY_OK)
            return status;
        const char *name = at == RANKS ? name_in(choice->paths[at]) : file_names[at];
        if (choice->bytes[at])
            files[count++] =
                (struct ferry_tokenizer_file){name, choice->bytes[at], choice->sizes[at]};
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
