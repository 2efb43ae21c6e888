/* The totals of published ratings: on a small made-up file always, on the real files where they
 * are. */
#include "tests/data/store_fixture.h"

#include "core/base/alloc.h"
#include "core/base/io.h"
#include "data/import.h"
#include "data/ratings.h"

#define OUTPUT(idx, automatic, human)                                                              \
    "{\"question\": \"q" idx "\", \"problem_idx\": \"" idx "\", \"model_prediction\": {\"proof\":" \
    " \"p\", \"average_automatic_rating\": " #automatic ", \"human_rating\": " #human "}}\n"

/* Automatic shares 1, 1, 0.5, 0 and human shares 1, 0, 0.5, 0:
 * Pearson = (4*1.25 - 2.5*1.5) / sqrt((4*2.25 - 6.25) * (4*1.25 - 2.25)) = 1.25/2.75. */
static const char small[] = OUTPUT("IMO1-1", 1.0, 7) OUTPUT("IMO1-2", 1.0, 0)
    OUTPUT("Putnam1-A1", 0.5, 5) OUTPUT("Putnam1-A2", 0.0, 0);

static void import(struct fixture *f, const char *text)
{
    struct el_import_report r = {0};
    ok(el_import_text(f->store, "f", text, strlen(text), NULL, &r, &f->err));
}

static void a_small_file_by_hand(void **state)
{
    struct fixture *f = *state;
    struct el_ratings r;
    import(f, small);
    ok(el_ratings_compute(f->store, 2000, 1, &r, &f->err));
    assert_int_equal(r.n_sets, 2);
    const struct el_ratings_set *imo = el_ratings_find_set(&r, "IMO1");
    assert_true(imo->points == 7 && imo->max == 14 && imo->proofs == 2 && imo->problems == 2);
    assert_true(imo->share.lo == 0 && imo->share.hi == 1); /* two problems, one of them solved */
    assert_true(el_ratings_find_set(&r, "Putnam1")->max == 20);
    assert_null(el_ratings_find_set(&r, "CMO1"));
    const struct el_ratings_rater *a = el_ratings_find_rater(&r, "average_automatic_rating");
    assert_true(a->proofs == 4 && a->accepted == 2 && a->accepted_full == 1 && a->agree == 3);
    assert_true(a->precision == 0.5 && a->agreement == 0.75);
    assert_true(fabs(a->pearson - 1.25 / 2.75) < 1e-12);
    assert_true(a->pearson_interval.lo < a->pearson && a->pearson < a->pearson_interval.hi);
    assert_true(a->agreement_interval.lo == 0.25 && a->agreement_interval.hi == 1);
    el_ratings_release(&r);
}

static void equal_seeds_give_equal_intervals(void **state)
{
    struct fixture *f = *state;
    struct el_ratings a, b, c;
    import(f, small);
    ok(el_ratings_compute(f->store, 300, 5, &a, &f->err));
    ok(el_ratings_compute(f->store, 300, 5, &b, &f->err));
    assert_memory_equal(&a.raters[0].pearson_interval, &b.raters[0].pearson_interval,
                        sizeof(struct el_interval));
    ok(el_ratings_compute(f->store, 0, 5, &c, &f->err));
    assert_true(isnan(c.sets[0].share.lo) && isnan(c.raters[0].precision_interval.hi));
    assert_true(c.raters[0].accepted == 2);
    el_ratings_release(&a);
    el_ratings_release(&b);
    el_ratings_release(&c);
}

static void constant_ratings_have_no_correlation(void **state)
{
    struct fixture *f = *state;
    struct el_ratings r;
    import(f, OUTPUT("IMO1-1", 0.9, 7) OUTPUT("IMO1-2", 0.9, 7));
    ok(el_ratings_compute(f->store, 50, 1, &r, &f->err));
    assert_true(isnan(r.raters[0].pearson) && isnan(r.raters[0].precision));
    assert_true(isnan(r.raters[0].pearson_interval.lo));
    el_ratings_release(&r);
}

static void the_latest_human_score_counts(void **state)
{
    struct fixture *f = *state;
    struct el_ratings r;
    import(f, OUTPUT("IMO1-1", 1.0, 7));
    import(f, OUTPUT("IMO1-1", 1.0, 3));
    ok(el_ratings_compute(f->store, 0, 1, &r, &f->err));
    assert_true(r.sets[0].points == 3 && r.sets[0].max == 7 && r.sets[0].proofs == 1);
    el_ratings_release(&r);
}

static void an_empty_store_is_an_error(void **state)
{
    struct fixture *f = *state;
    struct el_ratings r;
    assert_int_equal(el_ratings_compute(f->store, 10, 1, &r, &f->err), EL_ENOTFOUND);
    assert_non_null(strstr(f->err.msg, "no proof has a human score"));
    import(f, small);
    assert_int_equal(el_ratings_compute(f->store, -1, 1, &r, &f->err), EL_EINVAL);
}

static void memory_may_run_out(void **state)
{
    struct fixture *f = *state;
    import(f, small);
    for (long n = 1;; n++) {
        struct el_ratings r;
        el_alloc_fail_after(n);
        int rc = el_ratings_compute(f->store, 10, 1, &r, &f->err);
        el_alloc_fail_after(0);
        if (rc == 0) {
            el_ratings_release(&r);
            break;
        }
        assert_int_equal(rc, EL_ENOMEM);
    }
}

/* ---- the published files */

static const char data[] = EL_SOURCE_DIR "/../shared/data";

static void import_shared(struct fixture *f, const char *name, struct el_import_report *r)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", data, name);
    ok(el_import_file(f->store, path, NULL, r, &f->err));
}

static void total(const struct el_ratings *r, const char *set, double points, double max)
{
    const struct el_ratings_set *s = el_ratings_find_set(r, set);
    assert_non_null(s);
    assert_true(s->points == points && s->max == max);
    assert_true(s->share.lo <= points / max && points / max <= s->share.hi);
}

static void published_totals_are_reproduced(void **state)
{
    struct fixture *f = *state;
    if (!el_path_exists(data))
        skip();
    static const char *const files[] = {"deepseek-math-v2/inputs/CMO2024.json",
                                        "deepseek-math-v2/inputs/CMO2025.json",
                                        "deepseek-math-v2/inputs/IMO2025.json",
                                        "deepseek-math-v2/inputs/Putnam2024.json",
                                        "deepseek-math-v2/outputs/CMO2024.jsonl",
                                        "deepseek-math-v2/outputs/IMO2025.jsonl",
                                        "deepseek-math-v2/outputs/Putnam2024.jsonl",
                                        "deepseek-math-v2/outputs/IMO-ProofBench-Basic.jsonl",
                                        "deepseek-math-v2/outputs/IMO-ProofBench-Advanced.jsonl",
                                        "imo-proofbench/proofbench_v2.csv"};
    struct el_import_report in = {0};
    for (int i = 0; i < 10; i++)
        import_shared(f, files[i], &in);
    assert_true(in.records == 30 + 84 + 60 && in.proofs == 84 && in.scores == 168);
    assert_int_equal(in.problems, 6 + 6 + 6 + 12 + 60 + 3); /* 3 statements differ in the CSV */
    struct el_ratings r;
    ok(el_ratings_compute(f->store, 10000, 1, &r, &f->err));
    total(&r, "CMO2024", 93, 126);
    total(&r, "IMO2025", 35, 42);
    total(&r, "Putnam2024", 118, 120);
    total(&r, "ProofBench-Basic", 208, 210);
    total(&r, "ProofBench-Advanced", 130, 210);
    const struct el_ratings_rater *a = el_ratings_find_rater(&r, "average_automatic_rating");
    assert_true(a->proofs == 84 && a->accepted == 72 && a->accepted_full == 65);
    assert_true(fabs(a->pearson - 0.703) < 0.0005);
    assert_true(a->pearson_interval.lo > 0.4 && a->pearson_interval.hi < 0.95);
    assert_true(a->precision_interval.lo > 0.8 && a->precision_interval.hi < 1);
    el_ratings_release(&r);
}

static void open_proof_corpus_is_read_whole(void **state)
{
    struct fixture *f = *state;
    if (!el_path_exists(data))
        skip();
    struct el_import_report in = {0};
    import_shared(f, "open-proof-corpus/proofs.jsonl", &in);
    assert_true(in.records == 248 && in.problems == 56 && in.proofs == 248);
    assert_true(in.analyses == 182 && in.scores == 248 + 182);
    struct el_ratings r;
    ok(el_ratings_compute(f->store, 1000, 1, &r, &f->err));
    total(&r, "open-proof-corpus", 94, 248);
    const struct el_ratings_rater *a = el_ratings_find_rater(&r, "llm_judgment");
    /* 19 proofs without a listed issue, 18 of them correct; 125 of the others incorrect */
    assert_true(a->proofs == 182 && a->accepted == 19 && a->accepted_full == 18);
    assert_int_equal(a->agree, 18 + 125);
    el_ratings_release(&r);
}

#define with_store(test) cmocka_unit_test_setup_teardown(test, fixture_make, fixture_drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_store(a_small_file_by_hand),
        with_store(equal_seeds_give_equal_intervals),
        with_store(constant_ratings_have_no_correlation),
        with_store(the_latest_human_score_counts),
        with_store(an_empty_store_is_an_error),
        with_store(memory_may_run_out),
        with_store(published_totals_are_reproduced),
        with_store(open_proof_corpus_is_read_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
