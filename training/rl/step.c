/* One step of a training: sample groups of completions, judge them, update the policy. */
#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "training/rl/batch.h"
#include "training/rl/metrics.h"
#include "training/rl/part.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct step {
    struct el_rl_run *run;
    struct el_rl_batch batch;
    double *advantage;          /* (p * g) */
    struct el_rollout *rollout; /* those that are trained on, in order */
    int *first;                 /* (n_groups + 1) rollouts of each group that is trained on */
    int n_groups, n_rollouts;
    float *ref_logp;
    struct el_rl_step_metrics m;
};

static int step_open(struct step *s, struct el_rl_run *t, struct el_error *err)
{
    *s = (struct step){.run = t};
    int rc = el_rl_batch_init(&s->batch, &t->recipe, err);
    if (rc < 0)
        return rc;
    size_t n = (size_t)s->batch.p * (size_t)s->batch.g;
    s->advantage = el_alloc_array(n, sizeof *s->advantage);
    s->rollout = el_alloc_array(n, sizeof *s->rollout);
    s->first = el_alloc_array((size_t)s->batch.p + 1, sizeof *s->first);
    return s->advantage && s->rollout && s->first
               ? 0
               : el_error_set(err, EL_ENOMEM, "out of memory for a step");
}

static void step_close(struct step *s)
{
    el_rl_batch_release(&s->batch);
    el_free(s->advantage);
    el_free(s->rollout);
    el_free(s->first);
    el_free(s->ref_logp);
}

/* ---- Advantages ---- */

static void group_advantages(struct step *s, int i)
{
    struct el_rl_group *group = &s->batch.group[i];
    double *a = s->advantage + (size_t)i * (size_t)s->batch.g;
    double reward[EL_RL_GENERATIONS];
    unsigned char valid[EL_RL_GENERATIONS];
    for (int k = 0; k < s->batch.g; k++) {
        reward[k] = group->sample[k].reward;
        valid[k] = !group->sample[k].lost && !group->refused;
    }
    struct el_grpo_group stats =
        el_grpo_advantages(reward, valid, s->batch.g, s->run->recipe.grpo.scale_rewards, a);
    group->flat = stats.flat;
    el_rl_metrics_group(&s->m, group, &stats, s->batch.g);
}

static void add_rollout(struct step *s, int i)
{
    const struct el_rl_sample *x = &s->batch.sample[i];
    const struct el_completion *c = &x->completion;
    s->rollout[s->n_rollouts++] = (struct el_rollout){
        .ids = c->ids,
        .n = c->n_ids,
        .prompt = c->prompt_tokens,
        .old_logp = c->logps,
        .kept_start = c->kept_start,
        .kept = c->kept,
        .routed = c->routed,
        .selected = c->selected,
        .selected_words = c->selected_words,
        .advantage = s->advantage[i],
        .no_loss = c->finish == EL_FINISH_LENGTH && s->run->recipe.mask_truncated_completions};
}

/* Groups without differences teach nothing and are left out, and so are lost samples. */
static void collect(struct step *s)
{
    for (int i = 0; i < s->batch.p; i++) {
        group_advantages(s, i);
        if (s->batch.group[i].flat)
            continue;
        s->first[s->n_groups++] = s->n_rollouts;
        for (int k = 0; k < s->batch.g; k++)
            if (!s->batch.group[i].sample[k].lost)
                add_rollout(s, i * s->batch.g + k);
    }
    s->first[s->n_groups] = s->n_rollouts;
}

/* ---- Updates ---- */

static struct el_policy_options policy_options(const struct el_rl_recipe *r)
{
    return (struct el_policy_options){.mode = EL_ATTENTION_MQA,
                                      .temperature = r->sampling.temperature,
                                      .keep_routing = r->keep_routing,
                                      .keep_sampling_mask = r->keep_sampling_mask,
                                      .keep_selection = r->selected_sets == EL_RL_SELECTED_REPLAY,
                                      .kl_weight = r->indexer_kl_weight,
                                      .max_rows = r->batch_rows};
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
    s->m.has_reference = 1;
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

/* Mini-batches of equally many groups, but for one, of those that are left, in their order: where
 * fewer are left than mini-batches, each is one of its own. */
static int train(struct step *s, struct el_error *err)
{
    const struct el_rl_recipe *r = &s->run->recipe;
    double begin = el_clock_seconds();
    int rc = reference(s, err), n = r->mini_batches < s->n_groups ? r->mini_batches : s->n_groups;
    struct el_rl_part part;
    el_rl_part_init(&part, s->run, "training, mini-batches");
    s->m.reference_seconds = el_clock_seconds() - begin;
    for (int epoch = 0; epoch < r->num_iterations && rc == 0; epoch++)
        for (int k = 0; k < n && rc == 0; k++) {
            el_progress_update(&part.base, (int64_t)epoch * n + k, (int64_t)n * r->num_iterations,
                               NULL);
            rc = update(s, s->first[(int64_t)s->n_groups * k / n],
                        s->first[(int64_t)s->n_groups * (k + 1) / n], err);
        }
    rc = rc == 0 ? el_weights_digest(s->run->policy, err) : rc;
    s->m.training_seconds = el_clock_seconds() - begin - s->m.reference_seconds;
    return rc;
}

static int run_step(struct step *s, struct el_error *err)
{
    struct el_rl_run *t = s->run;
    const struct el_rl_judge judge = {&t->recipe, t->prompts, t->parser, t->judge_backend};
    const struct el_rl_player policy = {t->sampler, t->policy->digest};
    const struct el_rl_player player[EL_ROLES] = {policy, policy, policy, policy};
    struct el_rl_part sampling, judging;
    double begin = el_clock_seconds();
    el_rl_part_init(&sampling, t, "sampling");
    el_rl_part_init(&judging, t, "judging");
    int rc = el_rl_batch_sample(&s->batch, &t->tasks, t->state.step, player, t->parser,
                                &sampling.base, err);
    s->m.sample_seconds = el_clock_seconds() - begin;
    if (rc == 0)
        rc = el_rl_judge_all(&judge, s->batch.group, s->batch.p, t->state.step, &s->m.judge,
                             &judging.base, err);
    s->m.judge_seconds = el_clock_seconds() - begin - s->m.sample_seconds;
    if (rc < 0)
        return rc;
    collect(s);
    rc = train(s, err);
    s->m.step_seconds = el_clock_seconds() - begin;
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
        el_rl_metrics_note(&s.m, t->note, sizeof t->note);
        el_progress_update(t->o->progress, t->state.step, t->recipe.schedule.steps, t->note);
    }
    step_close(&s);
    return rc;
}
