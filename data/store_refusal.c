/* Prompts that did not fit, looked at anew.
 *
 * A refusal is stored like a reply, since a run that goes on has to pass it by: results are never
 * changed, so it stays. But it says something of the context of that day alone. So its job, failed
 * and counted, takes a reply when one comes after all, and nothing changes before that. */
#include "data/store_row.h"

/* Of the job itself (?2 = 0), or of every job in whose place it stands, too. */
static const char forget_sql[] =
    "DELETE FROM drops WHERE job IN ("
    "SELECT k.id FROM jobs AS j JOIN jobs AS k ON k.run = j.run AND k.problem IS j.problem "
    "AND k.thread = j.thread AND k.round = j.round AND k.role = j.role "
    "JOIN results AS r ON r.job = k.id AND r.attempt = k.attempts - 1 AND r.finish = 'refused' "
    "WHERE j.id = ?1 AND (k.id = j.id OR (?2 AND k.sample >= j.sample)))";

int el_row_forget_refusals(struct el_store *s, int64_t job, int places, struct el_error *err)
{
    struct el_sql q;
    int rc = el_sql_open(&q, s, forget_sql, err);
    if (rc < 0)
        return rc;
    el_sql_int(&q, job);
    el_sql_int(&q, places);
    rc = el_sql_run(&q, err);
    return rc < 0 ? rc : 0;
}

int el_row_open_run(struct el_store *s, int64_t run, struct el_error *err)
{
    struct el_sql q;
    int rc =
        el_sql_open(&q, s, "UPDATE runs SET state = 'open' WHERE id = ? AND state = 'done'", err);
    if (rc < 0)
        return rc;
    el_sql_int(&q, run);
    rc = el_sql_run(&q, err);
    return rc < 0 ? rc : 0;
}
