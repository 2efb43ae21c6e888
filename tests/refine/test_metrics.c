/* The metrics against naive twins that follow the words of the definition. */
#include "refine/metrics.h"

#include "core/base/alloc.h"
#include "core/base/rng.h"
#include "rewards/score.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

static int same(double a, double b)
{
    return (isnan(a) && isnan(b)) || fabs(a - b) < 1e-12;
}

/* ---------------------------------------------------------------------------------- votes */

/* The lowest score that no other has more votes than; by counting for each score anew. */
static int naive_vote(const signed char *h, int n)
{
    int unparsed = 0;
    for (int i = 0; i < n; i++)
        unparsed += h[i] < 0;
    if (n == 0 || unparsed * 2 > n || unparsed == n)
        return EL_SCORE_NONE;
    for (int s = 0; s < 3; s++) {
        int beaten = 0;
        for (int other = 0; other < 3; other++) {
            int mine = 0, theirs = 0;
            for (int i = 0; i < n; i++) {
                mine += h[i] == s;
                theirs += h[i] == other;
            }
            beaten |= theirs > mine;
        }
        if (!beaten)
            return s;
    }
    return EL_SCORE_NONE;
}

static void test_every_vote(void **state)
{
    (void)state;
    signed char h[6];
    for (int n = 0; n <= 6; n++) {
        int all = 1;
        for (int i = 0; i < n; i++)
            all *= 4;
        for (int code = 0; code < all; code++) {
            int sum = 0, parsed = 0;
            for (int i = 0, c = code; i < n; i++, c /= 4) {
                h[i] = (signed char)(c % 4 - 1);
                parsed += h[i] >= 0;
                sum += h[i] >= 0 ? h[i] : 0;
            }
            struct el_vote_result r;
            el_vote(h, n, &r);
            assert_int_equal(r.halves, naive_vote(h, n));
            assert_int_equal(r.unparsed, n - parsed);
            assert_int_equal(r.count[0] + r.count[1] + r.count[2], parsed);
            assert_true(same(r.mean, parsed ? sum / 2.0 / parsed : NAN));
        }
    }
}

static void test_vote_ties(void **state)
{
    (void)state;
    const struct {
        signed char h[4];
        int n, expected;
    } cases[] = {
        {{0, 2}, 2, 0},           {{2, 1}, 2, 1},         {{2, 0, 1}, 3, 0},
        {{2, 2, 1, 1}, 4, 1},     {{-1, -1, 2, 2}, 4, 2}, {{-1, -1, -1, 2}, 4, EL_SCORE_NONE},
        {{-1}, 1, EL_SCORE_NONE}, {{-1, 2}, 2, 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct el_vote_result r;
        el_vote(cases[i].h, cases[i].n, &r);
        assert_int_equal(r.halves, cases[i].expected);
    }
}

/* ------------------------------------------------------------------------------ selection */

static double zero(double x)
{
    return isnan(x) ? 0 : x;
}

/* The mean over all threads that no thread outranks. */
static double naive_selected(const double *score, const double *rank, int n)
{
    double sum = 0;
    int count = 0;
    for (int i = 0; i < n; i++) {
        int outranked = 0;
        for (int k = 0; k < n; k++)
            outranked |= !isnan(rank[k]) && (isnan(rank[i]) || rank[k] > rank[i]);
        if (outranked)
            continue;
        sum += zero(score[i]);
        count++;
    }
    return sum / count;
}

static void test_selection(void **state)
{
    (void)state;
    static const double values[] = {NAN, 0, 0.5, 1};
    struct el_rng rng;
    el_rng_init(&rng, 1);
    for (int trial = 0; trial < 3000; trial++) {
        double score[9], rank[9], sum = 0, most = 0;
        int n = 1 + (int)el_rng_below(&rng, 9);
        for (int i = 0; i < n; i++) {
            score[i] = values[el_rng_below(&rng, 4)];
            rank[i] = values[el_rng_below(&rng, 4)];
            sum += zero(score[i]);
            most = zero(score[i]) > most ? score[i] : most;
        }
        assert_true(same(el_selected_score(score, rank, n), naive_selected(score, rank, n)));
        assert_true(same(el_pass_at_1(score, n), sum / n));
        assert_true(same(el_oracle_score(score, n), most));
    }
}

static void test_best_at_k_cases(void **state)
{
    (void)state;
    const double score[] = {1, 0, 0.5, NAN};
    const double certain[] = {0, 1, 0.5, 0.5}, tied[] = {1, 1, 0.5, NAN},
                 none[] = {NAN, NAN, NAN, NAN};
    const double missing[] = {0, 0, 0, 1};
    assert_true(same(el_selected_score(score, certain, 4), 0));
    assert_true(same(el_selected_score(score, tied, 4), 0.5));
    assert_true(same(el_selected_score(score, none, 4), 1.5 / 4));
    assert_true(same(el_selected_score(score, missing, 4), 0));
}

/* ------------------------------------------------------------------------------- pass@k */

/* Counts the subsets of size k of n proofs, the first c of them right, that hold a right one. */
static double naive_pass_at_k(int n, int c, int k)
{
    int all = 0, hit = 0;
    for (unsigned set = 0; set < 1u << n; set++) {
        if (__builtin_popcount(set) != k)
            continue;
        all++;
        hit += (set & ((1u << c) - 1)) != 0;
    }
    return (double)hit / all;
}

static void test_pass_at_k(void **state)
{
    (void)state;
    for (int n = 1; n <= 9; n++)
        for (int c = 0; c <= n; c++)
            for (int k = 1; k <= n; k++)
                assert_true(same(el_pass_at_k(n, c, k), naive_pass_at_k(n, c, k)));
    assert_true(isnan(el_pass_at_k(4, 5, 1)) && isnan(el_pass_at_k(4, -1, 1)));
    assert_true(isnan(el_pass_at_k(4, 2, 0)) && isnan(el_pass_at_k(4, 2, 5)));
}

/* ------------------------------------------------------------------------------ bootstrap */

static void test_bootstrap(void **state)
{
    (void)state;
    enum { n = 7, b = 500 };
    double num[2 * n], den[2 * n], rep[2 * b], one[b];
    struct el_rng rng;
    struct el_error err = {0};
    el_rng_init(&rng, 9);
    for (int i = 0; i < 2 * n; i++) {
        num[i] = el_rng_below(&rng, 3) / 2.0;
        den[i] = i < n ? 1 : el_rng_below(&rng, 4);
    }
    assert_int_equal(el_bootstrap(num, den, 2, n, b, 4, rep, &err), 0);
    el_rng_init(&rng, 4);
    for (int i = 0; i < b; i++) {
        double sum[2] = {0}, weight[2] = {0};
        for (int k = 0; k < n; k++) {
            int p = (int)el_rng_below(&rng, n);
            for (int row = 0; row < 2; row++) {
                sum[row] += num[row * n + p];
                weight[row] += den[row * n + p];
            }
        }
        for (int row = 0; row < 2; row++)
            assert_true(same(rep[row * b + i], weight[row] > 0 ? sum[row] / weight[row] : NAN));
    }
    /* The same draws whatever else is in the call: replicates of two calls are paired. */
    assert_int_equal(el_bootstrap(num, den, 1, n, b, 4, one, &err), 0);
    assert_memory_equal(one, rep, sizeof one);
    assert_int_equal(el_bootstrap(num, den, 1, 0, b, 4, one, &err), EL_EINVAL);
    el_alloc_fail_after(1);
    assert_int_equal(el_bootstrap(num, den, 1, n, b, 4, one, &err), EL_ENOMEM);
    el_alloc_fail_after(0);
}

static void test_interval(void **state)
{
    (void)state;
    double x[101], lo, hi;
    for (int i = 0; i <= 100; i++)
        x[i] = (i * 37) % 101;
    el_percentile_interval(x, 101, 0.95, &lo, &hi);
    assert_true(same(lo, 2.5) && same(hi, 97.5));
    double few[] = {NAN, 3, NAN};
    el_percentile_interval(few, 3, 0.95, &lo, &hi);
    assert_true(lo == 3 && hi == 3);
    double none[] = {NAN};
    el_percentile_interval(none, 1, 0.95, &lo, &hi);
    assert_true(isnan(lo) && isnan(hi));
}

static void test_interpolate(void **state)
{
    (void)state;
    const double x[] = {10, 20, 20, 40}, y[] = {0, 1, 2, 4};
    assert_true(same(el_interpolate(x, y, 4, 10), 0));
    assert_true(same(el_interpolate(x, y, 4, 15), 0.5));
    assert_true(same(el_interpolate(x, y, 4, 20), 2));
    assert_true(same(el_interpolate(x, y, 4, 30), 3));
    assert_true(same(el_interpolate(x, y, 4, 40), 4));
    assert_true(isnan(el_interpolate(x, y, 4, 9)) && isnan(el_interpolate(x, y, 4, 41)));
    assert_true(isnan(el_interpolate(x, y, 4, NAN)));
    assert_true(same(el_interpolate(x, y, 1, 10), 0));
}

/* Against tables of Student's t. */
static void test_mean_interval(void **state)
{
    (void)state;
    const double one[] = {3}, three[] = {1, 2, 3}, same[] = {5, 5, 5, 5};
    double mean, lo, hi, many[200];
    el_mean_interval(one, 1, &mean, &lo, &hi);
    assert_true(mean == 3 && isnan(lo) && isnan(hi));
    el_mean_interval(three, 3, &mean, &lo, &hi); /* s = 1, t = 4.3027 */
    assert_true(mean == 2 && fabs(hi - 2 - 4.3027 / sqrt(3)) < 1e-4 && fabs(lo + hi - 4) < 1e-12);
    el_mean_interval(same, 4, &mean, &lo, &hi);
    assert_true(mean == 5 && lo == 5 && hi == 5);
    for (int i = 0; i < 200; i++)
        many[i] = i % 2 ? 1 : -1;
    el_mean_interval(many, 200, &mean, &lo, &hi); /* t(199) = 1.97196 */
    assert_true(fabs(hi - 1.97196 * sqrt(200.0 / 199) / sqrt(200)) < 1e-5);
    el_mean_interval(many, 32, &mean, &lo, &hi); /* t(31) = 2.03951 */
    assert_true(fabs(hi - 2.03951 * sqrt(32.0 / 31) / sqrt(32)) < 5e-4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_vote),    cmocka_unit_test(test_vote_ties),
        cmocka_unit_test(test_selection),     cmocka_unit_test(test_best_at_k_cases),
        cmocka_unit_test(test_pass_at_k),     cmocka_unit_test(test_bootstrap),
        cmocka_unit_test(test_interval),      cmocka_unit_test(test_interpolate),
        cmocka_unit_test(test_mean_interval),
    };
    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
