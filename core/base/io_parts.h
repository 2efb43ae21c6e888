/* Private to core/base: what files and folders that appear at once have in common. */
#ifndef EL_BASE_IO_PARTS_H
#define EL_BASE_IO_PARTS_H

#include "core/base/error.h"

/* "PATH: cannot WHAT: REASON" from errno; EL_EIO. A file in a folder that this process is making
 * (FOLDER.tmp.PID/NAME) is called what it will be called (FOLDER/NAME). */
int el_io_fail(struct el_error *err, const char *what, const char *path);
/* The folder that holds `path`, for el_free; NULL when memory runs out. */
char *el_io_parent(const char *path);
/* Makes a rename to `path` last. Best effort: some file systems refuse to sync a folder. */
void el_io_sync_parent(const char *path);
/* Calls `each` with every name that writers of `path` give to what is not finished: PATH.tmp.PID.
 * 0, or EL_ENOMEM (no message). */
int el_io_unfinished(const char *path, void (*each)(const char *tmp));

/* The path behind symbolic links at the end of `path`, whether there is a file or not, into *target
 * (el_free): NULL where `path` is no link. EL_EIO when links lead in a circle, EL_ENOMEM. */
int el_io_follow(const char *path, char **target, struct el_error *err);
/* Whether what is at `path` is written directly: it is a device, FIFO or socket, or what standard
 * output or standard error leads to, whose descriptor is then in *own (else -1). */
int el_io_is_direct(const char *path, int *own);
/* Opens it; `own` as set above. A FIFO is waited for until somebody reads it or el_stop_requested
 * (EL_EINTR). A descriptor to close, or an error. */
int el_io_open_direct(const char *path, int own, struct el_error *err);
/* Waits until PIPE_BUF bytes can be written without waiting. 0, or EL_EINTR as above. */
int el_io_wait_direct(int fd, const char *path, struct el_error *err);

#endif
