#include "cli/output.h"

#include "core/base/io.h"

#include <sys/stat.h>

int cli_output_check(const char *path, struct el_error *err)
{
    struct el_atomic_file f;
    struct stat st;
    if (!path)
        return 0;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return el_error_set(err, EL_EIO, "%s: a folder; expected the name of a file to write",
                            path);
    int rc = el_atomic_open(&f, path, err);
    if (rc == 0)
        el_atomic_discard(&f);
    return rc;
}
