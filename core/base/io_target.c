#include "core/base/alloc.h"
#include "core/base/io.h"
#include "core/base/io_parts.h"
#include "core/base/progress.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

enum { most_links = 40, patience_ms = 50 };

/* Where the link at `link`, which holds `to`, leads. */
static char *destination(const char *link, const char *to)
{
    char *folder = to[0] == '/' ? NULL : el_io_parent(link);
    char *next = to[0] == '/' ? el_strdup(to) : folder ? el_path_join(folder, to) : NULL;
    el_free(folder);
    return next;
}

int el_io_follow(const char *path, char **target, struct el_error *err)
{
    char to[PATH_MAX];
    *target = NULL;
    for (int links = 0; links < most_links; links++) {
        const char *at = *target ? *target : path;
        ssize_t n = readlink(at, to, sizeof to - 1);
        if (n < 0)
            return 0; /* no link, or nothing: who opens it says so */
        to[n] = 0;
        char *next = destination(at, to);
        el_free(*target);
        *target = next;
        if (!next)
            return el_error_set(err, EL_ENOMEM, "%s: out of memory", path);
    }
    el_free(*target);
    *target = NULL;
    errno = ELOOP;
    return el_io_fail(err, "follow", path);
}

/* The descriptor of the program's own output that leads to the same place, -1: neither does. */
static int own_output(const struct stat *there)
{
    struct stat own;
    for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++)
        if (fstat(fd, &own) == 0 && own.st_dev == there->st_dev && own.st_ino == there->st_ino)
            return fd;
    return -1;
}

int el_io_is_direct(const char *path, int *own)
{
    struct stat st;
    *own = -1;
    if (stat(path, &st) < 0)
        return 0;
    *own = own_output(&st);
    return *own >= 0 || S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode) || S_ISFIFO(st.st_mode) ||
           S_ISSOCK(st.st_mode);
}

static int stopped(const char *path, struct el_error *err)
{
    return el_error_set(err, EL_EINTR, "%s: stopped; nobody reads it", path);
}

static int is_fifo(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISFIFO(st.st_mode);
}

/* A FIFO that nobody reads refuses (ENXIO) to be opened this way, where it would otherwise wait
 * without looking at signals. */
static int open_when_read(const char *path, struct el_error *err)
{
    for (;;) {
        int fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), reason = errno;
        if (fd >= 0)
            return fd;
        int waits = reason == EINTR || (reason == ENXIO && is_fifo(path));
        errno = reason;
        if (!waits)
            return el_io_fail(err, "open", path);
        if (el_stop_requested)
            return stopped(path, err);
        poll(NULL, 0, patience_ms);
    }
}

int el_io_open_direct(const char *path, int own, struct el_error *err)
{
    int fd = own >= 0 ? fcntl(own, F_DUPFD_CLOEXEC, 0) : open_when_read(path, err);
    if (fd < 0)
        return own >= 0 ? el_io_fail(err, "open", path) : fd;
    int flags = own >= 0 ? -1 : fcntl(fd, F_GETFL);
    if (flags >= 0) /* what is the program's own keeps what others have set */
        fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
    return fd;
}

int el_io_wait_direct(int fd, const char *path, struct el_error *err)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    while (poll(&p, 1, patience_ms) <= 0)
        if (el_stop_requested)
            return stopped(path, err);
    return 0;
}
