/* The small world in a store: every problem has a proof of every score, and the oracle agrees. */
#include "tests/data/store_fixture.h"

#include "core/base/alloc.h"
#include "data/world_store.h"

struct seen {
    struct el_store *store;
    int n, by_score[3], labels;
};

static int look(void *user, const struct el_proof *p, struct el_error *err)
{
    struct seen *seen = user;
    struct el_problem problem;
    struct el_world_problem w;
    struct el_world_report r;
    int rc = el_store_problem_get(seen->store, p->problem, &problem, err);
    if (rc < 0)
        return rc;
    assert_int_equal(el_world_problem_parse(problem.statement, strlen(problem.statement), &w, NULL),
                     0);
    assert_int_equal(el_world_claim_split(&w.claim[0]), EL_WORLD_TEST);
    el_world_judge_proof(&w, p->text, strlen(p->text), &r);
    seen->by_score[el_score_from_value(r.score)]++;
    seen->n++;
    el_problem_release(&problem);
    return 0;
}

static int agree(void *user, const struct el_label *l, struct el_error *err)
{
    struct seen *seen = user;
    struct el_proof p;
    int rc = el_store_proof_get(seen->store, l->proof, &p, err);
    if (rc < 0)
        return rc;
    assert_int_equal(p.author.origin[strlen(p.author.origin) - 1] - '0', l->halves);
    assert_int_equal(l->rater_kind, EL_RATER_ORACLE);
    el_proof_release(&p);
    seen->labels++;
    return 0;
}

static void every_score_is_there(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(el_world_store(f->store, EL_WORLD_TEST, 5, 60, 1, 0, &f->err), 180);
    struct seen seen = {.store = f->store};
    ok(el_store_proof_each(f->store, 0, look, &seen, &f->err));
    assert_int_equal(seen.n, 180);
    for (int i = 0; i < 3; i++)
        assert_int_equal(seen.by_score[i], 60);
    ok(el_store_dv_each(f->store, NULL, agree, &seen, &f->err));
    assert_int_equal(seen.labels, 0);
}

static void repeating_adds_scores_alone(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(el_world_store(f->store, EL_WORLD_TEST, 0, 10, 1, 0, &f->err), 30);
    assert_int_equal(el_world_store(f->store, EL_WORLD_TEST, 0, 10, 1, 1, &f->err), 0);
    struct seen seen = {.store = f->store};
    ok(el_store_dv_each(f->store, "world-test", agree, &seen, &f->err));
    assert_int_equal(seen.labels, 30);
    assert_int_equal(el_world_store(f->store, EL_WORLD_TEST, 0, 12, 1, 0, &f->err), 6);
    assert_true(el_world_store(f->store, EL_WORLD_TEST, 0, 10, 2, 0, &f->err) > 20);
}

static void a_failure_adds_nothing(void **state)
{
    struct fixture *f = *state;
    int64_t rc = -1;
    for (long n = 1; rc < 0; n += 1 + n / 4) {
        struct seen seen = {.store = f->store};
        el_alloc_fail_after(n);
        rc = el_world_store(f->store, EL_WORLD_TEST, 0, 2, 1, 1, &f->err);
        el_alloc_fail_after(0);
        ok(el_store_proof_each(f->store, 0, look, &seen, &f->err));
        assert_int_equal(seen.n, rc < 0 ? 0 : 6);
    }
}

#define with_store(test) cmocka_unit_test_setup_teardown(test, fixture_make, fixture_drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_store(every_score_is_there),
        with_store(repeating_adds_scores_alone),
        with_store(a_failure_adds_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
