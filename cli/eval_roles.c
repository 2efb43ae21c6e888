#include "cli/eval_roles.h"

#include "cli/cli.h"
#include "cli/model.h"
#include "cli/prompts.h"
#include "core/base/alloc.h"
#include "core/run/local.h"
#include "refine/contest.h"
#include "training/rl/role_arms.h"

/* A store may have labels for one of the two roles alone. */
static int load(struct el_dataset *d, struct el_store *s, enum el_dataset_what what,
                const struct cli_eval_roles *o, int *there, struct el_error *err)
{
    const struct el_dataset_filter f = {.author = o->author};
    struct el_error why = {0};
    int rc = el_dataset_load(d, s, what, &f, &why);
    *there = rc == 0;
    if (rc == EL_ENOTFOUND)
        return 0;
    return rc < 0 ? el_error_set(err, rc, "%s", why.msg) : 0;
}

/* Measured all the same: to find that out may be the point. */
static void warn_outside(const char *model, const struct el_role_eval *e)
{
    size_t outside = e->dv ? el_dataset_outside_world(e->dv) : 0, all = e->dv ? e->dv->n : 0;
    outside += e->dmv ? el_dataset_outside_world(e->dmv) : 0;
    all += e->dmv ? e->dmv->n : 0;
    if (outside && el_contest_model_is_of_world(model, NULL) == 1)
        fprintf(
            stderr,
            "elenchus: warning: %s knows the small proof world alone, and %zu of %zu proofs and "
            "analyses are not of it: its judgements of those mean nothing\n",
            model, outside, all);
}

static int measure(const struct cli_eval_roles *o, const char *model, struct el_role_eval *e,
                   struct el_role_report *r, struct el_error *err)
{
    struct el_backend *b = NULL;
    struct el_prompt_set *prompts = NULL;
    struct cli_progress progress;
    const struct el_local_options local = {
        .model = model, .attention = EL_ATTENTION_MQA, .batch = 128, .threads = o->threads};
    int rc = cli_prompts_load(o->prompts, model, &prompts, err);
    if (rc == 0)
        rc = cli_model_open(&local, &b, err);
    if (rc == 0) {
        warn_outside(model, e);
        cli_progress_init(&progress, "judging", "replies");
        e->backend = b;
        e->prompts = prompts;
        e->progress = &progress.base;
        rc = el_role_eval(e, r, err);
        cli_progress_finish(&progress);
        if (rc == EL_ENOTFOUND)
            el_error_prefix(err, "%s", model);
    }
    el_backend_free(b);
    el_prompt_set_free(prompts);
    return rc;
}

/* Models without a name of their own, if any, are one more arm. */
static int list_arms(const struct cli_arms *m, const struct el_role_report *r,
                     struct el_role_arm *arm)
{
    int used = 0;
    for (int i = 0; i < m->n; i++) {
        arm[i] = (struct el_role_arm){m->arm[i].name, m->item + m->arm[i].first,
                                      r + m->arm[i].first, m->arm[i].n};
        used += m->arm[i].n;
    }
    if (used == m->n_items)
        return m->n;
    arm[m->n] = (struct el_role_arm){"mean", m->item + used, r + used, m->n_items - used};
    return m->n + 1;
}

static int print_reports(const struct cli_eval_roles *o, const struct el_role_report *r,
                         struct el_buf *out)
{
    struct el_role_arm arm[CLI_ARMS + 1];
    if (o->models.n_items == 1 && o->models.n == 0)
        return o->json ? el_role_report_json(r, out) : el_role_report_text(r, out);
    int n = list_arms(&o->models, r, arm);
    return o->json ? el_role_arms_json(arm, n, out) : el_role_arms_text(arm, n, out);
}

static int measure_all(const struct cli_eval_roles *o, struct el_role_eval *e, struct el_buf *out,
                       struct el_error *err)
{
    int n = o->models.n_items, rc = 0;
    struct el_role_report *r = el_alloc_array((size_t)n, sizeof *r);
    if (!r)
        return el_error_set(err, EL_ENOMEM, "out of memory for the reports");
    for (int i = 0; i < n && rc == 0; i++)
        rc = measure(o, o->models.item[i], e, &r[i], err);
    if (rc == 0 && print_reports(o, r, out) < 0)
        rc = el_error_set(err, EL_ENOMEM, "out of memory for the report");
    el_free(r);
    return rc;
}

int cli_eval_roles(struct el_store *s, const struct cli_eval_roles *o, struct el_error *err)
{
    struct el_dataset dv = {0}, dmv = {0};
    struct el_buf out;
    int has_dv = 0, has_dmv = 0;
    el_buf_init(&out);
    int rc = load(&dv, s, EL_DATASET_DV, o, &has_dv, err);
    if (rc == 0)
        rc = load(&dmv, s, EL_DATASET_DMV, o, &has_dmv, err);
    if (rc == 0 && !has_dv && !has_dmv)
        rc = el_error_set(err, EL_ENOTFOUND,
                          "%s: no scored proofs or analyses to compare a judge with",
                          el_store_path(s));
    struct el_role_eval e = {
        .dv = has_dv ? &dv : NULL,
        .dmv = has_dmv ? &dmv : NULL,
        .sampling = {.temperature = o->temperature, .top_p = o->top_p, .max_tokens = 512},
        .samples = o->samples ? o->samples : 1,
        .limit = o->limit,
        .seed = o->seed,
        .resamples = o->resamples ? o->resamples : 10000};
    if (rc == 0)
        rc = measure_all(o, &e, &out, err);
    if (rc == 0 && fwrite(out.data, 1, out.len, stdout) != out.len)
        rc = el_error_set(err, EL_EIO, "cannot write the report");
    if (has_dv)
        el_dataset_release(&dv);
    if (has_dmv)
        el_dataset_release(&dmv);
    el_buf_release(&out);
    return rc;
}
