/* One step of a training: sample groups of completions, judge them, update the policy. */
#include "core/base/alloc.h"
#include "training/rl/ask.h"
#include "training/rl/metrics.h"
#include "training/rl/run.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct step {
    struct el_rl_run *run;
    int p, g;                    /* prompts, generations of each */
    struct el_rl_group *group;   /* (p) */
    struct el_rl_sample *sample; /* (p * g) */
    double *advantage;           /* (p * g) */
    struct el_rollout *rollout;  /* those that are trained on, in order */
    int *first;                  /* (p + 1) rollouts of each group */
    int n_rollouts;
    float *ref_logp;
    struct el_rl_step_metrics m;
};

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int step_open(struct step *s, struct el_rl_run *t, struct el_error *err)
{
    const struct el_rl_recipe *r = &t->recipe;
    *s = (struct step){.run = t, .p = r->prompts_per_step, .g = r->num_generations};
    size_t n = (size_t)s->p * (size_t)s->g;
    s->group = el_alloc_array((size_t)s->p, sizeof *s->group);
    s->sample = el_alloc_array(n, sizeof *s->sample);
    s->advantage = el_alloc_array(n, sizeof *s->advantage);
    s->rollout = el_alloc_array(n, sizeof *s->rollout);
    s->first = el_alloc_array((size_t)s->p + 1, sizeof *s->first);
    if (!s->group || !s->sample || !s->advantage || !s->rollout || !s->first)
        return el_error_set(err, EL_ENOMEM, "out of memory for a step");
    for (int i = 0; i < s->p; i++)
        s->group[i].sample = s->sample + (size_t)i * (size_t)s->g;
    return 0;
}

static void step_close(struct step *s)
{
    for (int i = 0; s->group && i < s->p; i++)
        el_rl_task_release(&s->group[i].task);
    for (int i = 0; s->sample && i < s->p * s->g; i++)
        el_completion_release(&s->sample[i].completion);
    el_free(s->group);
    el_free(s->sample);
    el_free(s->advantage);
    el_free(s->rollout);
    el_free(s->first);
    el_free(s->ref_logp);
}

/* ---- Rollouts ---- */

static uint64_t key_of(const struct step *s, int prompt, int sample)
{
    struct el_digest d;
    el_digest_init(&d);
    el_digest_str(&d, "policy");
    el_digest_str(&d, s->run->policy->digest);
    el_digest_u64(&d, s->run->recipe.seed);
    el_digest_u64(&d, (uint64_t)s->run->state.step);
    el_digest_u64(&d, (uint64_t)prompt);
    el_digest_u64(&d, (uint64_t)sample);
    return el_digest_key(&d);
}

static int draw_tasks(struct step *s, struct el_error *err)
{
    int rc = 0;
    for (int i = 0; i < s->p && rc == 0; i++)
        rc = el_rl_tasks_draw(&s->run->tasks, s->run->state.step, i, &s->group[i].task, err);
    return rc;
}

static int take(struct step *s, int i, struct el_completion *c, struct el_error *err)
{
    struct el_rl_group *group = &s->group[i / s->g];
    struct el_rl_sample *x = &s->sample[i];
    x->completion = *c;
    *c = (struct el_completion){0};
    if (x->completion.finish == EL_FINISH_REFUSED) {
        group->refused = 1;
        return 0;
    }
    struct el_reply_context ctx = {
        x->completion.finish == EL_FINISH_LENGTH ? EL_REPLY_CUT_OFF : EL_REPLY_ENDED, 0};
    return el_role_parse(group->task.role, s->run->parser, x->completion.text,
                         x->completion.text_len, &ctx, &x->reply, err);
}

static int sample(struct step *s, struct el_error *err)
{
    int n = s->p * s->g;
    struct el_rl_ask *ask = el_alloc_array((size_t)n, sizeof *ask);
    if (!ask)
        return el_error_set(err, EL_ENOMEM, "out of memory for a step's requests");
    for (int i = 0; i < n; i++)
        ask[i] = (struct el_rl_ask){.prompt = s->group[i / s->g].task.prompt.data,
                                    .sampling = s->run->recipe.sampling,
                                    .key = key_of(s, i / s->g, i % s->g),
                                    .trace = 1};
    int rc = el_rl_ask_all(s->run->sampler, ask, n, NULL, err);
    for (int i = 0; i < n; i++) {
        if (rc == 0)
            rc = take(s, i, &ask[i].out, err);
        el_completion_release(&ask[i].out);
    }
    el_free(ask);
    return rc;
}

/* ---- Advantages ---- */

static void group_advantages(struct step *s, int i)
{
    struct el_rl_group *group = &s->group[i];
    double *a = s->advantage + (size_t)i * (size_t)s->g;
    double reward[EL_RL_GENERATIONS];
    unsigned char valid[EL_RL_GENERATIONS];
    for (int k = 0; k < s->g; k++) {
        reward[k] = group->sample[k].reward;
        valid[k] = !group->sample[k].lost && !group->refused;
    }
    struct el_grpo_group stats =
        el_grpo_advantages(reward, valid, s->g, s->run->recipe.grpo.scale_rewards, a);
    group->flat = stats.flat;
    el_rl_metrics_group(&s->m, group, &stats, s->g);
}

static void add_rollout(struct step *s, int i)
{
    const struct el_rl_sample *x = &s->sample[i];
    const struct el_completion *c = &x->completion;
    s->rollout[s->n_rollouts++] = (struct el_rollout){
        .ids = c->ids,
        .n = c->n_ids,
        .prompt = c->prompt_tokens,
        .old_logp = c->logps,
        .kept_start = c->kept_start,
        .kept = c->kept,
        .routed = c->routed,
        .advantage = s->advantage[i],
        .no_loss = c->finish == EL_FINISH_LENGTH && s->run->recipe.mask_truncated_completions};
}

/* Groups without differences teach nothing and are left out, and so are lost samples. */
static void collect(struct step *s)
{
    for (int i = 0; i < s->p; i++) {
        group_advantages(s, i);
        s->first[i] = s->n_rollouts;
        for (int k = 0; k < s->g && !s->group[i].flat; k++)
            if (!s->group[i].sample[k].lost)
                add_rollout(s, i * s->g + k);
    }
    s->first[s->p] = s->n_rollouts;
}

/* ---- Updates ---- */

static struct el_policy_options policy_options(const struct el_rl_recipe *r)
{
    return (struct el_policy_options){.mode = EL_ATTENTION_MQA,
                                      .temperature = r->sampling.temperature,
                                      .keep_routing = r->keep_routing,
                                      .keep_sampling_mask = r->keep_sampling_mask,
                                      .kl_weight = r->indexer_kl_weight};
}

/* Once per batch of rollouts, by the weights of the start. */
static int reference(struct step *s, struct el_error *err)
{
    const struct el_rl_recipe *r = &s->run->recipe;
    struct el_policy_options o = policy_options(r);
    size_t tokens = 0;
    if (r->grpo.beta == 0 || s->n_rollouts == 0)
        return 0;
    for (int i = 0; i < s->n_rollouts; i++)
        tokens += (size_t)(s->rollout[i].n - s->rollout[i].prompt);
    s->ref_logp = el_alloc_array(tokens, sizeof *s->ref_logp);
    if (!s->ref_logp)
        return el_error_set(err, EL_ENOMEM, "out of memory for reference log-probabilities");
    int rc = el_policy_logprobs(&s->run->trainer, s->run->start, s->rollout, s->n_rollouts, &o,
                                s->ref_logp, NULL, err);
    for (int i = 0, at = 0; i < s->n_rollouts; i++) {
        s->rollout[i].ref_logp = s->ref_logp + at;
        at += s->rollout[i].n - s->rollout[i].prompt;
    }
    return rc;
}

static int update(struct step *s, int from, int to, struct el_error *err)
{
    struct el_rl_run *t = s->run;
    const struct el_rl_recipe *r = &t->recipe;
    struct el_policy_options o = policy_options(r);
    struct el_policy_sums sums = {0};
    double norm = 0, load = 0;
    int sequences = 0;
    for (int i = from; i < to; i++)
        sequences += !s->rollout[i].no_loss;
    if (sequences == 0)
        return 0;
    int rc = el_policy_accumulate(&t->trainer, s->rollout + from, to - from, sequences, &r->grpo,
                                  &o, &sums, err);
    const struct el_update u = {r->indexer_kl_weight > 0 ? EL_STAGE_SPARSE : EL_STAGE_DENSE,
                                el_schedule_lr(&r->schedule, t->state.step), r->bias_update_speed};
    if (rc == 0)
        rc = el_trainer_update(&t->trainer, &u, &norm, &load, err);
    if (rc == 0)
        el_rl_metrics_update(&s->m, &sums, norm, load);
    return rc;
}

/* Mini-batch number k of the groups, by their order. */
static int train(struct step *s, struct el_error *err)
{
    const struct el_rl_recipe *r = &s->run->recipe;
    int rc = reference(s, err), n = r->mini_batches;
    for (int epoch = 0; epoch < r->num_iterations && rc == 0; epoch++)
        for (int k = 0; k < n && rc == 0; k++)
            rc = update(s, s->first[(int64_t)s->p * k / n], s->first[(int64_t)s->p * (k + 1) / n],
                        err);
    return rc == 0 ? el_weights_digest(s->run->policy, err) : rc;
}

static int run_step(struct step *s, struct el_error *err)
{
    struct el_rl_run *t = s->run;
    const struct el_rl_judge judge = {&t->recipe, t->prompts, t->parser, t->judge_backend};
    double begin = seconds();
    int rc = draw_tasks(s, err);
    if (rc == 0)
        rc = sample(s, err);
    s->m.sample_seconds = seconds() - begin;
    if (rc == 0)
        rc = el_rl_judge_all(&judge, s->group, s->p, t->state.step, &s->m.judge, NULL, err);
    s->m.judge_seconds = seconds() - begin - s->m.sample_seconds;
    if (rc < 0)
        return rc;
    collect(s);
    rc = train(s, err);
    s->m.step_seconds = seconds() - begin;
    return rc;
}

int el_rl_step(struct el_rl_run *t, struct el_error *err)
{
    struct step s;
    int rc = step_open(&s, t, err);
    if (rc == 0)
        rc = run_step(&s, err);
    if (rc == 0) {
        s.m.lr = el_schedule_lr(&t->recipe.schedule, t->state.step);
        t->state.step++;
        t->state.stage_step++;
        t->state.tokens += s.m.tokens;
        rc = el_rl_metrics_log(&s.m, &t->state, &t->log, err);
    }
    if (rc == 0) {
        char note[120];
        el_rl_metrics_note(&s.m, note, sizeof note);
        el_progress_update(t->o->progress, t->state.step, t->recipe.schedule.steps, note);
    }
    step_close(&s);
    return rc;
}
