/* What the model is trained on must be, byte for byte, what the roles will ask it. */
#include "data/world.h"
#include "roles/prompt.h"
#include "training/recipe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

struct fixture {
    struct el_recipe recipe;
    struct el_prompt_set *set;
};

static int setup(void **state)
{
    static struct fixture f;
    struct el_error err = {0};
    if (el_recipe_load(EL_SOURCE_DIR "/configs/train/small.json", EL_SOURCE_DIR, &f.recipe, &err) <
        0)
        fail_msg("%s", err.msg);
    if (el_prompt_set_load(EL_SOURCE_DIR "/configs/prompts/small", &f.set, &err) < 0)
        fail_msg("%s", err.msg);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    el_recipe_release(&f->recipe);
    el_prompt_set_free(f->set);
    return 0;
}

struct texts {
    struct el_buf statement, proof, analysis, asked, trained;
};

static void texts_init(struct texts *t, uint64_t index)
{
    struct el_world_problem p;
    struct el_world_report report;
    struct el_rng rng;
    el_buf_init(&t->statement);
    el_buf_init(&t->proof);
    el_buf_init(&t->analysis);
    el_buf_init(&t->asked);
    el_buf_init(&t->trained);
    el_rng_init(&rng, index);
    el_world_problem(EL_WORLD_TRAIN, index, &p);
    assert_int_equal(el_world_problem_text(&p, &t->statement), 0);
    assert_int_equal(el_world_proof_good(&p, &rng, &t->proof, NULL), 0);
    el_world_judge_proof(&p, t->proof.data, t->proof.len, &report);
    assert_int_equal(el_world_analysis_true(&report, &t->analysis), 0);
}

static void texts_release(struct texts *t)
{
    el_buf_release(&t->statement);
    el_buf_release(&t->proof);
    el_buf_release(&t->analysis);
    el_buf_release(&t->asked);
    el_buf_release(&t->trained);
}

static int ask(const struct el_prompt_set *set, int kind, struct texts *t)
{
    struct el_slice statement = el_slice_str(t->statement.data);
    struct el_slice proof = el_slice_str(t->proof.data), analysis = el_slice_str(t->analysis.data);
    struct el_prompt_candidate candidate = {proof, &analysis, 1};
    switch (kind) {
    case EL_EXAMPLE_GENERATE:
        return el_prompt_generate(set, statement, &t->asked, NULL);
    case EL_EXAMPLE_VERIFY:
        return el_prompt_verify(set, statement, proof, NULL, &t->asked, NULL);
    case EL_EXAMPLE_META:
        return el_prompt_meta(set, statement, proof, analysis, NULL, &t->asked, NULL);
    default:
        return el_prompt_refine(set, statement, &candidate, 1, &t->asked, NULL);
    }
}

static void roles_ask_what_training_showed(void **state)
{
    struct fixture *f = *state;
    const struct el_world_prompts *p = &f->recipe.mix.prompts;
    const char *const tmpl[] = {p->generate, p->verify, p->meta, p->refine};
    for (uint64_t i = 0; i < 40; i++) {
        int kind = (int)(i % 4);
        struct texts t;
        texts_init(&t, i);
        assert_int_equal(ask(f->set, kind, &t), 0);
        assert_int_equal(
            el_world_fill(tmpl[kind], t.statement.data, t.proof.data, t.analysis.data, &t.trained),
            0);
        assert_string_equal(t.asked.data, t.trained.data);
        texts_release(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(roles_ask_what_training_showed)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
