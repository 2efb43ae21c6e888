/* Whether a file can be written, asked before the work whose outcome goes there. */
#ifndef EL_CLI_OUTPUT_H
#define EL_CLI_OUTPUT_H

#include "core/base/error.h"

/* Tries what an atomic write begins with (el_atomic_try in core/base/io.h): the file itself is not
 * touched, a device or a pipe is not opened. Asked by every command before it writes to a file that
 * the user named. EL_EIO names the file and what is wrong; EL_EREFUSED: the file is a store, or
 * another database. path NULL: nothing is to be written, 0. */
int cli_output_check(const char *path, struct el_error *err);

/* Whether the plain file at path begins as a store, or another database, does. */
int cli_is_store(const char *path);

#endif
