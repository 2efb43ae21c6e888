/* Exact scores for the small world's proofs and analyses in a store. */
#include "tests/data/store_fixture.h"

#include "data/dataset.h"
#include "data/oracle.h"
#include "data/store_sql.h"
#include "data/world_store.h"

static int64_t count(struct fixture *f, const char *sql)
{
    struct el_sql q;
    int64_t n = -1;
    ok(el_sql_open(&q, f->store, sql, &f->err));
    ok(el_sql_one_int(&q, &n, &f->err));
    return n;
}

#define ORACLES "SELECT COUNT(*) FROM scores WHERE rater_kind = 'oracle' "

/* Problems with proofs and analyses, and the scores that their writer gives them. */
static void fill(struct fixture *f, int problems, int analyses, struct el_oracle_tally *t)
{
    struct el_world_stored added = {0};
    const struct el_world_store_plan plan = {
        .problems = problems, .analyses = analyses, .scores = 1};
    ok(el_world_store(f->store, &plan, &added, NULL, &f->err));
    memset(t, 0, sizeof *t);
    memcpy(t->proofs, added.proofs, sizeof t->proofs);
    memcpy(t->analyses, added.analyses, sizeof t->analyses);
}

static int64_t sum(const int64_t n[3])
{
    return n[0] + n[1] + n[2];
}

/* The texts of a corpus without its scores, as a model would have left them. */
struct copy {
    struct fixture *f;
    struct el_store *to;
};

static int copy_analysis(void *user, const struct el_analysis *a, struct el_error *err)
{
    struct copy *c = user;
    return el_store_analysis_add(c->to, a, NULL, err) < 0 ? -1 : 0;
}

static int copy_proof(void *user, const struct el_proof *p, struct el_error *err)
{
    struct copy *c = user;
    return el_store_proof_add(c->to, p, NULL, err) < 0 ? -1 : 0;
}

static int copy_problem(void *user, const struct el_problem *p, struct el_error *err)
{
    struct copy *c = user;
    return el_store_problem_add(c->to, p, NULL, NULL, err) < 0 ? -1 : 0;
}

/* Ids are the same in both: rows are copied in the order in which they were added. */
static struct el_store *unscored_copy(struct fixture *f, const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s.db", f->dir, name);
    struct copy c = {.f = f};
    ok(el_store_open(path, EL_STORE_CREATE, &c.to, &f->err));
    ok(el_store_begin(c.to, &f->err));
    ok(el_store_problem_each(f->store, NULL, copy_problem, &c, &f->err));
    ok(el_store_proof_each(f->store, 0, copy_proof, &c, &f->err));
    ok(el_store_analysis_each(f->store, 0, copy_analysis, &c, &f->err));
    ok(el_store_commit(c.to, &f->err));
    return c.to;
}

static void digest_of(struct fixture *f, struct el_store *s, enum el_dataset_what what,
                      char out[EL_DIGEST_HEX])
{
    struct el_dataset d;
    ok(el_dataset_load(&d, s, what, NULL, &f->err));
    el_dataset_digest(&d, out);
    el_dataset_release(&d);
}

static void assert_same_data(struct fixture *f, struct el_store *a, struct el_store *b)
{
    for (int what = 0; what < 2; what++) {
        char x[EL_DIGEST_HEX], y[EL_DIGEST_HEX];
        digest_of(f, a, (enum el_dataset_what)what, x);
        digest_of(f, b, (enum el_dataset_what)what, y);
        assert_string_equal(x, y);
    }
}

static void labelling_gives_the_same_scores(void **state)
{
    struct fixture *f = *state;
    struct el_oracle_tally made, t = {0};
    fill(f, 100, 2, &made);
    struct el_store *bare = unscored_copy(f, "bare");
    ok(el_oracle_label(bare, NULL, &t, NULL, &f->err));
    assert_memory_equal(&t, &made, sizeof t);
    assert_same_data(f, f->store, bare);
    memset(&t, 0, sizeof t);
    ok(el_oracle_label(bare, NULL, &t, NULL, &f->err));
    assert_int_equal(sum(t.proofs) + sum(t.analyses) + t.outside, 0);
    el_store_close(bare);
}

static void other_problems_are_left_alone(void **state)
{
    struct fixture *f = *state;
    struct el_oracle_tally t;
    int64_t proof = make_proof(f, make_problem(f, "1"), "a"), analysis = 0;
    struct el_analysis a = {.proof = proof, .text = "V", .halves = 0};
    ok(el_store_analysis_add(f->store, &a, NULL, &f->err));
    fill(f, 1, 0, &t);
    ok(el_store_begin(f->store, &f->err)); /* somebody's proof and analysis of a world's problem */
    struct el_proof y = {.problem = count(f, "SELECT MIN(id) FROM problems WHERE id > 1"),
                         .text = "Clear.",
                         .author = {EL_AUTHOR_HUMAN, "ann", ""}};
    ok(el_store_proof_add(f->store, &y, &proof, &f->err));
    struct el_score c = {.proof = proof,
                         .rater_kind = EL_RATER_HUMAN,
                         .raw = 1,
                         .scale_max = 1,
                         .halves = 2,
                         .blind = EL_BLIND_YES};
    ok(el_store_score_add(f->store, &c, NULL, &f->err));
    a.proof = proof;
    ok(el_store_analysis_add(f->store, &a, &analysis, &f->err));
    ok(el_store_commit(f->store, &f->err));
    memset(&t, 0, sizeof t);
    ok(el_oracle_label(f->store, "world-test", &t, NULL, &f->err));
    assert_int_equal(sum(t.proofs) + sum(t.analyses) + t.outside, 0);
    ok(el_oracle_label(f->store, NULL, &t, NULL, &f->err));
    assert_int_equal(t.proofs[0], 1);   /* it addresses nothing */
    assert_int_equal(t.analyses[0], 1); /* no key phrase, no box */
    assert_int_equal(sum(t.proofs) + sum(t.analyses), 2);
    assert_int_equal(t.outside, 2);
    assert_int_equal(count(f, "SELECT COUNT(*) FROM dv WHERE rater_kind = 'human'"), 1);
}

/* ---- faults */

struct stopper {
    struct el_progress base;
    int64_t done, total;
};

static void stop_soon(struct el_progress *p, int64_t done, int64_t total, const char *note)
{
    (void)note;
    struct stopper *s = (struct stopper *)p;
    s->done = done;
    s->total = total;
    el_stop_requested = done > 0;
}

static void stopping_keeps_what_is_done(void **state)
{
    struct fixture *f = *state;
    struct el_oracle_tally t = {0};
    struct stopper s = {.base = {.update = stop_soon}};
    fill(f, 100, 1, &t);
    struct el_store *bare = unscored_copy(f, "bare");
    memset(&t, 0, sizeof t);
    assert_int_equal(el_oracle_label(bare, NULL, &t, &s.base, &f->err), EL_EINTR);
    el_stop_requested = 0;
    assert_true(s.done > 0 && s.done < 600 && s.total == 600);
    assert_int_equal(sum(t.proofs) + sum(t.analyses), s.done);
    ok(el_oracle_label(bare, NULL, &t, NULL, &f->err));
    assert_int_equal(sum(t.proofs) + sum(t.analyses), 600);
    assert_same_data(f, f->store, bare);
    el_store_close(bare);
}

static void every_step_may_fail(void **state)
{
    struct fixture *f = *state;
    struct el_oracle_tally t;
    fill(f, 2, 1, &t);
    struct el_store *good = f->store, *bare = NULL;
    int failures = 0;
    for (long n = 1;; n++) {
        char name[32];
        snprintf(name, sizeof name, "s%ld", n);
        f->store = good;
        bare = unscored_copy(f, name);
        memset(&t, 0, sizeof t);
        el_store_fail_after(n);
        int rc = el_oracle_label(bare, NULL, &t, NULL, &f->err);
        el_store_fail_after(0);
        ok(el_store_begin(bare, &f->err)); /* ends what the fault has left open */
        el_store_rollback(bare);
        f->store = bare; /* what is counted is what is there */
        assert_int_equal(count(f, ORACLES), sum(t.proofs) + sum(t.analyses));
        ok(el_oracle_label(bare, NULL, &t, NULL, &f->err));
        assert_int_equal(sum(t.proofs) + sum(t.analyses), 12);
        f->store = good;
        assert_same_data(f, good, bare);
        el_store_close(bare);
        if (rc == 0)
            break;
        assert_int_equal(rc, EL_EIO);
        failures++;
    }
    assert_true(failures > 12);
}

#define with_store(test) cmocka_unit_test_setup_teardown(test, fixture_make, fixture_drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_store(labelling_gives_the_same_scores),
        with_store(other_problems_are_left_alone),
        with_store(stopping_keeps_what_is_done),
        with_store(every_step_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
