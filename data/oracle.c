#include "data/oracle.h"

#include "data/store_row.h"
#include "data/world.h"

#include <string.h>

enum { batch = 256 };

/* Rows behind id ?1 that the oracle has not scored, of set ?2: problem, proof, analysis. */
#define UNSCORED(subject)                                                                          \
    "NOT EXISTS (SELECT 1 FROM scores AS s WHERE s." subject " AND s.rater_kind = 'oracle' "       \
    "AND s.halves IS NOT NULL) "
#define OF_SET "(?2 IS NULL OR p.set_name = ?2) "
#define PROOFS                                                                                     \
    "FROM proofs AS y JOIN problems AS p ON p.id = y.problem "                                     \
    "WHERE y.id > ?1 AND " OF_SET "AND " UNSCORED("proof = y.id")
#define ANALYSES                                                                                   \
    "FROM analyses AS a JOIN proofs AS y ON y.id = a.proof "                                       \
    "JOIN problems AS p ON p.id = y.problem "                                                      \
    "WHERE a.id > ?1 AND " OF_SET "AND " UNSCORED("analysis = a.id")

static const struct {
    const char *count, *rows;
} tables[] = {
    {"SELECT COUNT(*) " PROOFS,
     "SELECT y.id, p.statement, y.text, NULL " PROOFS "ORDER BY y.id LIMIT ?3"},
    {"SELECT COUNT(*) " ANALYSES,
     "SELECT a.id, p.statement, y.text, a.text " ANALYSES "ORDER BY a.id LIMIT ?3"},
};

struct work {
    struct el_store *store;
    const char *set;
    struct el_oracle_tally *tally;
    struct el_progress *progress;
    int64_t done, total;
    struct {
        int64_t id;
        int halves; /* EL_SCORE_NONE: not of this world */
    } row[batch];
    int n;
};

/* The score of a proof, or of an analysis of it. */
static int judge(const char *statement, const char *proof, const char *analysis)
{
    struct el_world_problem p;
    struct el_world_report r;
    struct el_world_review v;
    if (el_world_problem_parse(statement, strlen(statement), &p, NULL) < 0)
        return EL_SCORE_NONE;
    el_world_judge_proof(&p, proof, strlen(proof), &r);
    if (!analysis)
        return el_score_from_value(r.score);
    el_world_judge_analysis(&r, analysis, strlen(analysis), &v);
    return el_score_from_value(v.ms);
}

static int open_rows(struct work *w, struct el_sql *q, const char *sql, int64_t behind,
                     struct el_error *err)
{
    int rc = el_sql_open(q, w->store, sql, err);
    if (rc < 0)
        return rc;
    el_sql_int(q, behind);
    el_sql_text(q, w->set);
    return 0;
}

static int judge_batch(struct work *w, int table, int64_t behind, struct el_error *err)
{
    struct el_sql q;
    int rc = open_rows(w, &q, tables[table].rows, behind, err);
    if (rc < 0)
        return rc;
    el_sql_int(&q, batch);
    w->n = 0;
    while (w->n < batch && (rc = el_sql_step(&q, err)) == 1) {
        w->row[w->n].id = el_sql_col_int(&q, 0);
        w->row[w->n].halves =
            judge(el_sql_col_string(&q, 1), el_sql_col_string(&q, 2), el_sql_col_text(&q, 3));
        w->n++;
    }
    el_sql_close(&q);
    return rc < 0 ? rc : 0;
}

int el_oracle_put(struct el_store *s, int64_t proof, int64_t analysis, int halves,
                  struct el_error *err)
{
    const struct el_score c = {.proof = proof,
                               .analysis = analysis,
                               .rater_kind = EL_RATER_ORACLE,
                               .rater = EL_ORACLE_RATER,
                               .raw = el_score_value(halves),
                               .scale_max = 1,
                               .halves = halves,
                               .blind = EL_BLIND_YES,
                               .origin = ""};
    return el_store_score_add(s, &c, NULL, err);
}

static int store_batch(struct work *w, int table, struct el_error *err)
{
    int64_t *counts = table ? w->tally->analyses : w->tally->proofs;
    struct el_oracle_tally added = {0};
    int rc = el_store_begin(w->store, err);
    if (rc < 0)
        return rc;
    for (int i = 0; i < w->n && rc >= 0; i++) {
        int halves = w->row[i].halves;
        if (halves == EL_SCORE_NONE) {
            added.outside++;
            continue;
        }
        rc = el_oracle_put(w->store, table ? 0 : w->row[i].id, table ? w->row[i].id : 0, halves,
                           err);
        added.proofs[halves] += rc == 1;
    }
    if (rc < 0) {
        el_store_rollback(w->store);
        return rc;
    }
    rc = el_store_commit(w->store, err);
    if (rc < 0)
        return rc;
    for (int i = 0; i < 3; i++)
        counts[i] += added.proofs[i];
    w->tally->outside += added.outside;
    w->done += w->n;
    el_progress_update(w->progress, w->done, w->total, NULL);
    return 0;
}

static int label_table(struct work *w, int table, struct el_error *err)
{
    int64_t behind = 0;
    do {
        if (el_stop_requested)
            return el_error_set(err, EL_EINTR,
                                "stopped after %lld of %lld; the scores so far are stored, run "
                                "it again for the rest",
                                (long long)w->done, (long long)w->total);
        int rc = judge_batch(w, table, behind, err);
        if (rc == 0 && w->n)
            rc = store_batch(w, table, err);
        if (rc < 0)
            return rc;
        behind = w->n ? w->row[w->n - 1].id : behind;
    } while (w->n == batch);
    return 0;
}

static int count_rows(struct work *w, struct el_error *err)
{
    int rc = 0;
    for (int i = 0; i < 2 && rc == 0; i++) {
        struct el_sql q;
        int64_t n = 0;
        rc = open_rows(w, &q, tables[i].count, 0, err);
        if (rc == 0)
            rc = el_sql_one_int(&q, &n, err);
        w->total += n;
    }
    return rc;
}

int el_oracle_label(struct el_store *s, const char *set, struct el_oracle_tally *t,
                    struct el_progress *progress, struct el_error *err)
{
    struct work w = {.store = s, .set = set, .tally = t, .progress = progress};
    int rc = count_rows(&w, err);
    if (rc == 0)
        el_progress_update(progress, 0, w.total, NULL);
    for (int i = 0; i < 2 && rc == 0; i++)
        rc = label_table(&w, i, err);
    return rc;
}
