#include "core/base/io.h"

#include "core/base/alloc.h"
#include "core/base/io_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

int el_io_fail(struct el_error *err, const char *what, const char *path)
{
    int reason = errno;
    char mark[40];
    snprintf(mark, sizeof mark, ".tmp.%ld/", (long)getpid());
    const char *made = strstr(path, mark);
    size_t shown = made ? (size_t)(made - path) : strlen(path);
    return el_error_set(err, EL_EIO, "%.*s%s: cannot %s: %s", (int)shown, path,
                        made ? made + strlen(mark) - 1 : "", what, strerror(reason));
}

static int read_all(int fd, const char *path, size_t max, struct el_buf *out, struct el_error *err)
{
    for (;;) {
        if (el_buf_reserve(out, 65536) < 0)
            return el_error_set(err, EL_ENOMEM, "%s: out of memory while reading", path);
        ssize_t n = read(fd, out->data + out->len, 65536);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return el_io_fail(err, "read", path);
        if (n == 0)
            return 0;
        out->len += (size_t)n;
        out->data[out->len] = 0;
        if (max && out->len > max)
            return el_error_set(err, EL_ELIMIT, "%s: larger than %zu bytes", path, max);
    }
}

int el_file_read(const char *path, size_t max_bytes, struct el_buf *out, struct el_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return el_io_fail(err, "open", path);
    int rc = read_all(fd, path, max_bytes, out, err);
    close(fd);
    return rc;
}

/* Where the file is, or will be. */
static const char *place(const struct el_atomic_file *f)
{
    return f->target ? f->target : f->path;
}

static int open_temporary(struct el_atomic_file *f, struct el_error *err)
{
    struct el_buf tmp;
    int rc = el_io_follow(f->path, &f->target, err);
    if (rc < 0)
        return rc;
    el_buf_init(&tmp);
    if (el_buf_printf(&tmp, "%s.tmp.%ld", place(f), (long)getpid()) == 0)
        f->tmp = el_buf_detach(&tmp);
    el_buf_release(&tmp);
    if (!f->tmp)
        return el_error_set(err, EL_ENOMEM, "%s: out of memory", f->path);
    f->fd = open(f->tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    return f->fd < 0 ? el_io_fail(err, "create", f->path) : 0;
}

static int open_direct(struct el_atomic_file *f, int own, struct el_error *err)
{
    f->fd = el_io_open_direct(f->path, own, err);
    return f->fd < 0 ? f->fd : 0;
}

int el_atomic_open(struct el_atomic_file *f, const char *path, struct el_error *err)
{
    int own;
    *f = (struct el_atomic_file){.fd = -1, .path = el_strdup(path)};
    if (!f->path)
        return el_error_set(err, EL_ENOMEM, "%s: out of memory", path);
    int rc = el_io_is_direct(path, &own) ? open_direct(f, own, err) : open_temporary(f, err);
    if (rc < 0)
        el_atomic_discard(f);
    return rc;
}

int el_atomic_try(const char *path, struct el_error *err)
{
    struct el_atomic_file f;
    int own;
    if (el_io_is_direct(path, &own)) /* whoever reads a FIFO would notice that it is opened */
        return own >= 0 || access(path, W_OK) == 0 ? 0 : el_io_fail(err, "write", path);
    int rc = el_atomic_open(&f, path, err);
    if (rc == 0)
        el_atomic_discard(&f);
    return rc;
}

int el_atomic_write(struct el_atomic_file *f, const void *data, size_t n, struct el_error *err)
{
    const char *p = data;
    while (n) {
        int rc = f->tmp ? 0 : el_io_wait_direct(f->fd, f->path, err);
        if (rc < 0)
            return rc;
        ssize_t w = write(f->fd, p, f->tmp || n < PIPE_BUF ? n : PIPE_BUF);
        if (w < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (w < 0)
            return el_io_fail(err, "write", f->path);
        p += w;
        n -= (size_t)w;
    }
    return 0;
}

char *el_io_parent(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? el_strndup(path, (size_t)(slash - path) + 1) : el_strdup(".");
}

void el_io_sync_parent(const char *path)
{
    char *parent = el_io_parent(path);
    int fd = parent ? open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    el_free(parent);
}

int el_atomic_sync(struct el_atomic_file *f, struct el_error *err)
{
    if (fsync(f->fd) == 0 || (!f->tmp && (errno == EINVAL || errno == EROFS || errno == ENOTSUP)))
        return 0; /* a pipe keeps nothing */
    return el_io_fail(err, "sync", f->path);
}

static int replace(struct el_atomic_file *f, struct el_error *err)
{
    if (f->keep && rename(place(f), f->keep) < 0 && errno != ENOENT)
        return el_io_fail(err, "keep", f->path);
    if (rename(f->tmp, place(f)) < 0)
        return el_io_fail(err, "replace", f->path);
    el_io_sync_parent(place(f));
    el_free(f->tmp);
    f->tmp = NULL; /* nothing is left to remove */
    return 0;
}

int el_atomic_commit(struct el_atomic_file *f, struct el_error *err)
{
    int rc = el_atomic_sync(f, err);
    if (close(f->fd) < 0 && rc == 0)
        rc = el_io_fail(err, "close", f->path);
    f->fd = -1;
    if (rc == 0 && f->tmp)
        rc = replace(f, err);
    el_atomic_discard(f);
    return rc;
}

void el_atomic_discard(struct el_atomic_file *f)
{
    if (f->fd >= 0)
        close(f->fd);
    if (f->tmp)
        unlink(f->tmp);
    el_free(f->tmp);
    el_free(f->target);
    el_free(f->path);
    *f = (struct el_atomic_file){.fd = -1};
}

int el_file_write(const char *path, const void *data, size_t n, struct el_error *err)
{
    struct el_atomic_file f;
    int rc = el_atomic_open(&f, path, err);
    if (rc < 0)
        return rc;
    rc = el_atomic_write(&f, data, n, err);
    if (rc < 0) {
        el_atomic_discard(&f);
        return rc;
    }
    return el_atomic_commit(&f, err);
}

static int copy_whole(const char *from, const char *to, struct el_error *err)
{
    struct el_buf text;
    el_buf_init(&text);
    int rc = el_file_read(from, 0, &text, err);
    if (rc == 0)
        rc = el_file_write(to, text.data, text.len, err);
    el_buf_release(&text);
    return rc < 0 ? rc : 1;
}

/* 1, 0, or an error: a file that cannot be looked at may well be there. */
static int is_plain_file(const char *path, struct el_error *err)
{
    struct stat st;
    if (stat(path, &st) == 0)
        return S_ISREG(st.st_mode);
    return errno == ENOENT || errno == ENOTDIR ? 0 : el_io_fail(err, "look at", path);
}

int el_file_copy(const char *from_dir, const char *to_dir, const char *name, struct el_error *err)
{
    char *from = el_path_join(from_dir, name), *to = el_path_join(to_dir, name);
    int rc = from && to ? is_plain_file(from, err)
                        : el_error_set(err, EL_ENOMEM, "%s: out of memory", from_dir);
    if (rc == 1)
        rc = copy_whole(from, to, err);
    el_free(from);
    el_free(to);
    return rc;
}

int el_file_remove(const char *path, struct el_error *err)
{
    char *target;
    int rc = el_io_follow(path, &target, err);
    if (rc < 0)
        return rc;
    const char *file = target ? target : path;
    rc = unlink(file) < 0 ? el_io_fail(err, "remove", path) : 0;
    if (rc == 0)
        el_io_sync_parent(file);
    el_free(target);
    return rc;
}

int el_io_unfinished(const char *path, void (*each)(const char *tmp))
{
    struct el_buf pattern;
    glob_t found = {0};
    el_buf_init(&pattern);
    int rc = 0;
    for (const char *c = path; *c && rc == 0; c++) /* the path itself is no pattern */
        rc = el_buf_printf(&pattern, strchr("*?[\\", *c) ? "\\%c" : "%c", *c);
    if (rc == 0)
        rc = el_buf_puts(&pattern, ".tmp.[0-9]*");
    if (rc == 0 && glob(pattern.data, GLOB_NOSORT, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++)
            each(found.gl_pathv[i]);
    globfree(&found);
    el_buf_release(&pattern);
    return rc;
}

static void remove_file(const char *tmp)
{
    unlink(tmp);
}

void el_atomic_sweep(const char *path)
{
    char *target;
    if (el_io_follow(path, &target, NULL) < 0)
        return;
    el_io_unfinished(target ? target : path, remove_file);
    el_free(target);
}

int el_file_lock(const char *path, const char *what, struct el_error *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0)
        return el_io_fail(err, "open", path);
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    int rc = errno == EWOULDBLOCK
                 ? el_error_set(err, EL_EBUSY, "%s: another process is using %s", path, what)
                 : el_io_fail(err, "lock", path);
    close(fd);
    return rc;
}

int el_dir_make(const char *path, struct el_error *err)
{
    if (!*path)
        return el_error_set(err, EL_EINVAL, "the name of a folder is empty");
    char *p = el_strdup(path);
    if (!p)
        return el_error_set(err, EL_ENOMEM, "%s: out of memory", path);
    int rc = 0;
    for (char *s = p + 1; rc == 0; s++) {
        int end = *s == 0;
        if (*s != '/' && !end)
            continue;
        *s = 0;
        if (mkdir(p, 0777) < 0 && errno != EEXIST)
            rc = el_io_fail(err, "make folder", p);
        if (end)
            break;
        *s = '/';
    }
    struct stat st;
    if (rc == 0 && (stat(path, &st) < 0 || !S_ISDIR(st.st_mode)))
        rc = el_error_set(err, EL_EIO, "%s: exists and is not a folder", path);
    el_free(p);
    return rc;
}

int el_path_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

char *el_path_join(const char *dir, const char *name)
{
    struct el_buf b;
    el_buf_init(&b);
    size_t n = strlen(dir);
    if (el_buf_printf(&b, "%s%s%s", dir, n && dir[n - 1] == '/' ? "" : "/", name) < 0) {
        el_buf_release(&b);
        return NULL;
    }
    return el_buf_detach(&b);
}

char *el_path_find(const char *name, const char *root)
{
    return el_path_exists(name) || !root || name[0] == '/' ? el_strdup(name)
                                                           : el_path_join(root, name);
}
