/* The reward formulas: ranges, corners, monotony, and the incentives that the paper names. */
#include "rewards/rewards.h"
#include "rewards/score.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <cmocka.h>

static const double score[] = {0, 0.5, 1};

/* Equal but for rounding in the last place: 0.76 and 0.24 have no exact binary form. */
static void assert_near(double got, double want)
{
    if (!(fabs(got - want) < 1e-15))
        fail_msg("got %.17g, want %.17g", got, want);
}

static double generator(double s_pred, double s_true, double meta)
{
    const double r_z = el_reward_self_evaluation(el_reward_score(s_pred, s_true), meta);

    return el_reward_generator(1, s_true, r_z, NULL);
}

static void score_reward_is_one_minus_distance(void **state)
{
    static const double want[3][3] = {{1, 0.5, 0}, {0.5, 1, 0.5}, {0, 0.5, 1}};

    (void)state;
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
            assert_true(el_reward_score(score[i], score[j]) == want[i][j]);
            assert_true(el_reward_score(score[i], score[j]) == el_reward_score(score[j], score[i]));
        }
}

static void rewards_stay_in_the_unit_interval(void **state)
{
    (void)state;
    for (double a = 0; a <= 1; a += 0.125)
        for (double b = 0; b <= 1; b += 0.125) {
            const double r[] = {el_reward_score(a, b), el_reward_verifier(1, a, b),
                                el_reward_meta_verifier(1, a), el_reward_self_evaluation(a, b),
                                el_reward_generator(1, a, b, NULL)};

            for (size_t i = 0; i < sizeof r / sizeof *r; i++)
                assert_true(r[i] >= 0 && r[i] <= 1);
        }
}

static void corners(void **state)
{
    (void)state;
    assert_near(el_reward_generator(1, 1, 1, NULL), 1);
    assert_near(el_reward_generator(1, 1, 0, NULL), 0.76);
    assert_near(el_reward_generator(1, 0, 1, NULL), 0.24);
    assert_near(el_reward_generator(1, 0, 0, NULL), 0);
    assert_near(el_reward_generator(1, 0.5, 1, NULL), 0.62);
    assert_near(el_reward_verifier(1, 1, 0.5), 0.5);
    assert_near(el_reward_verifier(1, 0.5, 0.5), 0.25);
    assert_near(el_reward_verifier(1, 1, 1), 1);
    assert_near(el_reward_meta_verifier(1, 0.5), 0.5);
}

static void bad_format_earns_nothing(void **state)
{
    (void)state;
    assert_true(el_reward_verifier(0, 1, 1) == 0);
    assert_true(el_reward_verifier(0, NAN, NAN) == 0);
    assert_true(el_reward_meta_verifier(0, NAN) == 0);
    assert_true(el_reward_generator(0, 1, 1, NULL) == 0);
    assert_true(el_reward_generator(0, NAN, 1, NULL) == 0);
}

static void values_out_of_range_are_never_paid(void **state)
{
    static const double bad[] = {-0.5, 1.5, 7, NAN, INFINITY, -INFINITY};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_true(isnan(el_reward_score(bad[i], 1)));
        assert_true(isnan(el_reward_score(1, bad[i])));
        assert_true(isnan(el_reward_verifier(1, bad[i], 1)));
        assert_true(isnan(el_reward_verifier(1, 1, bad[i])));
        assert_true(isnan(el_reward_meta_verifier(1, bad[i])));
        assert_true(isnan(el_reward_self_evaluation(bad[i], 0)));
        assert_true(isnan(el_reward_generator(1, bad[i], 1, NULL)));
        assert_true(isnan(el_reward_generator(1, 1, bad[i], NULL)));
    }
}

/* A better proof with an honest self-evaluation never earns less, nor does a better analysis. */
static void monotonic(void **state)
{
    (void)state;
    for (int i = 0; i + 1 < 3; i++)
        for (int m = 0; m < 3; m++) {
            assert_true(generator(score[i], score[i], score[m]) <
                        generator(score[i + 1], score[i + 1], score[m]));
            for (int s = 0; s < 3; s++) {
                assert_true(generator(score[m], score[s], score[i]) <=
                            generator(score[m], score[s], score[i + 1]));
                assert_true(el_reward_verifier(1, score[s], score[i]) <=
                            el_reward_verifier(1, score[s], score[i + 1]));
            }
        }
}

/* For every true score the honest self-score is the only best one. */
static void honesty_pays(void **state)
{
    (void)state;
    for (int s = 0; s < 3; s++)
        for (int claim = 0; claim < 3; claim++)
            if (claim != s)
                assert_true(generator(score[s], score[s], 1) >
                            generator(score[claim], score[s], 1));
    /* A wrong proof that admits it beats a wrong proof that claims to be right ... */
    assert_near(generator(0, 0, 1), 0.24);
    assert_near(generator(1, 0, 1), 0);
    /* ... and loses to a correct one, even one that is shy about it. */
    assert_true(generator(0, 1, 1) > generator(0, 0, 1));
    /* Invented issues cost the whole self-evaluation. */
    assert_near(generator(0, 0, 0), 0);
}

/* The right score with invented issues earns a verifier nothing once R_meta takes part. */
static void invented_issues_cost_the_verifier(void **state)
{
    const double r_score = el_reward_score(0, 0);

    (void)state;
    assert_true(el_reward_verifier(1, r_score, 1) == 1);
    assert_true(el_reward_verifier(1, r_score, 0) == 0);
}

static void weights(void **state)
{
    struct el_reward_weights w = el_reward_weights_default();
    struct el_error err = {0};

    (void)state;
    assert_true(w.alpha == 0.76 && w.beta == 0.24);
    assert_int_equal(el_reward_weights_check(&w, &err), 0);
    assert_string_equal(err.msg, "");
    w = (struct el_reward_weights){0.5, 0.5};
    assert_near(el_reward_generator(1, 1, 0.5, &w), 0.75);
    w = (struct el_reward_weights){1.5, -0.5};
    assert_int_equal(el_reward_weights_check(&w, &err), EL_EINVAL);
    w = (struct el_reward_weights){0.76, 0.25};
    assert_int_equal(el_reward_weights_check(&w, &err), EL_EINVAL);
    w = (struct el_reward_weights){NAN, 0.25};
    assert_int_equal(el_reward_weights_check(&w, &err), EL_EINVAL);
}

static void scores_convert_exactly(void **state)
{
    (void)state;
    for (int h = EL_SCORE_ZERO; h <= EL_SCORE_ONE; h++) {
        assert_true(el_score_is_legal(h));
        assert_int_equal(el_score_from_value(el_score_value(h)), h);
    }
    assert_true(isnan(el_score_value(EL_SCORE_NONE)) && isnan(el_score_value(3)));
    assert_int_equal(el_score_from_value(0.7), EL_SCORE_NONE);
    assert_int_equal(el_score_from_value(NAN), EL_SCORE_NONE);
    assert_int_equal(el_score_from_value(7), EL_SCORE_NONE);
    assert_string_equal(el_score_text(1), "0.5");
    assert_string_equal(el_score_text(EL_SCORE_NONE), "-");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(score_reward_is_one_minus_distance),
        cmocka_unit_test(rewards_stay_in_the_unit_interval),
        cmocka_unit_test(corners),
        cmocka_unit_test(bad_format_earns_nothing),
        cmocka_unit_test(values_out_of_range_are_never_paid),
        cmocka_unit_test(monotonic),
        cmocka_unit_test(honesty_pays),
        cmocka_unit_test(invented_issues_cost_the_verifier),
        cmocka_unit_test(weights),
        cmocka_unit_test(scores_convert_exactly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
