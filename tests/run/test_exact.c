/* What the sampler reports and what the trainer recomputes are the same numbers: log-probabilities
 * with a difference of 0, with and without truncated sampling, and the routed experts. */
#include "core/model/selection.h"
#include "core/train/trainer.h"
#include "tests/run/engine_fixture.h"

enum { JOBS = 64 };

struct bench {
    struct golden_case g;
    struct el_stream s;
    struct el_trainer t;
    struct el_engine e;
    struct el_sequence *q[JOBS]; /* finished */
};

static void bench_open(struct bench *b, const char *name, const struct el_ops *ops,
                       enum el_attention mode)
{
    struct el_trainer_options o = {.max_rows = 900, .max_sequences = 50, .head_chunk = 37};
    struct el_engine_options eo = engine_options(mode, 24, 100);
    *b = (struct bench){0};
    eo.trace = EL_TRACE_ROUTED | (mode == EL_ATTENTION_MQA ? EL_TRACE_SELECTED : 0);
    golden_open(&b->g, name, el_device_host());
    el_stream_init(&b->s, el_device_host(), ops, 1);
    golden_must(el_trainer_init(&b->t, b->g.w, &b->s, &o, &err));
    golden_must(el_engine_init(&b->e, b->g.w, &b->s, &eo, &err));
}

static void bench_close(struct bench *b)
{
    for (int i = 0; i < JOBS; i++)
        el_sequence_free(b->q[i]);
    el_engine_release(&b->e);
    el_trainer_release(&b->t);
    el_stream_release(&b->s);
    golden_close(&b->g);
}

/* JOBS sequences sampled alike, from prompts that share beginnings; returns the tokens drawn. */
static int sample(struct bench *b, struct el_sampling how)
{
    static struct job jobs[JOBS];
    int drawn = 0;
    make_jobs(jobs, JOBS, b->g.vocab, 60, 21);
    for (int i = 0; i < JOBS; i++)
        golden_must(el_engine_add(&b->e, jobs[i].prompt, jobs[i].n, &how, jobs[i].key, 1, &b->q[i],
                                  NULL, &err));
    while (el_engine_in_flight(&b->e)) {
        golden_must(el_engine_step(&b->e, &err));
        for (struct el_sequence *q; (q = el_engine_take(&b->e));) {
            *(struct el_sequence **)q->user = q;
            drawn += q->n - q->n_prompt;
        }
    }
    return drawn;
}

static void pack_completion(struct bench *b, const struct el_sequence *q)
{
    float weight[MAX_TOKENS] = {0};
    for (int i = q->n_prompt; i < q->n; i++)
        weight[i] = 1;
    golden_must(el_pack_add(&b->t.pack, q->tokens, weight, q->n, b->g.vocab, &err));
}

static void same_logps(const float *ours, const struct el_sequence *q)
{
    for (int i = 0; i < q->n - q->n_prompt; i++) {
        assert_true(isfinite(q->logps[i]) && q->logps[i] <= 0);
        if (ours[i] != q->logps[i])
            fail_msg("completion token %d of a prompt of %d: %.9g at sampling, %.9g in training", i,
                     q->n_prompt, q->logps[i], ours[i]);
    }
}

/* As many sequences in one training pass as fit, then the next. */
static void compare_with_trainer(struct bench *b, enum el_attention mode, double temperature)
{
    for (int first = 0, end; first < JOBS; first = end) {
        int rows = 0, targets = 0;
        el_pack_clear(&b->t.pack);
        for (end = first; end < JOBS && rows + b->q[end]->n <= b->t.pack.max_rows &&
                          end - first < b->t.pack.max_sequences;
             end++) {
            pack_completion(b, b->q[end]);
            rows += b->q[end]->n;
        }
        struct el_error err = {0};
        int n = el_trainer_logprobs(&b->t, mode, 1 / temperature, &err);
        if (n < 0)
            fail_msg("%s", err.msg);
        for (int i = first; i < end; i++) {
            same_logps(b->t.logp + targets, b->q[i]);
            targets += b->q[i]->n - b->q[i]->n_prompt;
        }
        assert_int_equal(n, targets);
    }
}

static void test_log_probabilities(void **state)
{
    (void)state;
    static const double temperatures[] = {1, 0.7};
    static const char *const names[] = {"base", "ungrouped_tied"};
    for (int i = 0; i < GOLDEN_ISAS; i++) {
        const struct el_ops *ops = el_ops_find(golden_isas[i]);
        int tokens = 0;
        for (int k = 0; ops && k < 8; k++) {
            enum el_attention mode = k & 1 ? EL_ATTENTION_MQA : EL_ATTENTION_DENSE;
            struct bench b;
            struct el_sampling how = {
                .temperature = temperatures[k >> 1 & 1], .top_p = 1, .max_tokens = 60};
            bench_open(&b, names[k >> 2], ops, mode);
            tokens += sample(&b, how);
            compare_with_trainer(&b, mode, how.temperature);
            bench_close(&b);
        }
        if (ops)
            print_message("%-8s %d sampled tokens, largest difference 0\n", ops->name, tokens);
        assert_true(!ops || tokens > 5000);
    }
}

/* One training pass over q alone, its activations in b->t. */
static struct el_pass whole_pass(struct bench *b, const struct el_sequence *q,
                                 enum el_attention mode)
{
    struct el_pass pass = {.w = b->g.w, .s = &b->s, .mode = mode};
    el_pack_clear(&b->t.pack);
    golden_must(el_pack_add(&b->t.pack, q->tokens, NULL, q->n, b->g.vocab, &err));
    el_pack_upload(&b->t.pack, &pass);
    el_transformer_forward(&pass, &b->t.acts);
    golden_must(el_stream_check(&b->s, &err));
    return pass;
}

/* The kept sets of sampling, replayed: the log-probabilities over them are the sampler's. */
static void check_kept_sets(struct bench *b, const struct el_sequence *q, enum el_attention mode)
{
    int32_t rows[MAX_TOKENS];
    float logp[MAX_TOKENS], entropy[MAX_TOKENS], whole[MAX_TOKENS];
    int n = q->n - q->n_prompt;
    struct el_pass pass = whole_pass(b, q, mode);
    for (int i = 0; i < n; i++)
        rows[i] = q->n_prompt + i - 1;
    struct el_targets t = {.n = n,
                           .row = rows,
                           .token = q->tokens + q->n_prompt,
                           .inv_temperature = (float)(1 / q->sampling.temperature),
                           .kept_start = q->kept_start,
                           .kept = q->kept};
    golden_must(el_lm_head_logprobs(&b->t.head, &pass, &b->t.acts, &t, logp, entropy, &err));
    same_logps(logp, q);
    t.kept_start = t.kept = NULL;
    golden_must(el_lm_head_logprobs(&b->t.head, &pass, &b->t.acts, &t, whole, NULL, &err));
    for (int i = 0; i < n; i++) {
        int size = q->kept_start[i + 1] - q->kept_start[i];
        assert_in_range(size, 1, b->g.vocab);
        assert_true(logp[i] >= whole[i]);
        assert_true(entropy[i] >= 0 && entropy[i] <= logf((float)size) + 1e-5f);
    }
}

static void test_kept_sets(void **state)
{
    (void)state;
    static const struct el_sampling kinds[] = {
        {.temperature = 1, .top_p = 0.6, .max_tokens = 40},
        {.temperature = 0.7, .top_k = 9, .top_p = 0.95, .max_tokens = 40}};
    for (int k = 0; k < 4; k++) {
        enum el_attention mode = k & 1 ? EL_ATTENTION_MQA : EL_ATTENTION_DENSE;
        struct bench b;
        bench_open(&b, "base", el_ops_cpu(), mode);
        sample(&b, kinds[k >> 1]);
        for (int i = 0; i < JOBS; i++)
            check_kept_sets(&b, b.q[i], mode);
        bench_close(&b);
    }
}

/* Sampling without truncation leaves no kept sets, a top-k of the whole vocabulary included. */
static void test_whole_vocabulary(void **state)
{
    (void)state;
    struct bench b;
    struct el_sampling how = {.temperature = 1, .top_k = 64, .top_p = 1, .max_tokens = 20};
    bench_open(&b, "base", el_ops_cpu(), EL_ATTENTION_MQA);
    assert_true(b.g.vocab <= how.top_k);
    sample(&b, how);
    compare_with_trainer(&b, EL_ATTENTION_MQA, 1);
    for (int i = 0; i < JOBS; i++)
        assert_int_equal(b.q[i]->n_kept, 0);
    bench_close(&b);
}

static void check_routing(struct bench *b, const struct el_sequence *q, enum el_attention mode)
{
    const struct el_config *c = &b->g.w->config;
    int k = c->num_experts_per_tok, first = c->first_k_dense_replace;
    int layers = c->num_hidden_layers - first;
    whole_pass(b, q, mode);
    for (int l = 0; l < layers; l++)
        for (int pos = 0; pos < q->n; pos++) {
            const int32_t *traced = q->routed + ((int64_t)pos * layers + l) * k;
            const int32_t *right = b->t.acts.layer[first + l].chosen + (int64_t)pos * k;
            for (int i = 0; i < k; i++)
                assert_int_equal(traced[i], pos + 1 < q->n ? right[i] : -1);
        }
}

/* The experts of every token, those of cached prefixes too, are those of a training pass. */
static void test_routing(void **state)
{
    (void)state;
    struct el_sampling how = {.temperature = 1, .top_p = 1, .max_tokens = 30};
    for (int k = 0; k < 4; k++) {
        enum el_attention mode = k & 1 ? EL_ATTENTION_MQA : EL_ATTENTION_DENSE;
        struct bench b;
        bench_open(&b, k & 2 ? "ungrouped_tied" : "base", el_ops_cpu(), mode);
        sample(&b, how);
        assert_true(b.e.stats.cached_tokens > 0);
        for (int i = 0; i < JOBS; i++)
            check_routing(&b, b.q[i], mode);
        bench_close(&b);
    }
}

static void check_selection(struct bench *b, const struct el_sequence *q)
{
    const struct el_config *c = &b->g.w->config;
    int layers = c->num_hidden_layers, topk = c->index_topk;
    whole_pass(b, q, EL_ATTENTION_MQA);
    assert_int_equal(q->selected_words, el_selection_words(q->capacity));
    for (int l = 0; l < layers; l++)
        for (int pos = 0; pos < q->n; pos++) {
            const uint32_t *bits = q->selected + ((int64_t)pos * layers + l) * q->selected_words;
            const int32_t *right = b->t.acts.layer[l].selected + (int64_t)pos * topk;
            int32_t traced[64];
            el_selection_unpack(bits, q->selected_words, traced, topk);
            if (pos + 1 < q->n)
                assert_memory_equal(traced, right, (size_t)topk * sizeof *right);
            else
                assert_int_equal(traced[0], -1);
        }
}

/* So are the keys that every token selected, in every layer. */
static void test_selection(void **state)
{
    (void)state;
    struct el_sampling how = {.temperature = 1, .top_p = 1, .max_tokens = 30};
    for (int k = 0; k < 2; k++) {
        struct bench b;
        bench_open(&b, k ? "ungrouped_tied" : "base", el_ops_cpu(), EL_ATTENTION_MQA);
        assert_in_range(b.g.w->config.index_topk, 2, 64);
        sample(&b, how);
        assert_true(b.e.stats.cached_tokens > 0);
        for (int i = 0; i < JOBS; i++)
            check_selection(&b, b.q[i]);
        bench_close(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_probabilities), cmocka_unit_test(test_kept_sets),
        cmocka_unit_test(test_whole_vocabulary),  cmocka_unit_test(test_routing),
        cmocka_unit_test(test_selection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
