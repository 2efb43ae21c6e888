/* What a run draws its tasks from: its store, what of it fits the model, and what its user should
 * know about it. */
#include "training/rl/run.h"

#include "core/base/alloc.h"
#include "core/base/io.h"
#include "refine/contest.h"

#include <string.h>

/* ---- What is said about it ---- */

/* What a run of its own data drops on its way. */
static void say_what_has_no_room(const struct el_rl_run *t, enum el_role role)
{
    const struct el_rl_own *own = &t->tasks.own[role];
    if (own->no_room)
        el_rl_say(t,
                  "%s: %zu of %zu %s leave less than max_completion_length (%d) of the model's %d "
                  "tokens; where they are drawn they are dropped (drops/prompt)",
                  el_role_name(role), own->no_room, own->asked,
                  role == EL_ROLE_GENERATOR ? "problems looked at" : "items",
                  t->recipe.sampling.max_tokens, t->tasks.context);
}

static const char *const scores[] = {"0", "0.5", "1"};

/* The reward of one label alone is full as soon as the model says nothing else. */
static int say_only_label(const struct el_rl_run *t, const struct el_dataset *d, const char *who)
{
    for (int k = 0; k < 3; k++)
        if (d->by_class[k] == d->n) {
            el_rl_say(t, "warning: all %zu of %s have score %s: the %s can only learn to say %s",
                      d->n, el_dataset_name(d->what), scores[k], who, scores[k]);
            return 1;
        }
    return 0;
}

/* A label without items is drawn never, whatever label_balance asks for. */
static void say_missing_labels(const struct el_rl_run *t, enum el_dataset_what what)
{
    const struct el_dataset *d = &t->tasks.data[what];
    enum el_role judge = what == EL_DATASET_DV ? EL_ROLE_VERIFIER : EL_ROLE_META_VERIFIER;
    const char *who = what == EL_DATASET_DV ? "verifier" : "meta-verifier";
    if (!d->n || !(t->tasks.share[judge] > 0) || say_only_label(t, d, who))
        return;
    for (int k = 0; k < 3; k++)
        if (d->by_class[k] == 0 && t->recipe.label_balance[k] > 0)
            el_rl_say(t,
                      "warning: no item of %s has score %s: label_balance leaves it out, and "
                      "nothing teaches the %s when to say %s",
                      el_dataset_name(what), scores[k], who, scores[k]);
}

static void say_what_there_is(const struct el_rl_run *t)
{
    const struct el_rl_tasks *x = &t->tasks;
    for (int i = 0; i < 2; i++) {
        struct el_buf line;
        el_buf_init(&line);
        if (x->data[i].n && el_dataset_describe(&x->data[i], &line) == 0)
            el_rl_say(t, "%s", line.data);
        el_buf_release(&line);
        say_missing_labels(t, (enum el_dataset_what)i);
    }
    for (int i = 0; i < EL_ROLES; i++)
        say_what_has_no_room(t, (enum el_role)i);
    if (x->too_long)
        el_rl_say(t, "problems: %zu; left out: %zu as too long for the model", x->n_provable,
                  x->too_long);
    if (x->dropped[0])
        el_rl_say(t, "%s", x->dropped);
}

static int is_outside(const char *statement)
{
    struct el_world_problem p;
    return el_world_problem_parse(statement, strlen(statement), &p, NULL) < 0;
}

/* A model of the small world goes through the motions of any training; whoever reads its rewards
 * must be told that there is nothing in them. */
static int say_what_means_nothing(const struct el_rl_run *t, const char *dir, struct el_error *err)
{
    const struct el_rl_tasks *x = &t->tasks;
    size_t outside = 0;
    int of_world = el_contest_model_is_of_world(dir, err);
    if (of_world <= 0)
        return of_world;
    for (int what = 0; what < 2; what++)
        outside += el_dataset_outside_world(&x->data[what]);
    for (size_t i = 0; i < x->n_provable; i++)
        outside += is_outside(x->problem[x->provable[i]].statement);
    if (outside)
        el_rl_say(
            t,
            "%s knows the small proof world alone, and %zu of %zu examples are not of it: the "
            "scores that it gives them mean nothing, before this training and after it. What "
            "runs here is the path; --model DIR takes a model that can do mathematics",
            dir, outside, x->data[0].n + x->data[1].n + x->n_provable);
    return 0;
}

/* An export writes no data: another training may run in the folder. */
static int own_data(struct el_rl_run *t, struct el_error *err)
{
    if (!t->o->export_only || el_path_exists(t->data_path))
        return el_rl_make_data(t, err);
    return el_error_set(err, EL_ENOTFOUND,
                        "%s: is not there, and decides whose the checkpoint is; 'train' without "
                        "--export makes it again",
                        t->data_path);
}

int el_rl_open_tasks(struct el_rl_run *t, struct el_error *err)
{
    const char *path = t->recipe.store ? t->recipe.store : t->data_path;
    int rc = t->recipe.store ? 0 : own_data(t, err);
    if (rc == 0)
        rc = el_rl_tasks_open(&t->tasks, &t->recipe, t->prompts, path, t->model_dir, t->goes_on,
                              err);
    if (rc < 0)
        return rc;
    say_what_there_is(t);
    rc = say_what_means_nothing(t, t->model_dir, err);
    char *judge = t->recipe.judge && !t->recipe.oracle ? el_rl_folder(t, t->recipe.judge) : NULL;
    if (rc == 0 && judge && strcmp(judge, t->model_dir) != 0)
        rc = say_what_means_nothing(t, judge, err);
    el_free(judge);
    return rc;
}
