/* The model's own attempts: files, and sampling that does not depend on the order of replies. */
#include "tests/training/fixture.h"

#include "core/base/alloc.h"
#include "core/base/io.h"
#include "core/run/local.h"
#include "data/world_tokenizer.h"
#include "training/attempts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

/* ---- Files ---- */

static void same_pools(const struct el_attempts *a, const struct el_attempts *b)
{
    assert_int_equal(a->n, b->n);
    for (size_t i = 0; i < a->n; i++) {
        assert_true(a->item[i].problem == b->item[i].problem);
        assert_string_equal(a->item[i].proof, b->item[i].proof);
        assert_string_equal(a->item[i].analysis, b->item[i].analysis);
    }
}

static void files_give_back_what_they_took(void **state)
{
    (void)state;
    static char long_text[5000];
    memset(long_text, 'x', sizeof long_text - 1);
    struct el_attempt items[] = {
        {0, (char *)"", (char *)""},
        {9007199254740991, (char *)"a\nb\r\t\x01\x7f", (char *)"{\"\\u\"}"},
        {2, (char *)"\xC3\xA9 \xE2\x82\xAC", long_text}};
    struct el_attempts a = {items, 3, 3}, b;
    el_attempts_init(&b);
    must(el_attempts_save(&a, at("a.jsonl"), &err));
    must(el_attempts_load(&b, at("a.jsonl"), &err));
    same_pools(&a, &b);
    must(el_attempts_load(&b, at("a.jsonl"), &err)); /* adds to what is there */
    assert_int_equal(b.n, 6);
    assert_string_equal(b.item[4].proof, items[1].proof);
    el_attempts_release(&b);
    el_attempts_release(&b);
}

/* Bytes that are not UTF-8 become U+FFFD; written again they stay. */
static void what_is_not_utf8_settles(void **state)
{
    (void)state;
    struct el_attempt item = {1, (char *)"a\xFF\xC3z", (char *)"\xED\xA0\x80"};
    struct el_attempts a = {&item, 1, 1}, b, c;
    el_attempts_init(&b);
    el_attempts_init(&c);
    must(el_attempts_save(&a, at("a.jsonl"), &err));
    must(el_attempts_load(&b, at("a.jsonl"), &err));
    assert_string_equal(b.item[0].proof, "a\xEF\xBF\xBD\xEF\xBF\xBDz");
    must(el_attempts_save(&b, at("b.jsonl"), &err));
    must(el_attempts_load(&c, at("b.jsonl"), &err));
    same_pools(&b, &c);
    assert_true(same_file(at("a.jsonl"), at("b.jsonl")));
    el_attempts_release(&b);
    el_attempts_release(&c);
}

static void an_empty_pool_is_a_file(void **state)
{
    (void)state;
    struct el_attempts a;
    el_attempts_init(&a);
    must(el_attempts_save(&a, at("e.jsonl"), &err));
    must(el_attempts_load(&a, at("e.jsonl"), &err));
    assert_int_equal(a.n, 0);
    struct el_error why = {0};
    assert_int_equal(el_attempts_load(&a, at("none.jsonl"), &why), EL_EIO);
    assert_int_equal(el_attempts_save(&a, at("no/e.jsonl"), &why), EL_EIO);
    assert_non_null(strstr(why.msg, "no/e.jsonl"));
}

#define GOOD "{\"problem\":1,\"proof\":\"p\",\"analysis\":\"\"}"

static void refused(const char *second, size_t n, const char *says)
{
    struct el_buf text;
    struct el_attempts a;
    struct el_error why = {0};
    el_buf_init(&text);
    el_attempts_init(&a);
    el_buf_puts(&text, GOOD "\n");
    el_buf_add(&text, second, n);
    must(el_file_write(at("bad.jsonl"), text.data, text.len, &err));
    assert_int_equal(el_attempts_load(&a, at("bad.jsonl"), &why), EL_EFORMAT);
    if (!strstr(why.msg, "bad.jsonl: line 2") || !strstr(why.msg, says))
        fail_msg("'%s' does not say line 2 and %s", why.msg, says);
    el_attempts_release(&a);
    el_buf_release(&text);
}

static void malformed_lines_are_named(void **state)
{
    (void)state;
    static const char *const lines[][2] = {
        {"{\"proof\":\"p\",\"analysis\":\"\"}\n", "'problem'"},
        {"{\"problem\":-1,\"proof\":\"p\",\"analysis\":\"\"}\n", "'problem'"},
        {"{\"problem\":1.5,\"proof\":\"p\",\"analysis\":\"\"}\n", "'problem'"},
        {"{\"problem\":1,\"proof\":7,\"analysis\":\"\"}\n", "'proof'"},
        {"{\"problem\":1,\"proof\":\"p\"}\n", "'analysis'"},
        {"\n", "not valid JSON"},
        {"[]\n", "'problem'"},
        {"{\"problem\":1,\"proof\":\"p\",\"anal", "not valid JSON"},
        {GOOD GOOD "\n", "not valid JSON"},
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        refused(lines[i][0], strlen(lines[i][0]), lines[i][1]);
    refused(GOOD "\0\n", sizeof GOOD + 1, "not valid JSON");
    refused(GOOD "\0" GOOD "\n", 2 * sizeof GOOD, "not valid JSON");
}

static void files_without_memory(void **state)
{
    (void)state;
    struct el_attempt item = {1, (char *)"proof", (char *)"analysis"};
    struct el_attempts a = {&item, 1, 1}, b;
    const char *path = at("m.jsonl");
    int rc = -1;
    for (int n = 1; rc < 0; n++) {
        struct el_error why = {0};
        assert_true(n < 100);
        el_attempts_init(&b);
        el_alloc_fail_after(n);
        rc = el_attempts_save(&a, path, &why);
        if (rc == 0)
            rc = el_attempts_load(&b, path, &why);
        el_alloc_fail_after(0);
        if (rc < 0 && (rc != EL_ENOMEM || !why.msg[0]))
            fail_msg("allocation %d: %d, '%s'", n, rc, why.msg);
        el_attempts_release(&b);
    }
}

/* ---- Sampling from a scripted model ---- */

enum { waiting_max = 64 };

struct script {
    struct el_backend base;
    int rooms, last_first; /* how many fit; deliver the newest first */
    int too_long;          /* refuse prompts of refinements */
    int fail_at;           /* the reply that is an error; 0: none */
    int delivered, refinements;
    int n;
    struct {
        int64_t tag;
        char *text;
        int cut;
    } waiting[waiting_max];
};

static struct script *script_of(struct el_backend *b)
{
    return (struct script *)(void *)b;
}

static int script_room(struct el_backend *b)
{
    return script_of(b)->rooms - script_of(b)->n;
}

/* What the key alone decides: nonsense, a flawed proof honestly rated or praised, or a right one.
 */
static char *reply(const struct el_request *r, int *cut)
{
    struct el_world_problem p;
    struct el_world_report report;
    struct el_rng rng;
    struct el_buf proof, out;
    const char *statement = strchr(r->messages[0].content, ':') + 1;
    size_t n = strcspn(statement, "\n");
    el_buf_init(&proof);
    el_buf_init(&out);
    el_rng_init(&rng, r->key);
    must(el_world_problem_parse(statement, n, &p, &err));
    uint32_t kind = el_rng_below(&rng, 5);
    enum el_world_flaw flaw[3] = {kind == 1 ? EL_FLAW_OMITTED : EL_FLAW_SLIP};
    must(kind > 2 ? el_world_proof_good(&p, &rng, &proof, &err)
                  : el_world_proof_flawed(&p, flaw, &rng, &proof, &err));
    el_world_judge_proof(&p, proof.data, proof.len, &report);
    el_buf_printf(&out, "## Solution\n%s\n## Self Evaluation\n", proof.data);
    must(el_world_analysis_true(&report, &out));
    if (kind == 0) {
        el_buf_clear(&out);
        el_buf_puts(&out, "no idea");
    }
    *cut = el_rng_below(&rng, 7) == 0;
    el_buf_release(&proof);
    return el_buf_detach(&out);
}

static int script_submit(struct el_backend *b, const struct el_request *r, struct el_error *err)
{
    struct script *s = script_of(b);
    int again = strncmp(r->messages[0].content, "Refine:", 7) == 0;
    assert_true(s->n < s->rooms && s->n < waiting_max);
    if (again && s->too_long)
        return el_error_set(err, EL_ELIMIT, "the prompt exceeds the context");
    s->refinements += again;
    s->waiting[s->n].tag = r->tag;
    s->waiting[s->n].text = reply(r, &s->waiting[s->n].cut);
    s->n++;
    return 0;
}

static int script_poll(struct el_backend *b, struct el_completion *out, struct el_error *err)
{
    struct script *s = script_of(b);
    (void)err;
    if (!s->n)
        return 0;
    int i = s->last_first ? s->n - 1 : 0;
    *out = (struct el_completion){.tag = s->waiting[i].tag,
                                  .finish = s->waiting[i].cut ? EL_FINISH_LENGTH : EL_FINISH_STOP,
                                  .text = s->waiting[i].text,
                                  .text_len = strlen(s->waiting[i].text),
                                  .completion_tokens = 10};
    memmove(&s->waiting[i], &s->waiting[i + 1], (size_t)(--s->n - i) * sizeof *s->waiting);
    if (++s->delivered == s->fail_at) {
        out->finish = EL_FINISH_ERROR;
        el_error_set(&out->error, EL_ENUMERIC, "the logits are not finite");
    }
    return 1;
}

static void script_init(struct script *s, int rooms, int last_first)
{
    *s = (struct script){.rooms = rooms, .last_first = last_first};
    s->base.room = script_room;
    s->base.submit = script_submit;
    s->base.poll = script_poll;
    strcpy(s->base.digest, "0123");
}

static void script_release(struct script *s)
{
    for (int i = 0; i < s->n; i++)
        el_free(s->waiting[i].text);
}

static struct el_recipe recipe;

static int setup(void **state)
{
    int rc = enter_folder(state);
    must(el_recipe_load(write_recipe("r.json", "stages.1.attempts", "20", NULL), NULL, &recipe,
                        &err));
    return rc;
}

static int teardown(void **state)
{
    el_recipe_release(&recipe);
    return leave_folder(state);
}

static int sample(struct script *s, uint64_t seed, struct el_attempts *pool,
                  struct el_attempts_report *report, struct el_error *err)
{
    return el_attempts_sample(&s->base, &recipe, &recipe.stage[1], 100, seed, pool, report, NULL,
                              err);
}

static void order_changes_nothing(void **state)
{
    (void)state;
    static const int rooms[][2] = {{64, 0}, {1, 0}, {7, 1}, {64, 1}};
    struct el_attempts first, other;
    struct el_attempts_report a, b;
    for (int i = 0; i < 4; i++) {
        struct script s;
        struct el_attempts *pool = i ? &other : &first;
        script_init(&s, rooms[i][0], rooms[i][1]);
        el_attempts_init(pool);
        must(sample(&s, 3, pool, i ? &b : &a, &err));
        assert_int_equal(s.delivered, (i ? &b : &a)->completions);
        if (i) {
            same_pools(&first, &other);
            assert_memory_equal(&a, &b, sizeof a);
            el_attempts_release(&other);
        }
    }
    struct script s;
    script_init(&s, 64, 0);
    el_attempts_init(&other);
    must(sample(&s, 4, &other, &b, &err));
    assert_true(memcmp(&a, &b, sizeof a) != 0); /* another seed, other attempts */
    el_attempts_release(&first);
    el_attempts_release(&other);
}

/* The report, counted again from the pool by the oracle. */
static void the_report_is_the_pool(void **state)
{
    (void)state;
    struct script s;
    struct el_attempts pool;
    struct el_attempts_report r;
    int right = 0, half = 0;
    uint64_t last = 100;
    script_init(&s, 5, 1);
    el_attempts_init(&pool);
    must(sample(&s, 3, &pool, &r, &err));
    for (size_t i = 0; i < pool.n; i++) {
        struct el_world_problem p;
        struct el_world_report truth;
        const struct el_attempt *t = &pool.item[i];
        assert_true(t->problem >= last && t->problem < 120);
        last = t->problem;
        el_world_problem(EL_WORLD_TRAIN, t->problem, &p);
        el_world_judge_proof(&p, t->proof, strlen(t->proof), &truth);
        right += truth.score == 1;
        half += truth.score == 0.5;
        assert_non_null(strstr(t->analysis, "\\boxed{"));
    }
    assert_int_equal(r.completions, 40 + s.refinements);
    assert_int_equal(r.completions - r.unparsed - r.refined_unparsed, pool.n);
    assert_int_equal(r.tokens, 10 * r.completions);
    assert_int_equal(right, r.right + r.refined_right);
    assert_true(half >= r.half && r.half > 0 && r.right > 0 && r.unparsed > 0);
    assert_int_equal(r.refined, s.refinements);
    assert_true(r.refined > 0 && r.refined_right > 0 && r.refined_right <= r.refined);
    assert_int_equal(r.said_one_wrong, 0); /* the script rates itself honestly */
    assert_int_equal(r.said_one, r.right);
    assert_true(r.claims_right < r.claims);
    el_attempts_release(&pool);
}

/* An attempt too long to be refined stays; the stage goes on. */
static void refinements_that_do_not_fit_are_left_out(void **state)
{
    (void)state;
    struct script s;
    struct el_attempts pool;
    struct el_attempts_report r;
    script_init(&s, 8, 0);
    s.too_long = 1;
    el_attempts_init(&pool);
    must(sample(&s, 3, &pool, &r, &err));
    assert_int_equal(r.completions, 40);
    assert_int_equal(r.refined, 0);
    assert_int_equal(pool.n, 40 - r.unparsed);
    el_attempts_release(&pool);
}

static void a_broken_backend_ends_the_stage(void **state)
{
    (void)state;
    struct script s;
    struct el_attempts pool;
    struct el_attempts_report r;
    struct el_error why = {0};
    script_init(&s, 4, 0);
    s.fail_at = 10;
    el_attempts_init(&pool);
    assert_int_equal(sample(&s, 3, &pool, &r, &why), EL_ENUMERIC);
    assert_non_null(strstr(why.msg, "not finite"));
    assert_int_equal(r.completions, 9);
    assert_int_equal(pool.n, 9 - r.unparsed - r.refined_unparsed);
    script_release(&s);
    el_attempts_release(&pool);
}

/* ---- Sampling from a real model ---- */

static void sample_local(const struct el_weights *w, const char *tokenizer, int batch, int threads,
                         struct el_attempts_report *r)
{
    struct el_backend *b = NULL;
    struct el_attempts pool;
    struct el_recipe_stage stage = recipe.stage[1];
    const struct el_local_options o = {
        .attention = EL_ATTENTION_DENSE, .batch = batch, .context = 128, .threads = threads};
    struct el_recipe small = recipe;
    stage.attempts = 6;
    small.max_sequence = 40;
    el_attempts_init(&pool);
    must(el_local_wrap(&o, w, tokenizer, &b, &err));
    must(el_attempts_sample(b, &small, &stage, 0, 3, &pool, r, NULL, &err));
    el_backend_free(b);
    el_attempts_release(&pool);
}

static void batches_and_threads_change_nothing(void **state)
{
    (void)state;
    struct el_weights *w = NULL;
    struct el_buf text;
    struct el_attempts_report a, b, c;
    el_buf_init(&text);
    assert_int_equal(el_world_tokenizer_json(&text), 0);
    const char *tokenizer = at("tokenizer.json");
    write_text(tokenizer, text.data);
    must(el_weights_create(&recipe.model, el_device_host(), 5, &w, &err));
    sample_local(w, tokenizer, 1, 1, &a);
    sample_local(w, tokenizer, 5, 1, &b);
    sample_local(w, tokenizer, 12, 2, &c);
    assert_int_equal(a.completions, 12);
    assert_true(a.tokens > 12);
    assert_memory_equal(&a, &b, sizeof a);
    assert_memory_equal(&a, &c, sizeof a);
    el_weights_free(w);
    el_buf_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_give_back_what_they_took),
        cmocka_unit_test(what_is_not_utf8_settles),
        cmocka_unit_test(an_empty_pool_is_a_file),
        cmocka_unit_test(malformed_lines_are_named),
        cmocka_unit_test(files_without_memory),
        cmocka_unit_test(order_changes_nothing),
        cmocka_unit_test(the_report_is_the_pool),
        cmocka_unit_test(refinements_that_do_not_fit_are_left_out),
        cmocka_unit_test(a_broken_backend_ends_the_stage),
        cmocka_unit_test(batches_and_threads_change_nothing),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
