/* From examples to tokens with loss weights, and the stream of them. */
#include "tests/training/fixture.h"

#include "core/base/alloc.h"
#include "data/world_tokenizer.h"
#include "training/source.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static struct el_tokenizer *tokenizer;
static struct el_chat_format chat;

static int setup(void **state)
{
    struct el_buf b;
    int rc = enter_folder(state);
    el_buf_init(&b);
    assert_int_equal(el_world_tokenizer_json(&b), 0);
    must(el_tokenizer_parse("tokenizer.json", b.data, b.len, &tokenizer, &err));
    must(el_chat_format_init(&chat, tokenizer, &err));
    el_buf_release(&b);
    return rc;
}

static int teardown(void **state)
{
    el_tokenizer_free(tokenizer);
    return leave_folder(state);
}

/* ---- Encoding ---- */

/* The scored part of an encoded example as text, scored tokens in brackets, $ for the end token. */
static void marked(const struct el_encoded *e, struct el_buf *out)
{
    for (size_t i = 0; i < e->tokens.len; i++) {
        assert_true(e->weight[i] == 0 || e->weight[i] == 1);
        el_buf_puts(out, e->weight[i] == 1 ? "[" : "");
        if (i + 1 == e->tokens.len)
            el_buf_puts(out, e->tokens.ids[i] == chat.eos ? "$" : "?");
        else
            assert_int_equal(el_tokenizer_decode(tokenizer, &e->tokens.ids[i], 1, 0, out), 0);
        el_buf_puts(out, e->weight[i] == 1 ? "]" : "|");
    }
}

static void encodes_to(const char *completion, const size_t (*loss)[2], int n, const char *expected)
{
    struct el_example x = {.prompt = (char *)"12", .completion = (char *)completion, .n_loss = n};
    struct el_encoded e;
    struct el_buf text;
    for (int i = 0; i < n; i++) {
        x.loss[i].begin = loss[i][0];
        x.loss[i].end = loss[i][1];
    }
    el_encoded_init(&e);
    el_buf_init(&text);
    must(el_encode_example(&chat, tokenizer, &x, &e, &err));
    assert_int_equal(e.tokens.ids[0], chat.bos);
    assert_int_equal(e.tokens.ids[1], chat.user);
    assert_int_equal(e.tokens.ids[3], chat.assistant);
    assert_int_equal(e.tokens.ids[4], chat.think_end);
    marked(&e, &text);
    char *reply = memmem(text.data, text.len, "</think>|", 9);
    assert_non_null(reply);
    assert_null(memchr(text.data, '[', (size_t)(reply - text.data))); /* none in the prompt */
    assert_string_equal(reply + 9, expected);
    el_buf_release(&text);
    el_encoded_release(&e);
}

/* Tokens of "16*5=80": 16, *, 5, =, 80, at bytes 0, 2, 3, 4, 5. */
static void spans_become_weights(void **state)
{
    (void)state;
    encodes_to("16*5=80", NULL, 0, "16|*|5|=|80|$|");
    encodes_to("16*5=80", (const size_t[][2]){{0, 7}}, 1, "[16][*][5][=][80][$]");
    encodes_to("16*5=80", (const size_t[][2]){{5, 7}}, 1, "16|*|5|=|[80][$]");
    encodes_to("16*5=80", (const size_t[][2]){{5, 6}}, 1, "16|*|5|=|[80]$|");
    encodes_to("16*5=80", (const size_t[][2]){{6, 7}}, 1, "16|*|5|=|80|[$]");
    encodes_to("16*5=80", (const size_t[][2]){{1, 3}}, 1, "16|[*]5|=|80|$|");
    encodes_to("16*5=80", (const size_t[][2]){{0, 2}, {4, 5}}, 2, "[16]*|5|[=]80|$|");
    encodes_to("16*5=80", (const size_t[][2]){{0, 0}, {3, 4}, {5, 7}}, 3, "16|*|[5]=|[80][$]");
    encodes_to("16*5=80", (const size_t[][2]){{2, 2}}, 1, "16|*|5|=|80|$|");
    encodes_to("", (const size_t[][2]){{0, 0}}, 1, "[$]");
    encodes_to("", NULL, 0, "$|");
}

/* A control token in a text is bytes, not a token. */
static void contents_are_plain_text(void **state)
{
    (void)state;
    struct el_example x = {.prompt = (char *)"</think>", .completion = (char *)"</think>7"};
    struct el_encoded e;
    int seen = 0;
    el_encoded_init(&e);
    must(el_encode_example(&chat, tokenizer, &x, &e, &err));
    for (size_t i = 0; i < e.tokens.len; i++)
        seen += e.tokens.ids[i] == chat.think_end;
    assert_int_equal(seen, 1);
    el_encoded_release(&e);
}

static void encoding_without_memory(void **state)
{
    (void)state;
    struct el_example x = {.prompt = (char *)"Prove: 7 divides x*x+4*x+9 for an x.",
                           .completion = (char *)"(1) x=1.\n1*1+4*1=5.\n5+9=14.\n7*2=14.\n",
                           .n_loss = 1};
    x.loss[0].end = strlen(x.completion);
    int rc = -1;
    for (int n = 1; rc < 0; n++) {
        struct el_encoded e;
        struct el_error err = {0};
        assert_true(n < 1000);
        el_encoded_init(&e);
        el_alloc_fail_after(n);
        rc = el_encode_example(&chat, tokenizer, &x, &e, &err);
        el_alloc_fail_after(0);
        if (rc < 0 && (rc != EL_ENOMEM || !err.msg[0]))
            fail_msg("allocation %d: %d, '%s'", n, rc, err.msg);
        el_encoded_release(&e);
    }
}

/* ---- The stream ---- */

struct stream {
    struct el_recipe recipe;
    struct el_attempts attempts;
    struct el_source s;
    struct el_encoded e;
};

static void open_stream(struct stream *t, const char *path)
{
    memset(t, 0, sizeof *t);
    must(el_recipe_load(path, NULL, &t->recipe, &err));
    el_attempts_init(&t->attempts);
    el_encoded_init(&t->e);
    t->s = (struct el_source){
        .recipe = &t->recipe, .tokenizer = tokenizer, .chat = &chat, .attempts = &t->attempts};
    el_source_enter(&t->s, t->recipe.stage);
}

static void close_stream(struct stream *t)
{
    el_encoded_release(&t->e);
    el_attempts_release(&t->attempts);
    el_recipe_release(&t->recipe);
}

static void next(struct stream *t)
{
    must(el_source_next(&t->s, &t->e, &err));
    assert_true(t->e.tokens.len <= (size_t)t->recipe.max_sequence);
}

static int same_example(const struct el_encoded *a, const struct el_encoded *b)
{
    size_t n = a->tokens.len;
    return a->kind == b->kind && n == b->tokens.len &&
           memcmp(a->tokens.ids, b->tokens.ids, n * sizeof *a->tokens.ids) == 0 &&
           memcmp(a->weight, b->weight, n * sizeof *a->weight) == 0;
}

/* Good and bad attempts of train problems, saved as a file the way a stage does. */
static const char *attempts_file(int good, int empty)
{
    struct el_buf text, line;
    el_buf_init(&text);
    for (int i = 0; i < good + empty; i++) {
        struct el_world_problem p;
        struct el_rng rng;
        el_buf_init(&line);
        el_rng_init(&rng, (uint64_t)i);
        el_world_problem(EL_WORLD_TRAIN, (uint64_t)i, &p);
        if (i < good)
            assert_int_equal(el_world_proof_good(&p, &rng, &line, NULL), 0);
        for (char *c = line.data; *c; c++) /* JSON's line breaks */
            *c = *c == '\n' ? '\x01' : *c;
        el_buf_printf(&text, "{\"problem\":%d,\"proof\":\"", i);
        for (const char *c = line.data; *c; c++)
            *c == '\x01' ? el_buf_puts(&text, "\\n") : el_buf_putc(&text, *c);
        el_buf_puts(&text, "\",\"analysis\":\"\"}\n");
        el_buf_release(&line);
    }
    const char *path = at("attempts.jsonl");
    write_text(path, text.data);
    el_buf_release(&text);
    return path;
}

static void a_position_is_one_number(void **state)
{
    (void)state;
    struct stream a, b;
    const char *recipe = write_recipe("r.json", "stages.0.attempt_share", "0.5", NULL);
    const char *file = attempts_file(5, 5);
    open_stream(&a, recipe);
    must(el_attempts_load(&a.attempts, file, &err));
    for (int i = 0; i < 40; i++) {
        uint64_t position = a.s.next, fingerprint = a.s.fingerprint;
        next(&a);
        open_stream(&b, recipe);
        must(el_attempts_load(&b.attempts, file, &err));
        b.s.next = position;
        b.s.fingerprint = fingerprint;
        next(&b);
        assert_true(same_example(&a.e, &b.e));
        assert_true(a.s.next == b.s.next && a.s.fingerprint == b.s.fingerprint);
        assert_true(a.s.fingerprint != fingerprint);
        close_stream(&b);
    }
    close_stream(&a);
}

static void the_fingerprint_is_a_chain(void **state)
{
    (void)state;
    struct stream a, b;
    const char *recipe = write_recipe("r.json", NULL);
    open_stream(&a, recipe);
    open_stream(&b, recipe);
    b.s.fingerprint = 1; /* another past */
    for (int i = 0; i < 5; i++) {
        next(&a);
        next(&b);
        assert_true(same_example(&a.e, &b.e));
        assert_true(a.s.fingerprint != b.s.fingerprint);
    }
    close_stream(&a);
    close_stream(&b);
}

static void other_seeds_give_other_examples(void **state)
{
    (void)state;
    struct stream a, b;
    open_stream(&a, write_recipe("r.json", NULL));
    open_stream(&b, write_recipe("s.json", "seed", "4", NULL));
    int same = 0;
    for (int i = 0; i < 10; i++) {
        next(&a);
        next(&b);
        same += same_example(&a.e, &b.e);
    }
    assert_int_equal(same, 0);
    close_stream(&a);
    close_stream(&b);
}

/* Without drills in the mixture a drill cannot come; without attempts their share says nothing. */
static void stages_have_their_own_drills(void **state)
{
    (void)state;
    struct stream a;
    open_stream(&a, write_recipe("r.json", "stages.0.drill_share", "0", "stages.0.attempt_share",
                                 "1", "stages.2.drill_share", "1e6", NULL));
    for (int i = 0; i < 60; i++) {
        next(&a);
        assert_true(a.e.kind != EL_EXAMPLE_DRILL);
    }
    el_source_enter(&a.s, &a.recipe.stage[2]);
    for (int i = 0; i < 20; i++) {
        next(&a);
        assert_int_equal(a.e.kind, EL_EXAMPLE_DRILL);
    }
    el_source_enter(&a.s, &a.recipe.stage[3]); /* as in the mix again */
    int drills = 0;
    for (int i = 0; i < 200; i++) {
        next(&a);
        drills += a.e.kind == EL_EXAMPLE_DRILL;
    }
    assert_in_range(drills, 40, 110); /* 0.36 of 200, 4.7 standard deviations */
    assert_int_equal(a.s.refused, 0);
    close_stream(&a);
}

static void stages_have_their_own_mixture(void **state)
{
    (void)state;
    struct stream a;
    open_stream(&a, write_recipe("r.json", "stages.2.mix",
                                 "{\"share\":{\"generate\":1e6,\"verify\":0}}", NULL));
    el_source_enter(&a.s, &a.recipe.stage[2]);
    for (int i = 0; i < 40; i++) {
        next(&a);
        assert_int_equal(a.e.kind, EL_EXAMPLE_GENERATE);
    }
    el_source_enter(&a.s, &a.recipe.stage[3]);
    int others = 0;
    for (int i = 0; i < 40; i++) {
        next(&a);
        others += a.e.kind != EL_EXAMPLE_GENERATE;
    }
    assert_true(others > 10);
    close_stream(&a);
}

static void stages_have_their_own_longest_sequence(void **state)
{
    (void)state;
    struct stream a;
    open_stream(&a, write_recipe("r.json", "stages.2.max_sequence", "100", NULL));
    el_source_enter(&a.s, &a.recipe.stage[2]);
    for (int i = 0; i < 40; i++) {
        next(&a);
        assert_true(a.e.tokens.len <= 100);
    }
    assert_true(a.s.too_long > 0);
    el_source_enter(&a.s, &a.recipe.stage[3]);
    size_t longest = 0;
    for (int i = 0; i < 40; i++) {
        next(&a);
        longest = a.e.tokens.len > longest ? a.e.tokens.len : longest;
    }
    assert_true(longest > 100);
    close_stream(&a);
}

/* All attempts are refusable: what is left of 300 indexes is the share that is not attempts. */
static void refused_attempts_are_counted(void **state)
{
    (void)state;
    struct stream a;
    const char *file = attempts_file(0, 3);
    open_stream(&a, write_recipe("r.json", "stages.0.attempt_share", "0.25", NULL));
    must(el_attempts_load(&a.attempts, file, &err));
    int delivered = 0;
    while (a.s.next < 300) {
        next(&a);
        delivered++;
    }
    assert_int_equal(a.s.next, delivered + a.s.refused + a.s.too_long);
    assert_in_range(a.s.refused, 40, 115); /* a quarter: 75, five standard deviations */
    close_stream(&a);
    open_stream(&a, write_recipe("r.json", "stages.0.attempt_share", "1", NULL));
    must(el_attempts_load(&a.attempts, file, &err));
    struct el_error why = {0};
    assert_int_equal(el_source_next(&a.s, &a.e, &why), EL_ELIMIT);
    assert_int_equal(a.s.refused, a.s.next);
    close_stream(&a);
}

/* Each delivered example is the one that its index names; long ones are left out and counted. */
static void long_examples_are_skipped(void **state)
{
    (void)state;
    struct stream a, b;
    open_stream(&a, write_recipe("r.json", NULL));
    open_stream(&b, write_recipe("s.json", "batch.max_sequence", "60", NULL));
    for (int i = 0; i < 30; i++) {
        next(&b);
        do
            next(&a);
        while (a.s.next < b.s.next);
        assert_true(a.s.next == b.s.next && same_example(&a.e, &b.e));
    }
    assert_true(b.s.too_long > 0);
    assert_int_equal(b.s.next, 30 + b.s.too_long);
    close_stream(&a);
    close_stream(&b);
}

static void streaming_without_memory(void **state)
{
    (void)state;
    struct stream a;
    open_stream(&a, write_recipe("r.json", NULL));
    int rc = -1;
    for (int n = 1; rc < 0; n++) {
        struct el_error err = {0};
        assert_true(n < 1000);
        a.s.next = 1;
        el_encoded_release(&a.e);
        el_alloc_fail_after(n);
        rc = el_source_next(&a.s, &a.e, &err);
        el_alloc_fail_after(0);
        if (rc < 0 && (rc != EL_ENOMEM || !err.msg[0]))
            fail_msg("allocation %d: %d, '%s'", n, rc, err.msg);
    }
    assert_int_equal(a.s.next, 2);
    close_stream(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_become_weights),
        cmocka_unit_test(contents_are_plain_text),
        cmocka_unit_test(encoding_without_memory),
        cmocka_unit_test(a_position_is_one_number),
        cmocka_unit_test(the_fingerprint_is_a_chain),
        cmocka_unit_test(other_seeds_give_other_examples),
        cmocka_unit_test(stages_have_their_own_drills),
        cmocka_unit_test(stages_have_their_own_mixture),
        cmocka_unit_test(stages_have_their_own_longest_sequence),
        cmocka_unit_test(refused_attempts_are_counted),
        cmocka_unit_test(long_examples_are_skipped),
        cmocka_unit_test(streaming_without_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
