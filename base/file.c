#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The size is only a first guess: the file is read to its end. */
static enum ferry_status make_room(int file, const char *path, struct ferry_buffer *buffer,
                                   struct ferry_error *error) {
    struct stat facts;
    if (fstat(file, &facts) != 0)
        return ferry_fail(error, FERRY_IO, "%s: %s", path, strerror(errno));
    if (!S_ISREG(facts.st_mode))
        return ferry_fail(error, FERRY_NO_INPUT, "%s is not a regular file", path);
    enum ferry_status status = ferry_buffer_reserve(buffer, (size_t)facts.st_size + 1);
    if (status != FERRY_OK)
        return ferry_fail(error, status, "%s has %lld bytes; at most %zu are read", path,
                          (long long)facts.st_size, buffer->maximum);
    return FERRY_OK;
}

static enum ferry_status read_to_end(int file, const char *path, struct ferry_buffer *buffer,
                                     struct ferry_error *error) {
    for (;;) {
        enum ferry_status status = ferry_buffer_reserve(buffer, 1);
        if (status != FERRY_OK)
            return ferry_fail(error, status, "%s is larger than the %zu bytes that are read", path,
                              buffer->maximum);
        ssize_t got = read(file, buffer->data + buffer->size, buffer->capacity - buffer->size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ferry_fail(error, FERRY_IO, "%s: %s", path, strerror(errno));
        if (got == 0)
            break;
        buffer->size += (size_t)got;
    }
    buffer->data[buffer->size] = '\0';
    return FERRY_OK;
}

enum ferry_status ferry_file_read(const char *path, struct ferry_buffer *buffer,
                                  struct ferry_error *error) {
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (file < 0)
        return ferry_fail(error, FERRY_NO_INPUT, "%s: %s", path, strerror(errno));
    enum ferry_status status = make_room(file, path, buffer, error);
    if (status == FERRY_OK)
        status = read_to_end(file, path, buffer, error);
    close(file);
    return status;
}
