/* Schedules, balancing, and what a training step may and may not change. */
#include "tests/model/golden_case.h"

#include "core/train/balance.h"
#include "core/train/schedule.h"
#include "core/train/trainer.h"

/* ---- Schedules ---- */

static void rates(const struct el_schedule *s, const double *expected, int n)
{
    for (int i = 0; i < n; i++)
        if (!(fabs(el_schedule_lr(s, i) - expected[i]) < 1e-12))
            fail_msg("step %d: %.15g, expected %.15g", i, el_schedule_lr(s, i), expected[i]);
}

static void schedules(void **state)
{
    (void)state;
    const double flat[] = {0.25, 0.5, 0.75, 1, 1, 1, 1};
    const double line[] = {0.5, 1, 1, 0.8, 0.6, 0.4, 0.2};
    const double half = 0.5 * (1 - 0.2);
    const double wave[] = {1, 0.2 + half * (1 + sqrt(0.5)), 0.6, 0.2 + half * (1 - sqrt(0.5)), 0.2};
    rates(&(struct el_schedule){1, 0.2, 4, 7, EL_DECAY_CONSTANT}, flat, 7);
    rates(&(struct el_schedule){1, 0.2, 2, 7, EL_DECAY_LINEAR}, line, 7);
    rates(&(struct el_schedule){1, 0.2, 0, 5, EL_DECAY_COSINE}, wave, 5);
    rates(&(struct el_schedule){1, 0.2, 0, 1, EL_DECAY_LINEAR}, (const double[]){0.2}, 1);
    rates(&(struct el_schedule){3, 0.2, 3, 3, EL_DECAY_COSINE}, (const double[]){1, 2, 3}, 3);
    rates(&(struct el_schedule){4, 0, 8, 2, EL_DECAY_COSINE}, (const double[]){0.5, 1}, 2);
}

static void names(void **state)
{
    (void)state;
    struct el_error why = {0};
    enum el_decay decay;
    enum el_stage stage;
    golden_must(el_decay_parse("linear", &decay, &err));
    assert_int_equal(decay, EL_DECAY_LINEAR);
    assert_int_equal(el_decay_parse("Linear", &decay, &why), EL_EINVAL);
    assert_non_null(strstr(why.msg, "'Linear'"));
    assert_int_equal(el_stage_parse("", &stage, &why), EL_EINVAL);
    for (int i = EL_STAGE_DENSE; i <= EL_STAGE_SPARSE; i++) {
        golden_must(el_stage_parse(el_stage_name(i), &stage, &err));
        assert_int_equal(stage, i);
    }
}

/* ---- Balancing ---- */

static void balance_by_hand(void **state)
{
    (void)state;
    float bias[4] = {0.5f, 0, 0, -1};
    el_balance_step(bias, (const int64_t[]){10, 2, 4, 0}, 4, 0.25); /* mean 4 */
    assert_true(bias[0] == 0.25f && bias[1] == 0.25f && bias[2] == 0 && bias[3] == -0.75f);
    el_balance_step(bias, (const int64_t[]){3, 3, 3, 3}, 4, 0.25);
    assert_true(bias[0] == 0.25f && bias[1] == 0.25f && bias[2] == 0 && bias[3] == -0.75f);
    float three[3] = {0}; /* the mean 1/3 is no integer: nobody is exactly even */
    el_balance_step(three, (const int64_t[]){1, 0, 0}, 3, 1);
    assert_true(three[0] == -1 && three[1] == 1 && three[2] == 1);
}

/* ---- Steps ---- */

struct bench {
    struct golden_case g;
    struct el_stream s;
    struct el_trainer t;
    float *before; /* the weights at the start */
};

static const struct el_adamw_config adamw = {0.9, 0.95, 1e-8, 0.1, 1};

static void bench_open(struct bench *b, struct el_adamw_config config, int threads)
{
    golden_open(&b->g, "base", el_device_host());
    el_stream_init(&b->s, b->g.w->device, el_ops_cpu(), threads);
    const struct el_trainer_options o = {b->g.rows, b->g.b, 24, config};
    golden_must(el_trainer_init(&b->t, b->g.w, &b->s, &o, &err));
    size_t bytes = (size_t)b->g.w->layout.total * sizeof(float);
    b->before = el_alloc(bytes);
    assert_non_null(b->before);
    memcpy(b->before, b->g.w->data, bytes);
}

static void bench_close(struct bench *b)
{
    el_free(b->before);
    el_trainer_release(&b->t);
    el_stream_release(&b->s);
    golden_close(&b->g);
}

/* Both sequences with the loss weights given (rows), or 1 everywhere. */
static struct el_step_stats gradients(struct bench *b, enum el_stage stage, const float *weight,
                                      double denominator)
{
    struct el_step_stats stats = {0};
    const struct el_micro_batch m = {stage, denominator, b->g.rows, 1};
    float *ones = el_alloc_array((size_t)b->g.rows, sizeof *ones);
    for (int i = 0; i < b->g.rows; i++)
        ones[i] = 1;
    el_pack_clear(&b->t.pack);
    for (int i = 0; i < b->g.b; i++)
        golden_must(el_pack_add(&b->t.pack, b->g.tokens + i * b->g.t,
                                (weight ? weight : ones) + i * b->g.t, b->g.t, b->g.vocab, &err));
    golden_must(el_trainer_accumulate(&b->t, &m, &stats, &err));
    el_free(ones);
    return stats;
}

static double update(struct bench *b, enum el_stage stage, double lr, double speed)
{
    double norm = -1;
    const struct el_update u = {stage, lr, speed};
    golden_must(el_trainer_update(&b->t, &u, &norm, NULL, &err));
    return norm;
}

static int changed(const struct bench *b, const struct el_tensor_info *t)
{
    return memcmp(b->before + t->offset, b->g.w->data + t->offset,
                  (size_t)t->count * sizeof(float)) != 0;
}

static int is_bias(const struct el_tensor_info *t)
{
    return strstr(t->name, "e_score_correction_bias") != NULL;
}

/* Two steps, so that moments count too. */
static void stage_changes(enum el_stage stage, double speed)
{
    struct bench b;
    int indexers = 0, biases = 0, rest = 0;
    bench_open(&b, adamw, 2);
    for (int i = 0; i < 2; i++) {
        gradients(&b, stage, NULL, 60);
        assert_true(update(&b, stage, 1e-3, speed) > 0);
    }
    for (int i = 0; i < b.g.w->layout.n; i++) {
        const struct el_tensor_info *t = &b.g.w->layout.tensors[i];
        int indexer = strstr(t->name, ".indexer.") != NULL;
        int expected = is_bias(t)                 ? speed > 0 && stage != EL_STAGE_WARMUP
                       : stage == EL_STAGE_WARMUP ? indexer
                       : stage == EL_STAGE_DENSE  ? !indexer
                                                  : 1;
        if (changed(&b, t) != expected)
            fail_msg("stage %s, speed %g: %s %s", el_stage_name(stage), speed, t->name,
                     expected ? "stayed" : "changed");
        indexers += indexer;
        biases += is_bias(t);
        rest += !indexer && !is_bias(t);
    }
    assert_true(indexers > 0 && biases > 0 && rest > 0);
    bench_close(&b);
}

static void stages_change_what_they_train(void **state)
{
    (void)state;
    for (int stage = EL_STAGE_DENSE; stage <= EL_STAGE_SPARSE; stage++) {
        stage_changes((enum el_stage)stage, 0);
        stage_changes((enum el_stage)stage, 1e-3);
    }
}

/* What is frozen does not count for the norm: here gradients are put there by hand. */
static void frozen_gradients_do_not_count(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, adamw, 1);
    const struct el_layout *l = &b.g.w->layout;
    for (int i = 0; i < l->n; i++)
        if (!is_bias(&l->tensors[i]))
            b.t.opt.grad[l->tensors[i].offset] =
                l->tensors[i].flags & EL_TENSOR_INDEXER ? 3.0f : 2.0f;
    int indexer = 0, rest = 0;
    for (int i = 0; i < l->n; i++) {
        indexer += (l->tensors[i].flags & EL_TENSOR_INDEXER) != 0;
        rest += !(l->tensors[i].flags & EL_TENSOR_INDEXER) && !is_bias(&l->tensors[i]);
    }
    double norm = 0;
    golden_must(el_optimizer_norm(&b.t.opt, &b.s, EL_TRAIN_INDEXER, &norm, &err));
    assert_float_equal(norm, 3 * sqrt(indexer), 1e-9);
    golden_must(el_optimizer_norm(&b.t.opt, &b.s, EL_TRAIN_MAIN, &norm, &err));
    assert_float_equal(norm, 2 * sqrt(rest), 1e-9);
    golden_must(el_optimizer_norm(&b.t.opt, &b.s, EL_TRAIN_ALL, &norm, &err));
    assert_float_equal(norm, sqrt(9.0 * indexer + 4.0 * rest), 1e-9);
    bench_close(&b);
}

/* The first update of a weight: m/(1-b1) is the clipped gradient and sqrt(v/(1-b2)) its size. In a
 * warm-up behind dense steps it is the first one of the indexer all the same. */
static void check_first_update(enum el_stage stage, int before, double clip, double eps)
{
    struct bench b;
    struct el_adamw_config c = adamw;
    const double lr = 1e-2;
    const int warm = stage == EL_STAGE_WARMUP;
    c.max_grad_norm = clip;
    c.eps = eps;
    bench_open(&b, c, 1);
    for (int i = 0; i < before; i++) {
        gradients(&b, EL_STAGE_DENSE, NULL, 60);
        update(&b, EL_STAGE_DENSE, lr, 0);
    }
    gradients(&b, stage, NULL, 60);
    size_t n = (size_t)b.g.w->layout.total;
    float *grad = el_alloc(n * sizeof *grad);
    memcpy(grad, b.t.opt.grad, n * sizeof *grad);
    memcpy(b.before, b.g.w->data, n * sizeof *grad);
    double norm = update(&b, stage, lr, 0), sum = 0;
    double scale = clip > 0 && norm > clip ? clip / (norm + 1e-6) : 1;
    for (int i = 0; i < b.g.w->layout.n; i++) {
        const struct el_tensor_info *t = &b.g.w->layout.tensors[i];
        int trained = !(t->flags & EL_TENSOR_NO_GRAD) && !(t->flags & EL_TENSOR_INDEXER) == !warm;
        for (int64_t k = t->offset; k < t->offset + t->count; k++) {
            double g = grad[k] * scale, x = b.before[k];
            sum += trained ? (double)grad[k] * grad[k] : 0;
            double decay = t->dims > 1 ? c.weight_decay * x : 0;
            double right = trained ? x - lr * (g / (fabs(g) + eps) + decay) : x;
            if (!(fabs(b.g.w->data[k] - right) < 1e-5 * lr + 1e-6 * fabs(x)))
                fail_msg("%s: %.9g, expected %.9g", t->name, b.g.w->data[k], right);
        }
    }
    assert_float_equal(norm, sqrt(sum), 1e-6 * norm);
    assert_int_equal(b.t.opt.step[EL_PARAMS_MAIN], warm ? before : before + 1);
    assert_int_equal(b.t.opt.step[EL_PARAMS_INDEXER], warm);
    for (size_t k = 0; k < n; k++)
        assert_true(b.t.opt.grad[k] == 0);
    el_free(grad);
    bench_close(&b);
}

static void adamw_by_hand(void **state)
{
    (void)state;
    check_first_update(EL_STAGE_DENSE, 0, 0, 1e-3);
    check_first_update(EL_STAGE_DENSE, 0, 1e6, 1e-3); /* far above the norm: nothing is clipped */
    check_first_update(EL_STAGE_DENSE, 0, 0.01, 1e-3);
    check_first_update(EL_STAGE_WARMUP, 3, 0, 1e-3);
    check_first_update(EL_STAGE_WARMUP, 3, 0.01, 1e-3);
}

/* ---- The loss mask ---- */

static void nothing_scored_no_gradient(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, adamw, 2);
    float *mask = el_alloc_array((size_t)b.g.rows, sizeof *mask);
    mask[0] = mask[b.g.t] = 1; /* of first tokens, which nothing predicts */
    struct el_step_stats s = gradients(&b, EL_STAGE_DENSE, mask, 1);
    assert_true(s.lm_loss == 0 && s.targets == 0);
    for (int64_t k = 0; k < b.g.w->layout.total; k++)
        assert_true(b.t.opt.grad[k] == 0);
    el_free(mask);
    bench_close(&b);
}

static float *masked_gradient(struct bench *b, enum el_stage stage, int odd, int even, double *loss)
{
    float *mask = el_alloc_array((size_t)b->g.rows, sizeof *mask);
    size_t bytes = (size_t)b->g.w->layout.total * sizeof(float);
    float *copy = el_alloc(bytes);
    for (int i = 0; i < b->g.rows; i++)
        mask[i] = (float)(i % 2 ? odd : even);
    el_optimizer_zero_grad(&b->t.opt, &b->s);
    *loss = gradients(b, stage, mask, 60).lm_loss;
    memcpy(copy, b->t.opt.grad, bytes);
    el_free(mask);
    return copy;
}

/* What one mask scores and what the other scores add up to what both score. */
static void masks_add_up(void **state)
{
    (void)state;
    struct bench b;
    double la, lb, lc;
    bench_open(&b, adamw, 2);
    float *x = masked_gradient(&b, EL_STAGE_DENSE, 1, 0, &la);
    float *y = masked_gradient(&b, EL_STAGE_DENSE, 0, 1, &lb);
    float *z = masked_gradient(&b, EL_STAGE_DENSE, 1, 1, &lc);
    assert_true(la > 0 && lb > 0);
    assert_float_equal(la + lb, lc, 1e-6 * lc);
    for (int i = 0; i < b.g.w->layout.n; i++) {
        const struct el_tensor_info *t = &b.g.w->layout.tensors[i];
        for (int64_t k = t->offset; k < t->offset + t->count; k++)
            x[k] += y[k];
        if (!(golden_distance(x + t->offset, z + t->offset, t->count) < 2e-5))
            fail_msg("%s: the masks do not add up", t->name);
    }
    el_free(x);
    el_free(y);
    el_free(z);
    bench_close(&b);
}

/* Twice the weight is twice the gradient. */
static void weights_scale(void **state)
{
    (void)state;
    struct bench b;
    double one, two;
    bench_open(&b, adamw, 1);
    float *x = masked_gradient(&b, EL_STAGE_DENSE, 1, 0, &one);
    float *y = masked_gradient(&b, EL_STAGE_DENSE, 2, 0, &two);
    assert_float_equal(2 * one, two, 1e-9);
    for (int64_t k = 0; k < b.g.w->layout.total; k++)
        assert_true(2 * x[k] == y[k]);
    el_free(x);
    el_free(y);
    bench_close(&b);
}

/* ---- Threads, NaN, memory ---- */

static void threads_change_no_bit(void **state)
{
    (void)state;
    for (int stage = EL_STAGE_DENSE; stage <= EL_STAGE_SPARSE; stage++) {
        struct bench b[3];
        for (int i = 0; i < 3; i++) {
            bench_open(&b[i], adamw, i + 1);
            for (int step = 0; step < 3; step++) {
                gradients(&b[i], stage, NULL, 60);
                update(&b[i], stage, 1e-3, 1e-3);
            }
            size_t bytes = (size_t)b[i].g.w->layout.total * sizeof(float);
            assert_memory_equal(b[0].g.w->data, b[i].g.w->data, bytes);
            assert_memory_equal(b[0].t.opt.m, b[i].t.opt.m, bytes);
            assert_memory_equal(b[0].t.opt.v, b[i].t.opt.v, bytes);
        }
        for (int i = 0; i < 3; i++)
            bench_close(&b[i]);
    }
}

static void nan_leaves_the_weights(void **state)
{
    (void)state;
    struct bench b;
    struct el_error why = {0};
    double norm = 7;
    const struct el_update u = {EL_STAGE_DENSE, 1e-3, 1e-3};
    bench_open(&b, adamw, 1);
    gradients(&b, EL_STAGE_DENSE, NULL, 60);
    int at = el_layout_find(&b.g.w->layout, "model.norm.weight");
    assert_true(at >= 0);
    b.t.opt.grad[b.g.w->layout.tensors[at].offset + 1] = NAN;
    assert_int_equal(el_trainer_update(&b.t, &u, &norm, NULL, &why), EL_ENUMERIC);
    assert_non_null(strstr(why.msg, "gradient of model.norm.weight"));
    for (int i = 0; i < b.g.w->layout.n; i++)
        assert_false(changed(&b, &b.g.w->layout.tensors[i]));
    assert_int_equal(b.t.opt.step[EL_PARAMS_MAIN], 0);
    b.g.w->data[b.g.w->layout.tensors[at].offset] = INFINITY;
    assert_int_equal(el_trainer_update(&b.t, &u, &norm, NULL, &why), EL_ENUMERIC);
    assert_non_null(strstr(why.msg, "weight model.norm.weight"));
    bench_close(&b);
}

static void memory_may_end_anywhere(void **state)
{
    (void)state;
    struct golden_case g;
    struct el_stream s;
    golden_open(&g, "base", el_device_host());
    el_stream_init(&s, g.w->device, el_ops_cpu(), 1);
    const struct el_trainer_options o = {g.rows, g.b, 24, adamw};
    int rc = -1;
    for (int n = 1; rc < 0; n++) {
        struct el_trainer t;
        struct el_error why = {0};
        assert_true(n < 1000);
        el_alloc_fail_after(n);
        rc = el_trainer_init(&t, g.w, &s, &o, &why);
        el_alloc_fail_after(0);
        if (rc < 0 && (rc != EL_ENOMEM || !why.msg[0]))
            fail_msg("allocation %d: %d, '%s'", n, rc, why.msg);
        if (rc == 0)
            el_trainer_release(&t);
    }
    el_stream_release(&s);
    golden_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schedules),
        cmocka_unit_test(names),
        cmocka_unit_test(balance_by_hand),
        cmocka_unit_test(stages_change_what_they_train),
        cmocka_unit_test(frozen_gradients_do_not_count),
        cmocka_unit_test(adamw_by_hand),
        cmocka_unit_test(nothing_scored_no_gradient),
        cmocka_unit_test(masks_add_up),
        cmocka_unit_test(weights_scale),
        cmocka_unit_test(threads_change_no_bit),
        cmocka_unit_test(nan_leaves_the_weights),
        cmocka_unit_test(memory_may_end_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
