/* Results: a reply, what it produced and the job's new state, in one transaction. */
#include "data/store_row.h"

#include <string.h>

struct made {
    int64_t proof, analysis, meta;
};

static int is_refusal(const char *finish)
{
    return finish && strcmp(finish, "refused") == 0;
}

/* 0: the attempt is the next one of a job that takes one; 1: it is stored already. Behind a refusal
 * every reply is the next one, and *r gets its number; another refusal says nothing new. */
static int check_job(struct el_store *s, int64_t id, struct el_job_result *r, int64_t *run,
                     struct el_error *err)
{
    struct el_job job;
    int rc = el_store_job_get(s, id, &job, err);
    if (rc < 0)
        return rc;
    int attempt = r->outcome.attempt;
    *run = job.run;
    if (job.state == EL_JOB_FAILED && is_refusal(job.last.finish)) {
        rc = is_refusal(r->outcome.finish);
        r->outcome.attempt = job.attempts;
    } else if (attempt >= 0 && attempt < job.attempts)
        rc = 1;
    else if (job.state != EL_JOB_PENDING)
        rc = el_error_set(err, EL_EINVAL, "%s: job %lld is %s and takes no further reply", s->path,
                          (long long)id, el_job_state_name(job.state));
    else if (attempt != job.attempts)
        rc = el_error_set(err, EL_EINVAL, "%s: job %lld: attempt %d offered, expected %d", s->path,
                          (long long)id, attempt, job.attempts);
    el_job_release(&job);
    return rc;
}

static int check_result(const struct el_job_result *r, struct el_error *err)
{
    if (!r->text || !r->outcome.finish)
        return el_error_set(err, EL_EINVAL, "a result needs a text and a finish reason");
    if ((r->state == EL_JOB_FAILED) != (r->drop_reason != NULL))
        return el_error_set(err, EL_EINVAL,
                            "a drop reason goes with a failed job, and only with that");
    return 0;
}

static int add_analysis(struct el_store *s, const struct el_analysis *given, int64_t proof,
                        int64_t *id, struct el_error *err)
{
    struct el_analysis a = *given;
    if (!a.proof)
        a.proof = proof;
    return el_store_analysis_add(s, &a, id, err);
}

static int add_scores(struct el_store *s, const struct el_job_result *r, const struct made *m,
                      struct el_error *err)
{
    for (int i = 0; i < r->n_scores; i++) {
        struct el_score c = r->scores[i];
        if (!c.proof && !c.analysis) {
            c.analysis = m->analysis;
            c.proof = m->analysis ? 0 : m->proof;
        }
        int rc = el_store_score_add(s, &c, NULL, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int add_objects(struct el_store *s, const struct el_job_result *r, struct made *m,
                       struct el_error *err)
{
    int rc = 0;
    if (r->proof)
        rc = el_store_proof_add(s, r->proof, &m->proof, err);
    if (rc >= 0 && r->self)
        rc = add_analysis(s, r->self, m->proof, &m->analysis, err);
    if (rc >= 0 && r->analysis)
        rc = add_analysis(s, r->analysis, m->proof, &m->analysis, err);
    if (rc >= 0 && r->meta) {
        struct el_meta_analysis meta = *r->meta;
        if (!meta.analysis)
            meta.analysis = m->analysis;
        rc = el_store_meta_add(s, &meta, &m->meta, err);
    }
    return rc < 0 ? rc : add_scores(s, r, m, err);
}

static int add_row(struct el_store *s, int64_t job, const struct el_job_result *r,
                   const struct made *m, struct el_error *err)
{
    struct el_sql q;
    int rc = el_sql_open(&q, s,
                         "INSERT INTO results (job, attempt, text, reasoning, halves, failure, "
                         "finish, prompt_tokens, cached_tokens, completion_tokens, logp_sum, "
                         "wall_ms, proof, analysis, meta) "
                         "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                         err);
    if (rc < 0)
        return rc;
    const struct el_outcome *o = &r->outcome;
    el_sql_int(&q, job);
    el_sql_int(&q, o->attempt);
    el_sql_text(&q, r->text);
    el_sql_text(&q, r->reasoning);
    el_sql_optional(&q, o->halves);
    el_sql_text(&q, o->failure);
    el_sql_text(&q, o->finish);
    el_sql_int(&q, o->prompt_tokens);
    el_sql_int(&q, o->cached_tokens);
    el_sql_int(&q, o->completion_tokens);
    el_sql_real(&q, o->logp_sum);
    el_sql_int(&q, o->wall_ms);
    el_sql_id(&q, m->proof);
    el_sql_id(&q, m->analysis);
    el_sql_id(&q, m->meta);
    return el_sql_run(&q, err);
}

static int set_state(struct el_store *s, int64_t job, const struct el_job_result *r,
                     struct el_error *err)
{
    struct el_sql q;
    int rc = el_sql_open(&q, s, "UPDATE jobs SET state = ?, attempts = ? WHERE id = ?", err);
    if (rc < 0)
        return rc;
    el_sql_text(&q, el_job_state_name(r->state));
    el_sql_int(&q, r->outcome.attempt + 1);
    el_sql_int(&q, job);
    return el_sql_run(&q, err);
}

static int add_drop(struct el_store *s, int64_t run, int64_t job, const char *reason,
                    int64_t proof_bytes, struct el_error *err)
{
    struct el_sql q;
    int rc = el_sql_open(&q, s,
                         "INSERT INTO drops (run, job, reason, proof_bytes) VALUES (?, ?, ?, ?) "
                         "ON CONFLICT (job, reason) DO NOTHING",
                         err);
    if (rc < 0)
        return rc;
    el_sql_int(&q, run);
    el_sql_int(&q, job);
    el_sql_text(&q, reason);
    el_sql_int(&q, proof_bytes);
    return el_sql_run(&q, err);
}

/* 1 stored, 0 was there. */
static int put(struct el_store *s, int64_t job, const struct el_job_result *given,
               struct el_error *err)
{
    int64_t run = 0;
    struct made m = {0, 0, 0};
    struct el_job_result r = *given;
    int rc = check_job(s, job, &r, &run, err);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    if (!is_refusal(r.outcome.finish))
        rc = el_row_forget_refusals(s, job, r.in_place, err);
    if (rc >= 0)
        rc = el_row_open_run(s, run, err);
    if (rc >= 0)
        rc = add_objects(s, &r, &m, err);
    if (rc >= 0)
        rc = add_row(s, job, &r, &m, err);
    if (rc >= 0)
        rc = set_state(s, job, &r, err);
    if (rc >= 0 && r.drop_reason)
        rc = add_drop(s, run, job, r.drop_reason, r.drop_proof_bytes, err);
    return rc < 0 ? rc : 1;
}

int el_store_job_put_result(struct el_store *s, int64_t job, const struct el_job_result *r,
                            struct el_error *err)
{
    int rc = check_result(r, err);
    if (rc == 0)
        rc = el_store_begin(s, err);
    if (rc < 0)
        return rc;
    int stored = put(s, job, r, err);
    if (stored < 0) {
        el_store_rollback(s);
        return stored;
    }
    rc = el_store_commit(s, err);
    return rc < 0 ? rc : stored;
}

int el_store_job_outage(struct el_store *s, int64_t job, const char *why, struct el_error *err)
{
    struct el_sql q;
    int rc = el_sql_open(&q, s,
                         "UPDATE jobs SET outages = outages + 1, last_outage = ? "
                         "WHERE id = ? AND state = 'pending'",
                         err);
    if (rc < 0)
        return rc;
    el_sql_text(&q, why);
    el_sql_int(&q, job);
    rc = el_sql_run(&q, err);
    return rc == 0 ? el_row_missing(s, "pending job", job, err) : rc < 0 ? rc : 0;
}

int el_store_drop_add(struct el_store *s, int64_t job, const char *reason, int64_t proof_bytes,
                      struct el_error *err)
{
    struct el_job j;
    int rc = el_store_job_get(s, job, &j, err);
    if (rc < 0)
        return rc;
    int64_t run = j.run;
    el_job_release(&j);
    return add_drop(s, run, job, reason, proof_bytes, err);
}

int el_store_drop_each(struct el_store *s, int64_t run, el_drop_fn *fn, void *user,
                       struct el_error *err)
{
    struct el_sql q;
    int rc = el_sql_open(&q, s,
                         "SELECT d.job, j.problem, j.role, d.reason, d.proof_bytes "
                         "FROM drops AS d JOIN jobs AS j ON j.id = d.job WHERE d.run = ? "
                         "ORDER BY j.problem, j.thread, j.round, j.key, d.reason",
                         err);
    if (rc < 0)
        return rc;
    el_sql_int(&q, run);
    while ((rc = el_sql_step(&q, err)) == 1) {
        struct el_drop d = {.job = el_sql_col_int(&q, 0),
                            .problem = el_sql_col_int(&q, 1),
                            .role = el_sql_col_string(&q, 2),
                            .reason = el_sql_col_string(&q, 3),
                            .proof_bytes = el_sql_col_int(&q, 4)};
        rc = fn(user, &d, err);
        if (rc != 0)
            break;
    }
    el_sql_close(&q);
    return rc;
}

int el_store_usage_each(struct el_store *s, int64_t run, el_usage_fn *fn, void *user,
                        struct el_error *err)
{
    struct el_sql q;
    int rc = el_sql_open(&q, s,
                         "SELECT role, replies, prompt_tokens, cached_tokens, completion_tokens "
                         "FROM usage WHERE run = ? ORDER BY role",
                         err);
    if (rc < 0)
        return rc;
    el_sql_int(&q, run);
    while ((rc = el_sql_step(&q, err)) == 1) {
        struct el_usage u = {.role = el_sql_col_string(&q, 0),
                             .replies = el_sql_col_int(&q, 1),
                             .prompt_tokens = el_sql_col_int(&q, 2),
                             .cached_tokens = el_sql_col_int(&q, 3),
                             .completion_tokens = el_sql_col_int(&q, 4)};
        rc = fn(user, &u, err);
        if (rc != 0)
            break;
    }
    el_sql_close(&q);
    return rc;
}
