/* What a step may and may not touch, failures, schedules. */
#include "tests/model/golden_case.h"

#include "core/train/balance.h"
#include "core/train/schedule.h"
#include "core/train/trainer.h"

static const struct el_adamw_config adamw = {
    .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8, .weight_decay = 0.1, .max_grad_norm = 1};

struct bench {
    struct golden_case g;
    struct el_stream s;
    struct el_trainer t;
};

static void bench_open(struct bench *b)
{
    struct el_trainer_options o = {
        .max_rows = 64, .max_sequences = 2, .head_chunk = 20, .adamw = adamw};
    golden_open(&b->g, "base", el_device_host());
    el_stream_init(&b->s, el_device_host(), el_ops_cpu(), 1);
    golden_must(el_trainer_init(&b->t, b->g.w, &b->s, &o, &err));
}

static void bench_close(struct bench *b)
{
    el_trainer_release(&b->t);
    el_stream_release(&b->s);
    golden_close(&b->g);
}

static struct el_step_stats accumulate(struct bench *b, enum el_stage stage)
{
    float weight[64];
    struct el_step_stats stats = {0};
    for (int i = 0; i < b->g.t; i++)
        weight[i] = 1;
    el_pack_clear(&b->t.pack);
    for (int i = 0; i < 2; i++)
        golden_must(
            el_pack_add(&b->t.pack, b->g.tokens + i * b->g.t, weight, b->g.t, b->g.vocab, &err));
    struct el_micro_batch m = {.stage = stage,
                               .lm_denominator = 2 * (b->g.t - 1),
                               .kl_denominator = b->g.rows,
                               .kl_weight = 1};
    golden_must(el_trainer_accumulate(&b->t, &m, &stats, &err));
    return stats;
}

static float *copy_weights(const struct bench *b)
{
    size_t bytes = (size_t)b->g.w->layout.total * sizeof(float);
    float *copy = el_alloc(bytes);
    assert_non_null(copy);
    memcpy(copy, b->g.w->data, bytes);
    return copy;
}

/* Dense: the indexer stays. Warm-up: only the indexer moves. Sparse: all of it moves. Biases of the
 * router never move without a rate. */
static void test_what_moves(void **state)
{
    (void)state;
    for (int stage = EL_STAGE_DENSE; stage <= EL_STAGE_SPARSE; stage++) {
        struct bench b;
        bench_open(&b);
        float *before = copy_weights(&b);
        accumulate(&b, (enum el_stage)stage);
        struct el_update u = {.stage = (enum el_stage)stage, .lr = 0.01};
        double norm;
        golden_must(el_trainer_update(&b.t, &u, &norm, NULL, &err));
        assert_true(norm > 0);
        for (int i = 0; i < b.g.w->layout.n; i++) {
            const struct el_tensor_info *t = &b.g.w->layout.tensors[i];
            int indexer = !!(t->flags & EL_TENSOR_INDEXER);
            int moves = stage == EL_STAGE_SPARSE || indexer == (stage == EL_STAGE_WARMUP);
            moves &= !(t->flags & EL_TENSOR_NO_GRAD);
            int moved = memcmp(before + t->offset, b.g.w->data + t->offset,
                               (size_t)t->count * sizeof(float)) != 0;
            if (moved != moves)
                fail_msg("%s: %s %s", el_stage_name((enum el_stage)stage), t->name,
                         moved ? "moved" : "did not move");
        }
        for (int64_t i = 0; i < b.g.w->layout.total; i++)
            assert_true(b.t.opt.grad[i] == 0);
        el_free(before);
        bench_close(&b);
    }
}

/* Repeating steps on one batch lowers its losses. */
static void test_losses_fall(void **state)
{
    (void)state;
    for (int stage = EL_STAGE_DENSE; stage <= EL_STAGE_SPARSE; stage++) {
        struct bench b;
        bench_open(&b);
        struct el_step_stats first = accumulate(&b, (enum el_stage)stage), last = first;
        for (int step = 0; step < 25; step++) {
            struct el_update u = {.stage = (enum el_stage)stage, .lr = 0.003};
            double norm;
            golden_must(el_trainer_update(&b.t, &u, &norm, NULL, &err));
            last = accumulate(&b, (enum el_stage)stage);
        }
        if (stage != EL_STAGE_WARMUP)
            assert_true(last.lm_loss < 0.7 * first.lm_loss);
        if (stage == EL_STAGE_WARMUP)
            assert_true(last.kl_loss < 0.7 * first.kl_loss);
        bench_close(&b);
    }
}

/* A gradient that is not finite is named, and the weights stay as they were. */
static void test_not_finite(void **state)
{
    (void)state;
    static const char name[] = "model.layers.1.mlp.experts.3.up_proj.weight";
    struct bench b;
    struct el_error err = {0};
    bench_open(&b);
    float *before = copy_weights(&b);
    accumulate(&b, EL_STAGE_DENSE);
    int i = el_layout_find(&b.g.w->layout, name);
    assert_true(i >= 0);
    b.t.opt.grad[b.g.w->layout.tensors[i].offset + 5] = NAN;
    struct el_update u = {.stage = EL_STAGE_DENSE, .lr = 0.01, .bias_update_speed = 0.1};
    double norm = -1;
    assert_int_equal(el_trainer_update(&b.t, &u, &norm, NULL, &err), EL_ENUMERIC);
    assert_non_null(strstr(err.msg, name));
    assert_memory_equal(before, b.g.w->data, (size_t)b.g.w->layout.total * sizeof(float));
    el_free(before);
    bench_close(&b);
}

static void test_log_probabilities(void **state)
{
    (void)state;
    struct bench b;
    struct el_error err = {0};
    bench_open(&b);
    double loss = accumulate(&b, EL_STAGE_SPARSE).lm_loss, sum = 0;
    int n = el_trainer_logprobs(&b.t, EL_ATTENTION_MQA, 1, &err);
    assert_int_equal(n, 2 * (b.g.t - 1));
    for (int i = 0; i < n; i++) {
        int seq = i / (b.g.t - 1), at = i % (b.g.t - 1);
        assert_int_equal(b.t.row[i], seq * b.g.t + at);
        assert_int_equal(b.t.token[i], b.g.tokens[seq * b.g.t + at + 1]);
        sum += b.t.logp[i];
    }
    assert_float_equal(-sum / n, loss, 1e-6);
    float flat = b.t.logp[0];
    assert_int_equal(el_trainer_logprobs(&b.t, EL_ATTENTION_MQA, 0.001, &err), n);
    assert_float_equal(b.t.logp[0], -log(b.g.vocab), 0.05); /* hot: nearly uniform */
    assert_true(b.t.logp[0] != flat);
    bench_close(&b);
}

static void test_memory(void **state)
{
    (void)state;
    struct golden_case g;
    struct el_stream s;
    struct el_trainer t;
    struct el_error err = {0};
    struct el_trainer_options o = {
        .max_rows = 64, .max_sequences = 2, .head_chunk = 20, .adamw = adamw};
    golden_open(&g, "base", el_device_host());
    el_stream_init(&s, el_device_host(), el_ops_cpu(), 1);
    int n = 1, rc;
    for (rc = EL_ENOMEM; rc < 0; n++) {
        el_alloc_fail_after(n);
        rc = el_trainer_init(&t, g.w, &s, &o, &err);
        el_alloc_fail_after(0);
        assert_true(rc == 0 || rc == EL_ENOMEM);
    }
    assert_true(n > 25);
    el_trainer_release(&t);
    el_stream_release(&s);
    golden_close(&g);
}

static void test_schedule(void **state)
{
    (void)state;
    struct el_schedule s = {.lr = 1, .final_lr = 0.1, .warmup = 4, .steps = 15};
    const double up[] = {0.25, 0.5, 0.75, 1, 1};
    for (int decay = EL_DECAY_CONSTANT; decay <= EL_DECAY_LINEAR; decay++) {
        s.decay = (enum el_decay)decay;
        for (int i = 0; i < 5; i++)
            assert_float_equal(el_schedule_lr(&s, i), up[i], 1e-12);
        double end = decay == EL_DECAY_CONSTANT ? 1 : 0.1;
        double middle = decay == EL_DECAY_CONSTANT ? 1 : 0.55;
        assert_float_equal(el_schedule_lr(&s, 9), middle, 1e-12);
        assert_float_equal(el_schedule_lr(&s, 14), end, 1e-12);
        assert_float_equal(el_schedule_lr(&s, 100), end, 1e-12);
        for (int i = 5; i < 15; i++)
            assert_true(el_schedule_lr(&s, i) <= el_schedule_lr(&s, i - 1));
    }
    s = (struct el_schedule){.lr = 2, .final_lr = 1, .steps = 1, .decay = EL_DECAY_COSINE};
    assert_float_equal(el_schedule_lr(&s, 0), 1, 1e-12);
}

static void test_names(void **state)
{
    (void)state;
    enum el_stage stage;
    enum el_decay decay;
    struct el_error err = {0};
    for (int i = EL_STAGE_DENSE; i <= EL_STAGE_SPARSE; i++) {
        assert_int_equal(el_stage_parse(el_stage_name((enum el_stage)i), &stage, &err), 0);
        assert_int_equal(stage, i);
    }
    assert_int_equal(el_stage_parse("moist", &stage, &err), EL_EINVAL);
    assert_non_null(strstr(err.msg, "dense, warmup or sparse"));
    assert_int_equal(el_decay_parse("cosine", &decay, &err), 0);
    assert_int_equal(decay, EL_DECAY_COSINE);
    assert_int_equal(el_decay_parse("", &decay, &err), EL_EINVAL);
}

static void test_balance(void **state)
{
    (void)state;
    float bias[] = {0.5f, -0.5f, 0, 1};
    const int64_t load[] = {10, 0, 2, 3}; /* the mean is 3.75 */
    el_balance_step(bias, load, 4, 0.25);
    assert_memory_equal(bias, ((float[]){0.25f, -0.25f, 0.25f, 1.25f}), sizeof bias);
    const int64_t even[] = {7, 7, 7, 7};
    el_balance_step(bias, even, 4, 0.25);
    assert_memory_equal(bias, ((float[]){0.25f, -0.25f, 0.25f, 1.25f}), sizeof bias);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_moves), cmocka_unit_test(test_losses_fall),
        cmocka_unit_test(test_not_finite), cmocka_unit_test(test_log_probabilities),
        cmocka_unit_test(test_memory),     cmocka_unit_test(test_schedule),
        cmocka_unit_test(test_names),      cmocka_unit_test(test_balance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
