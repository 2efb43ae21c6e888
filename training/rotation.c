#include "training/rotation.h"

#include "core/base/alloc.h"
#include "core/base/io.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char newest_name[] = "state.safetensors";

int el_rotation_init(struct el_rotation *r, const char *out, int limit, struct el_error *err)
{
    *r = (struct el_rotation){.path = el_path_join(out, newest_name), .limit = limit, .newest = -1};
    return r->path ? 0 : el_error_set(err, EL_ENOMEM, "out of memory for paths");
}

void el_rotation_release(struct el_rotation *r)
{
    el_free(r->path);
    el_free(r->good);
    *r = (struct el_rotation){.newest = -1};
}

/* ---- The older ones ---- */

/* Where the checkpoint of a step is kept, to be freed. NULL when memory runs out. */
static char *kept_path(const struct el_rotation *r, int64_t step)
{
    struct el_buf b;
    size_t folder = strlen(r->path) - strlen(newest_name);
    el_buf_init(&b);
    if (el_buf_printf(&b, "%.*sstate.%" PRId64 ".safetensors", (int)folder, r->path, step) == 0)
        return el_buf_detach(&b);
    el_buf_release(&b);
    return NULL;
}

/* The step of a file's name; -1 for any other than kept_path's. */
static int64_t step_of(const char *name)
{
    char again[64];
    int64_t step;
    if (sscanf(name, "state.%" SCNd64 ".safetensors", &step) != 1 || step < 0)
        return -1;
    snprintf(again, sizeof again, "state.%" PRId64 ".safetensors", step);
    return strcmp(name, again) == 0 ? step : -1;
}

static int descending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x < y) - (x > y);
}

struct kept {
    int64_t *step; /* descending */
    size_t n, room;
};

static int add_step(struct kept *k, int64_t step)
{
    if (k->n == k->room) {
        size_t room = k->room ? 2 * k->room : 8;
        int64_t *more = el_realloc(k->step, room * sizeof *more);
        if (!more)
            return EL_ENOMEM;
        k->step = more;
        k->room = room;
    }
    k->step[k->n++] = step;
    return 0;
}

/* The kept checkpoints' steps; free k->step. A folder that is not there has none. */
static int list_kept(const struct el_rotation *r, struct kept *k)
{
    char *folder = el_strndup(r->path, strlen(r->path) - strlen(newest_name));
    DIR *d = folder ? opendir(folder) : NULL;
    int rc = folder ? 0 : EL_ENOMEM;
    *k = (struct kept){0};
    for (struct dirent *e; d && rc == 0 && (e = readdir(d));) {
        int64_t step = step_of(e->d_name);
        if (step >= 0)
            rc = add_step(k, step);
    }
    if (d)
        closedir(d);
    el_free(folder);
    if (k->n)
        qsort(k->step, k->n, sizeof *k->step, descending);
    return rc;
}

int el_rotation_has(const char *out, struct el_error *err)
{
    struct el_rotation r;
    struct kept k;
    int rc = el_rotation_init(&r, out, 1, err);
    if (rc < 0)
        return rc;
    rc = list_kept(&r, &k);
    int has = el_path_exists(r.path) || k.n > 0;
    el_free(k.step);
    el_rotation_release(&r);
    return rc < 0 ? el_error_set(err, rc, "out of memory for the checkpoints' names") : has;
}

/* A name that cannot be made or removed now goes with the next checkpoint. */
static void remove_kept(const struct el_rotation *r, int64_t step)
{
    char *path = kept_path(r, step);
    if (path)
        unlink(path);
    el_free(path);
}

void el_rotation_prune(const struct el_rotation *r)
{
    struct kept k;
    int left = r->limit - 1;
    el_atomic_sweep(r->path);
    if (r->newest < 0)
        return;
    list_kept(r, &k);
    for (size_t i = 0; i < k.n; i++)
        if (k.step[i] >= r->newest || left-- <= 0)
            remove_kept(r, k.step[i]);
    el_free(k.step);
}

/* ---- Loading and saving ---- */

struct search {
    struct el_rotation *r;
    struct el_run_state *s;
    struct el_trainer *t;
    const struct el_state_owner *o;
    struct el_buf *notice;
    struct el_error damage; /* of the newest one that is damaged */
};

/* 1: loaded. 0: not there, or damaged. */
static int try_one(struct search *x, const char *path, struct el_error *err)
{
    struct el_error why = {0};
    if (!el_path_exists(path))
        return 0;
    int rc = el_state_load(x->s, x->t, x->o, path, &why);
    if (rc == EL_EFORMAT) {
        if (!x->damage.code)
            x->damage = why;
        rc = el_buf_printf(x->notice, "%sa damaged checkpoint is passed over: %s",
                           x->notice->len ? "\n" : "", why.msg);
        return rc < 0 ? el_error_set(err, rc, "out of memory for a notice") : 0;
    }
    if (rc < 0)
        return el_error_set(err, rc, "%s", why.msg);
    x->r->good = el_strdup(path);
    return x->r->good ? 1 : el_error_set(err, EL_ENOMEM, "out of memory for paths");
}

static int try_kept(struct search *x, struct el_error *err)
{
    struct kept k;
    int rc = list_kept(x->r, &k);
    if (rc < 0)
        el_error_set(err, rc, "out of memory for the checkpoints' names");
    for (size_t i = 0; i < k.n && rc == 0; i++) {
        char *path = kept_path(x->r, k.step[i]);
        rc = path ? try_one(x, path, err) : el_error_set(err, EL_ENOMEM, "out of memory for paths");
        el_free(path);
    }
    el_free(k.step);
    return rc;
}

int el_rotation_load(struct el_rotation *r, struct el_run_state *s, struct el_trainer *t,
                     const struct el_state_owner *o, struct el_buf *notice, struct el_error *err)
{
    struct search x = {r, s, t, o, notice, {0}};
    int rc = try_one(&x, r->path, err);
    if (rc == 1)
        r->newest = s->step;
    if (rc == 0)
        rc = try_kept(&x, err);
    return rc == 0 && x.damage.code ? el_error_set(err, x.damage.code, "%s", x.damage.msg) : rc;
}

int el_rotation_save(struct el_rotation *r, const struct el_run_state *s,
                     const struct el_trainer *t, const struct el_state_owner *o,
                     struct el_error *err)
{
    int keeps = r->limit > 1 && r->newest >= 0 && r->newest != s->step;
    char *good = el_strdup(r->path), *keep = keeps ? kept_path(r, r->newest) : NULL;
    int rc = good && (keep || !keeps) ? el_state_save(s, t, o, r->path, keep, err)
                                      : el_error_set(err, EL_ENOMEM, "out of memory for paths");
    el_free(keep);
    if (rc < 0) {
        el_free(good);
        return rc;
    }
    el_free(r->good);
    r->good = good;
    r->newest = s->step;
    el_rotation_prune(r);
    return 0;
}
