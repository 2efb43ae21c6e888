/* Private to core/base: what files and folders that appear at once have in common. */
#ifndef EL_BASE_IO_PARTS_H
#define EL_BASE_IO_PARTS_H

#include "core/base/error.h"

/* "PATH: cannot WHAT: REASON" from errno; EL_EIO. */
int el_io_fail(struct el_error *err, const char *what, const char *path);
/* The folder that holds `path`, for el_free; NULL when memory runs out. */
char *el_io_parent(const char *path);
/* Makes a rename to `path` last. Best effort: some file systems refuse to sync a folder. */
void el_io_sync_parent(const char *path);
/* Calls `each` with every name that writers of `path` give to what is not finished: PATH.tmp.PID.
 * 0, or EL_ENOMEM (no message). */
int el_io_unfinished(const char *path, void (*each)(const char *tmp));

#endif
