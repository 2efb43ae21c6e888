/* The world's tokenizer.json as the tokenizer of core/text reads it: one token for each number,
 * and texts short enough for a small model. Token budgets are printed. */
#include "core/text/tokenizer.h"
#include "core/base/io.h"
#include "data/world.h"
#include "data/world_tokenizer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct fixture {
    struct el_tokenizer *t;
    struct el_buf prompt[4];
    struct el_world_prompts prompts;
};

static int setup(void **state)
{
    static struct fixture f;
    static const char *const names[] = {"generate", "verify", "meta", "refine"};
    struct el_buf b;
    struct el_error err = {0};
    el_buf_init(&b);
    assert_int_equal(el_world_tokenizer_json(&b), 0);
    if (el_tokenizer_parse("tokenizer.json", b.data, b.len, &f.t, &err) < 0)
        fail_msg("%s", err.msg);
    el_buf_release(&b);
    for (int i = 0; i < 4; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/configs/prompts/small/%s.txt", EL_SOURCE_DIR, names[i]);
        el_buf_init(&f.prompt[i]);
        assert_int_equal(el_file_read(path, 4096, &f.prompt[i], &err), 0);
    }
    f.prompts = (struct el_world_prompts){f.prompt[0].data, f.prompt[1].data, f.prompt[2].data,
                                          f.prompt[3].data};
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    el_tokenizer_free(f->t);
    for (int i = 0; i < 4; i++)
        el_buf_release(&f->prompt[i]);
    return 0;
}

/* Tokens of the text; checks that they decode to it. */
static size_t count(const struct fixture *f, const char *text)
{
    struct el_tokens ids;
    struct el_buf back;
    struct el_error err = {0};
    el_tokens_init(&ids);
    el_buf_init(&back);
    if (el_tokenizer_encode(f->t, text, strlen(text), EL_ENCODE_PLAIN, &ids, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(el_tokenizer_decode(f->t, ids.ids, ids.len, 0, &back), 0);
    assert_string_equal(back.data, text);
    size_t n = ids.len;
    el_tokens_release(&ids);
    el_buf_release(&back);
    return n;
}

static void the_vocabulary_is_small_and_complete(void **state)
{
    const struct fixture *f = *state;
    assert_int_equal(el_tokenizer_vocab_size(f->t), el_world_tokenizer_size());
    assert_true(el_world_tokenizer_size() <= 640);
    assert_int_equal(el_tokenizer_id(f->t, "<｜begin▁of▁sentence｜>"), 0);
    assert_int_equal(el_tokenizer_id(f->t, "<｜end▁of▁sentence｜>"), 1);
    assert_true(el_tokenizer_id(f->t, "<｜User｜>") > 0);
    assert_true(el_tokenizer_id(f->t, "</think>") > 0);
}

static void every_number_is_one_token(void **state)
{
    const struct fixture *f = *state;
    for (int i = 0; i <= EL_WORLD_MAX; i++) {
        char text[32];
        snprintf(text, sizeof text, "%d", i);
        assert_int_equal(count(f, text), 1);
        snprintf(text, sizeof text, "%d*%d=%d.\n", i, i, i);
        assert_int_equal(count(f, text), 6);
        snprintf(text, sizeof text, "%d+%d=%d wrong.\n", i, i, i);
        assert_int_equal(count(f, text), 6);
    }
    assert_int_equal(count(f, "(1) x=5, y=2.\n"), 6);
    assert_int_equal(count(f, "\\boxed{0.5}"), 1);
}

/* Cutting a reply where its parts are parsed does not change the tokens of the parts. */
static void parts_have_their_own_tokens(void **state)
{
    const struct fixture *f = *state;
    struct el_world_mix m;
    el_world_mix_init(&m, &f->prompts);
    for (uint64_t i = 0; i < 400; i++) {
        struct el_example e;
        assert_int_equal(el_world_example(&m, i, &e, NULL), 0);
        char *self = strstr(e.completion, "\n## Self Evaluation\n");
        if (self) {
            size_t whole = count(f, e.completion), second = count(f, self);
            *self = 0;
            assert_int_equal(count(f, e.completion) + second, whole);
        }
        el_example_release(&e);
    }
}

static void texts_keep_their_budgets(void **state)
{
    const struct fixture *f = *state;
    struct el_world_mix m;
    size_t most[EL_EXAMPLE_KINDS] = {0}, sum[EL_EXAMPLE_KINDS] = {0}, n[EL_EXAMPLE_KINDS] = {0};
    el_world_mix_init(&m, &f->prompts);
    for (uint64_t i = 0; i < 4000; i++) {
        struct el_example e;
        assert_int_equal(el_world_example(&m, i, &e, NULL), 0);
        size_t tokens = 5 + count(f, e.prompt) + count(f, e.completion); /* 5 marks of the chat */
        most[e.kind] = tokens > most[e.kind] ? tokens : most[e.kind];
        sum[e.kind] += tokens;
        n[e.kind]++;
        el_example_release(&e);
    }
    for (int k = 0; k < EL_EXAMPLE_KINDS; k++) {
        printf("%-9s mean %.1f, most %zu tokens\n", el_example_kind_name(k),
               (double)sum[k] / (double)n[k], most[k]);
        assert_true(most[k] <= 420);
    }
}

static void problems_and_proofs_keep_their_budgets(void **state)
{
    const struct fixture *f = *state;
    struct el_rng rng;
    size_t most[3] = {0};
    el_rng_init(&rng, 1);
    for (uint64_t i = 0; i < 1000; i++) {
        struct el_world_problem p;
        struct el_world_report r;
        struct el_buf b[3];
        for (int k = 0; k < 3; k++)
            el_buf_init(&b[k]);
        el_world_problem((enum el_world_split)(i % EL_WORLD_SPLITS), i, &p);
        assert_true(el_world_problem_text(&p, &b[0]) >= 0);
        assert_int_equal(el_world_proof_good(&p, &rng, &b[1], NULL), 0);
        el_world_judge_proof(&p, b[1].data, b[1].len, &r);
        assert_true(el_world_analysis_true(&r, &b[2]) >= 0);
        for (int k = 0; k < 3; k++) {
            size_t tokens = count(f, b[k].data);
            most[k] = tokens > most[k] ? tokens : most[k];
            el_buf_release(&b[k]);
        }
    }
    printf("most tokens: problem %zu, proof %zu, analysis %zu\n", most[0], most[1], most[2]);
    assert_true(most[0] <= 50 && most[1] <= 80 && most[2] <= 110);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vocabulary_is_small_and_complete),
        cmocka_unit_test(every_number_is_one_token),
        cmocka_unit_test(parts_have_their_own_tokens),
        cmocka_unit_test(texts_keep_their_budgets),
        cmocka_unit_test(problems_and_proofs_keep_their_budgets),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
