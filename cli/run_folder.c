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

/* 1: something else is in it. */
static int is_foreign(const char *out, struct el_error *err)
{
    static const char *const marks[] = {"lock", "plan", "state.safetensors"};
    int foreign = 0;
    DIR *d = opendir(out);
    for (struct dirent *e; d && (e = readdir(d));)
        foreign |= strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    if (d)
        closedir(d);
    for (size_t i = 0; foreign && i < sizeof marks / sizeof *marks; i++) {
        char *path = el_path_join(out, marks[i]);
        if (!path)
            return el_error_set(err, EL_ENOMEM, "out of memory");
        foreign = !el_path_exists(path);
        el_free(path);
    }
    return foreign;
}

int cli_run_folder_check(const char *out, struct el_error *err)
{
    int foreign = is_foreign(out, err);
    if (foreign == 1)
        return el_error_set(err, EL_EREFUSED,
                            "--out '%s': is there already and holds no training; expected a new "
                            "folder, or that of a training to go on with",
                            out);
    return foreign;
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
