/* Losses, gradients and training steps against the golden vectors, and what must not change them:
 * micro-batches, threads, the device. */
#include "tests/model/golden_case.h"

#include "core/base/json.h"
#include "core/train/balance.h"
#include "core/train/trainer.h"

struct bench {
    struct golden_case g;
    struct el_stream s;
    struct el_trainer t;
};

static void bench_open(struct bench *b, const char *name, struct el_device *d,
                       const struct el_ops *ops, int threads, struct el_adamw_config adamw)
{
    golden_open(&b->g, name, d);
    el_stream_init(&b->s, d, ops, threads);
    struct el_trainer_options o = {
        .max_rows = 8 * b->g.t, .max_sequences = 8, .head_chunk = 24, .adamw = adamw};
    golden_must(el_trainer_init(&b->t, b->g.w, &b->s, &o, &err));
}

static void bench_close(struct bench *b)
{
    el_trainer_release(&b->t);
    el_stream_release(&b->s);
    golden_close(&b->g);
}

/* Golden targets stand by themselves: they are not the next tokens. Returns how many there are. */
static int set_pack(struct bench *b, const int32_t *tokens, const int32_t *targets, int sequences)
{
    struct el_pack *p = &b->t.pack;
    int scored = 0;
    el_pack_clear(p);
    for (int i = 0; i < sequences; i++)
        golden_must(el_pack_add(p, tokens + i * b->g.t, NULL, b->g.t, b->g.vocab, &err));
    for (int i = 0; i < p->rows; i++) {
        p->target[i] = targets[i];
        p->weight[i] = targets[i] >= 0;
        scored += targets[i] >= 0;
    }
    return scored;
}

static struct el_step_stats accumulate(struct bench *b, enum el_stage stage, double targets,
                                       double rows, double kl_weight)
{
    struct el_step_stats stats = {0};
    struct el_micro_batch m = {
        .stage = stage, .lm_denominator = targets, .kl_denominator = rows, .kl_weight = kl_weight};
    golden_must(el_trainer_accumulate(&b->t, &m, &stats, &err));
    return stats;
}

/* The golden batch of the case, gradients from zero. */
static struct el_step_stats golden_step(struct bench *b, enum el_stage stage)
{
    el_optimizer_zero_grad(&b->t.opt, &b->s);
    int scored = set_pack(b, b->g.tokens, b->g.targets, b->g.b);
    return accumulate(b, stage, scored, b->g.rows, 1);
}

/* A block with the weights' layout, on the host. */
static float *block_out(const struct bench *b, const float *block)
{
    size_t bytes = (size_t)b->g.w->layout.total * sizeof(float);
    float *host = el_alloc(bytes);
    assert_non_null(host);
    b->g.w->device->copy_out(b->g.w->device, host, block, bytes);
    return host;
}

static void check_loss(const struct bench *b, const char *name, double ours)
{
    double right = golden_floats(&b->g, name)[0];
    if (!(fabs(ours - right) < 1e-5 * fabs(right)))
        fail_msg("%s %s is %.9g, expected %.9g", b->g.name, name, ours, right);
}

static int starts_with(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

/* Compares all golden tensors `prefix`<tensor> with ours; those without one must be zero. Returns
 * the largest distance, and how many were compared. */
static double compare_gradients(const struct bench *b, const char *prefix, const float *grad,
                                int *compared)
{
    double worst = 0;
    const struct el_layout *l = &b->g.w->layout;
    for (int i = 0; i < l->n; i++) {
        const struct el_tensor_info *t = &l->tensors[i];
        char name[200];
        snprintf(name, sizeof name, "%s%s", prefix, t->name);
        const struct el_st_tensor *right = el_safetensors_find(&b->g.st, name);
        const float *ours = grad + t->offset;
        if (!right) {
            for (int64_t j = 0; j < t->count; j++)
                if (ours[j] != 0)
                    fail_msg("%s %s: gradient %g where none is expected", b->g.name, name, ours[j]);
            continue;
        }
        assert_int_equal(right->bytes, (size_t)t->count * sizeof(float));
        double distance = golden_distance(ours, right->data, t->count);
        if (!(distance < 1e-3))
            fail_msg("%s %s: %.3g off", b->g.name, name, distance);
        worst = fmax(worst, distance);
        (*compared)++;
    }
    return worst;
}

static int count_tensors(const struct bench *b, const char *prefix)
{
    int n = 0;
    for (int i = 0; i < b->g.st.n; i++)
        n += starts_with(b->g.st.tensors[i].name, prefix);
    return n;
}

static void check_stage(struct bench *b, enum el_stage stage)
{
    static const char *const prefixes[] = {"grad.dense.", "grad.warmup.", "grad.sparse."};
    const char *prefix = prefixes[stage];
    struct el_step_stats stats = golden_step(b, stage);
    float *grad = block_out(b, b->t.opt.grad);
    int compared = 0;
    if (stage != EL_STAGE_WARMUP)
        check_loss(b, stage == EL_STAGE_DENSE ? "loss.lm.dense" : "loss.lm.sparse", stats.lm_loss);
    if (stage != EL_STAGE_DENSE)
        check_loss(b, stage == EL_STAGE_WARMUP ? "loss.kl.warmup" : "loss.kl.sparse",
                   stats.kl_loss);
    assert_int_equal(stats.tokens, b->g.rows);
    if (count_tensors(b, prefix)) {
        double worst = compare_gradients(b, prefix, grad, &compared);
        print_message("%-18s %-8s %-5s %-12s %.2e of %d tensors\n", b->g.name, b->s.ops->name,
                      b->g.w->device->name, prefix, worst, compared);
        assert_int_equal(compared, count_tensors(b, prefix));
    }
    el_free(grad);
}

static void check_layer_losses(struct bench *b, const char *name)
{
    const float *right = golden_floats(&b->g, name);
    for (int l = 0; l < b->g.layers; l++) {
        double sum = 0;
        for (int r = 0; r < b->g.rows; r++)
            sum += b->t.kl[l * b->g.rows + r];
        if (!(fabs(sum / b->g.rows - right[l]) < 1e-5 * fabs(right[l]) + 1e-9))
            fail_msg("%s %s layer %d is %.9g, expected %.9g", b->g.name, name, l, sum / b->g.rows,
                     right[l]);
    }
}

static void check_gradients(const char *name, struct el_device *d, const struct el_ops *ops)
{
    struct bench b;
    bench_open(&b, name, d, ops, 1, (struct el_adamw_config){0});
    check_stage(&b, EL_STAGE_DENSE);
    check_stage(&b, EL_STAGE_WARMUP);
    check_layer_losses(&b, "loss.kl.warmup.layers");
    check_stage(&b, EL_STAGE_SPARSE);
    check_layer_losses(&b, "loss.kl.sparse.layers");
    bench_close(&b);
}

static void test_gradients(void **state)
{
    (void)state;
    for (int i = 0; i < GOLDEN_ISAS; i++) {
        const struct el_ops *ops = el_ops_find(golden_isas[i]);
        for (int c = 0; ops && c < GOLDEN_CASES; c++)
            check_gradients(golden_names[c], el_device_host(), ops);
    }
}

static void test_guard_device(void **state)
{
    (void)state;
    struct el_device *d = el_device_guard_create();
    assert_non_null(d);
    check_gradients("tiny_norms", d, el_ops_ref());
    el_device_free(d);
}

struct recipe {
    int steps;
    double lr, kl_weight;
    struct el_adamw_config adamw;
};

static struct recipe load_recipe(void)
{
    struct recipe r;
    cJSON *json = NULL;
    const char *where = "training.json";
    golden_must(el_json_load(GOLDEN_DIR "base/training.json", &json, &err));
    golden_must(el_json_int(json, where, "steps", &r.steps, &err));
    golden_must(el_json_double(json, where, "learning_rate", &r.lr, &err));
    golden_must(el_json_double(json, where, "kl_weight", &r.kl_weight, &err));
    golden_must(el_json_double(json, where, "beta1", &r.adamw.beta1, &err));
    golden_must(el_json_double(json, where, "beta2", &r.adamw.beta2, &err));
    golden_must(el_json_double(json, where, "eps", &r.adamw.eps, &err));
    golden_must(el_json_double(json, where, "weight_decay", &r.adamw.weight_decay, &err));
    golden_must(el_json_double(json, where, "max_grad_norm", &r.adamw.max_grad_norm, &err));
    cJSON_Delete(json);
    return r;
}

static void check_step(struct bench *b, const struct recipe *r, int step)
{
    const float *lm = golden_floats(&b->g, "step.loss_lm"),
                *kl = golden_floats(&b->g, "step.loss_kl"),
                *norms = golden_floats(&b->g, "step.grad_norm");
    int at = step * b->g.rows;
    int scored = set_pack(b, golden_ints(&b->g, "step.tokens") + at,
                          golden_ints(&b->g, "step.targets") + at, b->g.b);
    struct el_step_stats stats = accumulate(b, EL_STAGE_SPARSE, scored, b->g.rows, r->kl_weight);
    struct el_update u = {.stage = EL_STAGE_SPARSE, .lr = r->lr};
    double norm = 0, imbalance = 0;
    golden_must(el_trainer_update(&b->t, &u, &norm, &imbalance, &err));
    assert_true(imbalance >= 1);
    if (!(fabs(stats.lm_loss - lm[step]) < 2e-4 * lm[step]) ||
        !(fabs(stats.kl_loss - kl[step]) < 2e-4 * kl[step]) ||
        !(fabs(norm - norms[step]) < 1e-3 * norms[step]))
        fail_msg("step %d: LM %.7g, KL %.7g, norm %.7g; expected %.7g, %.7g, %.7g", step,
                 stats.lm_loss, stats.kl_loss, norm, lm[step], kl[step], norms[step]);
}

/* How far the change of a tensor is from the right one, relative to its largest change. */
static double update_distance(const struct bench *b, const struct el_tensor_info *t,
                              const float *before, const float *after)
{
    char name[200];
    snprintf(name, sizeof name, "final.%s", t->name);
    const float *right = golden_floats(&b->g, name);
    double worst = 0, size = 0;
    for (int64_t j = 0; j < t->count; j++) {
        worst = fmax(worst, fabs((double)after[t->offset + j] - right[j]));
        size = fmax(size, fabs((double)right[j] - before[t->offset + j]));
    }
    if (t->flags & EL_TENSOR_NO_GRAD) {
        assert_true(worst == 0 && size == 0);
        return 0;
    }
    assert_true(size > 0);
    return worst / size;
}

static void check_steps(const struct recipe *r, const struct el_ops *ops)
{
    struct bench b;
    bench_open(&b, "base", el_device_host(), ops, 1, r->adamw);
    float *before = block_out(&b, b.g.w->data);
    for (int step = 0; step < r->steps; step++)
        check_step(&b, r, step);
    float *after = block_out(&b, b.g.w->data);
    double worst = 0;
    for (int i = 0; i < b.g.w->layout.n; i++) {
        const struct el_tensor_info *t = &b.g.w->layout.tensors[i];
        double distance = update_distance(&b, t, before, after);
        if (!(distance < 2e-3))
            fail_msg("%s after %d steps: %.3g off", t->name, r->steps, distance);
        worst = fmax(worst, distance);
    }
    print_message("%-18s %-8s %d steps     %.2e of the largest change\n", "base", ops->name,
                  r->steps, worst);
    el_free(before);
    el_free(after);
    bench_close(&b);
}

static void test_ten_steps(void **state)
{
    (void)state;
    struct recipe r = load_recipe();
    assert_int_equal(r.steps, 10);
    for (int i = 0; i < GOLDEN_ISAS; i++) {
        const struct el_ops *ops = el_ops_find(golden_isas[i]);
        if (ops)
            check_steps(&r, ops);
    }
}

static void test_router_bias(void **state)
{
    (void)state;
    struct golden_case g = {0};
    golden_must(el_safetensors_open(&g.st, GOLDEN_DIR "router_bias/golden.safetensors", &err));
    const struct el_st_tensor *load = golden_tensor(&g, "load", EL_I32);
    const float *after = golden_floats(&g, "bias.after");
    double gamma = golden_floats(&g, "gamma")[0];
    int updates = (int)load->shape[0], n = (int)load->shape[1];
    float bias[64];
    assert_true(n <= 64 && updates == 3);
    memcpy(bias, golden_floats(&g, "bias.before"), (size_t)n * sizeof *bias);
    for (int u = 0; u < updates; u++) {
        int64_t rows[64];
        for (int e = 0; e < n; e++)
            rows[e] = ((const int32_t *)load->data)[u * n + e];
        el_balance_step(bias, rows, n, gamma);
        for (int e = 0; e < n; e++)
            assert_float_equal(bias[e], after[u * n + e], 1e-7);
    }
    el_safetensors_release(&g.st);
}

/* The trainer moves the bias of the layer whose load it counted, and nothing in the warm-up. */
static void test_bias_update_in_a_step(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, "base", el_device_host(), el_ops_cpu(), 1, (struct el_adamw_config){.eps = 1});
    int experts = b.g.w->config.n_routed_experts;
    for (int warmup = 1; warmup >= 0; warmup--) {
        enum el_stage stage = warmup ? EL_STAGE_WARMUP : EL_STAGE_DENSE;
        golden_step(&b, stage);
        float *before = block_out(&b, b.g.w->data);
        int64_t load[64];
        memcpy(load, b.t.load + 2 * experts, (size_t)experts * sizeof *load);
        struct el_update u = {.stage = stage, .bias_update_speed = 0.001};
        double norm;
        golden_must(el_trainer_update(&b.t, &u, &norm, NULL, &err));
        float *expected = before + (b.g.w->view.layers[2].router_bias - b.g.w->data);
        int64_t rows = 0;
        for (int e = 0; e < experts; e++)
            rows += load[e];
        assert_int_equal(rows, b.g.rows * b.g.w->config.num_experts_per_tok);
        if (!warmup)
            el_balance_step(expected, load, experts, 0.001);
        assert_memory_equal(expected, b.g.w->view.layers[2].router_bias,
                            (size_t)experts * sizeof(float));
        for (int e = 0; e < experts; e++)
            assert_int_equal(b.t.load[2 * experts + e], 0);
        el_free(before);
    }
    bench_close(&b);
}

/* Gradients of 8 sequences of the base case, in micro-batches of `each`. */
static float *gradients_by(struct bench *b, int each, enum el_stage stage,
                           struct el_step_stats *total)
{
    const int32_t *tokens = golden_ints(&b->g, "step.tokens"),
                  *targets = golden_ints(&b->g, "step.targets");
    int scored = 0, rows = 8 * b->g.t;
    for (int i = 0; i < rows; i++)
        scored += targets[i] >= 0;
    el_optimizer_zero_grad(&b->t.opt, &b->s);
    *total = (struct el_step_stats){0};
    for (int at = 0; at < 8; at += each) {
        set_pack(b, tokens + at * b->g.t, targets + at * b->g.t, each);
        struct el_step_stats part = accumulate(b, stage, scored, rows, 0.5);
        total->lm_loss += part.lm_loss;
        total->kl_loss += part.kl_loss;
        total->targets += part.targets;
        total->tokens += part.tokens;
    }
    assert_int_equal(total->targets, stage == EL_STAGE_WARMUP ? 0 : scored);
    assert_int_equal(total->tokens, rows);
    return block_out(b, b->t.opt.grad);
}

static void test_micro_batches(void **state)
{
    (void)state;
    for (int i = 0; i < GOLDEN_ISAS; i++) {
        const struct el_ops *ops = el_ops_find(golden_isas[i]);
        if (!ops)
            continue;
        struct bench b;
        struct el_step_stats one, eight;
        bench_open(&b, "base", el_device_host(), ops, 1, (struct el_adamw_config){0});
        float *whole = gradients_by(&b, 8, EL_STAGE_SPARSE, &one);
        float *parts = gradients_by(&b, 1, EL_STAGE_SPARSE, &eight);
        double worst = 0;
        for (int t = 0; t < b.g.w->layout.n; t++) {
            const struct el_tensor_info *info = &b.g.w->layout.tensors[t];
            worst = fmax(worst,
                         golden_distance(parts + info->offset, whole + info->offset, info->count));
        }
        print_message("%-18s %-8s 8 micro-batches of 1 against 1 of 8: %.2e\n", "base", ops->name,
                      worst);
        assert_true(worst < 1e-6);
        assert_float_equal(one.lm_loss, eight.lm_loss, 1e-9);
        assert_float_equal(one.kl_loss, eight.kl_loss, 1e-9);
        el_free(whole);
        el_free(parts);
        bench_close(&b);
    }
}

/* index_topk above the length: the sparse stage without its KL is the dense stage, bit for bit. */
static void test_full_topk_is_dense(void **state)
{
    (void)state;
    for (int i = 0; i < GOLDEN_ISAS; i++) {
        const struct el_ops *ops = el_ops_find(golden_isas[i]);
        if (!ops)
            continue;
        struct bench b;
        bench_open(&b, "full_topk", el_device_host(), ops, 1, (struct el_adamw_config){0});
        size_t bytes = (size_t)b.g.w->layout.total * sizeof(float);
        struct el_step_stats dense = golden_step(&b, EL_STAGE_DENSE);
        float *of_dense = block_out(&b, b.t.opt.grad);
        el_optimizer_zero_grad(&b.t.opt, &b.s);
        int scored = set_pack(&b, b.g.tokens, b.g.targets, b.g.b);
        struct el_step_stats sparse = accumulate(&b, EL_STAGE_SPARSE, scored, b.g.rows, 0);
        float *of_sparse = block_out(&b, b.t.opt.grad);
        assert_true(dense.lm_loss == sparse.lm_loss);
        assert_memory_equal(of_dense, of_sparse, bytes);
        el_free(of_dense);
        el_free(of_sparse);
        bench_close(&b);
    }
}

/* Fails with the name of the first tensor that differs in any bit. */
static void same_bits(const struct bench *b, const float *x, const float *y, const char *what)
{
    const struct el_layout *l = &b->g.w->layout;
    for (int i = 0; i < l->n; i++) {
        const struct el_tensor_info *t = &l->tensors[i];
        if (memcmp(x + t->offset, y + t->offset, (size_t)t->count * sizeof *x) != 0)
            fail_msg("%s, %s: %s differs by %.3g", b->s.ops->name, what, t->name,
                     golden_distance(x + t->offset, y + t->offset, t->count));
    }
}

static void check_threads(const struct el_ops *ops, enum el_stage stage)
{
    float *first = NULL;
    for (int threads = 1; threads <= 3; threads++) {
        struct bench b;
        struct el_step_stats stats;
        bench_open(&b, "base", el_device_host(), ops, threads, (struct el_adamw_config){0});
        float *grad = gradients_by(&b, 4, stage, &stats);
        if (first) {
            same_bits(&b, first, grad, el_stage_name(stage));
            el_free(grad);
        } else {
            first = grad;
        }
        bench_close(&b);
    }
    el_free(first);
}

static void test_threads_change_nothing(void **state)
{
    (void)state;
    static const enum el_stage stages[] = {EL_STAGE_DENSE, EL_STAGE_WARMUP, EL_STAGE_SPARSE};
    for (int i = 0; i < GOLDEN_ISAS; i++) {
        const struct el_ops *ops = el_ops_find(golden_isas[i]);
        for (int k = 0; ops && k < 3; k++)
            check_threads(ops, stages[k]);
    }
}

/* The sparse KL is far from what each known mistake would give. */
static void test_kl_traps(void **state)
{
    (void)state;
    static const char prefix[] = "loss.kl.wrong.";
    cJSON *json = NULL;
    golden_must(el_json_load(GOLDEN_DIR "traps.json", &json, &err));
    const cJSON *traps = cJSON_GetObjectItemCaseSensitive(json, "traps");
    int seen = 0;
    for (int c = 0; c < GOLDEN_CASES; c++) {
        struct bench b;
        bench_open(&b, golden_names[c], el_device_host(), el_ops_cpu(), 1,
                   (struct el_adamw_config){0});
        double ours = golden_step(&b, EL_STAGE_SPARSE).kl_loss,
               right = golden_floats(&b.g, "loss.kl.sparse")[0];
        for (int i = 0; i < b.g.st.n; i++) {
            const char *name = b.g.st.tensors[i].name;
            if (!starts_with(name, prefix))
                continue;
            const cJSON *trap = cJSON_GetObjectItemCaseSensitive(traps, name + sizeof prefix - 1);
            const cJSON *all = cJSON_GetObjectItemCaseSensitive(trap, "difference");
            double recorded = cJSON_GetObjectItemCaseSensitive(all, b.g.name)->valuedouble;
            double far = fabs(golden_floats(&b.g, name)[0] - ours) / right;
            if (!(far > recorded / 2))
                fail_msg("%s: %.3g from the wrong result, recorded %.3g", name, far, recorded);
            seen++;
        }
        bench_close(&b);
    }
    assert_int_equal(seen, 4);
    cJSON_Delete(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_guard_device),
        cmocka_unit_test(test_ten_steps),
        cmocka_unit_test(test_router_bias),
        cmocka_unit_test(test_bias_update_in_a_step),
        cmocka_unit_test(test_micro_batches),
        cmocka_unit_test(test_full_topk_is_dense),
        cmocka_unit_test(test_threads_change_nothing),
        cmocka_unit_test(test_kl_traps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
