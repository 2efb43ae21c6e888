#include "cli/phase_folders.h"

#include "core/base/alloc.h"
#include "core/base/io.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct found {
    long iteration;
    struct timespec begun;
    char *path;
};

/* N of N.NAME; 0 for other names. */
static long iteration_of(const char *name)
{
    char *end;
    if (*name < '1' || *name > '9')
        return 0;
    long n = strtol(name, &end, 10);
    return *end == '.' && end[1] ? n : 0;
}

static int has(const char *dir, const char *name, struct stat *st)
{
    char *path = el_path_join(dir, name);
    int rc = path ? stat(path, st) == 0 : EL_ENOMEM;
    el_free(path);
    return rc;
}

/* The note of a run is written when it begins, and again with the same words when it goes on. */
static int compare(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    if (x->iteration != y->iteration)
        return x->iteration < y->iteration ? -1 : 1;
    if (x->begun.tv_sec != y->begun.tv_sec)
        return x->begun.tv_sec < y->begun.tv_sec ? -1 : 1;
    if (x->begun.tv_nsec != y->begun.tv_nsec)
        return x->begun.tv_nsec < y->begun.tv_nsec ? -1 : 1;
    return strcmp(x->path, y->path);
}

/* 1: x is a phase with metrics; 0: something else. */
static int look_at(const char *dir, const char *name, struct found *x)
{
    struct stat st;
    *x = (struct found){.iteration = iteration_of(name)};
    if (x->iteration == 0)
        return 0;
    x->path = el_path_join(dir, name);
    int rc = x->path ? has(x->path, "metrics.jsonl", &st) : EL_ENOMEM;
    if (rc == 1)
        rc = has(x->path, "run.json", &st);
    x->begun = rc == 1 ? st.st_mtim : (struct timespec){0};
    if (rc != 1)
        el_free(x->path);
    return rc;
}

static int list(DIR *d, const char *dir, struct found **found, int *n)
{
    int room = 0, rc = 0;
    for (struct dirent *e; rc >= 0 && (e = readdir(d));) {
        struct found x;
        rc = look_at(dir, e->d_name, &x);
        if (rc != 1)
            continue;
        if (*n == room) {
            room = room ? 2 * room : 16;
            struct found *more = el_realloc(*found, (size_t)room * sizeof *more);
            if (!more) {
                el_free(x.path);
                return EL_ENOMEM;
            }
            *found = more;
        }
        (*found)[(*n)++] = x;
    }
    return rc < 0 ? rc : 0;
}

int cli_phase_folders_find(struct cli_phase_folders *f, const char *dir, struct el_error *err)
{
    struct found *found = NULL;
    struct stat st;
    int n = 0;
    *f = (struct cli_phase_folders){0};
    int rc = has(dir, "metrics.jsonl", &st);
    DIR *d = rc == 0 ? opendir(dir) : NULL;
    if (d) {
        rc = list(d, dir, &found, &n);
        closedir(d);
    }
    if (rc >= 0 && n > 0) {
        qsort(found, (size_t)n, sizeof *found, compare);
        f->path = el_alloc_array((size_t)n, sizeof *f->path);
        rc = f->path ? 0 : EL_ENOMEM;
    }
    for (int i = 0; i < n; i++) {
        if (f->path)
            f->path[f->n++] = found[i].path;
        else
            el_free(found[i].path);
    }
    el_free(found);
    return rc < 0 ? el_error_set(err, EL_ENOMEM, "%s: out of memory", dir) : 0;
}

void cli_phase_folders_release(struct cli_phase_folders *f)
{
    for (int i = 0; i < f->n; i++)
        el_free(f->path[i]);
    el_free(f->path);
    *f = (struct cli_phase_folders){0};
}
