#include "training/rl/iterate.h"

#include "core/base/alloc.h"
#include "core/base/io.h"
#include "core/base/json.h"
#include "training/rl/average.h"
#include "training/rl/finished.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { MOST_PHASES = 16, MOST_ITERATIONS = 100, PATH_ROOM = 1024 };

struct phase {
    const char *name, *recipe; /* in the tree */
    const char *model, *judge, *source[EL_ROLES];
};

struct plan {
    const struct el_rl_options *o;
    cJSON *tree;
    const char *model;
    int iterations, n;
    int64_t seed;
    double start_share; /* of the start's weights in the model of the end */
    struct phase phase[MOST_PHASES];
};

/* ---- Reading ---- */

static int find_phase(const struct plan *p, const char *name, int before)
{
    for (int i = 0; i < before; i++)
        if (strcmp(p->phase[i].name, name) == 0)
            return i;
    return -1;
}

/* `name` must be "start" or a phase before number k. */
static int check_name(const struct plan *p, const char *where, const char *field, const char *name,
                      int k, struct el_error *err)
{
    if (!name || strcmp(name, "start") == 0 || find_phase(p, name, k) >= 0)
        return 0;
    return el_error_set(err, EL_EFORMAT,
                        "%s: field '%s' names '%s': expected \"start\" or a phase before this one",
                        where, field, name);
}

static int read_sources(struct plan *p, const cJSON *o, const char *where, int k,
                        struct el_error *err)
{
    const cJSON *sources = cJSON_GetObjectItemCaseSensitive(o, "sources");
    const char *keys[EL_ROLES + 1] = {NULL};
    for (int i = 0; i < EL_ROLES; i++)
        keys[i] = el_role_name((enum el_role)i);
    int rc = el_json_only(sources, where, keys, err);
    for (int i = 0; i < EL_ROLES && rc == 0; i++) {
        rc = el_json_str_or(sources, where, keys[i], &p->phase[k].source[i], err);
        if (rc == 0)
            rc = check_name(p, where, keys[i], p->phase[k].source[i], k, err);
    }
    return rc;
}

static int read_phase(struct plan *p, const cJSON *o, const char *where, int k,
                      struct el_error *err)
{
    static const char *const keys[] = {"name", "recipe", "model", "judge", "sources", NULL};
    static const char legal[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    struct phase *x = &p->phase[k];
    x->model = "start";
    if (!cJSON_IsObject(o))
        return el_error_set(err, EL_EFORMAT, "%s: must be an object", where);
    int rc = el_json_only(o, where, keys, err);
    if (rc == 0)
        rc = el_json_str(o, where, "name", &x->name, err);
    if (rc == 0)
        rc = el_json_str(o, where, "recipe", &x->recipe, err);
    if (rc == 0)
        rc = el_json_str_or(o, where, "model", &x->model, err);
    if (rc == 0)
        rc = el_json_str_or(o, where, "judge", &x->judge, err);
    if (rc < 0)
        return rc;
    size_t n = strlen(x->name);
    if (n < 1 || n > 40 || strspn(x->name, legal) != n || find_phase(p, x->name, k) >= 0 ||
        strcmp(x->name, "start") == 0 || strcmp(x->name, "oracle") == 0)
        return el_error_set(err, EL_EFORMAT,
                            "%s: field 'name' must be 1 to 40 letters, digits, '_' or '-', other "
                            "than the phases before, \"start\" and \"oracle\"",
                            where);
    rc = check_name(p, where, "model", x->model, k, err);
    if (rc == 0 && x->judge && strcmp(x->judge, "oracle") != 0)
        rc = check_name(p, where, "judge", x->judge, k, err);
    return rc == 0 ? read_sources(p, o, where, k, err) : rc;
}

static int read_phases(struct plan *p, struct el_error *err)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(p->tree, "phases");
    int n = cJSON_GetArraySize(list), rc = 0;
    if (!cJSON_IsArray(list) || n < 1 || n > MOST_PHASES)
        return el_error_set(err, EL_EFORMAT,
                            "%s: field 'phases' must be an array of 1 to %d phases", p->o->recipe,
                            MOST_PHASES);
    for (int k = 0; k < n && rc == 0; k++) {
        char where[PATH_ROOM];
        snprintf(where, sizeof where, "%s: phases[%d]", p->o->recipe, k);
        rc = read_phase(p, cJSON_GetArrayItem(list, k), where, k, err);
    }
    p->n = n;
    return rc;
}

static int read_plan(struct plan *p, struct el_error *err)
{
    static const char *const keys[] = {"model",       "iterations", "seed",
                                       "start_share", "phases",     NULL};
    const char *path = p->o->recipe;
    p->iterations = 1;
    p->seed = 1;
    int rc = el_json_load(path, &p->tree, err);
    if (rc == 0)
        rc = el_json_only(p->tree, path, keys, err);
    if (rc == 0)
        rc = el_json_str(p->tree, path, "model", &p->model, err);
    if (rc == 0)
        rc = el_json_int_or(p->tree, path, "iterations", &p->iterations, err);
    if (rc == 0)
        rc = el_json_i64_or(p->tree, path, "seed", &p->seed, err);
    /* a phase would take it for none given, and keep its recipe's */
    if (rc == 0 && p->seed < 0)
        rc = el_error_set(err, EL_EFORMAT, "%s: field 'seed' is %" PRId64 ": expected 0 or more",
                          path, p->seed);
    if (rc == 0 && (p->iterations < 1 || p->iterations > MOST_ITERATIONS))
        rc = el_error_set(err, EL_EFORMAT, "%s: field 'iterations' is %d: expected 1 to %d", path,
                          p->iterations, MOST_ITERATIONS);
    if (rc == 0)
        rc = el_json_double_or(p->tree, path, "start_share", &p->start_share, err);
    if (rc == 0 && !(p->start_share >= 0 && p->start_share < 1))
        rc = el_error_set(err, EL_EFORMAT,
                          "%s: field 'start_share' is %g: expected 0 or more, below 1", path,
                          p->start_share);
    if (rc == 0)
        rc = read_phases(p, err);
    if (p->o->over.model)
        p->model = p->o->over.model;
    if (p->o->over.seed >= 0)
        p->seed = p->o->over.seed;
    return rc;
}

int el_rl_iterate_is(const char *path, struct el_error *err)
{
    cJSON *tree = NULL;
    int rc = el_json_load(path, &tree, err);
    if (rc < 0)
        return rc;
    int is = cJSON_GetObjectItemCaseSensitive(tree, "phases") != NULL;
    cJSON_Delete(tree);
    return is;
}

/* ---- Running ---- */

static int print_path(char *out, const struct plan *p, int iteration, int phase, const char *end,
                      struct el_error *err)
{
    int n =
        snprintf(out, PATH_ROOM, "%s/%d.%s%s", p->o->out, iteration + 1, p->phase[phase].name, end);
    return n < PATH_ROOM ? 0 : el_error_set(err, EL_ELIMIT, "%s: the path is too long", p->o->out);
}

/* The model folder that a name stands for in an iteration. */
static int resolve(const struct plan *p, int iteration, const char *name, char *out,
                   struct el_error *err)
{
    if (strcmp(name, "start") != 0)
        return print_path(out, p, iteration, find_phase(p, name, p->n), "/model", err);
    if (iteration > 0)
        return print_path(out, p, iteration - 1, p->n - 1, "/model", err);
    return snprintf(out, PATH_ROOM, "%s", p->model) < PATH_ROOM
               ? 0
               : el_error_set(err, EL_ELIMIT, "%s: the path is too long", p->model);
}

/* The folder names of one phase. */
struct names {
    char out[PATH_ROOM], recipe[PATH_ROOM];
    char model[PATH_ROOM], judge[PATH_ROOM], source[EL_ROLES][PATH_ROOM];
};

static int name_all(const struct plan *p, int iteration, int k, struct names *f,
                    struct el_rl_overrides *over, struct el_error *err)
{
    const struct phase *x = &p->phase[k];
    int rc = print_path(f->out, p, iteration, k, "", err);
    if (rc == 0)
        rc = resolve(p, iteration, x->model, f->model, err);
    over->model = f->model;
    if (rc == 0 && x->judge && strcmp(x->judge, "oracle") == 0)
        over->judge = "oracle";
    else if (rc == 0 && x->judge) {
        rc = resolve(p, iteration, x->judge, f->judge, err);
        over->judge = f->judge;
    }
    for (int i = 0; i < EL_ROLES && rc == 0; i++) {
        if (!x->source[i])
            continue;
        rc = resolve(p, iteration, x->source[i], f->source[i], err);
        over->source[i] = f->source[i];
    }
    int relative = x->recipe[0] != '/' && !el_path_exists(x->recipe) && p->o->root;
    if (rc == 0 && snprintf(f->recipe, PATH_ROOM, "%s%s%s", relative ? p->o->root : "",
                            relative ? "/" : "", x->recipe) >= PATH_ROOM)
        rc = el_error_set(err, EL_ELIMIT, "%s: the path is too long", x->recipe);
    return rc;
}

/* Phases share no random numbers, nor do plans of other seeds; exact in JSON. */
static int64_t seed_of(const struct plan *p, int iteration, int k)
{
    struct el_digest d;
    el_digest_init(&d);
    el_digest_str(&d, "phase");
    el_digest_u64(&d, (uint64_t)p->seed);
    el_digest_u64(&d, (uint64_t)iteration);
    el_digest_u64(&d, (uint64_t)k);
    return (int64_t)(el_digest_key(&d) >> 32);
}

static int check_start(const struct plan *p, struct el_error *err)
{
    char *dir = el_path_find(p->model, p->o->root);
    char *config = dir ? el_path_join(dir, "config.json") : NULL;
    int rc = config ? 0 : el_error_set(err, EL_ENOMEM, "out of memory for paths");
    if (rc == 0 && !el_path_exists(config))
        rc = el_error_set(err, EL_ENOTFOUND, "%s: no model to start from: there is no config.json",
                          p->model);
    el_free(dir);
    el_free(config);
    return rc;
}

/* What can be known to fail fails before a folder belongs to the plan. */
static int check_phases(const struct plan *p, struct el_error *err)
{
    struct names *f = el_alloc_array(1, sizeof *f);
    int rc = f ? check_start(p, err) : el_error_set(err, EL_ENOMEM, "out of memory for paths");
    for (int k = 0; k < p->n && rc == 0; k++) {
        struct el_rl_overrides over = {.seed = seed_of(p, 0, k)};
        struct el_rl_recipe r;
        rc = name_all(p, 0, k, f, &over, err);
        if (rc == 0)
            rc = el_rl_recipe_load(f->recipe, &over, &r, err);
        if (rc == 0)
            el_rl_recipe_release(&r);
        else
            el_error_prefix(err, "iteration 1, phase %s", p->phase[k].name);
    }
    el_free(f);
    return rc;
}

static void say(const struct plan *p, const char *fmt, int iteration, const char *name)
{
    char line[200];
    if (!p->o->say)
        return;
    snprintf(line, sizeof line, fmt, iteration + 1, p->iterations, name);
    p->o->say(p->o->user, line);
}

static int run_phase(const struct plan *p, int iteration, int k, struct el_error *err)
{
    struct names *f = el_alloc_array(1, sizeof *f);
    struct el_rl_options o = *p->o;
    if (!f)
        return el_error_set(err, EL_ENOMEM, "out of memory for paths");
    o.over = (struct el_rl_overrides){.seed = seed_of(p, iteration, k)};
    int rc = name_all(p, iteration, k, f, &o.over, err);
    o.recipe = f->recipe;
    o.out = f->out;
    int done = rc == 0 ? el_rl_finished(&o, err) : rc;
    rc = done < 0 ? done : 0;
    if (done == 0) {
        say(p, "iteration %d of %d: %s", iteration, p->phase[k].name);
        rc = el_rl_train(&o, err);
        if (rc < 0)
            el_error_prefix(err, "iteration %d, phase %s", iteration + 1, p->phase[k].name);
    }
    el_free(f);
    return rc;
}

/* As `from` has it, or not at all. */
static int mirror(const char *from, const char *to, const char *name, struct el_error *err)
{
    int rc = el_file_copy(from, to, name, err);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    char *path = el_path_join(to, name);
    if (!path)
        rc = el_error_set(err, EL_ENOMEM, "out of memory for paths");
    else if (el_path_exists(path))
        rc = el_file_remove(path, err);
    el_free(path);
    return rc;
}

/* config.json goes first and comes last: a folder that has one is whole, and whoever reads in
 * between, or after a crash there, finds none. */
static int copy_files(const char *from, const char *to, struct el_error *err)
{
    static const char *const files[] = {"model.safetensors", "tokenizer.json", "domain.json",
                                        "training.json", "config.json"};
    char *config = el_path_join(to, "config.json");
    int rc = config ? 0 : el_error_set(err, EL_ENOMEM, "out of memory for paths");
    if (rc == 0 && el_path_exists(config))
        rc = el_file_remove(config, err);
    for (size_t i = 0; i < sizeof files / sizeof *files && rc == 0; i++)
        rc = mirror(from, to, files[i], err);
    el_free(config);
    return rc;
}

static int copy_model(const struct plan *p, struct el_error *err)
{
    char from[PATH_ROOM];
    int rc = print_path(from, p, p->iterations - 1, p->n - 1, "/model", err);
    char *to = el_path_join(p->o->out, "model");
    if (rc == 0)
        rc = to ? el_dir_make(to, err) : el_error_set(err, EL_ENOMEM, "out of memory for paths");
    if (rc == 0)
        rc = copy_files(from, to, err);
    el_free(to);
    return rc;
}

/* OUT/model: the last phase's, or its mean with the start. */
static int end_with_model(const struct plan *p, struct el_error *err)
{
    char from[PATH_ROOM];
    if (p->start_share == 0)
        return copy_model(p, err);
    char *start = el_path_find(p->model, p->o->root), *out = el_path_join(p->o->out, "model");
    int rc = start && out ? print_path(from, p, p->iterations - 1, p->n - 1, "/model", err)
                          : el_error_set(err, EL_ENOMEM, "out of memory for paths");
    if (rc == 0)
        rc = el_rl_average_folders(from, start, p->start_share, p->o->recipe, out, p->o->loading,
                                   err);
    el_free(start);
    el_free(out);
    return rc;
}

/* What an unfinished run belongs to, so that another plan does not go on in its folder. */
static int check_owner(const struct plan *p, struct el_error *err)
{
    char digest[EL_DIGEST_HEX];
    struct el_digest d;
    struct el_buf found;
    char *text = cJSON_PrintUnformatted(p->tree), *path = el_path_join(p->o->out, "plan");
    el_buf_init(&found);
    int rc = text && path ? el_dir_make(p->o->out, err)
                          : el_error_set(err, EL_ENOMEM, "out of memory for the plan");
    el_digest_init(&d);
    el_digest_str(&d, text ? text : "");
    el_digest_str(&d, p->model);
    el_digest_u64(&d, (uint64_t)p->seed);
    el_digest_hex(&d, digest);
    if (rc == 0 && !el_path_exists(path))
        rc = el_file_write(path, digest, strlen(digest), err);
    else if (rc == 0)
        rc = el_file_read(path, 1000, &found, err);
    if (rc == 0 && found.len && strcmp(found.data, digest) != 0)
        rc = el_error_set(err, EL_EREFUSED,
                          "%s: belongs to another plan (or the plan, its start or seed were "
                          "changed); use another --out folder",
                          p->o->out);
    cJSON_free(text);
    el_free(path);
    el_buf_release(&found);
    return rc;
}

int el_rl_iterate(const struct el_rl_options *o, struct el_error *err)
{
    struct plan p = {.o = o};
    int rc = read_plan(&p, err);
    if (rc == 0)
        rc = check_phases(&p, err);
    if (rc == 0)
        rc = check_owner(&p, err);
    for (int i = 0; i < p.iterations && rc == 0; i++)
        for (int k = 0; k < p.n && rc == 0; k++)
            rc = run_phase(&p, i, k, err);
    if (rc == 0)
        rc = end_with_model(&p, err);
    cJSON_Delete(p.tree);
    return rc;
}
