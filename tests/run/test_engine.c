/* Admission, endings, refusals, failures and memory of the serving engine. */
#include "tests/run/engine_fixture.h"

struct bench {
    struct golden_case g;
    struct el_stream s;
    struct el_engine e;
};

static void bench_open(struct bench *b, const char *name, struct el_engine_options o)
{
    golden_open(&b->g, name, el_device_host());
    el_stream_init(&b->s, el_device_host(), el_ops_cpu(), 1);
    golden_must(el_engine_init(&b->e, b->g.w, &b->s, &o, &err));
}

static void bench_close(struct bench *b)
{
    el_engine_release(&b->e);
    el_stream_release(&b->s);
    golden_close(&b->g);
}

static void add(struct bench *b, const struct job *j, int trace)
{
    golden_must(
        el_engine_add(&b->e, j->prompt, j->n, &j->sampling, j->key, trace, NULL, NULL, &err));
}

static struct el_sequence *finish_one(struct bench *b)
{
    struct el_sequence *q;
    while (!(q = el_engine_take(&b->e)))
        golden_must(el_engine_step(&b->e, &err));
    return q;
}

static void test_ends_by_length(void **state)
{
    (void)state;
    struct bench b;
    struct el_engine_options o = engine_options(EL_ATTENTION_MQA, 2, 40);
    struct job j = {.prompt = {5, 6, 7}, .n = 3, .sampling = {.top_p = 1, .max_tokens = 1}};
    o.context = 20;
    bench_open(&b, "base", o);
    b.e.eos = -1;
    add(&b, &j, 0);
    struct el_sequence *q = finish_one(&b);
    assert_int_equal(q->finish, EL_FINISH_LENGTH);
    assert_int_equal(q->n, 4);
    assert_true(q->logp == q->logps[0]);
    el_sequence_free(q);
    j.sampling.max_tokens = 1000; /* the context is the limit */
    add(&b, &j, 0);
    q = finish_one(&b);
    assert_int_equal(q->finish, EL_FINISH_LENGTH);
    assert_int_equal(q->n, 20);
    el_sequence_free(q);
    bench_close(&b);
}

static void test_ends_by_end_token(void **state)
{
    (void)state;
    struct bench b;
    struct job j = {.prompt = {5, 6, 7}, .n = 3, .sampling = {.top_p = 1, .max_tokens = 50}};
    bench_open(&b, "base", engine_options(EL_ATTENTION_MQA, 2, 40));
    b.e.eos = -1;
    add(&b, &j, 0);
    struct el_sequence *q = finish_one(&b);
    int at = j.n + 4;
    while (memchr(q->tokens + j.n, q->tokens[at], (size_t)(at - j.n) * sizeof *q->tokens))
        at++;
    int32_t token = q->tokens[at];
    for (int i = j.n; i < at; i++)
        assert_int_not_equal(q->tokens[i], token);
    el_sequence_free(q);
    b.e.eos = token;
    add(&b, &j, 0);
    q = finish_one(&b);
    assert_int_equal(q->finish, EL_FINISH_STOP);
    assert_int_equal(q->n, at + 1);
    assert_int_equal(q->tokens[at], token);
    el_sequence_free(q);
    bench_close(&b);
}

static int stop_at_nine(void *user, struct el_sequence *q, int32_t token)
{
    assert_int_equal(q->tokens[q->n - 1], token);
    ++*(int *)user;
    return q->n == 9;
}

static void test_ends_by_the_caller(void **state)
{
    (void)state;
    struct bench b;
    int calls = 0;
    struct job j = {.prompt = {5, 6, 7}, .n = 3, .sampling = {.top_p = 1, .max_tokens = 50}};
    bench_open(&b, "base", engine_options(EL_ATTENTION_DENSE, 2, 40));
    b.e.eos = -1;
    b.e.on_token = stop_at_nine;
    b.e.on_token_user = &calls;
    add(&b, &j, 0);
    struct el_sequence *q = finish_one(&b);
    assert_int_equal(q->finish, EL_FINISH_STOP);
    assert_int_equal(q->n, 9);
    assert_int_equal(calls, 6);
    el_sequence_free(q);
    bench_close(&b);
}

static void refused(struct bench *b, const struct job *j, int n, int trace, int code,
                    const char *says)
{
    struct el_error err = {0};
    struct el_sequence *q = NULL;
    int rc = el_engine_add(&b->e, j->prompt, n, &j->sampling, 0, trace, NULL, &q, &err);
    assert_int_equal(rc, code);
    assert_null(q);
    if (!strstr(err.msg, says))
        fail_msg("'%s' does not say '%s'", err.msg, says);
    assert_int_equal(el_engine_in_flight(&b->e), 0);
}

static void test_refused_sequences(void **state)
{
    (void)state;
    struct bench b;
    struct el_engine_options o = engine_options(EL_ATTENTION_MQA, 2, 40);
    o.context = 32;
    struct job j = {.n = 5, .sampling = {.temperature = 1, .top_p = 1, .max_tokens = 5}}, bad;
    bench_open(&b, "base", o);
    refused(&b, &j, 0, 0, EL_EINVAL, "at least one");
    refused(&b, &j, 32, 0, EL_ELIMIT, "context of 32");
    refused(&b, &j, 5, 1, EL_EINVAL, "trace");
    bad = j;
    bad.prompt[3] = 64;
    refused(&b, &bad, 5, 0, EL_EINVAL, "token 64 at position 3");
    bad.prompt[3] = -1;
    refused(&b, &bad, 5, 0, EL_EINVAL, "token -1 at position 3");
    bad = j;
    bad.sampling.top_p = 0;
    refused(&b, &bad, 5, 0, EL_EINVAL, "top_p");
    bad = j;
    bad.sampling.max_tokens = 0;
    refused(&b, &bad, 5, 0, EL_EINVAL, "at most 0 tokens");
    add(&b, &(struct job){.n = 31, .sampling = j.sampling}, 0); /* room for a single token */
    struct el_sequence *q = finish_one(&b);
    assert_int_equal(q->n, 32);
    el_sequence_free(q);
    bench_close(&b);
}

static void test_refused_options(void **state)
{
    (void)state;
    struct golden_case g;
    struct el_stream s;
    struct el_engine e;
    golden_open(&g, "base", el_device_host());
    el_stream_init(&s, el_device_host(), el_ops_cpu(), 1);
    struct el_engine_options right = engine_options(EL_ATTENTION_MQA, 4, 40), wrong[6];
    for (int i = 0; i < 6; i++)
        wrong[i] = right;
    wrong[0].max_sequences = 0;
    wrong[1].max_rows = 3;
    wrong[2].context = 1;
    wrong[3].context = g.w->config.max_position_embeddings + 1;
    wrong[4].cache_tokens = wrong[4].context - 1;
    wrong[5].max_rows = -7;
    for (int i = 0; i < 6; i++) {
        struct el_error err = {0};
        assert_int_equal(el_engine_init(&e, g.w, &s, &wrong[i], &err), EL_EINVAL);
        assert_true(strlen(err.msg) > 20);
    }
    el_stream_release(&s);
    golden_close(&g);
}

/* Logits that are no numbers end their sequence as an error; the others go on. */
static void test_numeric_failure(void **state)
{
    (void)state;
    struct bench b;
    struct job bad = {.prompt = {5, 6, 63}, .n = 3, .sampling = {.top_p = 1, .max_tokens = 4}};
    struct job good = {.prompt = {5, 6, 7}, .n = 3, .sampling = {.top_p = 1, .max_tokens = 4}};
    bench_open(&b, "base", engine_options(EL_ATTENTION_MQA, 4, 40));
    b.e.eos = -1;
    add(&b, &good, 0);
    struct el_sequence *alone = finish_one(&b);
    b.g.w->view.embed[63 * b.g.w->config.hidden_size] = NAN;
    add(&b, &bad, 0);
    add(&b, &good, 0);
    for (int i = 0; i < 2; i++) {
        struct el_sequence *q = finish_one(&b);
        if (q->tokens[2] == 63) {
            assert_int_equal(q->finish, EL_FINISH_ERROR);
            assert_int_equal(q->n, 3);
        } else {
            assert_int_equal(q->finish, EL_FINISH_LENGTH);
            assert_memory_equal(q->tokens, alone->tokens, 7 * sizeof(int32_t));
        }
        el_sequence_free(q);
    }
    el_sequence_free(alone);
    bench_close(&b);
}

/* Sequences that wait, run and are done go with the engine. */
static void test_cancelled(void **state)
{
    (void)state;
    static struct job jobs[20];
    struct el_engine_options o = engine_options(EL_ATTENTION_MQA, 4, 30);
    o.trace = 1;
    o.cache_tokens = 200;
    for (int steps = 0; steps < 30; steps += 3) {
        struct bench b;
        bench_open(&b, "base", o);
        make_jobs(jobs, 20, b.g.vocab, 60, 5);
        for (int i = 0; i < 20; i++)
            add(&b, &jobs[i], i % 2);
        assert_int_equal(el_engine_in_flight(&b.e), 20);
        for (int i = 0; i < steps; i++)
            golden_must(el_engine_step(&b.e, &err));
        assert_int_equal(el_engine_in_flight(&b.e), 20);
        bench_close(&b);
    }
}

static void test_step_counts(void **state)
{
    (void)state;
    static struct job jobs[3];
    struct bench b;
    bench_open(&b, "base", engine_options(EL_ATTENTION_MQA, 1, 200));
    assert_int_equal(el_engine_step(&b.e, NULL), 0);
    make_jobs(jobs, 3, b.g.vocab, 30, 9);
    for (int i = 0; i < 3; i++) {
        jobs[i].sampling.max_tokens = 1;
        add(&b, &jobs[i], 0);
    }
    for (int left = 2; left >= 0; left--)
        assert_int_equal(el_engine_step(&b.e, NULL), left);
    assert_int_equal(b.e.stats.passes, 3);
    assert_int_equal(b.e.stats.prefill_tokens + b.e.stats.cached_tokens,
                     jobs[0].n + jobs[1].n + jobs[2].n);
    assert_int_equal(b.e.stats.decode_tokens, 0);
    assert_true(b.e.stats.keys_read < b.e.stats.keys_visible);
    bench_close(&b);
}

/* Equal prompts that arrive together are computed once, but for their last token, whose logits
 * every one wants. */
static void test_shared_prompts(void **state)
{
    (void)state;
    enum { COPIES = 16, PROMPT = 67 };
    struct bench b;
    struct job j = {.n = PROMPT, .sampling = {.temperature = 1, .top_p = 1, .max_tokens = 5}};
    for (int i = 0; i < PROMPT; i++)
        j.prompt[i] = (i * 7 + 3) % 60;
    bench_open(&b, "base", engine_options(EL_ATTENTION_MQA, 32, 200));
    for (int i = 0; i < COPIES; i++) {
        j.key = (uint64_t)i;
        add(&b, &j, 0);
    }
    while (el_engine_step(&b.e, NULL) > 0) {
    }
    assert_int_equal(b.e.stats.cached_tokens, (COPIES - 1) * (PROMPT - 1));
    assert_int_equal(b.e.stats.prefill_tokens, PROMPT + COPIES - 1);
    bench_close(&b);
}

/* New weights make cached prefixes worthless: they are computed anew after el_engine_forget. */
static void test_forget(void **state)
{
    (void)state;
    static struct job jobs[6];
    static struct outcome fresh[6], again[6];
    struct bench b;
    bench_open(&b, "base", engine_options(EL_ATTENTION_MQA, 8, 100));
    make_jobs(jobs, 6, b.g.vocab, 90, 31);
    run_jobs(&b.e, jobs, 6, 6, again);
    add(&b, &jobs[0], 0);
    golden_must(el_engine_step(&b.e, &err));
    if (b.e.n_running)
        assert_int_equal(el_engine_forget(&b.e, NULL), EL_EBUSY);
    el_sequence_free(finish_one(&b));
    for (int i = 0; i < b.g.w->config.hidden_size; i++)
        b.g.w->view.layers[0].input_norm[i] *= 1.3f;
    for (int i = 0; i < b.g.w->config.hidden_size; i++)
        b.g.w->view.layers[0].q_a[i] += 0.1f;
    golden_must(el_engine_forget(&b.e, &err));
    assert_int_equal(b.e.pool.n_free, b.e.pool.n_blocks);
    run_jobs(&b.e, jobs, 6, 6, again);
    struct el_engine other;
    struct el_engine_options o = engine_options(EL_ATTENTION_MQA, 8, 100);
    golden_must(el_engine_init(&other, b.g.w, &b.s, &o, &err));
    run_jobs(&other, jobs, 6, 6, fresh);
    same_outcomes(fresh, again, 6, "after forgetting");
    el_engine_release(&other);
    bench_close(&b);
}

/* Every allocation of init, add and step may fail: the error is reported, nothing leaks, and where
 * the engine lives on, trying again gives the same tokens. */
static void test_memory(void **state)
{
    (void)state;
    struct bench b;
    static struct job jobs[3];
    static struct outcome right[3];
    struct el_engine_options o = engine_options(EL_ATTENTION_MQA, 4, 30);
    o.trace = 1;
    bench_open(&b, "base", o);
    make_jobs(jobs, 3, b.g.vocab, 60, 12);
    for (int i = 0; i < 3; i++)
        jobs[i].sampling = (struct el_sampling){.temperature = 1, .top_p = 0.7, .max_tokens = 12};
    run_jobs(&b.e, jobs, 3, 3, right);
    el_engine_release(&b.e);
    int failures = fail_each_of_run(b.g.w, &b.s, &o, jobs, 3, right, "after a failed allocation");
    assert_true(failures > 20);
    el_stream_release(&b.s);
    golden_close(&b.g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ends_by_length),
        cmocka_unit_test(test_ends_by_end_token),
        cmocka_unit_test(test_ends_by_the_caller),
        cmocka_unit_test(test_refused_sequences),
        cmocka_unit_test(test_refused_options),
        cmocka_unit_test(test_numeric_failure),
        cmocka_unit_test(test_cancelled),
        cmocka_unit_test(test_step_counts),
        cmocka_unit_test(test_shared_prompts),
        cmocka_unit_test(test_forget),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
