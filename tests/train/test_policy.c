/* A policy's completions in the trainer: what the sampler reported comes back to the last bit, the
 * gradient of the whole objective agrees with differences, and cutting it into passes, leaving
 * sequences out, sharing prompts, or freezing the indexer do what they say. */
#include "core/train/policy.h"

#include "tests/run/engine_fixture.h"

enum { JOBS = 12, MOST = JOBS * 64 };

struct bench {
    struct golden_case g;
    struct el_stream s;
    struct el_trainer t;
    struct el_sequence *q[JOBS];
    struct el_rollout r[JOBS];
    float old[MOST], ref[MOST];
    int tokens;
};

static void trainer_open(struct bench *b, int max_rows, int max_sequences)
{
    const struct el_trainer_options o = {max_rows, max_sequences, 37, {0.9, 0.95, 1e-8, 0, 1}};
    golden_must(el_trainer_init(&b->t, b->g.w, &b->s, &o, &err));
}

static void bench_open(struct bench *b, const struct el_ops *ops, struct el_device *d)
{
    memset(b, 0, sizeof *b);
    golden_open(&b->g, "base", d);
    el_stream_init(&b->s, d, ops, 2);
    trainer_open(b, 900, 50);
}

static void bench_close(struct bench *b)
{
    for (int i = 0; i < JOBS; i++)
        el_sequence_free(b->q[i]);
    el_trainer_release(&b->t);
    el_stream_release(&b->s);
    golden_close(&b->g);
}

/* Completions in groups of `group` of one prompt. */
static void sample_groups(struct bench *b, struct el_sampling how, enum el_attention mode,
                          int group)
{
    static struct job jobs[JOBS];
    struct el_engine e;
    struct el_engine_options o = engine_options(mode, 24, 100);
    o.trace = EL_TRACE_ROUTED | (mode == EL_ATTENTION_MQA ? EL_TRACE_SELECTED : 0);
    golden_must(el_engine_init(&e, b->g.w, &b->s, &o, &err));
    make_jobs(jobs, JOBS, b->g.vocab, 50, 33);
    for (int i = 0; i < JOBS; i++) {
        const struct job *j = &jobs[i - i % group];
        golden_must(el_engine_add(&e, j->prompt, j->n, &how, jobs[i].key, 1, &b->q[i], NULL, &err));
    }
    while (el_engine_in_flight(&e)) {
        golden_must(el_engine_step(&e, &err));
        for (struct el_sequence *q; (q = el_engine_take(&e));)
            *(struct el_sequence **)q->user = q;
    }
    el_engine_release(&e);
    for (int i = 0; i < JOBS; i++) {
        const struct el_sequence *q = b->q[i];
        int n = q->n - q->n_prompt;
        assert_true(b->tokens + n <= MOST);
        memcpy(b->old + b->tokens, q->logps, (size_t)n * sizeof(float));
        b->r[i] = (struct el_rollout){.ids = q->tokens,
                                      .n = q->n,
                                      .prompt = q->n_prompt,
                                      .old_logp = b->old + b->tokens,
                                      .kept_start = q->n_kept ? q->kept_start : NULL,
                                      .kept = q->kept,
                                      .routed = q->routed,
                                      .selected = q->selected,
                                      .selected_words = q->selected_words,
                                      .advantage = i % 3 - 0.8};
        b->tokens += n;
    }
}

static void sample(struct bench *b, struct el_sampling how, enum el_attention mode)
{
    sample_groups(b, how, mode, 1);
}

/* Another set of weights, a little away. */
static void disturb(struct el_weights *w, uint64_t seed, float size)
{
    struct el_rng r;
    el_rng_init(&r, seed);
    for (int64_t i = 0; i < w->layout.total; i++)
        w->data[i] += size * (float)el_rng_normal(&r);
}

static double largest_difference(const float *a, const float *b, int n)
{
    double most = 0;
    for (int i = 0; i < n; i++)
        most = fmax(most, fabs((double)a[i] - (double)b[i]));
    return most;
}

static double difference_to_sampler(struct bench *b, const struct el_policy_options *o)
{
    static float logp[MOST], entropy[MOST];
    golden_must(el_policy_logprobs(&b->t, NULL, b->r, JOBS, o, logp, entropy, &err));
    for (int i = 0; i < b->tokens; i++)
        assert_true(entropy[i] >= 0);
    return largest_difference(logp, b->old, b->tokens);
}

static void sampler_and_policy_agree(void **state)
{
    (void)state;
    static const struct el_sampling kinds[] = {
        {.temperature = 1, .top_p = 1, .max_tokens = 40},
        {.temperature = 0.7, .top_p = 0.8, .max_tokens = 40},
        {.temperature = 1.3, .top_k = 9, .top_p = 0.95, .max_tokens = 40}};
    for (int isa = 0; isa < GOLDEN_ISAS; isa++)
        for (int k = isa ? 0 : 5; el_ops_find(golden_isas[isa]) && k < 6;
             k++) { /* the reference is slow */
            static struct bench b;
            const struct el_sampling *how = &kinds[k / 2];
            struct el_policy_options o = {.mode = k & 1 ? EL_ATTENTION_MQA : EL_ATTENTION_DENSE,
                                          .temperature = how->temperature,
                                          .keep_routing = 1,
                                          .keep_sampling_mask = 1};
            bench_open(&b, el_ops_find(golden_isas[isa]), el_device_host());
            sample(&b, *how, o.mode);
            assert_true(b.tokens > 100);
            assert_true(difference_to_sampler(&b, &o) == 0);
            el_trainer_release(&b.t);
            trainer_open(&b, 120, 2); /* many small passes */
            assert_true(difference_to_sampler(&b, &o) == 0);
            /* each replay switched off shows */
            o.keep_sampling_mask = 0;
            assert_true(how->top_p < 1 ? difference_to_sampler(&b, &o) > 0.01
                                       : difference_to_sampler(&b, &o) == 0);
            o.temperature *= 1.1;
            assert_true(difference_to_sampler(&b, &o) > 0.001);
            bench_close(&b);
        }
}

/* What the sums say about routes that are not replayed. */
static struct el_routing_sums routing_of(struct bench *b)
{
    struct el_grpo_config c = el_grpo_config_default();
    struct el_policy_options o = {EL_ATTENTION_MQA, 1, 0, 1, 0, 0, 0};
    struct el_policy_sums sums = {0};
    c.beta = 0;
    golden_must(el_policy_accumulate(&b->t, b->r, JOBS, JOBS, &c, &o, &sums, &err));
    o.keep_routing = 1; /* replayed: there is nothing to compare */
    struct el_policy_sums replayed = {0};
    golden_must(el_policy_accumulate(&b->t, b->r, JOBS, JOBS, &c, &o, &replayed, &err));
    assert_int_equal(replayed.routing.rows, 0);
    return sums.routing;
}

/* How far routes have moved since sampling, prompts shared or not. */
static void routing_differs(void **state)
{
    (void)state;
    static struct bench b;
    int64_t rows = 0;
    bench_open(&b, el_ops_cpu(), el_device_host());
    int moe = b.g.layers - b.g.w->config.first_k_dense_replace;
    sample_groups(&b, (struct el_sampling){.temperature = 1, .top_p = 1, .max_tokens = 40},
                  EL_ATTENTION_MQA, 4);
    for (int i = 0; i < JOBS; i++)
        rows += (int64_t)moe * (b.r[i].n - 1);
    struct el_routing_sums same = routing_of(&b);
    assert_true(moe > 0 && same.rows == rows);
    assert_int_equal(same.experts, rows * b.g.w->config.num_experts_per_tok);
    assert_true(same.rows_differ == 0 && same.experts_differ == 0);
    for (int l = b.g.w->config.first_k_dense_replace; l < b.g.layers; l++)
        b.g.w->view.layers[l].router_bias[0] += 0.3f;
    struct el_routing_sums moved = routing_of(&b);
    assert_true(moved.rows == rows && moved.rows_differ > 0 && moved.rows_differ < rows);
    assert_true(moved.experts_differ >= moved.rows_differ);
    el_trainer_release(&b.t);
    trainer_open(&b, 120, 1);
    struct el_routing_sums apart = routing_of(&b);
    assert_memory_equal(&apart, &moved, sizeof moved);
    bench_close(&b);
}

/* When the router's choices drift, replay keeps the old ones; the gate weights are live. */
static void routing_replay(void **state)
{
    (void)state;
    static struct bench b;
    static float replayed[MOST], live[MOST];
    struct el_policy_options o = {EL_ATTENTION_MQA, 1, 1, 1, 0, 0, 0};
    bench_open(&b, el_ops_cpu(), el_device_host());
    sample(&b, (struct el_sampling){.temperature = 1, .top_p = 1, .max_tokens = 40}, o.mode);
    for (int l = b.g.w->config.first_k_dense_replace; l < b.g.layers; l++)
        for (int e = 0; e < b.g.w->config.n_routed_experts; e++)
            b.g.w->view.layers[l].router_bias[e] += e % 2 ? 0.3f : -0.3f;
    /* a bias decides about the choice alone: with the choice replayed nothing has changed */
    assert_true(difference_to_sampler(&b, &o) == 0);
    o.keep_routing = 0;
    assert_true(difference_to_sampler(&b, &o) > 1e-3);
    disturb(b.g.w, 5, 1e-3f);
    golden_must(el_policy_logprobs(&b.t, NULL, b.r, JOBS, &o, live, NULL, &err));
    o.keep_routing = 1;
    golden_must(el_policy_logprobs(&b.t, NULL, b.r, JOBS, &o, replayed, NULL, &err));
    assert_true(largest_difference(replayed, live, b.tokens) > 1e-3);
    bench_close(&b);
}

static struct el_selection_sums selection_of(struct bench *b, const struct el_policy_options *o)
{
    struct el_grpo_config c = el_grpo_config_default();
    struct el_policy_sums sums = {0};
    c.beta = 0;
    golden_must(el_policy_accumulate(&b->t, b->r, JOBS, JOBS, &c, o, &sums, &err));
    return sums.selection;
}

/* When the indexer drifts, replay reads the old keys; how far it drifted shows either way. */
static void selection_replay(void **state)
{
    (void)state;
    static struct bench b;
    struct el_policy_options o = {EL_ATTENTION_MQA, 1, 1, 1, 0, 0, 0};
    bench_open(&b, el_ops_cpu(), el_device_host());
    sample(&b, (struct el_sampling){.temperature = 1, .top_p = 1, .max_tokens = 40}, o.mode);
    struct el_selection_sums same = selection_of(&b, &o);
    int64_t choices = 0;
    for (int i = 0; i < JOBS; i++) {
        int64_t rows = b.r[i].n - 1 - b.g.w->config.index_topk;
        choices += rows > 0 ? rows * b.g.layers : 0;
    }
    assert_true(choices > 100 && same.rows == choices);
    assert_int_equal(same.keys, same.rows * b.g.w->config.index_topk);
    assert_true(same.rows_differ == 0 && same.keys_differ == 0);
    for (int i = 0; i < b.g.w->layout.n; i++) {
        const struct el_tensor_info *t = &b.g.w->layout.tensors[i];
        for (int64_t j = 0; (t->flags & EL_TENSOR_INDEXER) && j < t->count; j += 3)
            b.g.w->data[t->offset + j] *= -1;
    }
    assert_true(difference_to_sampler(&b, &o) > 1e-3);
    struct el_selection_sums live = selection_of(&b, &o);
    assert_true(live.rows == choices && live.rows_differ > 0 && live.rows_differ <= live.rows);
    assert_true(live.keys_differ >= live.rows_differ && live.keys_differ < live.keys);
    o.keep_selection = 1; /* the indexer decides about the keys alone: nothing has changed */
    assert_true(difference_to_sampler(&b, &o) == 0);
    el_trainer_release(&b.t);
    trainer_open(&b, 120, 2); /* in many small passes, too */
    assert_true(difference_to_sampler(&b, &o) == 0);
    /* the first layer's inputs are those of the live pass, so its rows differ at least */
    struct el_selection_sums replayed = selection_of(&b, &o);
    assert_true(replayed.rows == choices && replayed.rows_differ > 0);
    for (int i = 0; i < JOBS; i++)
        b.r[i].selected = NULL; /* nothing recorded: live, and nothing to compare */
    assert_true(difference_to_sampler(&b, &o) > 1e-3);
    assert_int_equal(selection_of(&b, &o).rows, 0);
    bench_close(&b);
}

/* log pi_ref under weights of its own, by the policy's trainer. */
static void reference_weights(void **state)
{
    (void)state;
    static struct bench b, other;
    static float with[MOST], own[MOST];
    struct el_policy_options o = {EL_ATTENTION_MQA, 0.9, 1, 1, 0, 0, 0};
    const struct el_sampling how = {.temperature = 0.9, .top_p = 0.9, .max_tokens = 30};
    bench_open(&b, el_ops_cpu(), el_device_host());
    bench_open(&other, el_ops_cpu(), el_device_host());
    sample(&b, how, o.mode);
    disturb(other.g.w, 8, 1e-2f);
    golden_must(el_policy_logprobs(&b.t, other.g.w, b.r, JOBS, &o, with, NULL, &err));
    golden_must(el_policy_logprobs(&other.t, NULL, b.r, JOBS, &o, own, NULL, &err));
    assert_true(largest_difference(with, own, b.tokens) == 0);
    assert_true(largest_difference(with, b.old, b.tokens) > 1e-2);
    assert_true(difference_to_sampler(&b, &o) == 0); /* the policy's weights are its own again */
    bench_close(&b);
    bench_close(&other);
}

/* ---- Gradients ---- */

/* Old and reference log-probabilities away from the policy's, so that every term is alive. */
static void make_off_policy(struct bench *b)
{
    struct el_rng r;
    el_rng_init(&r, 77);
    for (int i = 0, at = 0; i < JOBS; i++) {
        for (int j = 0; j < b->r[i].n - b->r[i].prompt; j++, at++) {
            b->ref[at] = b->old[at] + 0.3f * (float)el_rng_normal(&r);
            b->old[at] += 0.3f * (float)el_rng_normal(&r) + (i % 5 == 0 ? 0.9f : 0);
        }
        b->r[i].ref_logp = b->ref + (b->r[i].old_logp - b->old);
    }
}

static struct el_policy_sums accumulate(struct bench *b, const struct el_grpo_config *c,
                                        const struct el_policy_options *o, int sequences)
{
    struct el_policy_sums sums = {0};
    golden_must(el_policy_accumulate(&b->t, b->r, JOBS, sequences, c, o, &sums, &err));
    return sums;
}

static double loss(struct bench *b, const struct el_grpo_config *c,
                   const struct el_policy_options *o)
{
    static float logp[MOST], coef[MOST];
    struct el_grpo_sums s = {0};
    golden_must(el_policy_logprobs(&b->t, NULL, b->r, JOBS, o, logp, NULL, &err));
    for (int i = 0, at = 0; i < JOBS; i++) {
        int n = b->r[i].n - b->r[i].prompt;
        const struct el_rollout *r = &b->r[i];
        el_grpo_sequence(
            c, &(struct el_grpo_tokens){n, logp + at, r->old_logp, r->ref_logp, r->advantage},
            1.0 / JOBS, coef, &s);
        at += n;
    }
    return -s.objective;
}

/* A step of h along a tensor's own gradient g changes the loss by h |g|^2. */
static double slope_along(struct bench *b, const struct el_grpo_config *c,
                          const struct el_policy_options *o, float *x, const float *g, int64_t n,
                          double h)
{
    double at[2];
    float *keep = el_alloc((size_t)n * sizeof *keep);
    assert_non_null(keep);
    memcpy(keep, x, (size_t)n * sizeof *keep);
    for (int side = 0; side < 2; side++) {
        for (int64_t i = 0; i < n; i++)
            x[i] = keep[i] + (float)((side ? h : -h) * (double)g[i]);
        at[side] = loss(b, c, o);
    }
    memcpy(x, keep, (size_t)n * sizeof *keep);
    el_free(keep);
    return (at[1] - at[0]) / (2 * h);
}

/* With prompts shared; shared_prompts compares with the gradient without. In MQA mode the selected
 * sets are replayed: a live selection that changes on the way would make the loss jump. */
static void check_gradient(enum el_attention mode)
{
    static struct bench b;
    struct el_grpo_config c = el_grpo_config_default();
    struct el_policy_options o = {mode, 0.8, 1, 1, mode == EL_ATTENTION_MQA, 0, 0};
    int checked = 0;
    c.beta = 0.2;
    bench_open(&b, el_ops_cpu(), el_device_host());
    const struct el_sampling how = {.temperature = 0.8, .top_p = 0.9, .max_tokens = 40};
    sample_groups(&b, how, o.mode, 4);
    make_off_policy(&b);
    struct el_policy_sums sums = accumulate(&b, &c, &o, JOBS);
    assert_true(sums.grpo.masked > 0 && sums.grpo.clipped_low > 0 && sums.grpo.clipped_high > 0);
    assert_int_equal(sums.grpo.tokens, b.tokens);
    for (int i = 0; i < b.g.w->layout.n; i++) {
        const struct el_tensor_info *t = &b.g.w->layout.tensors[i];
        const float *g = b.t.opt.grad + t->offset;
        double squares = 0;
        for (int64_t j = 0; j < t->count; j++)
            squares += (double)g[j] * (double)g[j];
        if (squares < 2e-6) /* the loss is computed in float: its noise would drown the change */
            continue;
        double h = 5e-5 / squares; /* the loss moves by 1e-4 */
        if (h * sqrt(squares) > 0.05)
            h = 0.05 / sqrt(squares);
        double slope = slope_along(&b, &c, &o, b.g.w->data + t->offset, g, t->count, h);
        if (fabs(slope / squares - 1) > 0.03)
            fail_msg("%s: slope %g, squared gradient %g", t->name, slope, squares);
        checked++;
    }
    print_message("%d of %d tensors checked\n", checked, b.g.w->layout.n);
    assert_true(checked >= b.g.w->layout.n / 2);
    bench_close(&b);
}

static void gradient_of_the_whole_model(void **state)
{
    (void)state;
    check_gradient(EL_ATTENTION_DENSE);
    check_gradient(EL_ATTENTION_MQA);
}

static void same_gradient(const struct bench *b, const float *expected, double tolerance)
{
    double d = golden_distance(b->t.opt.grad, expected, b->g.w->layout.total);
    if (!(d <= tolerance))
        fail_msg("gradients differ by %g of the largest", d);
}

static float *copy_gradient(const struct bench *b)
{
    size_t bytes = (size_t)b->g.w->layout.total * sizeof(float);
    float *g = el_alloc(bytes);
    assert_non_null(g);
    memcpy(g, b->t.opt.grad, bytes);
    return g;
}

/* Many passes of two sequences give the gradient of one pass of all. */
static void passes_add_up(void **state)
{
    (void)state;
    static struct bench b;
    struct el_grpo_config c = el_grpo_config_default();
    struct el_policy_options o = {EL_ATTENTION_MQA, 1, 1, 1, 0, 0.7, 0};
    bench_open(&b, el_ops_cpu(), el_device_host());
    sample(&b, (struct el_sampling){.temperature = 1, .top_p = 1, .max_tokens = 40}, o.mode);
    make_off_policy(&b);
    struct el_policy_sums one = accumulate(&b, &c, &o, JOBS);
    float *g = copy_gradient(&b);
    el_trainer_release(&b.t);
    trainer_open(&b, 120, 2);
    struct el_policy_sums many = accumulate(&b, &c, &o, JOBS);
    assert_true(many.passes > one.passes && many.rows == one.rows && one.indexer_kl > 0);
    assert_true(fabs(many.grpo.objective - one.grpo.objective) < 1e-9);
    assert_true(fabs(many.indexer_kl / one.indexer_kl - 1) < 1e-6);
    same_gradient(&b, g, 2e-5);
    el_trainer_release(&b.t);
    trainer_open(&b, MOST, JOBS); /* room for all, and passes that are told to be small */
    o.max_rows = 120;
    struct el_policy_sums small = accumulate(&b, &c, &o, JOBS);
    assert_true(small.passes >= one.rows / 120 && small.rows == one.rows);
    same_gradient(&b, g, 2e-5);
    el_optimizer_zero_grad(&b.t.opt, &b.s);
    o.max_rows = 1; /* less than any rollout: one a pass */
    assert_int_equal(accumulate(&b, &c, &o, JOBS).passes, JOBS);
    el_free(g);
    bench_close(&b);
}

/* ---- Shared prompts ---- */

/* A trainer whose passes hold one rollout has nothing to share. */
static void open_apart(struct bench *b)
{
    el_trainer_release(&b->t);
    trainer_open(b, 120, 1);
}

static int64_t *copy_load(const struct bench *b)
{
    size_t n = (size_t)b->g.layers * (size_t)b->g.w->config.n_routed_experts;
    int64_t *load = el_alloc(n * sizeof *load);
    assert_non_null(load);
    memcpy(load, b->t.load, n * sizeof *load);
    return load;
}

static void same_load(const struct bench *b, const int64_t *expected)
{
    size_t n = (size_t)b->g.layers * (size_t)b->g.w->config.n_routed_experts;
    assert_memory_equal(b->t.load, expected, n * sizeof *expected);
}

/* Rows when the group's completions lie in one pass: the prompts' but for their last tokens once.
 */
static int64_t rows_when_shared(const struct bench *b, int group)
{
    int64_t rows = 0;
    for (int i = 0; i < JOBS; i++)
        rows += b->r[i].n - 1 - (i % group ? b->r[i].prompt - 1 : 0);
    return rows;
}

/* Prompts once or once for each completion: the same log-probabilities to the last bit, hence the
 * same objective; the same gradient up to rounding; the same loads and indexer losses. */
static void check_sharing(const struct el_ops *ops, enum el_attention mode, int keep_selection)
{
    enum { GROUP = 4 };
    static struct bench b;
    struct el_grpo_config c = el_grpo_config_default();
    struct el_policy_options o = {mode, 0.9, 1, 1, keep_selection, mode == EL_ATTENTION_MQA, 0};
    bench_open(&b, ops, el_device_host());
    sample_groups(&b, (struct el_sampling){.temperature = 0.9, .top_p = 0.9, .max_tokens = 30},
                  mode, GROUP);
    assert_true(difference_to_sampler(&b, &o) == 0);
    disturb(b.g.w, 3, 3e-3f); /* other keys are selected, and other experts but for the replay */
    make_off_policy(&b);
    struct el_policy_sums shared = accumulate(&b, &c, &o, JOBS);
    float *g = copy_gradient(&b);
    int64_t *load = copy_load(&b);
    open_apart(&b);
    struct el_policy_sums apart = accumulate(&b, &c, &o, JOBS);
    assert_int_equal(shared.rows, rows_when_shared(&b, GROUP));
    assert_true(shared.rows < apart.rows && shared.passes == 1 && apart.passes == JOBS);
    assert_true(shared.tokens == apart.rows && apart.tokens == apart.rows);
    assert_memory_equal(&shared.grpo, &apart.grpo, sizeof apart.grpo);
    assert_true(shared.entropy == apart.entropy);
    assert_true(fabs(shared.indexer_kl - apart.indexer_kl) <= 1e-6 * apart.indexer_kl);
    assert_memory_equal(&shared.selection, &apart.selection, sizeof apart.selection);
    assert_true((apart.selection.keys_differ > 0) == (mode == EL_ATTENTION_MQA));
    same_gradient(&b, g, 2e-5);
    same_load(&b, load);
    el_free(g);
    el_free(load);
    bench_close(&b);
}

static void shared_prompts(void **state)
{
    (void)state;
    for (int isa = 0; isa < GOLDEN_ISAS; isa++) {
        const struct el_ops *ops = el_ops_find(golden_isas[isa]);
        if (!ops)
            continue;
        check_sharing(ops, EL_ATTENTION_DENSE, 0);
        check_sharing(ops, EL_ATTENTION_MQA, 0);
        check_sharing(ops, EL_ATTENTION_MQA, 1);
    }
}

/* Groups cut by the end of a pass, a first completion without loss, one and three threads. */
static void shared_prompts_in_many_passes(void **state)
{
    (void)state;
    static struct bench b;
    struct el_grpo_config c = el_grpo_config_default();
    struct el_policy_options o = {EL_ATTENTION_MQA, 1, 1, 1, 1, 0.7, 0};
    bench_open(&b, el_ops_cpu(), el_device_host());
    sample_groups(&b, (struct el_sampling){.temperature = 1, .top_p = 1, .max_tokens = 30}, o.mode,
                  4);
    make_off_policy(&b);
    b.r[0].no_loss = b.r[6].no_loss = 1;
    open_apart(&b);
    struct el_policy_sums apart = accumulate(&b, &c, &o, JOBS - 2);
    float *g = copy_gradient(&b);
    int64_t *load = copy_load(&b);
    el_trainer_release(&b.t);
    trainer_open(&b, 120, 50);
    struct el_policy_sums some = accumulate(&b, &c, &o, JOBS - 2);
    assert_true(some.passes > 1 && some.passes < apart.passes && some.rows < apart.rows);
    assert_int_equal(some.tokens, apart.rows);
    assert_true(fabs(some.indexer_kl / apart.indexer_kl - 1) < 1e-6);
    same_gradient(&b, g, 2e-5);
    same_load(&b, load);
    el_free(g);
    g = copy_gradient(&b);
    for (int threads = 1; threads <= 3; threads += 2) {
        b.s.threads = threads;
        el_optimizer_zero_grad(&b.t.opt, &b.s);
        accumulate(&b, &c, &o, JOBS - 2);
        same_gradient(&b, g, 0);
    }
    el_free(g);
    el_free(load);
    bench_close(&b);
}

/* A prompt whose replay would be another one is another prompt, unless nothing is replayed; and so
 * is one that differs in its last token. */
static void unlike_prompts(void **state)
{
    (void)state;
    static struct bench b;
    struct el_grpo_config c = el_grpo_config_default();
    struct el_policy_options o = {EL_ATTENTION_MQA, 1, 1, 1, 0, 0, 0};
    bench_open(&b, el_ops_cpu(), el_device_host());
    sample_groups(&b, (struct el_sampling){.temperature = 1, .top_p = 1, .max_tokens = 30}, o.mode,
                  JOBS);
    make_off_policy(&b);
    assert_true(b.r[0].prompt > 2);
    int64_t saved = b.r[0].prompt - 1, rows = accumulate(&b, &c, &o, JOBS).rows;
    struct el_sequence *q = b.q[5];
    int k = b.g.w->config.num_experts_per_tok, last = b.g.w->config.n_routed_experts - k;
    int other = q->routed[0] == 0 ? last : 0;
    for (int i = 0; i < k; i++) /* ascending, as the sampler writes them */
        q->routed[i] = other + i;
    assert_int_equal(accumulate(&b, &c, &o, JOBS).rows, rows + 2 * saved); /* 5, and 6 after it */
    o.keep_routing = 0;
    assert_int_equal(accumulate(&b, &c, &o, JOBS).rows, rows);
    o.keep_selection = 1;
    assert_int_equal(accumulate(&b, &c, &o, JOBS).rows, rows);
    q->selected[b.g.layers * q->selected_words] = 1; /* the second row reads key 0 alone */
    assert_int_equal(accumulate(&b, &c, &o, JOBS).rows, rows + 2 * saved);
    o.keep_selection = 0;
    assert_int_equal(accumulate(&b, &c, &o, JOBS).rows, rows);
    q->tokens[q->n_prompt - 1] ^= 1;
    assert_int_equal(accumulate(&b, &c, &o, JOBS).rows, rows + 2 * saved);
    bench_close(&b);
}

/* A sequence without loss leaves no trace, and the others weigh by the number given. */
static void without_loss(void **state)
{
    (void)state;
    static struct bench b;
    struct el_grpo_config c = el_grpo_config_default();
    struct el_policy_options o = {EL_ATTENTION_DENSE, 1, 1, 1, 0, 0, 0};
    bench_open(&b, el_ops_cpu(), el_device_host());
    sample(&b, (struct el_sampling){.temperature = 1, .top_p = 1, .max_tokens = 40}, o.mode);
    make_off_policy(&b);
    for (int i = 0; i < JOBS; i++)
        b.r[i].advantage = i % 2 ? 0 : b.r[i].advantage;
    c.beta = 0; /* then an advantage of 0 gives a gradient of 0 */
    accumulate(&b, &c, &o, JOBS);
    float *g = copy_gradient(&b);
    el_optimizer_zero_grad(&b.t.opt, &b.s);
    for (int i = 1; i < JOBS; i += 2)
        b.r[i].no_loss = 1;
    struct el_policy_sums half = accumulate(&b, &c, &o, JOBS);
    assert_int_equal(half.grpo.sequences, JOBS / 2);
    same_gradient(&b, g, 2e-5);
    for (int i = 0; i < JOBS; i++)
        b.r[i].no_loss = 1;
    struct el_policy_sums none = accumulate(&b, &c, &o, JOBS);
    assert_true(none.passes == 0 && none.grpo.sequences == 0);
    el_free(g);
    bench_close(&b);
}

/* kl_weight 0 freezes the indexer; otherwise it learns from its own loss, and the rest does not
 * notice. */
static void indexer_apart(void **state)
{
    (void)state;
    static struct bench b;
    struct el_grpo_config c = el_grpo_config_default();
    struct el_policy_options o = {EL_ATTENTION_MQA, 1, 1, 1, 0, 0, 0};
    bench_open(&b, el_ops_cpu(), el_device_host());
    sample(&b, (struct el_sampling){.temperature = 1, .top_p = 1, .max_tokens = 40}, o.mode);
    make_off_policy(&b);
    accumulate(&b, &c, &o, JOBS);
    float *g = copy_gradient(&b);
    el_optimizer_zero_grad(&b.t.opt, &b.s);
    o.kl_weight = 1;
    accumulate(&b, &c, &o, JOBS);
    int changed = 0;
    for (int i = 0; i < b.g.w->layout.n; i++) {
        const struct el_tensor_info *t = &b.g.w->layout.tensors[i];
        int indexer = strstr(t->name, ".indexer.") != NULL;
        int same =
            memcmp(g + t->offset, b.t.opt.grad + t->offset, (size_t)t->count * sizeof *g) == 0;
        assert_true(indexer || same);
        changed += !same;
    }
    assert_true(changed >= 4 * b.g.layers);
    el_free(g);
    bench_close(&b);
}

/* Everything on the device whose memory is closed outside ops gives the same bits. */
static void closed_device(void **state)
{
    (void)state;
    static struct bench b, closed;
    static float logp[MOST];
    struct el_device *d = el_device_guard_create();
    struct el_grpo_config c = el_grpo_config_default();
    struct el_policy_options o = {EL_ATTENTION_MQA, 0.9, 1, 1, 1, 1, 0};
    const struct el_sampling how = {.temperature = 0.9, .top_p = 0.9, .max_tokens = 20};
    assert_non_null(d);
    bench_open(&b, el_ops_cpu(), el_device_host());
    bench_open(&closed, el_ops_cpu(), d);
    sample_groups(&b, how, o.mode, 3);
    golden_must(el_policy_logprobs(&closed.t, NULL, b.r, JOBS, &o, logp, NULL, &err));
    assert_true(largest_difference(logp, b.old, b.tokens) == 0);
    make_off_policy(&b);
    memcpy(closed.r, b.r, sizeof b.r);
    accumulate(&b, &c, &o, JOBS);
    accumulate(&closed, &c, &o, JOBS);
    float *g = copy_gradient(&b);
    d->copy_out(d, g, closed.t.opt.grad, (size_t)b.g.w->layout.total * sizeof(float));
    same_gradient(&b, g, 0);
    el_free(g);
    bench_close(&b);
    bench_close(&closed);
    el_device_free(d);
}

static void refusals(void **state)
{
    (void)state;
    static struct bench b;
    struct el_error why = {0};
    struct el_grpo_config c = el_grpo_config_default();
    struct el_policy_options o = {EL_ATTENTION_MQA, 1, 1, 1, 0, 0, 0};
    struct el_policy_sums sums = {0};
    float logp[64];
    const int32_t ids[4] = {1, 2, 3, 4}, far[2] = {1, 100000};
    bench_open(&b, el_ops_cpu(), el_device_host());
    struct el_rollout r = {.ids = ids, .n = 4, .prompt = 2, .old_logp = logp};
    assert_int_equal(el_policy_accumulate(&b.t, &r, 1, 1, &c, &o, &sums, &why), EL_EINVAL);
    assert_non_null(strstr(why.msg, "reference"));
    r.prompt = 4;
    assert_int_equal(el_policy_logprobs(&b.t, NULL, &r, 1, &o, logp, NULL, &why), EL_EINVAL);
    r = (struct el_rollout){.ids = far, .n = 2, .prompt = 1, .old_logp = logp};
    assert_int_equal(el_policy_logprobs(&b.t, NULL, &r, 1, &o, logp, NULL, &why), EL_EINVAL);
    assert_non_null(strstr(why.msg, "100000"));
    bench_close(&b);
}

/* Whichever allocation fails, the answer is an error and nothing leaks. */
static void out_of_memory(void **state)
{
    (void)state;
    static struct bench b;
    static float logp[MOST];
    struct el_policy_options o = {EL_ATTENTION_MQA, 0.9, 1, 1, 1, 0, 0};
    bench_open(&b, el_ops_cpu(), el_device_host());
    sample_groups(&b, (struct el_sampling){.temperature = 0.9, .top_p = 0.9, .max_tokens = 20},
                  o.mode, 3);
    int rc = -1;
    for (long n = 1; rc < 0 && n < 200; n++) {
        struct el_error why = {0};
        el_trainer_release(&b.t);
        trainer_open(&b, 900, 50);
        el_alloc_fail_after(n);
        rc = el_policy_logprobs(&b.t, NULL, b.r, JOBS, &o, logp, NULL, &why);
        el_alloc_fail_after(0);
        assert_true(rc == 0 || (rc == EL_ENOMEM && why.msg[0]));
    }
    assert_int_equal(rc, 0);
    assert_true(largest_difference(logp, b.old, b.tokens) == 0);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sampler_and_policy_agree),
        cmocka_unit_test(routing_replay),
        cmocka_unit_test(routing_differs),
        cmocka_unit_test(selection_replay),
        cmocka_unit_test(reference_weights),
        cmocka_unit_test(gradient_of_the_whole_model),
        cmocka_unit_test(passes_add_up),
        cmocka_unit_test(shared_prompts),
        cmocka_unit_test(shared_prompts_in_many_passes),
        cmocka_unit_test(unlike_prompts),
        cmocka_unit_test(without_loss),
        cmocka_unit_test(indexer_apart),
        cmocka_unit_test(closed_device),
        cmocka_unit_test(refusals),
        cmocka_unit_test(out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
