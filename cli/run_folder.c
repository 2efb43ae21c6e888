#include "cli/run_folder.h"

#include "core/base/alloc.h"
#include "core/base/io.h"
#include "training/rotation.h"

#include <dirent.h>
#include <string.h>
#include <unistd.h>

int cli_run_folder_has_state(const char *out, struct el_error *err)
{
    int has = el_rotation_has(out, err);
    if (has == 0)
        return el_error_set(err, EL_ENOTFOUND, "%s: there is no checkpoint to export", out);
    return has < 0 ? has : 0;
}

int cli_run_folder_holds(const char *out, const char *path)
{
    size_t n = strlen(out);
    while (n > 1 && out[n - 1] == '/')
        n--;
    return strncmp(path, out, n) == 0 && path[n] == '/';
}

static int is_lock_alone(const char *folder)
{
    DIR *d = opendir(folder);
    int alone = d != NULL;
    for (struct dirent *e; d && (e = readdir(d));)
        alone &= strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
                 strcmp(e->d_name, "lock") == 0;
    if (d)
        closedir(d);
    return alone;
}

void cli_run_folder_drop(const char *out)
{
    char *lock = is_lock_alone(out) ? el_path_join(out, "lock") : NULL;
    int fd = lock ? el_file_lock(lock, out, NULL) : -1; /* not from under another training */
    if (fd >= 0) {
        unlink(lock);
        rmdir(out);
        close(fd);
    }
    el_free(lock);
}
