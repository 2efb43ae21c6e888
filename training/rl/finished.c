#include "training/rl/finished.h"

#include "core/base/alloc.h"
#include "core/base/io.h"
#include "core/base/json.h"

#include <stdio.h>
#include <string.h>

struct origin {
    const struct el_rl_options *o;
    const struct el_rl_recipe *recipe;
    char *done, *model; /* OUT/model/training.json; folder of the start */
    cJSON *history;     /* of done; NULL: there is none */
    struct el_prompt_set *prompts;
};

static int out_of_memory(struct el_error *err)
{
    return el_error_set(err, EL_ENOMEM, "out of memory for paths");
}

/* `now` is "" where it is not known. */
static int compare(const struct origin *f, const char *field, const char *now, const char *kind,
                   const char *name, struct el_error *err)
{
    const char *then = "";
    int rc = el_json_str_or(f->history, f->done, field, &then, err);
    if (rc < 0 || !now[0] || !then[0] || strcmp(now, then) == 0)
        return rc;
    return el_error_set(err, EL_EREFUSED,
                        "%s: finished with something else than %s%s is now; use another --out "
                        "folder",
                        f->o->out, kind, name);
}

/* Of the model in a folder, as its training.json says; "" where that says nothing. */
static int read_digest(const char *dir, char out[EL_DIGEST_HEX], struct el_error *err)
{
    cJSON *o = NULL;
    const char *text = "";
    char *path = el_path_join(dir, "training.json");
    int rc = path ? 0 : out_of_memory(err);
    if (rc == 0 && el_path_exists(path))
        rc = el_json_load(path, &o, err);
    if (rc == 0 && o)
        rc = el_json_str_or(o, path, "weights_digest", &text, err);
    snprintf(out, EL_DIGEST_HEX, "%s", rc == 0 ? text : "");
    cJSON_Delete(o);
    el_free(path);
    return rc;
}

static int check_prompts(struct origin *f, struct el_error *err)
{
    struct el_digest d;
    char now[EL_DIGEST_HEX];
    char *dir = el_path_find(f->recipe->prompts, f->o->root);
    int rc = dir ? el_prompt_set_load(dir, &f->prompts, err) : out_of_memory(err);
    el_free(dir);
    if (rc < 0)
        return rc;
    el_digest_init(&d);
    el_prompt_set_digest(f->prompts, &d);
    el_digest_hex(&d, now);
    return compare(f, "prompt_digest", now, "", f->recipe->prompts, err);
}

static int check_start(const struct origin *f, struct el_error *err)
{
    char now[EL_DIGEST_HEX];
    int rc = read_digest(f->model, now, err);
    return rc < 0 ? rc : compare(f, "start_digest", now, "", f->recipe->model, err);
}

/* The oracle is named by the recipe, and so is that the start judges. */
static int check_judge(const struct origin *f, struct el_error *err)
{
    char now[EL_DIGEST_HEX];
    if (f->recipe->oracle || !f->recipe->judge)
        return 0;
    char *dir = el_path_find(f->recipe->judge, f->o->root);
    int rc = dir ? read_digest(dir, now, err) : out_of_memory(err);
    el_free(dir);
    return rc < 0 ? rc : compare(f, "judge_digest", now, "the judge ", f->recipe->judge, err);
}

/* Data of the run's own follow from the rest. */
static int check_data(const struct origin *f, struct el_error *err)
{
    struct el_rl_tasks now;
    if (!f->recipe->store)
        return 0;
    int rc = el_rl_tasks_open(&now, f->recipe, f->prompts, f->recipe->store, f->model, 1, err);
    if (rc < 0)
        return rc;
    rc = compare(f, "data_fingerprint", now.digest, "the data in ", f->recipe->store, err);
    el_rl_tasks_release(&now);
    return rc;
}

static int check_origin(struct origin *f, struct el_error *err)
{
    int rc = compare(f, "recipe_digest", f->recipe->digest, "", f->o->recipe, err);
    if (rc == 0)
        rc = check_prompts(f, err);
    if (rc == 0)
        rc = check_start(f, err);
    if (rc == 0)
        rc = check_judge(f, err);
    return rc == 0 ? check_data(f, err) : rc;
}

static int find(struct origin *f, struct el_error *err)
{
    char *dir = el_path_join(f->o->out, "model");
    f->done = dir ? el_path_join(dir, "training.json") : NULL;
    f->model = el_path_find(f->recipe->model, f->o->root);
    el_free(dir);
    if (!f->done || !f->model)
        return out_of_memory(err);
    return el_path_exists(f->done) ? el_json_load(f->done, &f->history, err) : 0;
}

int el_rl_finished(const struct el_rl_options *o, struct el_error *err)
{
    struct el_rl_recipe r;
    struct origin f = {.o = o, .recipe = &r};
    int64_t steps = 0;
    int rc = el_rl_recipe_load(o->recipe, &o->over, &r, err);
    if (rc < 0)
        return rc;
    rc = find(&f, err);
    if (rc == 0 && f.history)
        rc = el_json_i64(f.history, f.done, "steps", &steps, err);
    int done = rc == 0 && f.history && steps >= r.schedule.steps;
    if (done)
        rc = check_origin(&f, err);
    cJSON_Delete(f.history);
    el_prompt_set_free(f.prompts);
    el_free(f.done);
    el_free(f.model);
    el_rl_recipe_release(&r);
    return rc < 0 ? rc : done;
}
