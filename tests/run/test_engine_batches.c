/* What a sequence becomes depends on nothing but itself: not on the batch, the size of a pass, the
 * cache, the order of arrival or the number of threads, bit for bit. With masked MHA up to 40
 * tokens there are prompts of both kinds, with beginnings in common. */
#include "tests/run/engine_fixture.h"

enum { JOBS = 40, LONGEST = 70 };

struct arithmetic {
    int fp8;
    enum el_compute compute;
};

static const struct arithmetic plain = {0, EL_COMPUTE_FP32}, fp8 = {1, EL_COMPUTE_FP32},
                               bf16 = {0, EL_COMPUTE_BF16};

struct setting {
    const char *name;
    int sequences, rows, cache_tokens, ahead;
};

static const struct setting settings[] = {
    {"batch 7 in passes of 20", 7, 20, 4096, JOBS},
    {"the smallest cache", 16, 100, 128, JOBS},
    {"batch 64 in passes of 500", 64, 500, 8192, JOBS},
    {"batch 64 in passes of 64", 64, 64, 8192, JOBS},
    {"batch 7 in passes of 7", 7, 7, 4096, JOBS},
    {"batch 3, arriving one by one", 3, 50, 4096, 4},
    {"a cache of two contexts", 16, 40, 256, JOBS},
};

/* Every job in a batch of its own, each on a new engine. */
static void run_alone(const struct el_weights *w, struct el_stream *s, enum el_attention mode,
                      struct arithmetic sums, const struct job *jobs, int n, struct outcome *out)
{
    for (int i = 0; i < n; i++) {
        struct el_engine e;
        struct el_engine_options o = engine_options(mode, 1, 128);
        o.cache_tokens = 128;
        o.fp8 = sums.fp8;
        o.compute = sums.compute;
        golden_must(el_engine_init(&e, w, s, &o, &err));
        run_jobs(&e, &jobs[i], 1, 1, &out[i]);
        assert_int_equal(out[i].cached, 0);
        el_engine_release(&e);
    }
}

static void run_setting(const struct el_weights *w, struct el_stream *s, enum el_attention mode,
                        struct arithmetic sums, const struct setting *how, const struct job *jobs,
                        const struct outcome *alone)
{
    static struct outcome out[JOBS];
    struct el_engine e;
    struct el_engine_options o = engine_options(mode, how->sequences, how->rows);
    o.cache_tokens = how->cache_tokens;
    o.fp8 = sums.fp8;
    o.compute = sums.compute;
    golden_must(el_engine_init(&e, w, s, &o, &err));
    run_jobs(&e, jobs, JOBS, how->ahead, out);
    same_outcomes(alone, out, JOBS, how->name);
    int64_t cold = e.stats.cached_tokens;
    run_jobs(&e, jobs, JOBS, how->ahead, out); /* now with a warm cache */
    same_outcomes(alone, out, JOBS, how->name);
    if (how->cache_tokens >= 4096)
        assert_true(e.stats.cached_tokens - cold > cold);
    assert_int_equal(e.pool.n_free + e.pool.n_unused, e.pool.n_blocks);
    assert_int_equal(e.pool.reserved, 0);
    el_engine_release(&e);
}

static void check_weights(const struct el_weights *w, const struct el_ops *ops,
                          struct arithmetic sums, int n_settings, int threads)
{
    static struct job jobs[JOBS];
    static struct outcome alone[JOBS];
    make_jobs(jobs, JOBS, w->config.vocab_size, LONGEST, 7);
    for (int mode = EL_ATTENTION_DENSE; mode <= EL_ATTENTION_MHA; mode++) {
        struct el_stream s;
        el_stream_init(&s, el_device_host(), ops, 1);
        run_alone(w, &s, (enum el_attention)mode, sums, jobs, JOBS, alone);
        el_stream_release(&s);
        for (int i = 0; i < n_settings; i++) {
            el_stream_init(&s, el_device_host(), ops, 1 + i % threads);
            run_setting(w, &s, (enum el_attention)mode, sums, &settings[i], jobs, alone);
            el_stream_release(&s);
        }
    }
}

static void test_small_model(void **state)
{
    (void)state;
    enum { ALL = sizeof settings / sizeof *settings };
    struct golden_case g;
    golden_open(&g, "base", el_device_host());
    for (int i = 0; i < GOLDEN_ISAS; i++) {
        const struct el_ops *ops = el_ops_find(golden_isas[i]);
        if (ops)
            check_weights(g.w, ops, plain, i < 2 ? 2 : ALL, 1);
    }
    golden_close(&g);
}

/* Packed rows are shared between sequences, and copied inside blocks, as plain ones are. */
static void test_packed_cache(void **state)
{
    (void)state;
    struct golden_case g;
    golden_open(&g, "index_interleaved", el_device_host());
    check_weights(g.w, el_ops_find("ref"), fp8, 1, 1);
    check_weights(g.w, el_ops_cpu(), fp8, 4, 3);
    golden_close(&g);
}

static void test_bf16(void **state)
{
    (void)state;
    struct golden_case g;
    golden_open(&g, "base", el_device_host());
    for (int i = 0; i < GOLDEN_ISAS; i++) {
        const struct el_ops *ops = el_ops_find(golden_isas[i]), *variant;
        for (int v = 0; ops && (variant = el_ops_bf16_variant(ops, v)); v++)
            check_weights(g.w, variant, bf16, ops == el_ops_cpu() ? 4 : 1, 3);
    }
    golden_close(&g);
}

/* Widths that are no multiple of any vector, and products large enough for several threads. */
static void test_odd_model(void **state)
{
    (void)state;
    struct golden_case g;
    struct el_weights *w;
    golden_open(&g, "ungrouped_tied", el_device_host());
    struct el_config c = g.w->config;
    golden_close(&g);
    c.vocab_size = 317;
    c.hidden_size = 131;
    c.intermediate_size = 203;
    c.moe_intermediate_size = 37;
    c.num_hidden_layers = 3;
    c.num_attention_heads = 5;
    c.q_lora_rank = 51;
    c.kv_lora_rank = 45;
    c.n_routed_experts = 7;
    c.index_n_heads = 3;
    c.initializer_range = 0.15;
    golden_must(el_config_validate(&c, "odd", &err));
    golden_must(el_weights_create(&c, el_device_host(), 5, &w, &err));
    check_weights(w, el_ops_cpu(), plain, 3, 3);
    check_weights(w, el_ops_cpu(), bf16, 3, 3);
    el_weights_free(w);
}

/* The same tokens as from a forward pass over the whole text for every token: no cache, no batch,
 * greedy choice and log-probability from its logits. */
static void test_against_whole_passes(void **state)
{
    (void)state;
    struct golden_case g;
    struct el_engine e;
    struct el_stream s;
    struct job job = {.prompt = {3, 9, 27, 17, 51}, .n = 5};
    static struct outcome out;
    job.sampling = (struct el_sampling){.top_p = 1, .max_tokens = 40};
    golden_open(&g, "base", el_device_host());
    el_stream_init(&s, el_device_host(), el_ops_cpu(), 1);
    for (int mode = EL_ATTENTION_DENSE; mode <= EL_ATTENTION_MQA; mode++) {
        struct el_engine_options o = engine_options((enum el_attention)mode, 1, 3);
        golden_must(el_engine_init(&e, g.w, &s, &o, &err));
        run_jobs(&e, &job, 1, 1, &out);
        el_engine_release(&e);
        for (int n = job.n; n < out.n; n++) {
            struct el_pack pack;
            struct el_acts acts;
            float logits[64];
            golden_must(el_pack_init(&pack, el_device_host(), n, 1, &err));
            golden_must(el_acts_init(&acts, &g.w->config, el_device_host(), n, 1, &err));
            golden_must(el_pack_add(&pack, out.tokens, NULL, n, g.vocab, &err));
            struct el_pass pass = {.w = g.w, .s = &s, .mode = (enum el_attention)mode};
            el_pack_upload(&pack, &pass);
            el_transformer_forward(&pass, &acts);
            el_transformer_logits(&pass, 1, acts.final + (int64_t)(n - 1) * g.w->config.hidden_size,
                                  logits);
            golden_must(el_stream_check(&s, &err));
            int best = 0;
            double sum = 0;
            for (int i = 1; i < g.vocab; i++)
                best = logits[i] > logits[best] ? i : best;
            for (int i = 0; i < g.vocab; i++)
                sum += exp((double)logits[i] - logits[best]);
            assert_int_equal(out.tokens[n], best);
            assert_float_equal(out.logps[n - job.n], -log(sum), 1e-5);
            el_acts_release(&acts);
            el_pack_release(&pack);
        }
        assert_true(out.n > job.n + 8);
    }
    el_stream_release(&s);
    golden_close(&g);
}

/* The engine never touches device memory itself. */
static void check_guard_device(const char *model, int packed)
{
    static struct job jobs[6];
    static struct outcome guarded[6], open[6];
    struct el_device *guard = el_device_guard_create();
    struct el_device *devices[] = {el_device_host(), guard};
    struct outcome *outs[] = {open, guarded};
    assert_non_null(guard);
    for (int d = 0; d < 2; d++) {
        struct golden_case g;
        struct el_engine e;
        struct el_stream s;
        struct el_engine_options o = engine_options(EL_ATTENTION_MQA, 4, 30);
        o.fp8 = packed;
        golden_open(&g, model, devices[d]);
        make_jobs(jobs, 6, g.vocab, 40, 3);
        el_stream_init(&s, devices[d], el_ops_ref(), 1);
        golden_must(el_engine_init(&e, g.w, &s, &o, &err));
        run_jobs(&e, jobs, 6, 6, outs[d]);
        el_engine_release(&e);
        el_stream_release(&s);
        golden_close(&g);
    }
    same_outcomes(open, guarded, 6, "guard device");
    el_device_free(guard);
}

static void test_guard_device(void **state)
{
    (void)state;
    check_guard_device("base", 0);
    check_guard_device("index_interleaved", 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_model),
        cmocka_unit_test(test_packed_cache),
        cmocka_unit_test(test_bf16),
        cmocka_unit_test(test_odd_model),
        cmocka_unit_test(test_against_whole_passes),
        cmocka_unit_test(test_guard_device),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
