#include "refine/training_arms.h"

#include "core/base/alloc.h"

#include <ctype.h>
#include <string.h>

struct group {
    int run[EL_TRAINING_RUNS], n;
    const char *name; /* NULL: what their names have in common */
};

struct grouping {
    struct el_training_runs *runs;
    struct group group[EL_TRAINING_RUNS];
    int n;
    char taken[EL_TRAINING_RUNS]; /* runs that are in a group */
};

static int has_seed(const struct grouping *g, const struct group *x,
                    const struct el_training_log *log)
{
    for (int i = 0; i < x->n; i++) {
        const struct el_training_log *other = &g->runs->run[x->run[i]];
        if (log->arm && other->arm && strcmp(log->arm, other->arm) == 0 && log->seed == other->seed)
            return 1;
    }
    return 0;
}

static int add_named(struct grouping *g, const struct el_training_named *named,
                     struct el_error *err)
{
    struct group *x = &g->group[g->n++];
    *x = (struct group){.name = named->name};
    for (int i = 0; i + 1 < g->n; i++)
        if (g->group[i].name && strcmp(g->group[i].name, named->name) == 0)
            return el_error_set(err, EL_EINVAL, "two arms are called '%.60s'", named->name);
    for (int i = named->first; i < named->first + named->n; i++) {
        if (has_seed(g, x, &g->runs->run[i]))
            return el_error_set(err, EL_EINVAL,
                                "arm '%.60s': %s has the recipe and the seed of another of its "
                                "runs: it would count twice",
                                named->name, g->runs->run[i].name);
        x->run[x->n++] = i;
        g->taken[i] = 1;
    }
    return 0;
}

/* Run i with those behind it that are of its arm. */
static void add_alike(struct grouping *g, int i)
{
    const struct el_training_log *log = &g->runs->run[i];
    struct group *x = &g->group[g->n++];
    *x = (struct group){.run = {i}, .n = 1};
    g->taken[i] = 1;
    for (int k = i + 1; log->arm && k < g->runs->n; k++) {
        const struct el_training_log *other = &g->runs->run[k];
        if (g->taken[k] || !other->arm || strcmp(log->arm, other->arm) != 0 ||
            has_seed(g, x, other))
            continue;
        x->run[x->n++] = k;
        g->taken[k] = 1;
    }
}

/* What the names begin with, without a number, "seed", or punctuation at its end; else the recipe's
 * name without folder and extension. */
static char *common_name(const struct grouping *g, const struct group *x)
{
    const struct el_training_log *first = &g->runs->run[x->run[0]];
    size_t n = strlen(first->name);
    for (int i = 1; i < x->n; i++) {
        const char *other = g->runs->run[x->run[i]].name;
        size_t same = 0;
        while (same < n && first->name[same] == other[same])
            same++;
        n = same;
    }
    while (n && (isdigit((unsigned char)first->name[n - 1]) || strchr("-_./ ", first->name[n - 1])))
        n--;
    if (n >= 4 && strncmp(first->name + n - 4, "seed", 4) == 0)
        n -= 4;
    while (n && strchr("-_./ ", first->name[n - 1]))
        n--;
    if (n)
        return el_strndup(first->name, n);
    const char *base = strrchr(first->recipe, '/');
    base = base ? base + 1 : first->recipe;
    n = strlen(base);
    return el_strndup(base, n > 5 && strcmp(base + n - 5, ".json") == 0 ? n - 5 : n);
}

/* Group x as a log of its own; a run alone moves. */
static int make_log(struct grouping *g, const struct group *x, struct el_training_log *out,
                    struct el_error *err)
{
    const struct el_training_log *run[EL_TRAINING_RUNS];
    struct el_training_log *first = &g->runs->run[x->run[0]];
    char *name = x->name ? el_strdup(x->name) : x->n > 1 ? common_name(g, x) : NULL;
    if (!name && (x->name || x->n > 1))
        return el_error_set(err, EL_ENOMEM, "out of memory for an arm");
    if (x->n == 1) {
        *out = *first;
        memset(first, 0, sizeof *first);
        if (name) {
            el_free(out->name);
            out->name = name;
        }
        return 0;
    }
    for (int i = 0; i < x->n; i++)
        run[i] = &g->runs->run[x->run[i]];
    int rc = el_training_arm_merge(run, x->n, name, out, err);
    el_free(name);
    return rc;
}

/* In the order of their first runs. */
static void sort_groups(struct grouping *g)
{
    for (int i = 1; i < g->n; i++) {
        struct group x = g->group[i];
        int k = i;
        for (; k > 0 && g->group[k - 1].run[0] > x.run[0]; k--)
            g->group[k] = g->group[k - 1];
        g->group[k] = x;
    }
}

static int replace(struct grouping *g, struct el_error *err)
{
    struct el_training_runs arms = {.run = el_alloc_array((size_t)g->n, sizeof *arms.run)};
    int rc = arms.run ? 0 : el_error_set(err, EL_ENOMEM, "out of memory for arms");
    for (int i = 0; i < g->n && rc == 0; i++) {
        rc = make_log(g, &g->group[i], &arms.run[i], err);
        arms.n += rc == 0;
    }
    if (rc < 0) {
        el_training_runs_release(&arms);
        return rc;
    }
    el_training_runs_release(g->runs);
    *g->runs = arms;
    return 0;
}

int el_training_arms_make(struct el_training_runs *runs, const struct el_training_named *named,
                          int n, int apart, struct el_error *err)
{
    struct grouping *g = el_alloc_array(1, sizeof *g);
    int rc = 0;
    if (!g)
        return el_error_set(err, EL_ENOMEM, "out of memory for arms");
    g->runs = runs;
    for (int i = 0; i < n && rc == 0; i++)
        rc = add_named(g, &named[i], err);
    for (int i = 0; i < runs->n && rc == 0; i++) {
        if (g->taken[i])
            continue;
        if (apart)
            g->group[g->n++] = (struct group){.run = {i}, .n = 1};
        else
            add_alike(g, i);
    }
    if (rc == 0) {
        sort_groups(g);
        rc = replace(g, err);
    }
    el_free(g);
    return rc;
}
