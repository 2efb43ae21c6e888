/* Whether a file can be written, asked before the work whose outcome goes there. */
#ifndef EL_CLI_OUTPUT_H
#define EL_CLI_OUTPUT_H

#include "core/base/error.h"

/* Tries what an atomic write begins with (core/base/io.h) and takes it back: the file itself is not
 * touched. EL_EIO names the file and what is wrong; EL_EREFUSED: the file is a store, or another
 * database. path NULL: nothing is to be written, 0. */
int cli_output_check(const char *path, struct el_error *err);

#endif
