/* Files. A write is atomic: a reader, or the next run after a power cut, sees the old file or the
 * new one and never a mixture.
 *
 * A symbolic link stays: the file that it points to is replaced, or made where it is missing. What
 * is there and no file to be replaced is written directly, and what was written before a failure
 * has gone out: a device, a FIFO, a socket, and whatever standard output or standard error leads to
 * (/dev/stdout, also of a file), which goes on at the end of what they have written. A FIFO is
 * waited for until somebody reads it; el_stop_requested (core/base/progress.h) ends that and the
 * wait for a reader that is slow, with EL_EINTR. Messages name the path that was given. */
#ifndef EL_BASE_IO_H
#define EL_BASE_IO_H

#include "core/base/buf.h"
#include "core/base/error.h"

#include <stddef.h>

/* Reads a whole file into out (initialised by the caller, appended to). The error names the path
 * and the system's reason. EL_ELIMIT when it is larger than max_bytes (0: no limit). */
int el_file_read(const char *path, size_t max_bytes, struct el_buf *out, struct el_error *err);

/* Writes path.tmp.<pid> (beside the file that a link points to), fsyncs it, renames it over path
 * and fsyncs the folder. On failure the old file is untouched and the temporary one is removed. */
int el_file_write(const char *path, const void *data, size_t n, struct el_error *err);

/* The same for content made piece by piece: open gives a FILE-like handle, commit publishes it,
 * discard throws it away. Either one ends the handle. With `keep` set before the commit, the file
 * that was at path gets that name (in the same folder) just before the new one takes its place: a
 * process that is killed between the two leaves no file at path, and both are whole. */
struct el_atomic_file {
    int fd;
    char *path;       /* as it was given */
    char *target;     /* behind symbolic links; NULL: path is none */
    char *tmp;        /* NULL: written directly */
    const char *keep; /* borrowed; NULL: the old file is replaced */
};
int el_atomic_open(struct el_atomic_file *f, const char *path, struct el_error *err);
int el_atomic_write(struct el_atomic_file *f, const void *data, size_t n, struct el_error *err);
/* Puts what is written on the disk before the commit, which then has little left that can fail. */
int el_atomic_sync(struct el_atomic_file *f, struct el_error *err);
int el_atomic_commit(struct el_atomic_file *f, struct el_error *err);
void el_atomic_discard(struct el_atomic_file *f);
/* Whether el_atomic_open would do, and nothing else: no file is touched or left, no FIFO opened. */
int el_atomic_try(const char *path, struct el_error *err);

/* Copies the plain file from_dir/name to to_dir/name as it is, whole in memory on the way, and
 * writes it as el_file_write does. 1 when it did, 0 when there is no such file, after which to_dir
 * is as it was; an error names the path that could not be read or written. */
int el_file_copy(const char *from_dir, const char *to_dir, const char *name, struct el_error *err);

/* Removes the file, also for the next run after a power cut; of a symbolic link, as in a write, the
 * file that it points to. */
int el_file_remove(const char *path, struct el_error *err);

/* Removes temporary files that killed writers of `path` left behind. Only for somebody who knows
 * that nobody is writing it now. */
void el_atomic_sweep(const char *path);

/* Takes an exclusive lock on the file `path` (made when absent), which the kernel drops when the
 * process ends, however it ends. EL_EBUSY with `what` in the message when another process holds
 * it. Returns a descriptor to close, or an error. */
int el_file_lock(const char *path, const char *what, struct el_error *err);

/* mkdir -p. */
int el_dir_make(const char *path, struct el_error *err);
int el_path_exists(const char *path);
/* dir + "/" + name into a new string (el_free), NULL when memory runs out. */
char *el_path_join(const char *dir, const char *name);
/* A path that a file names: `name` where it is there, is absolute or root is NULL, else root/name.
 * NULL when out of memory; el_free it. */
char *el_path_find(const char *name, const char *root);

#endif
