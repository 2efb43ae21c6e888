/* Problems of the small proof world: drawing, splits, text. */
#include "core/base/alloc.h"
#include "data/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static char *text_of(const struct el_world_problem *p)
{
    struct el_buf b;
    el_buf_init(&b);
    assert_true(el_world_problem_text(p, &b) >= 0);
    return el_buf_detach(&b);
}

static void the_same_index_is_the_same_problem(void **state)
{
    (void)state;
    for (int split = 0; split < EL_WORLD_SPLITS; split++)
        for (uint64_t i = 0; i < 50; i++) {
            struct el_world_problem a, b;
            el_world_problem((enum el_world_split)split, i, &a);
            el_world_problem((enum el_world_split)split, i, &b);
            char *s = text_of(&a), *t = text_of(&b);
            assert_string_equal(s, t);
            el_free(s);
            el_free(t);
        }
}

static int total_of(const struct el_world_claim *c)
{
    struct el_world_witness w;
    assert_true(el_world_solve(c, &w, 1) > 0);
    if (c->family != EL_WORLD_MOD)
        return c->total;
    return w.v[0] * w.v[0] + c->v[1] * w.v[0] + c->v[2];
}

static void problems_are_true_and_in_range(void **state)
{
    (void)state;
    int seen[EL_WORLD_SPLITS][4] = {{0}};
    for (int split = 0; split < EL_WORLD_SPLITS; split++)
        for (uint64_t i = 0; i < 1000; i++) {
            struct el_world_problem p;
            el_world_problem((enum el_world_split)split, i, &p);
            assert_in_range(p.n_claims, 2, 3);
            seen[split][p.n_claims]++;
            for (int k = 0; k < p.n_claims; k++) {
                int total = total_of(&p.claim[k]);
                if (split == EL_WORLD_LARGE)
                    assert_in_range(total, 120, 199);
                else
                    assert_in_range(total, 3, 119);
                assert_true(k == 0 || p.claim[k].family > p.claim[k - 1].family);
            }
        }
    for (int split = 0; split < EL_WORLD_SPLITS; split++)
        assert_in_range(seen[split][2], 430, 570);
}

static void splits_share_no_claim(void **state)
{
    (void)state;
    for (int split = 0; split < EL_WORLD_SPLITS; split++) {
        enum el_world_split side = split == EL_WORLD_LARGE ? EL_WORLD_TEST : split;
        for (uint64_t i = 0; i < 25000; i++) {
            struct el_world_problem p;
            el_world_problem((enum el_world_split)split, i, &p);
            for (int k = 0; k < p.n_claims; k++)
                assert_int_equal(el_world_claim_split(&p.claim[k]), side);
        }
    }
}

static void a_claim_key_ignores_the_order(void **state)
{
    (void)state;
    struct el_world_claim a = {EL_WORLD_LIN, 2, {9, 16}, 98}, b = {EL_WORLD_LIN, 2, {16, 9}, 98};
    assert_true(el_world_claim_key(&a) == el_world_claim_key(&b));
    struct el_world_claim c = {EL_WORLD_SUB, 4, {3, 8, 19, 30}, 57};
    struct el_world_claim d = {EL_WORLD_SUB, 4, {30, 3, 19, 8}, 57};
    assert_true(el_world_claim_key(&c) == el_world_claim_key(&d));
    struct el_world_claim e = {EL_WORLD_MOD, 3, {7, 4, 9}, 0}, f = {EL_WORLD_MOD, 3, {7, 9, 4}, 0};
    assert_true(el_world_claim_key(&e) != el_world_claim_key(&f));
    struct el_world_claim g = {EL_WORLD_SQ, 2, {9, 16}, 98};
    assert_true(el_world_claim_key(&a) != el_world_claim_key(&g));
    struct el_world_problem p = {2, {a, c}}, q = {2, {d, b}}, r = {1, {a}};
    assert_true(el_world_problem_key(&p) == el_world_problem_key(&q));
    assert_true(el_world_problem_key(&p) != el_world_problem_key(&r));
}

static void every_witness_found_holds(void **state)
{
    (void)state;
    struct el_world_claim c = {EL_WORLD_LIN, 2, {2, 3}, 13};
    struct el_world_witness w[8];
    assert_int_equal(el_world_solve(&c, w, 8), 2); /* 2*2+3*3, 2*5+3*1 */
    for (int i = 0; i < 2; i++)
        assert_int_equal(2 * w[i].v[0] + 3 * w[i].v[1], 13);
    struct el_world_claim none = {EL_WORLD_LIN, 2, {2, 4}, 13};
    assert_int_equal(el_world_solve(&none, w, 8), 0);
    struct el_world_claim one = {EL_WORLD_SUB, 3, {5, 9, 60}, 60};
    assert_int_equal(el_world_solve(&one, w, 8), 1);
    assert_int_equal(w[0].n, 1);
}

static void text_and_problem_round_trip(void **state)
{
    (void)state;
    for (int split = 0; split < EL_WORLD_SPLITS; split++)
        for (uint64_t i = 0; i < 500; i++) {
            struct el_world_problem p, q;
            el_world_problem((enum el_world_split)split, i, &p);
            char *s = text_of(&p);
            assert_int_equal(el_world_problem_parse(s, strlen(s), &q, NULL), 0);
            char *t = text_of(&q);
            assert_string_equal(s, t);
            assert_true(el_world_problem_key(&p) == el_world_problem_key(&q));
            el_free(s);
            el_free(t);
        }
}

static void foreign_problems_are_refused(void **state)
{
    (void)state;
    static const char *const foreign[] = {
        "",
        "Let x be a real number. Show that x*x is not negative.",
        "Show that ",
        "Show that (1) ",
        "Show that (2) 7 divides x*x+4*x+9 for an x.",
        "Show that (1) 1 divides x*x+4*x+9 for an x.",
        "Show that (1) 0 divides x*x+4*x+9 for an x.",
        "Show that (1) 200=16*x+9*y for some x,y.",
        "Show that (1) 98=016*x+9*y for some x,y.",
        "Show that (1) 98=0*x+9*y for some x,y.",
        "Show that (1) 98=16*x+9*y*y for some x,y.",
        "Show that (1) 98=16*x+9*y for some x,y; and more",
        "Show that (1) 98=16*x+9*y for some x,y. More.",
        "Show that (1) some of 3 add up to 3.",
        "Show that (1) some of 1,2,3,4,5,6 add up to 7.",
        "Show that (1) 98=16*x+9*y for some x,y; (1) 98=16*x+9*y for some x,y.",
        "Show that (1) 5=2*x+3*y for some x,y; (2) 5=2*x+3*y for some x,y; (3) 5=2*x+3*y for some "
        "x,y; (4) 5=2*x+3*y for some x,y.",
    };
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        struct el_world_problem p;
        struct el_error err = {0};
        assert_int_equal(el_world_problem_parse(foreign[i], strlen(foreign[i]), &p, &err),
                         EL_EREFUSED);
        assert_non_null(strstr(err.msg, "not a problem of the small proof world"));
    }
}

static void blanks_are_free(void **state)
{
    (void)state;
    const char *s =
        "\n Show  that (1) 98 = 16 * x + 9*y for\nsome x,y ;\n( 2 ) some of 3, 8 add up "
        "to 11\n";
    struct el_world_problem p;
    assert_int_equal(el_world_problem_parse(s, strlen(s), &p, NULL), 0);
    assert_int_equal(p.n_claims, 2);
    assert_int_equal(p.claim[0].v[0], 16);
    assert_int_equal(p.claim[1].total, 11);
}

static void export_is_json_of_problems(void **state)
{
    (void)state;
    struct el_buf b;
    el_buf_init(&b);
    assert_true(el_world_export(EL_WORLD_TEST, 7, 2, &b) >= 0);
    assert_non_null(strstr(b.data, "\"id\": \"test-7\", \"question\": \"Show that (1) "));
    assert_non_null(strstr(b.data, "\"id\": \"test-8\""));
    assert_null(strstr(b.data, "\"id\": \"test-9\""));
    el_buf_release(&b);
}

static void names_are_read_back(void **state)
{
    (void)state;
    for (int i = 0; i < EL_WORLD_SPLITS; i++)
        assert_int_equal(el_world_split_from_name(el_world_split_name(i)), i);
    assert_int_equal(el_world_split_from_name("dev"), -1);
    assert_null(el_world_split_name(EL_WORLD_SPLITS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_index_is_the_same_problem),
        cmocka_unit_test(problems_are_true_and_in_range),
        cmocka_unit_test(splits_share_no_claim),
        cmocka_unit_test(a_claim_key_ignores_the_order),
        cmocka_unit_test(every_witness_found_holds),
        cmocka_unit_test(text_and_problem_round_trip),
        cmocka_unit_test(foreign_problems_are_refused),
        cmocka_unit_test(blanks_are_free),
        cmocka_unit_test(export_is_json_of_problems),
        cmocka_unit_test(names_are_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
