/* Drawing tokens: distribution, order of truncations, ties, hostile logits. */
#include "core/base/alloc.h"
#include "core/base/rng.h"
#include "core/run/sampler.h"

#include <math.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

enum { V = 20 };

static struct el_sampling sampling(double temperature, int top_k, double top_p)
{
    return (struct el_sampling){
        .temperature = temperature, .top_k = top_k, .top_p = top_p, .max_tokens = 1};
}

static void random_logits(struct el_rng *r, float *logits, int n)
{
    for (int i = 0; i < n; i++)
        logits[i] = (float)(1.5 * el_rng_normal(r));
}

/* Chi-square of counts against exact probabilities; bins that expect less than 5 are put together.
 * *degrees gets the number of bins less one. */
static double chi_square(const int *counts, const double *p, int n, int draws, int *degrees)
{
    double sum = 0, rest_count = 0, rest = 0;
    int bins = 0;
    for (int i = 0; i < n; i++) {
        double expected = p[i] * draws;
        if (expected < 5) {
            rest += expected;
            rest_count += counts[i];
            continue;
        }
        sum += (counts[i] - expected) * (counts[i] - expected) / expected;
        bins++;
    }
    if (rest > 0.5) {
        sum += (rest_count - rest) * (rest_count - rest) / rest;
        bins++;
    }
    *degrees = bins - 1;
    return sum;
}

/* Exact probabilities over the kept ids (all when n_kept is 0), in double. */
static void softmax_of(const struct el_sampler *s, const float *logits, double temperature,
                       double *p)
{
    double total = 0;
    memset(p, 0, V * sizeof *p);
    for (int i = 0; i < (s->n_kept ? s->n_kept : V); i++) {
        int id = s->n_kept ? s->kept[i] : i;
        p[id] = exp((double)logits[id] / temperature);
        total += p[id];
    }
    for (int i = 0; i < V; i++)
        p[i] /= total;
}

static void check_distribution(struct el_sampling how, uint64_t seed)
{
    enum { DRAWS = 20000 };
    struct el_sampler s;
    struct el_rng r;
    float logits[V];
    int counts[V] = {0}, degrees;
    double p[V];
    el_rng_init(&r, seed);
    assert_int_equal(el_sampler_init(&s, V, NULL), 0);
    random_logits(&r, logits, V);
    for (int i = 0; i < DRAWS; i++) {
        int token = el_sampler_draw(&s, logits, &how, el_rng_uniform(&r));
        assert_in_range(token, 0, V - 1);
        counts[token]++;
    }
    softmax_of(&s, logits, how.temperature, p);
    for (int i = 0; i < V; i++)
        assert_true(p[i] > 0 || counts[i] == 0);
    double chi = chi_square(counts, p, V, DRAWS, &degrees);
    assert_true(degrees > 2);
    /* 6 deviations above the mean: about one in 10^6 right samplers would fail */
    if (!(chi < degrees + 6 * sqrt(2.0 * degrees)))
        fail_msg("chi-square %.1f with %d degrees of freedom", chi, degrees);
    el_sampler_release(&s);
}

static void test_distribution(void **state)
{
    (void)state;
    check_distribution(sampling(1, 0, 1), 1);
    check_distribution(sampling(0.7, 0, 1), 2);
    check_distribution(sampling(2.5, 0, 1), 3);
    check_distribution(sampling(1, 8, 1), 4);
    check_distribution(sampling(1, 0, 0.8), 5);
    check_distribution(sampling(1.3, 15, 0.9), 6);
}

/* The draw inverts the distribution over ascending ids. */
static void test_inversion(void **state)
{
    (void)state;
    struct el_sampler s;
    struct el_sampling how = sampling(1, 0, 1);
    const float quarter[] = {-INFINITY, 0, 0, -INFINITY, 0, 0, -INFINITY};
    assert_int_equal(el_sampler_init(&s, 7, NULL), 0);
    assert_int_equal(el_sampler_draw(&s, quarter, &how, 0), 1);
    assert_int_equal(el_sampler_draw(&s, quarter, &how, 0.2499), 1);
    assert_int_equal(el_sampler_draw(&s, quarter, &how, 0.25), 2);
    assert_int_equal(el_sampler_draw(&s, quarter, &how, 0.4999), 2);
    assert_int_equal(el_sampler_draw(&s, quarter, &how, 0.5), 4);
    assert_int_equal(el_sampler_draw(&s, quarter, &how, 0.75), 5);
    assert_int_equal(el_sampler_draw(&s, quarter, &how, 1 - 0x1p-53), 5);
    assert_int_equal(s.n_kept, 0);
    el_sampler_release(&s);
}

static void test_greedy(void **state)
{
    (void)state;
    struct el_sampler s;
    struct el_sampling how = sampling(0, 3, 0.5);
    float logits[] = {NAN, -3, 2, 7, 7, -INFINITY};
    assert_int_equal(el_sampler_init(&s, 6, NULL), 0);
    assert_int_equal(el_sampler_draw(&s, logits, &how, 0.99), 3);
    assert_int_equal(s.n_kept, 0);
    logits[3] = logits[4] = -INFINITY;
    assert_int_equal(el_sampler_draw(&s, logits, &how, 0.99), 2);
    el_sampler_release(&s);
}

static void test_hostile_logits(void **state)
{
    (void)state;
    struct el_sampler s;
    struct el_sampling greedy = sampling(0, 0, 1), hot = sampling(1, 0, 1),
                       cut = sampling(1, 2, 0.9);
    float nans[] = {NAN, NAN, NAN}, nothing[] = {-INFINITY, NAN, -INFINITY},
          infinite[] = {1, INFINITY, 2}, one[] = {NAN, -1e30f, NAN}, huge[] = {3e38f, -3e38f, 0};
    assert_int_equal(el_sampler_init(&s, 3, NULL), 0);
    float *hopeless[] = {nans, nothing, infinite};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(el_sampler_draw(&s, hopeless[i], &greedy, 0.5), EL_ENUMERIC);
        assert_int_equal(el_sampler_draw(&s, hopeless[i], &hot, 0.5), EL_ENUMERIC);
        assert_int_equal(el_sampler_draw(&s, hopeless[i], &cut, 0.5), EL_ENUMERIC);
    }
    for (double u = 0; u < 1; u += 0.09) {
        assert_int_equal(el_sampler_draw(&s, one, &hot, u), 1);
        assert_int_equal(el_sampler_draw(&s, one, &cut, u), 1);
        assert_int_equal(el_sampler_draw(&s, huge, &hot, u), 0);
        assert_int_equal(el_sampler_draw(&s, huge, &cut, u), 0);
    }
    el_sampler_release(&s);
}

static void check_kept(const float *logits, int n, struct el_sampling how, const int32_t *expected,
                       int n_expected)
{
    struct el_sampler s;
    assert_int_equal(el_sampler_init(&s, n, NULL), 0);
    for (double u = 0; u < 1; u += 0.13) {
        int token = el_sampler_draw(&s, logits, &how, u), found = 0;
        assert_int_equal(s.n_kept, n_expected);
        for (int i = 0; i < n_expected; i++) {
            assert_int_equal(s.kept[i], expected[i]);
            found |= expected[i] == token;
        }
        assert_true(found);
    }
    el_sampler_release(&s);
}

static void test_truncation(void **state)
{
    (void)state;
    /* probabilities 0.1, 0.4, 0.2, 0.3 */
    const float l[] = {logf(0.1f), logf(0.4f), logf(0.2f), logf(0.3f)};
    check_kept(l, 4, sampling(1, 1, 1), (int32_t[]){1}, 1);
    check_kept(l, 4, sampling(1, 2, 1), (int32_t[]){1, 3}, 2);
    check_kept(l, 4, sampling(1, 3, 1), (int32_t[]){1, 2, 3}, 3);
    check_kept(l, 4, sampling(1, 0, 0), (int32_t[]){1}, 1);
    check_kept(l, 4, sampling(1, 0, 0.39), (int32_t[]){1}, 1);
    check_kept(l, 4, sampling(1, 0, 0.41), (int32_t[]){1, 3}, 2);
    check_kept(l, 4, sampling(1, 0, 0.71), (int32_t[]){1, 2, 3}, 3);
    check_kept(l, 4, sampling(1, 0, 0.91), (int32_t[]){0, 1, 2, 3}, 4);
    /* temperature first: at 0.25 the two largest hold nearly everything */
    check_kept(l, 4, sampling(0.25, 0, 0.71), (int32_t[]){1}, 1);
    check_kept(l, 4, sampling(4, 0, 0.71), (int32_t[]){1, 2, 3}, 3);
    /* top-k before top-p: of the two left, the larger one has 0.57 */
    check_kept(l, 4, sampling(1, 2, 0.5), (int32_t[]){1}, 1);
    check_kept(l, 4, sampling(1, 2, 0.6), (int32_t[]){1, 3}, 2);
}

static void test_ties(void **state)
{
    (void)state;
    const float flat[] = {1, 1, 1, 1, 1}, two[] = {0, 5, 5, 0, 5};
    check_kept(flat, 5, sampling(1, 2, 1), (int32_t[]){0, 1}, 2);
    check_kept(flat, 5, sampling(1, 0, 0.5), (int32_t[]){0, 1, 2}, 3);
    check_kept(two, 5, sampling(1, 2, 1), (int32_t[]){1, 2}, 2);
    check_kept(two, 5, sampling(1, 4, 1), (int32_t[]){0, 1, 2, 4}, 4);
    check_kept(two, 5, sampling(1, 0, 0.4), (int32_t[]){1, 2}, 2);
}

/* A top-k as large as the vocabulary keeps it whole. */
static void test_no_truncation(void **state)
{
    (void)state;
    struct el_sampler s;
    const float l[] = {1, 2, 3};
    struct el_sampling whole[] = {sampling(1, 0, 1), sampling(1, 3, 1), sampling(1, 100, 1)};
    assert_int_equal(el_sampler_init(&s, 3, NULL), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(el_sampler_draw(&s, l, &whole[i], 0.01), 0);
        assert_int_equal(s.n_kept, 0);
    }
    el_sampler_release(&s);
}

static void test_sampling_check(void **state)
{
    (void)state;
    struct el_error err = {0};
    struct el_sampling right[] = {sampling(0, 0, 1), sampling(1, 0, 1), sampling(0.001, 5, 0.1)};
    struct el_sampling wrong[] = {
        sampling(-1, 0, 1),    sampling(NAN, 0, 1), sampling(INFINITY, 0, 1),
        sampling(1e-40, 0, 1), sampling(1, -1, 1),  sampling(1, 0, 0),
        sampling(1, 0, 1.5),   sampling(1, 0, NAN), sampling(1, 0, -0.5)};
    for (size_t i = 0; i < sizeof right / sizeof *right; i++)
        assert_int_equal(el_sampling_check(&right[i], &err), 0);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(el_sampling_check(&wrong[i], &err), EL_EINVAL);
        assert_non_null(strstr(err.msg, "expected"));
    }
    struct el_sampling none = sampling(1, 0, 1);
    none.max_tokens = 0;
    assert_int_equal(el_sampling_check(&none, &err), EL_EINVAL);
}

static void test_memory(void **state)
{
    (void)state;
    struct el_sampler s;
    struct el_error err = {0};
    for (int n = 1; n <= 3; n++) {
        el_alloc_fail_after(n);
        assert_int_equal(el_sampler_init(&s, 100, &err), EL_ENOMEM);
        el_alloc_fail_after(0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_distribution),  cmocka_unit_test(test_inversion),
        cmocka_unit_test(test_greedy),        cmocka_unit_test(test_hostile_logits),
        cmocka_unit_test(test_truncation),    cmocka_unit_test(test_ties),
        cmocka_unit_test(test_no_truncation), cmocka_unit_test(test_sampling_check),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
