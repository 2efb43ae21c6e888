/* The folder of a training as the command line sees it: before it is made, and after a failure. */
#ifndef EL_CLI_RUN_FOLDER_H
#define EL_CLI_RUN_FOLDER_H

#include "core/base/error.h"

/* EL_ENOTFOUND, with the folder's path, when there is no checkpoint to export. */
int cli_run_folder_has_state(const char *out, struct el_error *err);

/* EL_EREFUSED when `out` is a folder with files in it, and they are not those of a training, which
 * would write over some of them. */
int cli_run_folder_check(const char *out, struct el_error *err);

/* 1 when `path` lies in `out`, as far as the names tell: it may be made with the folder. */
int cli_run_folder_holds(const char *out, const char *path);

/* Removes a folder that holds nothing, or a lock that nobody holds; any other stays as it is. For
 * who has made it and failed before there was anything to keep. */
void cli_run_folder_drop(const char *out);

#endif
