/* Prompts that did not fit, looked at anew.
 *
 * A refusal is stored like a reply, since a run that goes on has to pass it by: results are never
 * changed, so it stays. But it says something of the context of that day alone. Opened again, its
 * job is pending with the refusal as its last result, which el_store_job_put_result knows. */
#include "data/store_row.h"

/* Jobs that failed by a refusal. Where something else was asked in their place (?2) and answered,
 * that is what the run goes on from. */
static const char open_sql[] =
    "UPDATE jobs SET state = 'pending' WHERE id IN ("
    "SELECT j.id FROM drops AS d JOIN jobs AS j ON j.id = d.job "
    "JOIN results AS r ON r.job = j.id AND r.attempt = j.attempts - 1 "
    "WHERE d.run = ?1 AND j.state = 'failed' AND r.finish = 'refused' "
    "AND (d.reason <> ?2 OR NOT EXISTS (SELECT 1 FROM jobs AS k WHERE k.run = j.run "
    "AND k.problem IS j.problem AND k.thread = j.thread AND k.round = j.round "
    "AND k.role = j.role AND k.state = 'done')))";

static const char forget_sql[] =
    "DELETE FROM drops WHERE run = ?1 AND job IN ("
    "SELECT j.id FROM jobs AS j JOIN results AS r ON r.job = j.id AND r.attempt = j.attempts - 1 "
    "WHERE j.run = ?1 AND j.state = 'pending' AND r.finish = 'refused')";

static int reopen(struct el_store *s, int64_t run, const char *instead, struct el_error *err)
{
    struct el_sql q;
    int rc = el_sql_open(&q, s, open_sql, err);
    if (rc < 0)
        return rc;
    el_sql_int(&q, run);
    el_sql_text(&q, instead);
    int opened = el_sql_run(&q, err);
    if (opened <= 0)
        return opened;
    rc = el_sql_open(&q, s, forget_sql, err);
    if (rc < 0)
        return rc;
    el_sql_int(&q, run);
    rc = el_sql_run(&q, err);
    return rc < 0 ? rc : opened;
}

int el_store_run_reopen(struct el_store *s, int64_t run, const char *instead, struct el_error *err)
{
    int rc = el_store_begin(s, err);
    if (rc < 0)
        return rc;
    int opened = reopen(s, run, instead, err);
    if (opened < 0) {
        el_store_rollback(s);
        return opened;
    }
    rc = el_store_commit(s, err);
    return rc < 0 ? rc : opened;
}
