/* Measuring and printing: medians, the order of repeats, lines, JSON; every case once with a model
 * that takes no time. */
#include "bench/cases.h"
#include "bench/ceiling.h"
#include "core/base/alloc.h"
#include "core/base/json.h"
#include "core/base/progress.h"
#include "core/ops/pointwise.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void the_median_is_in_the_middle(void **state)
{
    (void)state;
    double odd[] = {3, 1, 2}, even[] = {4, 1, 3, 2};
    struct el_bench_times t = el_bench_times_of(odd, 3);
    assert_float_equal(t.median, 2, 0);
    assert_float_equal(t.fastest, 1, 0);
    assert_float_equal(t.slowest, 3, 0);
    assert_int_equal(t.n, 3);
    assert_float_equal(el_bench_times_of(even, 4).median, 2.5, 0);
}

struct witness {
    char name, *order;
    int calls, fail_at;
};

static int run(void *user, double *seconds, struct el_error *err)
{
    struct witness *w = user;
    strncat(w->order, &w->name, 1);
    *seconds = ++w->calls;
    return w->calls == w->fail_at ? el_error_set(err, EL_EIO, "broken") : 0;
}

static void repeats_take_turns(void **state)
{
    (void)state;
    char order[32] = "";
    struct witness a = {'a', order, 0, 0}, b = {'b', order, 0, 0};
    struct el_bench_job jobs[] = {{run, &a}, {run, &b}};
    struct el_bench_times t[2];
    struct el_error err = {0};
    assert_int_equal(el_bench_repeat(jobs, 2, 3, t, &err), 0);
    assert_string_equal(order, "ababab");
    assert_float_equal(t[1].median, 2, 0);
    b.fail_at = 5;
    assert_int_equal(el_bench_repeat(jobs, 2, 3, t, &err), EL_EIO);
    assert_int_equal(el_bench_repeat(jobs, 2, 0, t, &err), EL_EINVAL);
    el_stop_requested = 1;
    assert_int_equal(el_bench_repeat(jobs, 2, 3, t, &err), EL_EINTR);
    el_stop_requested = 0;
}

static const char tiny[] =
    "{\"vocab_size\": 11, \"hidden_size\": 8, \"intermediate_size\": 8, \"num_hidden_layers\": 2,"
    "\"first_k_dense_replace\": 1, \"moe_intermediate_size\": 4, \"n_routed_experts\": 4,"
    "\"num_experts_per_tok\": 2, \"n_shared_experts\": 1, \"n_group\": 1, \"topk_group\": 1,"
    "\"num_attention_heads\": 2, \"q_lora_rank\": 8, \"kv_lora_rank\": 8, \"qk_nope_head_dim\": 4,"
    "\"qk_rope_head_dim\": 4, \"v_head_dim\": 4, \"index_n_heads\": 2, \"index_head_dim\": 8,"
    "\"index_topk\": 8, \"max_position_embeddings\": 64, \"rms_norm_eps\": 1e-6,"
    "\"rope_theta\": 10000, \"norm_topk_prob\": true, \"routed_scaling_factor\": 1,"
    "\"tie_word_embeddings\": false, \"scoring_func\": \"sigmoid\", \"topk_method\": \"noaux_tc\","
    "\"hidden_act\": \"silu\", \"bos_token_id\": 0, \"eos_token_id\": 1}";

struct fixture {
    struct el_stream s;
    struct el_bench b;
    struct el_weights *w;
    struct el_error err;
};

static int setup(void **state)
{
    struct fixture *f = el_alloc_array(1, sizeof *f);
    struct el_config c;
    if (!f || el_config_parse("tiny", tiny, strlen(tiny), &c, &f->err) < 0 ||
        el_weights_create(&c, el_device_host(), 1, &f->w, &f->err) < 0) {
        print_error("%s\n", f ? f->err.msg : "no memory");
        return -1;
    }
    el_stream_init(&f->s, el_device_host(), el_ops_cpu(), 2);
    el_bench_init(&f->b, &f->s, 2);
    f->b.slice = 0;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    el_bench_release(&f->b);
    el_stream_release(&f->s);
    el_weights_free(f->w);
    el_free(f);
    return 0;
}

static const struct el_bench_decode decode = {EL_ATTENTION_MQA, 3, 20, 4, EL_COMPUTE_FP32, 0};
static const struct el_bench_prefill prefill = {EL_ATTENTION_DENSE, 40, 3, 0, EL_COMPUTE_FP32, 0};
static const struct el_bench_train training = {EL_STAGE_SPARSE, 24, 12};

static void decode_counts_its_steps(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(el_bench_decode(&f->b, f->w, &decode, &f->err), 0);
    assert_int_equal(f->b.n_figures, 1);
    const struct el_bench_figure *g = &f->b.figures[0];
    assert_float_equal(g->items, 12, 0);
    assert_int_equal(g->times.n, 2);
    assert_int_equal(g->ops->runs[EL_OP_embed], 4); /* one pass a step */
    /* four passes of the head over three rows, and one attention a layer */
    assert_int_equal(g->ops->runs[EL_OP_attn], 8);
    assert_true(g->work.flop > 4 * 2.0 * 3 * 8 * 11);
}

/* 40 tokens: two whole blocks and a last one, which is attended in the absorbed form. */
static void masked_prefill_tells_its_limit(void **state)
{
    struct fixture *f = *state;
    struct el_bench_prefill masked = prefill;
    masked.mha_limit = 40;
    assert_int_equal(el_bench_prefill(&f->b, f->w, &masked, &f->err), 0);
    assert_int_equal(f->b.n_figures, 4);
    const struct el_bench_tally *t = f->b.figures[0].ops;
    assert_int_equal(t->runs[EL_OP_attn_mha], 2);
    assert_true(t->runs[EL_OP_attn] >= 2);
    assert_float_equal(f->b.figures[3].ratio, 40, 0);
}

static void prefill_shares_a_prompt(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(el_bench_prefill(&f->b, f->w, &prefill, &f->err), 0);
    assert_int_equal(f->b.n_figures, 3);
    const struct el_bench_figure *one = &f->b.figures[0], *all = &f->b.figures[1];
    assert_float_equal(one->items, 40, 0);
    assert_true(all->work.flop > one->work.flop);
    assert_true(all->work.flop < 2 * one->work.flop);
    assert_int_equal(f->b.figures[2].times.n, 0);
    assert_float_equal(f->b.figures[2].ratio, all->times.median / one->times.median, 1e-12);
}

/* The same passes with BF16 operands: their share is one of what those allow. */
static void bf16_is_measured(void **state)
{
    struct fixture *f = *state;
    struct el_bench_decode d = decode;
    struct el_bench_prefill p = prefill;
    struct el_buf out;
    d.compute = p.compute = EL_COMPUTE_BF16;
    assert_int_equal(el_bench_decode(&f->b, f->w, &d, &f->err), 0);
    assert_int_equal(el_bench_prefill(&f->b, f->w, &p, &f->err), 0);
    assert_int_equal(el_bench_gemm_square(&f->b, EL_COMPUTE_BF16, 4, &f->err), 0);
    assert_int_equal(f->b.n_figures, 5);
    const struct el_bench_figure *g = f->b.figures;
    assert_non_null(strstr(g[0].name, "mqa bf16"));
    assert_true(g[0].ops->runs[EL_OP_gemm_bf16] > g[0].ops->runs[EL_OP_gemm]);
    assert_true(g[1].bf16 && g[2].bf16 && g[4].bf16);
    assert_float_equal(g[4].work.flop, 128, 0);
    assert_int_equal(el_bench_gemm_model(&f->b, &f->w->config, EL_COMPUTE_BF16, 6, &f->err), 0);
    assert_int_equal(f->b.n_figures, 5 + 9);
    el_buf_init(&out);
    f->b.machine.flop_rate = 1e9, f->b.machine.bf16_rate = 64e9;
    struct el_bench_figure one = {.name = "x", .times = {.median = 1, .n = 1}, .bf16 = 1};
    one.work.flop = 32e9;
    assert_int_equal(el_bench_line(&out, &f->b, &one, &f->err), 0);
    assert_non_null(strstr(out.data, "32.0 GFLOP/s   50.0%"));
    el_buf_release(&out);
}

static void training_steps_are_whole(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(el_bench_train(&f->b, f->w, &training, &f->err), 0);
    const struct el_bench_tally *ops = f->b.figures[0].ops;
    assert_float_equal(f->b.figures[0].items, 24, 0);
    assert_int_equal(ops->runs[EL_OP_attn], 2);
    assert_int_equal(ops->runs[EL_OP_attn_bwd], 2);
    assert_int_equal(ops->runs[EL_OP_index_loss], 2);
    assert_true(ops->runs[EL_OP_adamw] > 0);
    struct el_bench_train wrong = training;
    wrong.length = 65;
    assert_int_equal(el_bench_train(&f->b, f->w, &wrong, &f->err), EL_EINVAL);
}

static void ops_run_at_the_shapes_of_a_model(void **state)
{
    struct fixture *f = *state;
    struct el_bench_attention shape = el_bench_attention_of(&f->w->config);
    assert_int_equal(shape.train_length, 64);
    assert_int_equal(el_bench_gemm_model(&f->b, &f->w->config, EL_COMPUTE_FP32, 6, &f->err), 0);
    assert_int_equal(f->b.n_figures, 27);
    assert_int_equal(el_bench_attention(&f->b, &shape, &f->err), 0);
    assert_int_equal(f->b.n_figures, 27 + 13);
    f->b.only = "attn";
    assert_int_equal(el_bench_attention(&f->b, &shape, &f->err), 0);
    assert_int_equal(f->b.n_figures, 27 + 13 + 6);
}

/* The context doubles; so do the dense work and what grows of the memory. */
static void the_cost_of_a_context_is_counted(void **state)
{
    struct fixture *f = *state;
    struct el_bench_attention shape = el_bench_attention_of(&f->w->config);
    struct el_bench_context o = {16, 64, 4};
    assert_int_equal(el_bench_context(&f->b, &shape, &o, &f->err), 0);
    assert_int_equal(f->b.n_figures, 3 * 8);
    for (int i = 0; i < 3; i++) {
        const struct el_bench_figure *g =
            f->b.figures + (ptrdiff_t)8 * i; /* dense DSA indexer ratio */
        double n = 16 << i;
        assert_int_equal(g[0].context, n);
        assert_float_equal(g[0].work.flop, 2 * n * 2 * (12 + 8), 0);
        assert_float_equal(g[2].work.flop, 2 * n * 2 * 8, 0);
        assert_float_equal(g[1].work.flop, g[2].work.flop + 2 * 8.0 * 2 * (12 + 8), 0);
        assert_float_equal(g[3].ratio, g[0].times.median / g[1].times.median, 1e-9);
        assert_true(g[0].memory >= 4 * n * 12 && g[1].memory >= 4 * n * 20);
        assert_float_equal(g[4].items, 4, 0);
    }
    o.queries = 17;
    assert_int_equal(el_bench_context(&f->b, &shape, &o, &f->err), EL_EINVAL);
}

static void results_are_json(void **state)
{
    struct fixture *f = *state;
    struct el_buf out;
    cJSON *json;
    el_buf_init(&out);
    assert_int_equal(el_bench_train(&f->b, f->w, &training, &f->err), 0);
    assert_int_equal(el_bench_prefill(&f->b, f->w, &prefill, &f->err), 0);
    f->b.machine.flop_rate = 1e9;
    assert_int_equal(el_bench_json(&out, &f->b, "1.2.3", &f->err), 0);
    assert_int_equal(el_json_parse("results", out.data, out.len, &json, &f->err), 0);
    assert_string_equal(cJSON_GetObjectItem(json, "version")->valuestring, "1.2.3");
    const cJSON *figures = cJSON_GetObjectItem(json, "figures");
    assert_int_equal(cJSON_GetArraySize(figures), 4);
    const cJSON *train = cJSON_GetArrayItem(figures, 0);
    double flop = cJSON_GetObjectItem(train, "flop")->valuedouble;
    double seconds = cJSON_GetObjectItem(train, "seconds")->valuedouble;
    double share = cJSON_GetObjectItem(train, "flop_share")->valuedouble;
    assert_float_equal(share, flop / seconds / 1e9, 1e-3);
    assert_null(cJSON_GetObjectItem(train, "byte_share")); /* no ceiling was measured */
    assert_non_null(cJSON_GetObjectItem(cJSON_GetObjectItem(train, "ops"), "gemm"));
    assert_true(cJSON_GetObjectItem(cJSON_GetArrayItem(figures, 3), "ratio")->valuedouble > 0);
    cJSON_Delete(json);
    el_buf_release(&out);
}

static void lines_hold_rates_and_shares(void **state)
{
    struct fixture *f = *state;
    struct el_buf out;
    struct el_bench_figure g = {.name = "train",
                                .times = {.median = 0.5, .n = 1},
                                .work = {.flop = 2e9, .bytes = 1e9},
                                .items = 1000,
                                .unit = "tokens"};
    el_buf_init(&out);
    f->b.machine.flop_rate = 16e9;
    f->b.machine.byte_rate = 4e9;
    assert_int_equal(el_bench_line(&out, &f->b, &g, &f->err), 0);
    assert_non_null(strstr(out.data, "500.0 ms"));
    assert_non_null(strstr(out.data, "4.0 GFLOP/s   25.0%"));
    assert_non_null(strstr(out.data, "2.0 GB/s      50.0%"));
    assert_non_null(strstr(out.data, "2000 tokens/s"));
    el_buf_release(&out);
}

/* Each allocation failed once: an error, no leak (the sanitizers watch), and the next run works. */
static void memory_may_run_out_anywhere(void **state)
{
    struct fixture *f = *state;
    struct el_bench_attention shape = el_bench_attention_of(&f->w->config);
    struct el_bench_context context = {16, 16, 4};
    long n = 1;
    for (int rc = -1; rc < 0; n++) {
        el_alloc_fail_after(n);
        rc = el_bench_prefill(&f->b, f->w, &prefill, &f->err);
        if (rc == 0)
            rc = el_bench_gemm_square(&f->b, EL_COMPUTE_FP32, 4, &f->err);
        if (rc == 0)
            rc = el_bench_train(&f->b, f->w, &training, &f->err);
        if (rc == 0)
            rc = el_bench_context(&f->b, &shape, &context, &f->err);
        el_alloc_fail_after(0);
        if (rc < 0)
            assert_int_equal(rc, EL_ENOMEM);
    }
    assert_true(n > 20);
}

static void ceilings_are_measured(void **state)
{
    (void)state;
    double rate = 0;
    struct el_error err = {0};
    /* a slow machine does a hundred million multiply-adds a second, a fast core 2^40 FLOP/s */
    double flops = el_bench_flop_ceiling(el_ops_cpu()->name, 1);
    assert_true(flops > 1e8 && flops < 1.1e12);
    assert_int_equal(el_bench_bandwidth(1, &rate, &err), 0);
    assert_true(rate > 1e8 && rate < 1e12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_median_is_in_the_middle),
        cmocka_unit_test(repeats_take_turns),
        cmocka_unit_test_setup_teardown(decode_counts_its_steps, setup, teardown),
        cmocka_unit_test_setup_teardown(prefill_shares_a_prompt, setup, teardown),
        cmocka_unit_test_setup_teardown(bf16_is_measured, setup, teardown),
        cmocka_unit_test_setup_teardown(masked_prefill_tells_its_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(training_steps_are_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(ops_run_at_the_shapes_of_a_model, setup, teardown),
        cmocka_unit_test_setup_teardown(the_cost_of_a_context_is_counted, setup, teardown),
        cmocka_unit_test_setup_teardown(results_are_json, setup, teardown),
        cmocka_unit_test_setup_teardown(lines_hold_rates_and_shares, setup, teardown),
        cmocka_unit_test_setup_teardown(memory_may_run_out_anywhere, setup, teardown),
        cmocka_unit_test(ceilings_are_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
