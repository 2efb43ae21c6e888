/* Choosing proofs, and what automatic labelling decides about them. */
#include "tests/data/store_fixture.h"

static void decide(struct fixture *f, int64_t run, int64_t proof, int halves, const char *rule)
{
    const struct el_decision d = {.run = run,
                                  .proof = proof,
                                  .outcome = halves < 0 ? EL_DECIDED_QUEUED : EL_DECIDED_LABELLED,
                                  .halves = halves,
                                  .rater = "auto:m",
                                  .reason = "because",
                                  .rule = rule};
    ok(el_store_decide(f->store, &d, rule, &f->err));
}

struct found {
    int n;
    int64_t id[8];
    int halves;
};

static int take_label(void *user, const struct el_label *l, struct el_error *err)
{
    (void)err;
    struct found *all = user;
    all->halves = l->halves;
    all->id[all->n++] = l->proof;
    return 0;
}

static struct found dv(struct fixture *f)
{
    struct found all = {.halves = EL_SCORE_NONE};
    ok(el_store_dv_each(f->store, NULL, take_label, &all, &f->err));
    return all;
}

static int take_decision(void *user, const struct el_decision *d, struct el_error *err)
{
    (void)err;
    struct found *all = user;
    all->id[all->n++] = d->proof;
    return 0;
}

static struct found queue(struct fixture *f, const char *set)
{
    struct found all = {0};
    ok(el_store_queue_each(f->store, set, take_decision, &all, &f->err));
    return all;
}

static void a_label_follows_its_decision(void **state)
{
    struct fixture *f = *state;
    int64_t run = make_run(f, 1), other = make_run(f, 2);
    int64_t proof = make_proof(f, make_problem(f, "1"), "a");
    decide(f, run, proof, 1, "{\"k\":1}");
    assert_int_equal(dv(f).halves, 1);
    decide(f, run, proof, 0, "{\"k\":2}");
    assert_int_equal(dv(f).halves, 0);
    decide(f, run, proof, -1, "{\"k\":3}"); /* withdrawn */
    assert_int_equal(dv(f).n, 0);
    decide(f, run, proof, 1, "{\"k\":1}"); /* the score of before */
    assert_int_equal(dv(f).halves, 1);
    struct el_decision got;
    ok(el_store_decision_get(f->store, run, proof, &got, &f->err));
    assert_int_equal(got.outcome, EL_DECIDED_LABELLED);
    assert_int_equal(got.score, 1);
    assert_string_equal(got.reason, "because");
    assert_string_equal(got.rule, "{\"k\":1}");
    el_decision_release(&got);
    assert_int_equal(el_store_decision_get(f->store, other, proof, &got, &f->err), EL_ENOTFOUND);
    struct el_score score;
    ok(el_store_score_get(f->store, 1, &score, &f->err));
    assert_int_equal(score.rater_kind, EL_RATER_LABEL);
    assert_string_equal(score.rater, "auto:m");
    assert_true(score.raw == 0.5 && score.scale_max == 1 && score.blind == EL_BLIND_YES);
    el_score_release(&score);
}

static void a_repeated_decision_changes_nothing(void **state)
{
    struct fixture *f = *state;
    int64_t run = make_run(f, 1), proof = make_proof(f, make_problem(f, "1"), "a");
    struct el_decision d = {.run = run,
                            .proof = proof,
                            .outcome = EL_DECIDED_LABELLED,
                            .halves = 2,
                            .rater = "r",
                            .reason = "x",
                            .rule = "{}"};
    assert_int_equal(el_store_decide(f->store, &d, "", &f->err), 1);
    assert_int_equal(el_store_decide(f->store, &d, "", &f->err), 0);
    d.halves = EL_SCORE_NONE;
    assert_int_equal(el_store_decide(f->store, &d, "", &f->err), EL_EINVAL);
    d.outcome = EL_DECIDED_DISCARDED;
    assert_int_equal(el_store_decide(f->store, &d, "", &f->err), 1);
    d.rule = NULL;
    assert_int_equal(el_store_decide(f->store, &d, "", &f->err), EL_EINVAL);
}

static void the_queue_waits_for_people(void **state)
{
    struct fixture *f = *state;
    int64_t run = make_run(f, 1), problem = make_problem(f, "1");
    int64_t a = make_proof(f, problem, "a"), b = make_proof(f, problem, "b");
    decide(f, run, a, -1, "{}");
    decide(f, run, b, -1, "{}");
    assert_int_equal(queue(f, NULL).n, 2);
    assert_int_equal(queue(f, "elsewhere").n, 0);
    struct el_score c = {.proof = a,
                         .rater_kind = EL_RATER_HUMAN,
                         .rater = "ann",
                         .raw = 1,
                         .scale_max = 1,
                         .halves = 2,
                         .blind = EL_BLIND_YES};
    ok(el_store_score_add(f->store, &c, NULL, &f->err));
    struct found left = queue(f, "set");
    assert_int_equal(left.n, 1);
    assert_int_equal(left.id[0], b);
    assert_int_equal(dv(f).n, 1);
}

static int take_id(void *user, int64_t proof, int64_t problem, struct el_error *err)
{
    (void)err;
    (void)problem;
    struct found *all = user;
    all->id[all->n++] = proof;
    return 0;
}

static struct found chosen(struct fixture *f, struct el_proof_filter filter)
{
    struct found all = {0};
    ok(el_store_proof_select(f->store, &filter, take_id, &all, &f->err));
    return all;
}

/* A proof that run `run` wrote. */
static int64_t write_proof(struct fixture *f, int64_t run, int64_t problem)
{
    int64_t job = 0;
    const struct el_job j = {.run = run, .key = "k", .role = "generator", .problem = problem};
    ok(el_store_job_add(f->store, &j, &job, &f->err));
    const struct el_proof y = {.problem = problem, .text = "Y"};
    const struct el_job_result r = {
        .state = EL_JOB_DONE, .text = "Y", .proof = &y, .outcome = {.halves = 1, .finish = "stop"}};
    ok(el_store_job_put_result(f->store, job, &r, &f->err));
    struct el_job done;
    ok(el_store_job_get(f->store, job, &done, &f->err));
    int64_t proof = done.last.proof;
    el_job_release(&done);
    return proof;
}

static void filters_combine(void **state)
{
    struct fixture *f = *state;
    int64_t run = make_run(f, 1), problem = make_problem(f, "1");
    int64_t a = make_proof(f, problem, "a"), b = make_proof(f, problem, "b");
    int64_t c = write_proof(f, run, problem);
    assert_int_equal(chosen(f, (struct el_proof_filter){0}).n, 3);
    assert_int_equal(chosen(f, (struct el_proof_filter){.set = "set"}).n, 3);
    assert_int_equal(chosen(f, (struct el_proof_filter){.set = "other"}).n, 0);
    struct found of_run = chosen(f, (struct el_proof_filter){.run = run});
    assert_int_equal(of_run.n, 1);
    assert_int_equal(of_run.id[0], c);
    decide(f, run, a, 2, "{}");
    struct found open = chosen(f, (struct el_proof_filter){.unlabelled = 1});
    assert_int_equal(open.n, 2);
    assert_int_equal(open.id[0], b);
    assert_int_equal(chosen(f, (struct el_proof_filter){.without = "auto:m"}).n, 2);
    assert_int_equal(chosen(f, (struct el_proof_filter){.without = "ann"}).n, 3);
    assert_int_equal(chosen(f, (struct el_proof_filter){.unlabelled = 1, .run = run}).n, 1);
}

static void proofs_are_found_by_id_and_key(void **state)
{
    struct fixture *f = *state;
    int64_t problem = make_problem(f, "1"), a = make_proof(f, problem, "a"), id = 0;
    make_proof(f, problem, "b");
    struct el_proof p;
    ok(el_store_proof_get(f->store, a, &p, &f->err));
    char prefix[9];
    snprintf(prefix, sizeof prefix, "%.8s", p.key);
    ok(el_store_proof_find(f->store, prefix, &id, &f->err));
    assert_int_equal(id, a);
    ok(el_store_proof_find(f->store, p.key, &id, &f->err));
    assert_int_equal(id, a);
    ok(el_store_proof_find(f->store, "2", &id, &f->err));
    assert_int_equal(id, 2);
    const char *const unknown[] = {"9", "", "zz", "zzzz", "%", "1x"};
    for (int i = 0; i < 6; i++)
        assert_int_equal(el_store_proof_find(f->store, unknown[i], &id, &f->err), EL_ENOTFOUND);
    el_proof_release(&p);
}

#define with_store(test) cmocka_unit_test_setup_teardown(test, fixture_make, fixture_drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_store(a_label_follows_its_decision),   with_store(a_repeated_decision_changes_nothing),
        with_store(the_queue_waits_for_people),     with_store(filters_combine),
        with_store(proofs_are_found_by_id_and_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
