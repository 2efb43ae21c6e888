/* Numbers that a problem lists: flaws in them, analyses that look them up, drills. */
#include "tests/data/example_fixture.h"

#include <stdio.h>
#include <stdlib.h>

/* The numbers in front of the first `stop`, at most 8. */
static int read_numbers(const char *from, char stop, int *v)
{
    int n = 0;
    while (n < 8 && *from != stop) {
        char *end;
        long number = strtol(from, &end, 10);
        if (end > from)
            v[n++] = (int)number;
        from = end > from ? end : from + 1;
    }
    return n;
}

/* Each line has the nearest number of the problem's list, and says whether it is the one that is
 * taken; both carry loss. */
static void list_drills_judge_truly(void **state)
{
    (void)state;
    struct el_world_mix m;
    int right = 0, lines = 0;
    el_world_mix_init(&m, &prompts);
    memset(m.share, 0, sizeof m.share);
    m.share[EL_EXAMPLE_DRILL] = 1;
    m.drill_witness = 0;
    m.drill_list = 1;
    for (uint64_t i = 0; i < 100; i++) {
        struct el_example e;
        int list[8], k = 0;
        char *save = NULL;
        assert_int_equal(el_world_example(&m, i, &e, NULL), 0);
        assert_ptr_equal(strstr(e.prompt, "Drill: Show that (1) "), e.prompt);
        int n = read_numbers(strstr(e.prompt, "some of ") + 8, ' ', list);
        assert_int_equal(e.n_loss, m.drill_lines);
        for (char *line = strtok_r(e.completion, "\n", &save); line; k++) {
            int taken, listed, best = 200;
            char judgement[12];
            assert_int_equal(sscanf(line, "take %d of %d %11s", &taken, &listed, judgement), 3);
            for (int j = 0; j < n; j++) /* ascending: of two as near the smaller comes first */
                best = abs(list[j] - taken) < abs(best - taken) ? list[j] : best;
            assert_int_equal(listed, best);
            assert_string_equal(judgement, listed == taken ? "right." : "wrong.");
            assert_int_equal(e.loss[k].begin, strstr(line, " of ") + 4 - e.completion);
            assert_int_equal(e.loss[k].end, line + strlen(line) + 1 - e.completion);
            right += listed == taken;
            lines++;
            line = strtok_r(NULL, "\n", &save);
        }
        assert_int_equal(k, m.drill_lines);
        el_example_release(&e);
    }
    assert_in_range(right, lines * 45 / 100, lines * 60 / 100);
}

/* Proofs whose numbers add up and are not in the list, of every flawed list at share 1. */
static void unlisted_numbers_are_shown(void **state)
{
    (void)state;
    int seen[2] = {0}, lists[2] = {0};
    for (int on = 0; on < 2; on++)
        for (uint64_t i = 0; i < 400; i++) {
            struct el_world_mix m;
            struct el_example e;
            int list[8], taken[8], total, sum = 0, foreign = 0;
            el_world_mix_init(&m, &prompts);
            memset(m.share, 0, sizeof m.share);
            m.share[EL_EXAMPLE_VERIFY] = 1;
            m.verify_score[1] = m.verify_score[2] = 0;
            m.unlisted = on;
            assert_int_equal(el_world_example(&m, i, &e, NULL), 0);
            const char *some = strstr(e.prompt, "some of "), *up = strstr(e.prompt, " add up to "),
                       *take = strstr(e.prompt, "take ");
            if (some && up && take) {
                int n = read_numbers(some + 8, ' ', list), k = read_numbers(take, '.', taken);
                total = atoi(up + 11);
                for (int j = 0; j < k; j++) {
                    int at = 0;
                    while (at < n && list[at] != taken[j])
                        at++;
                    foreign += at == n || (j && taken[j] == taken[j - 1]);
                    sum += taken[j];
                }
                lists[on]++;
                if (foreign && sum == total) {
                    seen[on]++;
                    assert_true(e.label == 0);
                    assert_non_null(strstr(e.completion, ") bad witness."));
                }
            }
            el_example_release(&e);
        }
    assert_true(lists[0] > 150 && lists[1] > 150);
    assert_true(seen[0] < 5 && seen[1] > lists[1] / 3);
}

/* A number that is taken twice is looked up twice; the second time what is left of the list is
 * nearest. */
static void reused_numbers_are_looked_up(void **state)
{
    (void)state;
    int seen = 0;
    for (uint64_t i = 0; i < 400; i++) {
        struct el_world_mix m;
        struct el_example e;
        el_world_mix_init(&m, &prompts);
        memset(m.share, 0, sizeof m.share);
        m.share[EL_EXAMPLE_VERIFY] = 1;
        m.verify_score[1] = m.verify_score[2] = 0;
        m.unlisted = m.reused = 1;
        m.look_up = 3;
        assert_int_equal(el_world_example(&m, i, &e, NULL), 0);
        int v, again, listed;
        const char *take = strstr(e.completion, ".\ntake ");
        for (; take; take = strstr(take + 1, ".\ntake "))
            if (sscanf(take, ".\ntake %d of %*d right.\ntake %d of %d", &v, &again, &listed) == 3 &&
                v == again && listed != v) {
                assert_true(e.label == 0);
                seen++;
            }
        el_example_release(&e);
    }
    print_message("%d numbers are looked up twice\n", seen);
    assert_true(seen > 150);
}

/* Every analysis, whoever's it is, restates the numbers of lists, or none does. */
static void analyses_look_lists_up(void **state)
{
    (void)state;
    static const int levels[] = {0, 1, 3};
    int seen[3][EL_EXAMPLE_DRILL] = {{0}}, restated[3][EL_EXAMPLE_DRILL] = {{0}};
    for (int on = 0; on < 3; on++)
        for (uint64_t i = 0; i < 400; i++) {
            struct el_world_mix m;
            struct el_example e;
            el_world_mix_init(&m, &prompts);
            m.look_up = levels[on];
            m.share[EL_EXAMPLE_DRILL] = 0;
            assert_int_equal(el_world_example(&m, i, &e, NULL), 0);
            const char *prompted = strstr(e.prompt, "Review:\n"),
                       *self = strstr(e.completion, SELF_HEAD),
                       *own = e.kind == EL_EXAMPLE_VERIFY ? e.completion : self;
            seen[on][e.kind] += prompted && strstr(prompted, "take ");
            seen[on][e.kind] += own && strstr(own, "take ");
            restated[on][e.kind] +=
                (prompted && strstr(prompted, "some of ")) || (own && strstr(own, "some of "));
            el_example_release(&e);
        }
    for (int kind = 0; kind < EL_EXAMPLE_DRILL; kind++) {
        assert_int_equal(seen[0][kind], 0);
        assert_true(seen[1][kind] > 10 && seen[2][kind] > 10);
        assert_int_equal(restated[0][kind] + restated[1][kind], 0);
        assert_true(restated[2][kind] > 10);
    }
}

/* Verdicts of a meta-analysis, and the lines that it finds right by itself. */
static void count_verdicts(const char *text, int *verdicts, int *right)
{
    *verdicts = *right = 0;
    for (const char *at = text, *end; (end = strchr(at, '\n')); at = end + 1) {
        size_t n = (size_t)(end - at);
        *verdicts += (n == 5 && !memcmp(at, "real.", n)) ||
                     (n == 9 && !memcmp(at, "not real.", n)) ||
                     (n == 10 && !memcmp(at, "misstated.", n));
        *right += n > 7 && !memcmp(end - 7, " right.", 7);
    }
}

/* Meta-analyses verify anew with look_up 2; crowded ones have many verdicts. */
static void analyses_to_judge_may_be_crowded(void **state)
{
    (void)state;
    int many[2] = {0}, right[4] = {0}, n = 400;
    for (int on = 0; on < 2; on++)
        for (int i = 0; i < n; i++) {
            struct el_world_mix m;
            struct el_example e;
            struct el_world_problem p;
            int verdicts, found;
            el_world_mix_init(&m, &prompts);
            memset(m.share, 0, sizeof m.share);
            m.share[EL_EXAMPLE_META] = 1;
            m.crowded = on;
            m.look_up = i % 4;
            assert_int_equal(el_world_example(&m, (uint64_t)i, &e, NULL), 0);
            count_verdicts(e.completion, &verdicts, &found);
            many[on] += verdicts >= 4;
            right[m.look_up] += found;
            problem_of(&e, &p);
            check_meta(&e, &p);
            el_example_release(&e);
        }
    assert_in_range(many[0], 0, n / 5);
    assert_in_range(many[1], n / 2, n);
    assert_int_equal(right[0] + right[1], 0);
    assert_true(right[2] > 300 && right[3] > 300);
}

/* The same of a model's own attempt: its self-evaluation, its verification, a refinement's prompt,
 * the judgement of its analysis, and the self-evaluation of what it is carried on to. */
static void attempts_are_looked_up(void **state)
{
    (void)state;
    static const char list[] = "Show that (1) some of 3,8,19,30 add up to 57.";
    static const char own[] = "(1) take 27,30.\n27+30=57.\n" CLOSED;
    static const char analysis[] =
        "Here is my evaluation of the solution:\n(1) malformed.\nBased on my evaluation, the final "
        "overall score should be:\n\\boxed{0}";
    struct el_world_problem p;
    assert_int_equal(el_world_problem_parse(list, strlen(list), &p, NULL), 0);
    for (int on = 0; on <= 2; on++) {
        struct el_world_mix m;
        struct el_example e;
        const char *found = on ? "(1) take 27 of 30 wrong.\n" : "(1) bad witness.\n";
        el_world_mix_init(&m, &prompts);
        m.look_up = on;
        for (int kind = 0; kind < EL_EXAMPLE_DRILL; kind++) {
            assert_int_equal(el_world_example_from_attempt(&m, &p, own, analysis,
                                                           (enum el_example_kind)kind, 1, &e, NULL),
                             0);
            const char *where = kind == EL_EXAMPLE_REFINE ? e.prompt : e.completion;
            if (kind == EL_EXAMPLE_META && on < 2)
                assert_null(strstr(where, found));
            else
                assert_non_null(strstr(where, found));
            el_example_release(&e);
        }
        m.checked = 1;
        assert_int_equal(
            el_world_example_from_attempt(&m, &p, own, NULL, EL_EXAMPLE_GENERATE, 1, &e, NULL), 0);
        const char *self = strstr(e.completion, SELF_HEAD);
        assert_non_null(self);
        assert_true(e.label == 1);
        assert_int_equal(strstr(self, "take ") != NULL, on > 0);
        el_example_release(&e);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(list_drills_judge_truly),
        cmocka_unit_test(unlisted_numbers_are_shown),
        cmocka_unit_test(reused_numbers_are_looked_up),
        cmocka_unit_test(analyses_look_lists_up),
        cmocka_unit_test(analyses_to_judge_may_be_crowded),
        cmocka_unit_test(attempts_are_looked_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
