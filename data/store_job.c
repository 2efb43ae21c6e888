/* Jobs: adding and finding them. data/store_result.c finishes them. */
#include "data/store_row.h"

#include "core/base/alloc.h"

#include <math.h>
#include <string.h>

/* The latest attempt stands beside its job. */
#define COLUMNS                                                                                    \
    "SELECT j.id, j.run, j.key, j.role, j.problem, j.thread, j.round, j.sample, j.proof, "         \
    "j.analysis, j.inputs, j.state, j.attempts, j.outages, r.attempt, r.halves, r.failure, "       \
    "r.finish, r.prompt_tokens, r.cached_tokens, r.completion_tokens, r.logp_sum, r.wall_ms, "     \
    "r.proof, r.analysis, r.meta, "                                                                \
    "(SELECT SUM(x.prompt_tokens) FROM results AS x WHERE x.job = j.id), "                         \
    "(SELECT SUM(x.completion_tokens) FROM results AS x WHERE x.job = j.id), "                     \
    "(SELECT COUNT(*) FROM results AS x WHERE x.job = j.id AND x.finish = 'refused') "             \
    "FROM jobs AS j "                                                                              \
    "LEFT JOIN results AS r ON r.job = j.id AND r.attempt = j.attempts - 1 "
/* With a problem given, its condition stands alone so that the index on it is used. */
#define OF_PROBLEM "j.problem = ?2 "
#define OF_ANY     "?2 IS NULL "
#define FILTER(problem)                                                                            \
    "WHERE j.run = ?1 AND " problem "AND (?3 IS NULL OR j.role = ?3) "                             \
    "AND (?4 IS NULL OR j.thread = ?4) AND (?5 IS NULL OR j.round = ?5) "                          \
    "AND (?6 IS NULL OR j.state = ?6) "
/* Of the inputs the keys are compared, not the ids: those depend on the order of arrival. */
#define IN_ORDER(problem)                                                                          \
    COLUMNS "LEFT JOIN proofs AS p ON p.id = j.proof LEFT JOIN analyses AS a ON a.id = "           \
            "j.analysis " FILTER(problem) "ORDER BY j.problem, j.thread, j.round, j.role, p.key, " \
                                          "a.key, j.sample, j.key"
#define COUNT(problem) "SELECT COUNT(*) FROM jobs AS j " FILTER(problem)

static const char *const states[] = {"pending", "done", "failed"};

const char *el_job_state_name(enum el_job_state state)
{
    return (unsigned)state < 3 ? states[state] : "unknown";
}

static void read_outcome(struct el_sql *q, int i, struct el_outcome *o)
{
    o->attempt = el_sql_col_optional(q, i);
    o->halves = el_sql_col_optional(q, i + 1);
    o->failure = el_sql_col_text(q, i + 2);
    o->finish = el_sql_col_string(q, i + 3);
    o->prompt_tokens = el_sql_col_int(q, i + 4);
    o->cached_tokens = el_sql_col_int(q, i + 5);
    o->completion_tokens = el_sql_col_int(q, i + 6);
    o->logp_sum = el_sql_col_real(q, i + 7);
    o->wall_ms = el_sql_col_int(q, i + 8);
    o->proof = el_sql_col_int(q, i + 9);
    o->analysis = el_sql_col_int(q, i + 10);
    o->meta = el_sql_col_int(q, i + 11);
}

static void read_row(struct el_sql *q, struct el_job *j)
{
    j->id = el_sql_col_int(q, 0);
    j->run = el_sql_col_int(q, 1);
    j->key = el_sql_col_string(q, 2);
    j->role = el_sql_col_string(q, 3);
    j->problem = el_sql_col_int(q, 4);
    j->thread = (int)el_sql_col_int(q, 5);
    j->round = (int)el_sql_col_int(q, 6);
    j->sample = (int)el_sql_col_int(q, 7);
    j->proof = el_sql_col_int(q, 8);
    j->analysis = el_sql_col_int(q, 9);
    j->inputs = el_sql_col_text(q, 10);
    int state = el_name_index(states, 3, el_sql_col_string(q, 11));
    j->state = state < 0 ? EL_JOB_PENDING : (enum el_job_state)state;
    j->attempts = (int)el_sql_col_int(q, 12);
    j->outages = (int)el_sql_col_int(q, 13);
    read_outcome(q, 14, &j->last);
    j->read_tokens = el_sql_col_int(q, 26);
    j->written_tokens = el_sql_col_int(q, 27);
    j->refusals = (int)el_sql_col_int(q, 28);
    j->memory = NULL;
}

void el_job_release(struct el_job *j)
{
    el_free(j->memory);
    memset(j, 0, sizeof *j);
}

int el_store_job_add(struct el_store *s, const struct el_job *j, int64_t *id, struct el_error *err)
{
    if (!j->key || !j->role)
        return el_error_set(err, EL_EINVAL, "a job needs a key and a role");
    struct el_sql q;
    int rc = el_sql_open(&q, s,
                         "INSERT INTO jobs (run, key, role, problem, thread, round, sample, proof, "
                         "analysis, inputs, state, attempts, outages) "
                         "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'pending', 0, 0) "
                         "ON CONFLICT (run, key) DO NOTHING",
                         err);
    if (rc < 0)
        return rc;
    el_sql_int(&q, j->run);
    el_sql_text(&q, j->key);
    el_sql_text(&q, j->role);
    el_sql_id(&q, j->problem);
    el_sql_int(&q, j->thread);
    el_sql_int(&q, j->round);
    el_sql_int(&q, j->sample);
    el_sql_id(&q, j->proof);
    el_sql_id(&q, j->analysis);
    el_sql_text(&q, j->inputs);
    int added = el_sql_run(&q, err);
    if (added < 0 || !id)
        return added;
    rc = el_sql_open(&q, s, "SELECT id FROM jobs WHERE run = ? AND key = ?", err);
    if (rc < 0)
        return rc;
    el_sql_int(&q, j->run);
    el_sql_text(&q, j->key);
    rc = el_sql_one_int(&q, id, err);
    if (rc == EL_ENOTFOUND)
        return el_error_set(err, EL_EIO, "%s: a job just written is not there", s->path);
    return rc < 0 ? rc : added;
}

static int get_one(struct el_sql *q, struct el_job *out, struct el_error *err)
{
    int rc = el_sql_step(q, err);
    if (rc == 1) {
        read_row(q, out);
        const char **const fields[] = {&out->key, &out->role, &out->inputs, &out->last.failure,
                                       &out->last.finish};
        rc = el_row_own(fields, 5, &out->memory, err);
    } else if (rc == 0) {
        rc = EL_ENOTFOUND;
    }
    el_sql_close(q);
    return rc;
}

int el_store_job_get(struct el_store *s, int64_t id, struct el_job *out, struct el_error *err)
{
    struct el_sql q;
    int rc = el_sql_open(&q, s, COLUMNS "WHERE j.id = ?", err);
    if (rc < 0)
        return rc;
    el_sql_int(&q, id);
    rc = get_one(&q, out, err);
    return rc == EL_ENOTFOUND ? el_row_missing(s, "job", id, err) : rc;
}

int el_store_job_by_key(struct el_store *s, int64_t run, const char *key, struct el_job *out,
                        struct el_error *err)
{
    struct el_sql q;
    int rc = el_sql_open(&q, s, COLUMNS "WHERE j.run = ? AND j.key = ?", err);
    if (rc < 0)
        return rc;
    el_sql_int(&q, run);
    el_sql_text(&q, key);
    rc = get_one(&q, out, err);
    return rc == EL_ENOTFOUND ? el_error_set(err, EL_ENOTFOUND, "%s: run %lld has no job '%s'",
                                             s->path, (long long)run, key)
                              : rc;
}

static void bind_filter(struct el_sql *q, const struct el_job_filter *f)
{
    el_sql_int(q, f->run);
    el_sql_id(q, f->problem);
    el_sql_text(q, f->role);
    el_sql_optional(q, f->thread);
    el_sql_optional(q, f->round);
    el_sql_text(q, f->state < 0 ? NULL : el_job_state_name((enum el_job_state)f->state));
}

int el_store_job_each(struct el_store *s, const struct el_job_filter *f, el_job_fn *fn, void *user,
                      struct el_error *err)
{
    struct el_sql q;
    int rc = el_sql_open(&q, s, f->problem ? IN_ORDER(OF_PROBLEM) : IN_ORDER(OF_ANY), err);
    if (rc < 0)
        return rc;
    bind_filter(&q, f);
    while ((rc = el_sql_step(&q, err)) == 1) {
        struct el_job j;
        read_row(&q, &j);
        rc = fn(user, &j, err);
        if (rc != 0)
            break;
    }
    el_sql_close(&q);
    return rc;
}

int el_store_job_count(struct el_store *s, const struct el_job_filter *f, int64_t *n,
                       struct el_error *err)
{
    struct el_sql q;
    int rc = el_sql_open(&q, s, f->problem ? COUNT(OF_PROBLEM) : COUNT(OF_ANY), err);
    if (rc < 0)
        return rc;
    bind_filter(&q, f);
    return el_sql_one_int(&q, n, err);
}

int el_store_result_get(struct el_store *s, int64_t job, int attempt, struct el_reply_text *out,
                        struct el_error *err)
{
    struct el_sql q;
    int rc = el_sql_open(&q, s,
                         "SELECT text, reasoning, attempt, halves, failure, finish, prompt_tokens, "
                         "cached_tokens, completion_tokens, logp_sum, wall_ms, proof, analysis, "
                         "meta FROM results WHERE job = ?1 AND (?2 IS NULL OR attempt = ?2) "
                         "ORDER BY attempt DESC LIMIT 1",
                         err);
    if (rc < 0)
        return rc;
    el_sql_int(&q, job);
    el_sql_optional(&q, attempt);
    rc = el_sql_step(&q, err);
    if (rc == 1) {
        out->text = el_sql_col_string(&q, 0);
        out->reasoning = el_sql_col_text(&q, 1);
        read_outcome(&q, 2, &out->outcome);
        const char **const fields[] = {&out->text, &out->reasoning, &out->outcome.failure,
                                       &out->outcome.finish};
        rc = el_row_own(fields, 4, &out->memory, err);
    } else if (rc == 0) {
        rc = el_error_set(err, EL_ENOTFOUND, "%s: job %lld has no stored reply", s->path,
                          (long long)job);
    }
    el_sql_close(&q);
    return rc;
}

void el_reply_text_release(struct el_reply_text *t)
{
    el_free(t->memory);
    memset(t, 0, sizeof *t);
}

int el_job_was_refused(const struct el_job *j)
{
    return j->state == EL_JOB_FAILED && strcmp(j->last.finish, "refused") == 0;
}
