/* The rule of automatic labelling: a table of cases, and that asking step by step decides like
 * examining everything. */
#include "refine/label_rule.h"

#include "core/base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

static struct el_label_rule rule_of(int n, int k, int lowest)
{
    struct el_label_rule r;
    el_label_rule_init(&r);
    r.n = n;
    r.k = k;
    r.lowest = lowest;
    return r;
}

/* "0v 0i 5u 1 -": score and verdict of every analysis; v valid, i invalid, u undetermined, without
 * a letter not examined; 5 is 0.5, - dropped. Returns their number. */
static int read_views(const char *text, struct el_label_view *a)
{
    int n = 0;
    for (; *text; text++) {
        if (*text == ' ')
            continue;
        a[n] = (struct el_label_view){.verdict = EL_VERDICT_NONE};
        a[n].halves = (signed char)(*text == '0'   ? EL_SCORE_ZERO
                                    : *text == '5' ? EL_SCORE_HALF
                                    : *text == '1' ? EL_SCORE_ONE
                                                   : EL_SCORE_NONE);
        static const char letters[] = "?viu";
        const char *letter = text[1] ? strchr(letters, text[1]) : NULL;
        if (letter) {
            a[n].verdict = (signed char)(letter - letters);
            text++;
        }
        n++;
    }
    return n;
}

static const struct {
    const char *views;
    int k, lowest, halves;
    enum el_label_reason reason;
} decided[] = {
    /* enough valid ones at the lowest score */
    {"0v 0v 1 1", 2, EL_LOWEST_ANY, EL_SCORE_ZERO, EL_LABEL_CONFIRMED},
    {"0i 0v 0v 5v", 2, EL_LOWEST_ANY, EL_SCORE_ZERO, EL_LABEL_CONFIRMED},
    {"5v 5i 5v 1", 2, EL_LOWEST_ANY, EL_SCORE_HALF, EL_LABEL_CONFIRMED},
    {"0v", 1, EL_LOWEST_ANY, EL_SCORE_ZERO, EL_LABEL_CONFIRMED},
    {"0u 0v 0v 1", 2, EL_LOWEST_ANY, EL_SCORE_ZERO, EL_LABEL_CONFIRMED},
    /* nobody finds a legitimate issue */
    {"1 1 1 1", 2, EL_LOWEST_ANY, EL_SCORE_ONE, EL_LABEL_NO_ISSUE},
    {"0i 5i 1 1", 2, EL_LOWEST_ANY, EL_SCORE_ONE, EL_LABEL_NO_ISSUE},
    {"0i 0i 0i 0i", 2, EL_LOWEST_ANY, EL_SCORE_ONE, EL_LABEL_NO_ISSUE},
    {"1 1 - -", 2, EL_LOWEST_ANY, EL_SCORE_ONE, EL_LABEL_NO_ISSUE},
    /* too few valid ones */
    {"0v 1 1 1", 2, EL_LOWEST_ANY, EL_SCORE_NONE, EL_LABEL_TOO_FEW},
    {"0v 0i 5v 5v", 2, EL_LOWEST_ANY, EL_SCORE_NONE, EL_LABEL_TOO_FEW},
    {"0v 0u 0u 1", 2, EL_LOWEST_ANY, EL_SCORE_NONE, EL_LABEL_TOO_FEW},
    {"0v 5v 5v 5v", 2, EL_LOWEST_VALID, EL_SCORE_NONE, EL_LABEL_TOO_FEW},
    /* the lowest score is nobody's valid one: it depends on what the lowest is taken over */
    {"0i 5v 5v 1", 2, EL_LOWEST_ANY, EL_SCORE_NONE, EL_LABEL_HIGHER},
    {"0i 5v 5v 1", 2, EL_LOWEST_VALID, EL_SCORE_HALF, EL_LABEL_CONFIRMED},
    {"0u 5v 5v 1", 2, EL_LOWEST_VALID, EL_SCORE_HALF, EL_LABEL_CONFIRMED},
    {"0i 0i 5v 1", 2, EL_LOWEST_VALID, EL_SCORE_NONE, EL_LABEL_TOO_FEW},
    /* a judge's silence makes no label */
    {"0u 1 1 1", 2, EL_LOWEST_ANY, EL_SCORE_NONE, EL_LABEL_UNDETERMINED},
    {"0i 5u 1 1", 2, EL_LOWEST_VALID, EL_SCORE_NONE, EL_LABEL_UNDETERMINED},
    {"- - - 1", 2, EL_LOWEST_ANY, EL_SCORE_NONE, EL_LABEL_UNPARSED},
    {"- - 0v -", 1, EL_LOWEST_ANY, EL_SCORE_NONE, EL_LABEL_UNPARSED},
    {"-", 1, EL_LOWEST_ANY, EL_SCORE_NONE, EL_LABEL_UNPARSED},
};

static void test_decides(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof decided / sizeof *decided; i++) {
        struct el_label_view a[8];
        struct el_label_result x;
        unsigned char examine[8];
        int n = read_views(decided[i].views, a);
        struct el_label_rule r = rule_of(n, decided[i].k, decided[i].lowest);
        struct el_buf why;
        el_buf_init(&why);
        assert_int_equal(el_label_rule_check(&r, NULL), 0);
        if (!el_label_decide(&r, a, &x, examine))
            fail_msg("'%s' is not decided", decided[i].views);
        if (x.halves != decided[i].halves || x.reason != decided[i].reason)
            fail_msg("'%s': %d, %s", decided[i].views, x.halves, el_label_reason_name(x.reason));
        assert_int_equal(el_label_because(&r, &x, &why), 0);
        assert_true(why.len > 20);
        el_buf_release(&why);
    }
}

static const struct {
    const char *views, *examine;
    int k, lowest;
} asks[] = {
    {"0 0 0 1", "xx..", 2, EL_LOWEST_ANY},    /* two can decide */
    {"0v 0 0 0", ".x..", 2, EL_LOWEST_ANY},   /* one is missing */
    {"0i 0 0 0", ".xx.", 2, EL_LOWEST_ANY},   /* both of the next two */
    {"5 0 5 0", ".x.x", 2, EL_LOWEST_ANY},    /* the lowest score first */
    {"0 1 1 1", "x...", 2, EL_LOWEST_ANY},    /* cannot reach k, but is 1 otherwise */
    {"0i 5 5 5", ".x..", 2, EL_LOWEST_ANY},   /* one valid one stands in the way of 1 */
    {"0i 5 5 5", ".xx.", 2, EL_LOWEST_VALID}, /* here 0.5 can still be the label */
    {"- 5 1 1", ".x..", 2, EL_LOWEST_ANY},
};

static void test_asks_for_as_few_as_can_decide(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof asks / sizeof *asks; i++) {
        struct el_label_view a[8];
        struct el_label_result x;
        unsigned char examine[8];
        int n = read_views(asks[i].views, a);
        struct el_label_rule r = rule_of(n, asks[i].k, asks[i].lowest);
        assert_int_equal(el_label_decide(&r, a, &x, examine), 0);
        for (int j = 0; j < n; j++)
            if (examine[j] != (asks[i].examine[j] == 'x'))
                fail_msg("'%s': analysis %d", asks[i].views, j);
    }
}

/* Everything examined, and revealed as it is asked for: the same label and reason. */
static void compare(const struct el_label_rule *r, const struct el_label_view *all)
{
    struct el_label_view a[6];
    struct el_label_result whole, x;
    unsigned char examine[6];
    int rounds = 0;
    assert_int_equal(el_label_decide(r, all, &whole, examine), 1);
    memcpy(a, all, sizeof a);
    for (int i = 0; i < r->n; i++)
        a[i].verdict = EL_VERDICT_NONE;
    while (!el_label_decide(r, a, &x, examine)) {
        int asked = 0;
        for (int i = 0; i < r->n; i++) {
            if (!examine[i])
                continue;
            assert_int_equal(a[i].verdict, EL_VERDICT_NONE);
            assert_true(a[i].halves == EL_SCORE_ZERO || a[i].halves == EL_SCORE_HALF);
            a[i].verdict = all[i].verdict;
            asked++;
        }
        assert_true(asked > 0);
        assert_true(++rounds <= 2 * r->n);
    }
    assert_int_equal(x.halves, whole.halves);
    assert_int_equal(x.reason, whole.reason);
}

static void test_step_by_step_is_the_same(void **state)
{
    (void)state;
    struct el_rng rng;
    el_rng_init(&rng, 7);
    for (int i = 0; i < 20000; i++) {
        struct el_label_view all[6];
        struct el_label_rule r =
            rule_of(1 + (int)el_rng_below(&rng, 6), 1, (int)el_rng_below(&rng, EL_LOWESTS));
        r.k = 1 + (int)el_rng_below(&rng, (uint32_t)r.n);
        for (int j = 0; j < 6; j++) {
            all[j].halves = (signed char)((int)el_rng_below(&rng, 4) - 1);
            all[j].verdict = (signed char)(EL_VERDICT_VALID + (int)el_rng_below(&rng, 3));
        }
        compare(&r, all);
    }
}

static void test_verdicts(void **state)
{
    (void)state;
    static const struct {
        const char *metas;
        int confirm;
        enum el_verdict verdict;
    } cases[] = {
        {"1111", EL_SCORE_ONE, EL_VERDICT_VALID},
        {"1110", EL_SCORE_ONE, EL_VERDICT_VALID},
        {"1100", EL_SCORE_ONE, EL_VERDICT_INVALID}, /* a tie */
        {"1155", EL_SCORE_ONE, EL_VERDICT_INVALID},
        {"1155", EL_SCORE_HALF, EL_VERDICT_VALID},
        {"0000", EL_SCORE_HALF, EL_VERDICT_INVALID},
        {"11--", EL_SCORE_ONE, EL_VERDICT_VALID}, /* half of them were dropped */
        {"10--", EL_SCORE_ONE, EL_VERDICT_INVALID},
        {"1---", EL_SCORE_ONE, EL_VERDICT_UNDETERMINED},
        {"----", EL_SCORE_ONE, EL_VERDICT_UNDETERMINED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct el_label_view a[8];
        signed char halves[8];
        struct el_label_rule r = rule_of(4, 1, EL_LOWEST_ANY);
        struct el_meta_count c;
        r.m = read_views(cases[i].metas, a);
        r.confirm = cases[i].confirm;
        for (int j = 0; j < r.m; j++)
            halves[j] = a[j].halves;
        el_label_verdict(&r, halves, &c);
        if (c.verdict != cases[i].verdict)
            fail_msg("%s: %s", cases[i].metas, el_verdict_name((int)c.verdict));
        assert_int_equal(c.confirm + c.deny + c.dropped, r.m);
    }
}

static void test_rules_are_checked_and_read_back(void **state)
{
    (void)state;
    struct el_error err = {0};
    struct el_buf text;
    struct el_label_rule r = rule_of(12, 3, EL_LOWEST_VALID), back;
    el_buf_init(&text);
    r.confirm = EL_SCORE_HALF;
    assert_int_equal(el_label_rule_put(&r, &text), 0);
    assert_string_equal(text.data,
                        "{\"n\":12,\"m\":8,\"k\":3,\"confirm\":0.5,\"lowest\":\"valid\"}");
    assert_int_equal(el_label_rule_read(&back, text.data, &err), 0);
    assert_memory_equal(&back, &r, sizeof r);
    el_buf_release(&text);
    r.k = 13; /* more than there are analyses */
    assert_int_equal(el_label_rule_check(&r, &err), EL_EINVAL);
    assert_non_null(strstr(err.msg, "k is 13, expected 1 to 12"));
    assert_int_equal(el_label_rule_read(&back, "{\"n\":1}", &err), EL_EFORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decides),
        cmocka_unit_test(test_asks_for_as_few_as_can_decide),
        cmocka_unit_test(test_step_by_step_is_the_same),
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_rules_are_checked_and_read_back),
    };
    return cmocka_run_group_tests_name("label_rule", tests, NULL, NULL);
}
