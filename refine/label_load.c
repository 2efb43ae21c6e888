#include "refine/label_load.h"

#include "core/base/alloc.h"
#include "refine/load.h"
#include "refine/named_run.h"
#include "roles/role.h"

#include <stdio.h>
#include <string.h>

/* ------------------------------------------------------------------------------------ records */

static int read_record(const struct el_run *run, struct el_label_record *out, struct el_error *err)
{
    cJSON *json = NULL;
    out->id = run->id;
    snprintf(out->key, sizeof out->key, "%s", run->key);
    snprintf(out->model, sizeof out->model, "%s", run->model_digest);
    snprintf(out->mode, sizeof out->mode, "%s", run->mode);
    el_label_settings_init(&out->settings);
    int rc = el_json_parse("the run's config", run->config, strlen(run->config), &json, err);
    if (rc == 0)
        rc = el_label_settings_read(&out->settings, json, "the run's config", err);
    cJSON_Delete(json);
    return rc == 0 ? el_label_settings_check(&out->settings, err) : rc;
}

int el_label_record_get(struct el_store *s, int64_t id, struct el_label_record *out,
                        struct el_error *err)
{
    struct el_run run;
    int rc = el_store_run_get(s, id, &run, err);
    if (rc < 0)
        return rc;
    rc = run.kind == EL_RUN_LABEL
             ? read_record(&run, out, err)
             : el_error_set(err, EL_EINVAL, "run %lld is not one of labelling", (long long)id);
    el_run_release(&run);
    return rc;
}

int el_label_record_find(struct el_store *s, const char *name, struct el_label_record *out,
                         struct el_error *err)
{
    struct el_named_run run;
    int rc = el_named_run_find(s, EL_RUN_LABEL, name, &run, err);
    if (rc < 0)
        return rc;
    int64_t id = run.id;
    el_named_run_release(&run);
    return el_label_record_get(s, id, out, err);
}

/* ------------------------------------------------------------------------------------- proofs */

void el_label_proofs_init(struct el_label_proofs *p)
{
    memset(p, 0, sizeof *p);
    el_map_init(&p->seen);
    el_map_init(&p->by_problem);
    el_contest_init(&p->contest);
}

void el_label_proofs_release(struct el_label_proofs *p)
{
    el_free(p->items);
    el_map_release(&p->seen);
    el_map_release(&p->by_problem);
    el_contest_release(&p->contest);
    memset(p, 0, sizeof *p);
}

struct collector {
    struct el_label_proofs *proofs;
    struct el_store *store;
    int limit;
};

static int no_memory(struct el_error *err)
{
    return el_error_set(err, EL_ENOMEM, "out of memory for the proofs to label");
}

static int reserve(struct el_label_proofs *p)
{
    if (p->n < p->cap)
        return 0;
    int cap = p->cap ? 2 * p->cap : 256;
    void *grown = el_realloc(p->items, (size_t)cap * sizeof *p->items);
    if (!grown)
        return EL_ENOMEM;
    p->items = grown;
    p->cap = cap;
    return 0;
}

/* 1 when the limit is reached. */
static int add(struct collector *c, int64_t proof, int64_t problem, struct el_error *err)
{
    struct el_label_proofs *p = c->proofs;
    if (el_map_get(&p->seen, (uint64_t)proof) >= 0)
        return 0;
    if (c->limit > 0 && p->n >= c->limit)
        return 1;
    if (reserve(p) < 0 || el_map_put(&p->seen, (uint64_t)proof, p->n) < 0)
        return no_memory(err);
    p->items[p->n].proof = proof;
    p->items[p->n++].problem = problem;
    return 0;
}

static int add_selected(void *user, int64_t proof, int64_t problem, struct el_error *err)
{
    return add(user, proof, problem, err);
}

static int add_asked(void *user, const struct el_job *j, struct el_error *err)
{
    return add(user, j->proof, j->problem, err);
}

static int add_known(struct collector *c, int64_t proof, struct el_error *err)
{
    struct el_proof row;
    int rc = el_store_proof_get(c->store, proof, &row, err);
    if (rc < 0)
        return rc;
    rc = add(c, proof, row.problem, err);
    el_proof_release(&row);
    return rc;
}

static int add_decided(void *user, const struct el_decision *d, struct el_error *err)
{
    struct collector *c = user;
    return el_map_get(&c->proofs->seen, (uint64_t)d->proof) >= 0 ? 0 : add_known(c, d->proof, err);
}

static struct el_job_filter verifier_jobs(int64_t run, int64_t problem)
{
    return (struct el_job_filter){.run = run,
                                  .problem = problem,
                                  .role = el_role_name(EL_ROLE_VERIFIER),
                                  .thread = -1,
                                  .round = -1,
                                  .state = -1};
}

/* The keys of the distinct problems, in the order of the proofs. */
static int gather_keys(struct el_label_proofs *p, struct el_store *s, char (*keys)[EL_DIGEST_HEX],
                       int *n, struct el_error *err)
{
    for (int i = 0; i < p->n; i++) {
        struct el_problem row;
        uint64_t id = (uint64_t)p->items[i].problem;
        if (el_map_get(&p->by_problem, id) >= 0)
            continue;
        int rc = el_store_problem_get(s, p->items[i].problem, &row, err);
        if (rc < 0)
            return rc;
        memcpy(keys[*n], row.key, sizeof row.key);
        el_problem_release(&row);
        if (el_map_put(&p->by_problem, id, (*n)++) < 0)
            return no_memory(err);
    }
    return 0;
}

static int load_problems(struct el_label_proofs *p, struct el_store *s, struct el_error *err)
{
    char(*keys)[EL_DIGEST_HEX] = el_alloc_array((size_t)p->n, sizeof *keys);
    const char **names = el_alloc_array((size_t)p->n, sizeof *names);
    int n = 0, rc = keys && names ? gather_keys(p, s, keys, &n, err) : no_memory(err);
    for (int i = 0; rc == 0 && i < n; i++)
        names[i] = keys[i];
    if (rc == 0)
        rc = el_contest_load(&p->contest, s, names, n, err);
    el_free(keys);
    el_free(names);
    return rc;
}

int el_label_proofs_select(struct el_label_proofs *p, struct el_store *s, int64_t run,
                           const struct el_proof_filter *filter, int limit, struct el_error *err)
{
    struct collector c = {.proofs = p, .store = s};
    const struct el_job_filter asked = verifier_jobs(run, 0);
    int rc = run ? el_store_job_each(s, &asked, add_asked, &c, err) : 0;
    if (rc == 0 && run)
        rc = el_store_decision_each(s, run, 0, add_decided, &c, err);
    c.limit = limit;
    if (rc == 0 && filter)
        rc = el_store_proof_select(s, filter, add_selected, &c, err);
    if (rc >= 0 && p->n == 0)
        rc = el_error_set(err, EL_ENOTFOUND, "%s: no proofs to label%s", el_store_path(s),
                          filter && filter->unlabelled
                              ? "; those that have a label are left out (--all takes them in)"
                              : "");
    return rc < 0 ? rc : load_problems(p, s, err);
}

int el_label_proofs_around(struct el_label_proofs *p, struct el_store *s, int64_t run,
                           int64_t proof, struct el_error *err)
{
    struct collector c = {.proofs = p, .store = s};
    struct el_proof row;
    int rc = el_store_proof_get(s, proof, &row, err);
    if (rc < 0)
        return rc;
    const struct el_job_filter asked = verifier_jobs(run, row.problem);
    rc = el_store_job_each(s, &asked, add_asked, &c, err);
    if (rc == 0)
        rc = add(&c, proof, row.problem, err);
    el_proof_release(&row);
    return rc < 0 ? rc : load_problems(p, s, err);
}

/* -------------------------------------------------------------------------------------- state */

struct loader {
    struct el_labelling *state;
    struct el_store *store;
    int anew;
};

static int strange(const struct el_job *j, const char *what, struct el_error *err)
{
    return el_error_set(err, EL_EFORMAT, "job %s (%s, sample %d): %s", j->key, j->role, j->sample,
                        what);
}

static struct el_vote_record record_of(const struct loader *l, const struct el_job *j, int64_t row)
{
    int dropped = j->state == EL_JOB_FAILED && !(l->anew && el_job_was_refused(j));
    struct el_vote_record v = {.job = j->id,
                               .analysis = row,
                               .prompt_tokens = (int)j->last.prompt_tokens,
                               .completion_tokens = (int)j->last.completion_tokens,
                               .attempts = j->attempts,
                               .refusals = j->refusals,
                               .state = j->state == EL_JOB_DONE ? EL_VOTE_DONE
                                        : dropped               ? EL_VOTE_DROPPED
                                                                : EL_VOTE_NONE};
    v.halves = v.state == EL_VOTE_DONE ? (signed char)j->last.halves : EL_SCORE_NONE;
    return v;
}

/* The first of two would leave its text behind, of which the second knows nothing. */
static int is_taken(const struct el_label_item *x, int sample)
{
    return sample >= 0 && sample < x->cap && x->analyses[sample].job;
}

static int load_analysis(void *user, const struct el_job *j, struct el_error *err)
{
    struct loader *l = user;
    int item = el_map_get(&l->state->by_proof, (uint64_t)j->proof);
    struct el_vote_record v = record_of(l, j, j->last.analysis);
    struct el_analysis a = {0};
    const char *wrong = v.state == EL_VOTE_DONE ? el_job_lacks(j, v.analysis) : NULL;
    if (item < 0)
        wrong = "its proof is not one of the run's";
    else if (is_taken(&l->state->items[item], j->sample))
        wrong = "another job about this text has its number";
    if (wrong)
        return strange(j, wrong, err);
    int rc = v.analysis ? el_store_analysis_get(l->store, v.analysis, &a, err) : 0;
    if (rc < 0)
        return rc;
    rc = el_labelling_analysis(l->state, item, j->sample, &v, a.text, err);
    el_analysis_release(&a);
    return rc;
}

static int load_meta(void *user, const struct el_job *j, struct el_error *err)
{
    struct loader *l = user;
    int text = el_map_get(&l->state->by_analysis, (uint64_t)j->analysis);
    struct el_vote_record v = record_of(l, j, j->last.meta);
    const char *wrong = v.state == EL_VOTE_DONE ? el_job_lacks(j, v.analysis) : NULL;
    if (text < 0)
        wrong = "its analysis is not one of the run's";
    return wrong ? strange(j, wrong, err) : el_labelling_meta(l->state, text, j->sample, &v, err);
}

static int load_proofs(struct el_labelling *s, struct el_store *store,
                       const struct el_label_proofs *p, struct el_error *err)
{
    int rc = 0;
    for (int i = 0; rc >= 0 && i < p->n; i++) {
        struct el_proof row;
        int problem = el_map_get(&p->by_problem, (uint64_t)p->items[i].problem);
        rc = el_store_proof_get(store, p->items[i].proof, &row, err);
        if (rc < 0)
            return rc;
        rc = el_labelling_proof(s, problem, row.id, row.text, strlen(row.text), err);
        el_proof_release(&row);
    }
    return rc < 0 ? rc : 0;
}

static int load(struct el_labelling *s, struct el_store *store, int64_t run,
                const struct el_label_proofs *p, int anew, struct el_error *err)
{
    struct loader l = {.state = s, .store = store, .anew = anew};
    /* the proofs of one problem can be loaded alone */
    int64_t problem = p->contest.n == 1 ? p->contest.problems[0].id : 0;
    struct el_job_filter jobs = verifier_jobs(run, problem);
    int rc = load_proofs(s, store, p, err);
    if (rc == 0)
        rc = el_store_job_each(store, &jobs, load_analysis, &l, err);
    jobs.role = el_role_name(EL_ROLE_META_VERIFIER);
    return rc == 0 ? el_store_job_each(store, &jobs, load_meta, &l, err) : rc;
}

int el_labelling_load(struct el_labelling *s, struct el_store *store, int64_t run,
                      const struct el_label_proofs *p, struct el_error *err)
{
    return load(s, store, run, p, 0, err);
}

int el_labelling_load_anew(struct el_labelling *s, struct el_store *store, int64_t run,
                           const struct el_label_proofs *p, struct el_error *err)
{
    return load(s, store, run, p, 1, err);
}
