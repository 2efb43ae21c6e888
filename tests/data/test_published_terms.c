/* What the rules of rewards/ say about published problems and proofs with human marks: how much of
 * them they can check, and whether it agrees with the marks. Prints its numbers. */
#include "tests/data/store_fixture.h"

#include "core/base/io.h"
#include "data/import.h"
#include "rewards/answer.h"
#include "rewards/language.h"
#include "rewards/rubric.h"

static const char data[] = EL_SOURCE_DIR "/../shared/data";

struct study {
    struct fixture *f;
    const struct el_problem *problem;
    double human; /* of the proof that is looked at */
    int problems, answers, checkable, rubrics, with_items;
    int boxed,
        right[2]; /* proofs of checkable problems with a box; [full marks] equal to the answer */
    long words, english;
};

static int take_score(void *user, const struct el_score *c, struct el_error *err)
{
    struct study *s = user;
    (void)err;
    if (c->rater_kind == EL_RATER_HUMAN)
        s->human = c->raw / c->scale_max;
    return 0;
}

static void count_answer(struct study *s, const struct el_proof *y)
{
    size_t at, len, n = strlen(y->text);
    double right = el_reward_final_answer(y->text, n, s->problem->answer);
    if (!el_answer_checkable(s->problem->answer) || !el_answer_boxed(y->text, n, &at, &len))
        return;
    s->boxed++;
    s->right[s->human == 1] += right == 1;
}

static int take_proof(void *user, const struct el_proof *y, struct el_error *err)
{
    struct study *s = user;
    struct el_language_count c =
        el_language_count(el_language_find("en"), y->text, strlen(y->text));
    s->human = NAN;
    int rc = el_store_score_each(s->f->store, y->id, 0, take_score, s, err);
    s->words += c.words;
    s->english += c.target;
    if (rc < 0 || isnan(s->human))
        return rc;
    count_answer(s, y);
    return 0;
}

static int take_problem(void *user, const struct el_problem *p, struct el_error *err)
{
    struct study *s = user;
    s->problem = p;
    s->problems++;
    s->answers += p->answer != NULL;
    s->checkable += el_answer_checkable(p->answer);
    if (p->rubric) {
        struct el_rubric *items = NULL;
        int rc = el_rubric_read(p->rubric, &items, err);
        if (rc < 0)
            return rc;
        s->rubrics++;
        s->with_items += items != NULL;
        el_rubric_free(items);
    }
    return el_store_proof_each(s->f->store, p->id, take_proof, s, err);
}

static void published(void **state)
{
    struct fixture *f = *state;
    static const char *const files[] = {"imo-proofbench/proofbench_v2.csv",
                                        "deepseek-math-v2/inputs/CMO2024.json",
                                        "deepseek-math-v2/inputs/IMO2025.json",
                                        "deepseek-math-v2/inputs/Putnam2024.json",
                                        "deepseek-math-v2/outputs/CMO2024.jsonl",
                                        "deepseek-math-v2/outputs/IMO2025.jsonl",
                                        "deepseek-math-v2/outputs/Putnam2024.jsonl",
                                        "deepseek-math-v2/outputs/IMO-ProofBench-Basic.jsonl",
                                        "deepseek-math-v2/outputs/IMO-ProofBench-Advanced.jsonl"};
    struct el_import_report in = {0};
    struct study s = {.f = f};
    if (!el_path_exists(EL_SOURCE_DIR "/../shared/data/imo-proofbench"))
        skip();
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", data, files[i]);
        ok(el_import_file(f->store, path, NULL, &in, &f->err));
    }
    ok(el_store_problem_each(f->store, NULL, take_problem, &s, &f->err));
    printf("answers: %d of %d problems have one, %d can be checked by rule; of the human-marked "
           "proofs "
           "of these %d have a box, it is right in %d with full marks and in %d without\n",
           s.answers, s.problems, s.checkable, s.boxed, s.right[1], s.right[0]);
    printf("language: %ld of %ld words of the proofs are English\n", s.english, s.words);
    fflush(stdout);
    assert_true(s.answers >= 40 && s.checkable > s.answers / 2 && s.checkable < s.answers);
    /* mostly proofs with full marks; but a right answer is not yet a proof */
    assert_true(s.right[1] >= 10 && s.right[1] > 5 * s.right[0]);
    assert_true(s.rubrics > 50 && s.with_items == 0); /* prose is not taken for items */
    assert_true(s.words > 10000 && s.english > 0.98 * s.words);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(published, fixture_make, fixture_drop)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
