#include "core/tensor/safetensors.h"

#include "core/base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/tensor/safetensors_parts.h"

static int system_error(const char *path, const char *what, struct el_error *err)
{
    return el_error_set(err, EL_EIO, "%s: cannot %s: %s", path, what, strerror(errno));
}

static int read_at(int fd, const char *path, uint64_t at, void *dst, size_t n, struct el_error *err)
{
    char *to = dst;
    while (n) {
        ssize_t got = pread(fd, to, n, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return system_error(path, "read", err);
        if (got == 0)
            return el_error_set(err, EL_EIO, "%s: nothing at byte %llu: it became shorter", path,
                                (unsigned long long)at);
        to += got;
        at += (uint64_t)got;
        n -= (size_t)got;
    }
    return 0;
}

/* Descriptors are given out from the lowest on, so a high one says how few are left; the rest of
 * the program needs some, too. */
static void make_room(int fd)
{
    enum { SPARE = 64 };
    struct rlimit l;
    if (getrlimit(RLIMIT_NOFILE, &l) < 0 || (rlim_t)fd + SPARE < l.rlim_cur)
        return;
    l.rlim_cur = l.rlim_max;
    setrlimit(RLIMIT_NOFILE, &l); /* if it cannot be raised, a later open says so */
}

static int cannot_open(const char *path, struct el_error *err)
{
    struct rlimit l;
    if (errno != EMFILE || getrlimit(RLIMIT_NOFILE, &l) < 0)
        return system_error(path, "open", err);
    return el_error_set(err, EL_ELIMIT,
                        "%s: cannot open: all %llu files that this process may have open are; "
                        "'ulimit -n' raises the limit, beyond 'ulimit -Hn' for root only",
                        path, (unsigned long long)l.rlim_cur);
}

static int open_file(const char *path, int *fd, uint64_t *n, struct el_error *err)
{
    struct stat info;
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*fd < 0)
        return cannot_open(path, err);
    make_room(*fd);
    int rc = 0;
    if (fstat(*fd, &info) < 0)
        rc = system_error(path, "open", err);
    else if (!S_ISREG(info.st_mode))
        rc = el_error_set(err, EL_EIO, "%s: not a regular file", path);
    if (rc < 0)
        close(*fd);
    else
        *n = (uint64_t)info.st_size;
    return rc;
}

/* The header is read and not looked at in the mapping, whose pages vanish when the file shrinks. */
static int open_mapped(struct el_safetensors *st, const char *path, int fd, uint64_t n,
                       struct el_error *err)
{
    uint64_t header, start;
    int rc = el_st_check_file(path, n, err);
    if (rc == 0)
        rc = read_at(fd, path, 0, &header, sizeof header, err);
    if (rc == 0)
        rc = el_st_check_length(path, header, n, err);
    if (rc < 0)
        return rc;
    char *text = el_alloc(header);
    if (!text)
        return el_error_set(err, EL_ENOMEM, "%s: out of memory", path);
    start = sizeof header + header;
    char *map = mmap(NULL, n, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED)
        rc = system_error(path, "map", err);
    else
        rc = read_at(fd, path, sizeof header, text, header, err);
    if (rc == 0)
        rc = el_st_parse(st, path, text, header, map + start, n - start, err);
    el_free(text);
    if (rc < 0 && map != MAP_FAILED)
        munmap(map, n);
    if (rc < 0)
        return rc;
    st->map = map;
    st->map_bytes = n;
    st->fd = fd;
    return 0;
}

int el_safetensors_open(struct el_safetensors *st, const char *path, struct el_error *err)
{
    int fd;
    uint64_t n = 0;
    *st = (struct el_safetensors){0};
    int rc = open_file(path, &fd, &n, err);
    if (rc < 0)
        return rc;
    rc = open_mapped(st, path, fd, n, err);
    if (rc < 0)
        close(fd);
    return rc;
}

int el_safetensors_read(const struct el_safetensors *st, const struct el_st_tensor *t, size_t start,
                        void *dst, size_t n, struct el_error *err)
{
    const char *from = (const char *)t->data + start;
    if (st->map)
        return read_at(st->fd, st->name, (uint64_t)(from - (const char *)st->map), dst, n, err);
    memcpy(dst, from, n);
    return 0;
}

void el_safetensors_release(struct el_safetensors *st)
{
    if (st->map) {
        munmap(st->map, st->map_bytes);
        close(st->fd);
    }
    cJSON_Delete(st->header);
    el_free(st->tensors);
    el_free(st->name);
    *st = (struct el_safetensors){0};
}
