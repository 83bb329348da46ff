#include "ipc/listen_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { LISTEN_BACKLOG = 4096, LOCK_PATH_BYTES = FERRY_SOCKET_PATH_BYTES + sizeof ".lock" };

static enum ferry_status fail_errno(struct ferry_error *error, const char *doing,
                                    const char *path) {
    int cause = errno;
    if (cause == ENOENT)
        return ferry_fail(error, FERRY_IO, "cannot %s %s: its folder does not exist", doing, path);
    enum ferry_status status =
        cause == EACCES || cause == EPERM || cause == EROFS ? FERRY_PERMISSION : FERRY_IO;
    return ferry_fail(error, status, "cannot %s %s: %s", doing, path, strerror(cause));
}

static void lock_path_of(const char *path, char lock_path[LOCK_PATH_BYTES]) {
    snprintf(lock_path, LOCK_PATH_BYTES, "%s.lock", path);
}

/* Whether the locked file is still the one at the path: its last owner removes it. */
static bool is_still_there(int fd, const char *path) {
    struct stat opened;
    struct stat named;
    return fstat(fd, &opened) == 0 && lstat(path, &named) == 0 && opened.st_dev == named.st_dev &&
           opened.st_ino == named.st_ino;
}

static enum ferry_status take_lock(const char *path, int *ret_fd, struct ferry_error *error) {
    char lock_path[LOCK_PATH_BYTES];
    lock_path_of(path, lock_path);
    for (;;) {
        int fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
            return fail_errno(error, "make the lock file", lock_path);
        if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
            int cause = errno;
            close(fd);
            if (cause == EINTR)
                continue;
            return ferry_fail(error, FERRY_UNAVAILABLE,
                              "another daemon already listens on %s (it holds %s)", path,
                              lock_path);
        }
        if (is_still_there(fd, lock_path)) {
            *ret_fd = fd;
            return FERRY_OK;
        }
        close(fd);
    }
}

static struct sockaddr_un address_of(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path) + 1);
    return address;
}

static bool somebody_listens(const char *path) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return true; /* cannot tell: take nothing away from anybody */
    struct sockaddr_un address = address_of(path);
    bool refused = connect(fd, (struct sockaddr *)&address, sizeof address) != 0 &&
                   (errno == ECONNREFUSED || errno == ENOENT);
    close(fd);
    return !refused;
}

/* A daemon that was killed leaves its socket behind. */
static enum ferry_status remove_stale_socket(const char *path, struct ferry_error *error) {
    struct stat found;
    if (lstat(path, &found) != 0)
        return errno == ENOENT ? FERRY_OK : fail_errno(error, "look at", path);
    if (!S_ISSOCK(found.st_mode))
        return ferry_fail(error, FERRY_CONFIG,
                          "%s exists and is not a socket; remove it or choose another path", path);
    if (somebody_listens(path))
        return ferry_fail(error, FERRY_UNAVAILABLE, "another process already listens on %s", path);
    if (unlink(path) != 0 && errno != ENOENT)
        return fail_errno(error, "remove the stale socket", path);
    return FERRY_OK;
}

/* Nobody can connect before listen, so the mode is right from the first connection on. */
static enum ferry_status bind_and_listen(int fd, const char *path, struct ferry_error *error) {
    struct sockaddr_un address = address_of(path);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0)
        return fail_errno(error, "bind", path);
    if (chmod(path, 0660) != 0 || listen(fd, LISTEN_BACKLOG) != 0) {
        enum ferry_status status = fail_errno(error, "listen on", path);
        unlink(path);
        return status;
    }
    return FERRY_OK;
}

static enum ferry_status open_listening(const char *path, int *ret_fd, struct ferry_error *error) {
    enum ferry_status status = remove_stale_socket(path, error);
    if (status != FERRY_OK)
        return status;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fail_errno(error, "make a socket for", path);
    status = bind_and_listen(fd, path, error);
    if (status != FERRY_OK) {
        close(fd);
        return status;
    }
    *ret_fd = fd;
    return FERRY_OK;
}

static void drop_lock(const char *path, int lock_fd) {
    char lock_path[LOCK_PATH_BYTES];
    lock_path_of(path, lock_path);
    unlink(lock_path);
    close(lock_fd);
}

enum ferry_status ferry_listen_socket_open(const char *path, struct ferry_listen_socket *ret_socket,
                                           struct ferry_error *error) {
    int lock_fd = -1;
    enum ferry_status status = take_lock(path, &lock_fd, error);
    if (status != FERRY_OK)
        return status;
    int fd = -1;
    status = open_listening(path, &fd, error);
    if (status != FERRY_OK) {
        drop_lock(path, lock_fd);
        return status;
    }
    *ret_socket = (struct ferry_listen_socket){.fd = fd, .lock_fd = lock_fd};
    memcpy(ret_socket->path, path, strlen(path) + 1);
    return FERRY_OK;
}

void ferry_listen_socket_close(struct ferry_listen_socket *listener) {
    if (listener->lock_fd < 0)
        return;
    unlink(listener->path);
    if (listener->fd >= 0)
        close(listener->fd);
    drop_lock(listener->path, listener->lock_fd);
    *listener = (struct ferry_listen_socket){.fd = -1, .lock_fd = -1};
}
