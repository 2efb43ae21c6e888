#include "cli/output.h"

#include "core/base/io.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Only of a plain file: a FIFO or a terminal would wait for somebody to write. */
int cli_is_store(const char *path)
{
    static const char magic[] = "SQLite format 3"; /* with its zero byte */
    char head[sizeof magic];
    struct stat st;
    FILE *f = stat(path, &st) == 0 && S_ISREG(st.st_mode) ? fopen(path, "rb") : NULL;
    size_t n = f ? fread(head, 1, sizeof head, f) : 0;
    if (f)
        fclose(f);
    return n == sizeof head && memcmp(head, magic, n) == 0;
}

int cli_output_check(const char *path, struct el_error *err)
{
    struct stat st;
    if (!path)
        return 0;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return el_error_set(err, EL_EIO, "%s: a folder; expected the name of a file to write",
                            path);
    if (cli_is_store(path))
        return el_error_set(err, EL_EREFUSED, "%s: is a store, which is not written over", path);
    return el_atomic_try(path, err);
}
