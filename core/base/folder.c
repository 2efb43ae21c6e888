#include "core/base/folder.h"

#include "core/base/alloc.h"
#include "core/base/io.h"
#include "core/base/io_parts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int out_of_memory(const char *path, struct el_error *err)
{
    return el_error_set(err, EL_ENOMEM, "%s: out of memory", path);
}

static void empty_folder(int fd)
{
    int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* closedir closes it */
    DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
    if (!d) {
        if (copy >= 0)
            close(copy);
        return;
    }
    for (const struct dirent *e = readdir(d); e; e = readdir(d))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            unlinkat(fd, e->d_name, 0);
    closedir(d);
}

/* A temporary folder that nobody holds locked belongs to a process that has ended. */
static void remove_leftover(const char *tmp)
{
    int fd = open(tmp, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
        empty_folder(fd);
        rmdir(tmp);
    }
    close(fd);
}

static int make_parent(const char *path, struct el_error *err)
{
    char *parent = el_io_parent(path);
    int rc = parent ? el_dir_make(parent, err) : out_of_memory(path, err);
    el_free(parent);
    return rc;
}

/* rename replaces an empty folder; anything else that is there stays. */
static int check_free(const char *path, struct el_error *err)
{
    struct stat st;
    DIR *d = NULL;
    int entries = 0;
    if (lstat(path, &st) < 0)
        return errno == ENOENT ? 0 : el_io_fail(err, "look at", path);
    if (S_ISDIR(st.st_mode))
        d = opendir(path);
    for (const struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d))
        entries += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    if (d)
        closedir(d);
    if (d && entries == 0)
        return 0;
    return el_error_set(err, EL_EINVAL, "%s: is there already, expected the name of a new folder",
                        path);
}

static int set_names(struct el_atomic_folder *f, const char *path, struct el_error *err)
{
    struct el_buf tmp;
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    if (n == 0)
        return el_error_set(err, EL_EINVAL, "the name of a folder is empty");
    el_buf_init(&tmp);
    f->path = el_strndup(path, n);
    if (f->path && el_buf_printf(&tmp, "%s.tmp.%ld", f->path, (long)getpid()) == 0)
        f->tmp = el_buf_detach(&tmp);
    el_buf_release(&tmp);
    return f->tmp ? 0 : out_of_memory(path, err);
}

static int make_tmp(struct el_atomic_folder *f, struct el_error *err)
{
    if (mkdir(f->tmp, 0777) < 0)
        return el_io_fail(err, "make folder", f->path);
    f->fd = open(f->tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (f->fd >= 0 && flock(f->fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    int rc = el_io_fail(err, "lock", f->path);
    rmdir(f->tmp);
    return rc;
}

int el_atomic_folder_open(struct el_atomic_folder *f, const char *path, struct el_error *err)
{
    *f = (struct el_atomic_folder){.fd = -1};
    int rc = set_names(f, path, err);
    if (rc == 0)
        rc = check_free(f->path, err);
    if (rc == 0)
        rc = make_parent(f->path, err);
    if (rc == 0)
        rc = el_io_unfinished(f->path, remove_leftover) < 0 ? out_of_memory(path, err) : 0;
    if (rc == 0)
        rc = make_tmp(f, err);
    if (rc < 0)
        el_atomic_folder_discard(f);
    return rc;
}

int el_atomic_folder_copy(struct el_atomic_folder *f, const char *from_dir, const char *name,
                          struct el_error *err)
{
    return el_file_copy(from_dir, f->tmp, name, err);
}

int el_atomic_folder_commit(struct el_atomic_folder *f, struct el_error *err)
{
    fsync(f->fd);
    if (rename(f->tmp, f->path) < 0) {
        int rc = el_io_fail(err, "make folder", f->path);
        el_atomic_folder_discard(f);
        return rc;
    }
    el_io_sync_parent(f->path);
    el_free(f->tmp);
    f->tmp = NULL; /* nothing is left to remove */
    el_atomic_folder_discard(f);
    return 0;
}

void el_atomic_folder_discard(struct el_atomic_folder *f)
{
    if (f->fd >= 0) {
        if (f->tmp) {
            empty_folder(f->fd);
            rmdir(f->tmp);
        }
        close(f->fd);
    }
    el_free(f->path);
    el_free(f->tmp);
    *f = (struct el_atomic_folder){.fd = -1};
}
