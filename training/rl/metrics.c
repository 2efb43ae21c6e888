#include "training/rl/metrics.h"

#include "core/base/buf.h"
#include "training/rl/drops.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static void count_sample(struct el_rl_step_metrics *m, const struct el_rl_task *t,
                         const struct el_rl_sample *s)
{
    int n = s->completion.completion_tokens;
    m->shortest = m->samples == 0 || n < m->shortest ? n : m->shortest;
    m->longest = n > m->longest ? n : m->longest;
    m->samples++;
    m->completion_tokens += n;
    m->tokens += s->completion.n_ids;
    m->cut_off += s->completion.finish == EL_FINISH_LENGTH;
    if (s->completion.kept_start) {
        m->kept += s->completion.kept_start[n];
        m->kept_tokens += n;
    }
    if (s->lost)
        return;
    m->reward += s->reward;
    m->role_reward[t->role] += s->reward;
    m->role_n[t->role]++;
    for (int k = 0; k < EL_TERMS; k++) {
        m->term[k] += isnan(s->term[k]) ? 0 : s->term[k];
        m->term_n[k] += !isnan(s->term[k]);
    }
}

void el_rl_metrics_group(struct el_rl_step_metrics *m, const struct el_rl_group *group,
                         const struct el_grpo_group *stats, int g)
{
    m->refused += group->refused;
    if (group->refused)
        return;
    m->groups++;
    m->compared += stats->valid > 1;
    m->alone += stats->valid == 1;
    m->flat += group->flat && stats->valid > 1;
    m->reward_std += stats->std;
    for (int i = 0; i < g; i++)
        count_sample(m, &group->task, &group->sample[i]);
}

static void add_sums(struct el_policy_sums *to, const struct el_policy_sums *s)
{
    struct el_grpo_sums *a = &to->grpo;
    const struct el_grpo_sums *b = &s->grpo;
    a->ratio_min = a->tokens == 0 || b->ratio_min < a->ratio_min ? b->ratio_min : a->ratio_min;
    a->ratio_max = a->tokens == 0 || b->ratio_max > a->ratio_max ? b->ratio_max : a->ratio_max;
    a->objective += b->objective;
    a->kl += b->kl;
    a->sequences += b->sequences;
    a->tokens += b->tokens;
    a->masked += b->masked;
    a->clipped_low += b->clipped_low;
    a->clipped_high += b->clipped_high;
    a->ratio += b->ratio;
    a->difference += b->difference;
    a->difference_max = fmax(a->difference_max, b->difference_max);
    to->entropy += s->entropy;
    to->indexer_kl += s->indexer_kl;
    to->tokens += s->tokens;
    to->rows += s->rows;
    to->passes += s->passes;
    to->selection.rows += s->selection.rows;
    to->selection.rows_differ += s->selection.rows_differ;
    to->selection.keys += s->selection.keys;
    to->selection.keys_differ += s->selection.keys_differ;
    to->routing.rows += s->routing.rows;
    to->routing.rows_differ += s->routing.rows_differ;
    to->routing.experts += s->routing.experts;
    to->routing.experts_differ += s->routing.experts_differ;
}

void el_rl_metrics_update(struct el_rl_step_metrics *m, const struct el_policy_sums *sums,
                          double norm, double load)
{
    if (m->updates == 0)
        m->first = *sums;
    add_sums(&m->all, sums);
    m->staleness += (double)m->updates * (double)sums->grpo.sequences;
    m->norm += norm;
    m->load = fmax(m->load, load);
    m->updates++;
}

/* One value of the line; what does not exist is left out. */
static int put(struct el_buf *out, const char *name, double value)
{
    return isfinite(value) ? el_buf_printf(out, ",\"%s\":%.6g", name, value) : 0;
}

static double per(double sum, double n)
{
    return n > 0 ? sum / n : NAN;
}

static int put_rewards(struct el_buf *out, const struct el_rl_step_metrics *m)
{
    char name[64];
    int rc = 0;
    for (int k = 0; k < EL_TERMS && rc == 0; k++) {
        snprintf(name, sizeof name, "rewards/%s/mean", el_rl_term_name((enum el_rl_term)k));
        rc = put(out, name, per(m->term[k], (double)m->term_n[k]));
    }
    for (int k = 0; k < EL_ROLES && rc == 0; k++) {
        snprintf(name, sizeof name, "roles/%s/reward", el_role_name((enum el_role)k));
        rc = put(out, name, per(m->role_reward[k], (double)m->role_n[k]));
    }
    return rc;
}

static double kl_of(const struct el_rl_step_metrics *m)
{
    return m->has_reference ? per(m->all.grpo.kl, (double)m->updates) : NAN;
}

static int put_rest(struct el_buf *out, const struct el_rl_step_metrics *m)
{
    const struct el_grpo_sums *first = &m->first.grpo, *all = &m->all.grpo;
    const double updates = (double)m->updates, samples = (double)m->samples;
    const double tokens = (double)all->tokens;
    const struct {
        const char *name;
        double value;
    } list[] = {
        {"reward_std", per(m->reward_std, (double)m->compared)},
        {"frac_reward_zero_std", per((double)m->flat, (double)m->compared)},
        {"entropy", per(m->all.entropy, tokens)},
        {"kl", kl_of(m)},
        {"clip_ratio/low_mean", per((double)all->clipped_low, tokens)},
        {"clip_ratio/high_mean", per((double)all->clipped_high, tokens)},
        {"grad_norm", per(m->norm, updates)},
        {"completions/mean_length", per((double)m->completion_tokens, samples)},
        {"completions/min_length", m->samples ? (double)m->shortest : NAN},
        {"completions/max_length", m->samples ? (double)m->longest : NAN},
        {"completions/clipped_ratio", per((double)m->cut_off, samples)},
        {"sampling/sampling_logp_difference/mean", per(first->difference, (double)first->tokens)},
        {"sampling/sampling_logp_difference/max", m->updates ? first->difference_max : NAN},
        {"sampling/importance_sampling_ratio/min", m->updates ? all->ratio_min : NAN},
        {"sampling/importance_sampling_ratio/mean", per(all->ratio, tokens)},
        {"sampling/importance_sampling_ratio/max", m->updates ? all->ratio_max : NAN},
        {"sampling/selected_rows_differ/first",
         per((double)m->first.selection.rows_differ, (double)m->first.selection.rows)},
        {"sampling/selected_rows_differ",
         per((double)m->all.selection.rows_differ, (double)m->all.selection.rows)},
        {"sampling/selected_keys_differ",
         per((double)m->all.selection.keys_differ, (double)m->all.selection.keys)},
        {"sampling/routed_rows_differ/first",
         per((double)m->first.routing.rows_differ, (double)m->first.routing.rows)},
        {"sampling/routed_rows_differ",
         per((double)m->all.routing.rows_differ, (double)m->all.routing.rows)},
        {"sampling/routed_experts_differ",
         per((double)m->all.routing.experts_differ, (double)m->all.routing.experts)},
        {"off_policy_mask_fraction", per((double)all->masked, (double)all->sequences)},
        {"top_p_kept_vocab_per_token", per((double)m->kept, (double)m->kept_tokens)},
        {"trajectory_staleness", per(m->staleness, (double)all->sequences)},
        {"drops/zero_variance", (double)m->flat},
        {"drops/alone", (double)m->alone},
        {"updates", updates},
        {"expert_load_max", m->updates ? m->load : NAN},
        {"indexer_kl", per(m->all.indexer_kl, updates)},
        {"loss", per(-all->objective, updates)},
        {"learning_rate", m->lr},
        {"trained/tokens", (double)m->all.tokens},
        {"trained/rows", (double)m->all.rows},
        {"step_time", m->step_seconds},
        {"time/sampling", m->sample_seconds},
        {"time/judging", m->judge_seconds},
        {"time/reference", m->reference_seconds},
        {"time/training", m->training_seconds},
    };
    int rc = 0;
    for (size_t i = 0; i < sizeof list / sizeof *list && rc == 0; i++)
        rc = put(out, list[i].name, list[i].value);
    return rc;
}

int el_rl_metrics_log(const struct el_rl_step_metrics *m, const struct el_run_state *state,
                      struct el_metrics_log *log, struct el_error *err)
{
    struct el_buf line;
    el_buf_init(&line);
    int rc = el_buf_printf(&line, "{\"step\":%" PRId64 ",\"num_tokens\":%" PRId64, state->step,
                           state->tokens);
    if (rc == 0)
        rc = put(&line, "reward", per(m->reward, (double)(m->samples - m->judge.lost)));
    if (rc == 0)
        rc = put_rewards(&line, m);
    if (rc == 0)
        rc = el_rl_drops_json(&m->judge, m->refused, &line);
    if (rc == 0)
        rc = put_rest(&line, m);
    if (rc == 0)
        rc = el_buf_puts(&line, "}");
    rc = rc < 0 ? el_error_set(err, EL_ENOMEM, "out of memory for metrics")
                : el_metrics_log_add(log, err, "%s", line.data);
    el_buf_release(&line);
    return rc;
}

void el_rl_metrics_note(const struct el_rl_step_metrics *m, char *out, size_t n)
{
    double lost = (double)m->judge.lost, samples = (double)m->samples, kl = kl_of(m);
    char part[32] = "", truth[32] = ""; /* what is not known is left out */
    if (isfinite(kl))
        snprintf(part, sizeof part, " kl %.4f", kl);
    if (m->term_n[EL_TERM_TRUE])
        snprintf(truth, sizeof truth, " true %.3f",
                 m->term[EL_TERM_TRUE] / (double)m->term_n[EL_TERM_TRUE]);
    snprintf(out, n, "reward %.3f%s%s, %.0f tokens/s", per(m->reward, samples - lost), truth, part,
             per((double)m->tokens, m->step_seconds));
}
