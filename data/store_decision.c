/* What automatic labelling decided. */
#include "data/store_row.h"

#include "core/base/alloc.h"

#include <string.h>

#define COLUMNS                                                                                    \
    "SELECT d.run, d.proof, d.outcome, d.halves, d.rater, d.reason, d.rule, d.score "              \
    "FROM decisions AS d "

static const char *const names[] = {"labelled", "queued", "discarded"};

const char *el_decided_name(enum el_decided kind)
{
    return (unsigned)kind < 3 ? names[kind] : "unknown";
}

int el_decided_from_name(const char *name)
{
    return el_name_index(names, 3, name);
}

static void read_row(struct el_sql *q, struct el_decision *d)
{
    d->run = el_sql_col_int(q, 0);
    d->proof = el_sql_col_int(q, 1);
    int outcome = el_decided_from_name(el_sql_col_string(q, 2));
    d->outcome = outcome < 0 ? EL_DECIDED_DISCARDED : (enum el_decided)outcome;
    d->halves = el_sql_col_optional(q, 3);
    d->rater = el_sql_col_string(q, 4);
    d->reason = el_sql_col_string(q, 5);
    d->rule = el_sql_col_string(q, 6);
    d->score = el_sql_col_int(q, 7);
    d->memory = NULL;
}

void el_decision_release(struct el_decision *d)
{
    el_free(d->memory);
    memset(d, 0, sizeof *d);
}

static int add_score(struct el_store *s, const struct el_decision *d, const char *origin,
                     int64_t *id, struct el_error *err)
{
    *id = 0;
    if (d->outcome != EL_DECIDED_LABELLED)
        return 0;
    const struct el_score score = {.proof = d->proof,
                                   .rater_kind = EL_RATER_LABEL,
                                   .rater = d->rater,
                                   .raw = el_score_value(d->halves),
                                   .scale_max = 1,
                                   .halves = d->halves,
                                   .blind = EL_BLIND_YES,
                                   .origin = origin,
                                   .extra = d->rule};
    return el_store_score_add(s, &score, id, err);
}

/* The number of rows that changed. */
static int put(struct el_store *s, const struct el_decision *d, int64_t score, struct el_error *err)
{
    struct el_sql q;
    int rc = el_sql_open(
        &q, s,
        "INSERT INTO decisions (run, proof, rater, outcome, reason, rule, halves, score, created) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (run, proof) DO UPDATE SET "
        "rater = excluded.rater, outcome = excluded.outcome, reason = excluded.reason, "
        "rule = excluded.rule, halves = excluded.halves, score = excluded.score, "
        "created = excluded.created "
        "WHERE rater <> excluded.rater OR outcome <> excluded.outcome OR "
        "reason <> excluded.reason OR rule <> excluded.rule OR score IS NOT excluded.score",
        err);
    if (rc < 0)
        return rc;
    el_sql_int(&q, d->run);
    el_sql_int(&q, d->proof);
    el_sql_text(&q, d->rater);
    el_sql_text(&q, el_decided_name(d->outcome));
    el_sql_text(&q, d->reason);
    el_sql_text(&q, d->rule);
    el_sql_optional(&q, d->halves);
    el_sql_id(&q, score);
    el_sql_int(&q, el_row_now());
    return el_sql_run(&q, err);
}

int el_store_decide(struct el_store *s, const struct el_decision *d, const char *origin,
                    struct el_error *err)
{
    if (!d->rater || !d->reason || !d->rule)
        return el_error_set(err, EL_EINVAL, "a decision needs a rater, a reason and a rule");
    if ((d->outcome == EL_DECIDED_LABELLED) != (d->halves != EL_SCORE_NONE))
        return el_error_set(err, EL_EINVAL, "a label goes with the decision 'labelled' alone");
    int64_t score = 0;
    int rc = el_store_begin(s, err);
    if (rc < 0)
        return rc;
    rc = add_score(s, d, origin, &score, err);
    int changed = rc < 0 ? rc : put(s, d, score, err);
    if (changed < 0) {
        el_store_rollback(s);
        return changed;
    }
    rc = el_store_commit(s, err);
    return rc < 0 ? rc : changed;
}

int el_store_decision_get(struct el_store *s, int64_t run, int64_t proof, struct el_decision *out,
                          struct el_error *err)
{
    struct el_sql q;
    int rc = el_sql_open(&q, s, COLUMNS "WHERE d.run = ? AND d.proof = ?", err);
    if (rc < 0)
        return rc;
    el_sql_int(&q, run);
    el_sql_int(&q, proof);
    rc = el_sql_step(&q, err);
    if (rc == 1) {
        read_row(&q, out);
        const char **const fields[] = {&out->rater, &out->reason, &out->rule};
        rc = el_row_own(fields, 3, &out->memory, err);
    } else if (rc == 0) {
        rc = el_error_set(err, EL_ENOTFOUND, "%s: run %lld has decided nothing about proof %lld",
                          s->path, (long long)run, (long long)proof);
    }
    el_sql_close(&q);
    return rc;
}

static int each(struct el_sql *q, el_decision_fn *fn, void *user, struct el_error *err)
{
    int rc;
    while ((rc = el_sql_step(q, err)) == 1) {
        struct el_decision d;
        read_row(q, &d);
        rc = fn(user, &d, err);
        if (rc != 0)
            break;
    }
    el_sql_close(q);
    return rc;
}

int el_store_decision_each(struct el_store *s, int64_t run, int64_t proof, el_decision_fn *fn,
                           void *user, struct el_error *err)
{
    struct el_sql q;
    int rc = el_sql_open(&q, s,
                         COLUMNS "WHERE (?1 IS NULL OR d.run = ?1) AND (?2 IS NULL OR d.proof = ?2)"
                                 " ORDER BY d.proof, d.run",
                         err);
    if (rc < 0)
        return rc;
    el_sql_id(&q, run);
    el_sql_id(&q, proof);
    return each(&q, fn, user, err);
}

int el_store_queue_each(struct el_store *s, const char *set, el_decision_fn *fn, void *user,
                        struct el_error *err)
{
    struct el_sql q;
    int rc = el_sql_open(&q, s,
                         COLUMNS "JOIN human_queue AS h ON h.run = d.run AND h.proof = d.proof "
                                 "JOIN problems AS p ON p.id = h.problem "
                                 "WHERE ?1 IS NULL OR p.set_name = ?1 ORDER BY d.proof, d.run",
                         err);
    if (rc < 0)
        return rc;
    el_sql_text(&q, set);
    return each(&q, fn, user, err);
}
