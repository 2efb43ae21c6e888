/* Which metrics exist, what they mean to a reader, and where each is drawn. */
#include "refine/training_report.h"

#include "core/base/alloc.h"
#include "refine/metrics.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* A metric that ends in '/' stands for all that begin so and have no place before, a chart each;
 * "" for all that are left. */
static const struct entry {
    const char *group, *title;
    const char *metric[3], *label[3];
    int share, exact;
} entries[] = {
    {"Reward",
     "Reward against the truth (they part: reward hacking)",
     {"reward", "rewards/true/mean"},
     {"reward", "rewards/true/mean"},
     1,
     0},
    {"Reward", "Spread of the reward in a group", {"reward_std"}, {0}, 0, 0},
    {"Reward", "Groups without spread", {"frac_reward_zero_std"}, {0}, 1, 0},
    {"Reward by term and role", "format", {"rewards/format/mean"}, {0}, 1, 0},
    {"Reward by term and role", NULL, {"rewards/"}, {0}, 1, 0},
    {"Reward by term and role", NULL, {"roles/"}, {0}, 1, 0},
    {"Losses", "Loss of the language model", {"loss_lm"}, {0}, 0, 0},
    {"Losses", "Loss of the indexer (KL)", {"loss_kl"}, {0}, 0, 0},
    {"Optimisation", "KL to the reference", {"kl"}, {0}, 0, 0},
    {"Optimisation", "Entropy", {"entropy"}, {0}, 0, 0},
    {"Optimisation",
     "Clipped and masked fractions",
     {"clip_ratio/low_mean", "clip_ratio/high_mean", "off_policy_mask_fraction"},
     {"clipped low", "clipped high", "masked off-policy"},
     0,
     0},
    {"Optimisation", "Loss", {"loss"}, {0}, 0, 0},
    {"Optimisation", "Norm of the gradient", {"grad_norm"}, {0}, 0, 0},
    {"Optimisation", "Learning rate", {"learning_rate"}, {0}, 0, 1},
    {"Optimisation", "Learning rate", {"lr"}, {0}, 0, 1},
    {"Sampler and trainer",
     "Difference of log-probabilities",
     {"sampling/sampling_logp_difference/mean", "sampling/sampling_logp_difference/max"},
     {"mean", "max"},
     0,
     0},
    {"Sampler and trainer",
     "Importance sampling ratio",
     {"sampling/importance_sampling_ratio/mean", "sampling/importance_sampling_ratio/min",
      "sampling/importance_sampling_ratio/max"},
     {"mean", "min", "max"},
     0,
     0},
    {"Sampler and trainer",
     "Selected keys that differ from sampling",
     {"sampling/selected_rows_differ", "sampling/selected_keys_differ",
      "sampling/selected_rows_differ/first"},
     {"rows", "keys", "rows, first update"},
     0,
     0},
    {"Sampler and trainer",
     "Routes that differ from sampling",
     {"sampling/routed_rows_differ", "sampling/routed_experts_differ",
      "sampling/routed_rows_differ/first"},
     {"rows", "experts", "rows, first update"},
     0,
     0},
    {"Sampler and trainer", NULL, {"sampling/"}, {0}, 0, 0},
    {"Sampler and trainer", "Staleness (updates)", {"trajectory_staleness"}, {0}, 0, 0},
    {"Sampler and trainer", "Ids in a kept set", {"top_p_kept_vocab_per_token"}, {0}, 0, 0},
    {"Lengths",
     "Tokens of a completion",
     {"completions/mean_length", "completions/min_length", "completions/max_length"},
     {"mean", "min", "max"},
     0,
     0},
    {"Lengths", "Completions cut off", {"completions/clipped_ratio"}, {0}, 0, 0},
    {"Lengths", NULL, {"completions/"}, {0}, 0, 0},
    {"Judges and drops", NULL, {"judge/"}, {0}, 0, 0},
    {"Judges and drops", NULL, {"drops/"}, {0}, 0, 0},
    {"Experts and indexer", "Load of the fullest expert", {"expert_load_max"}, {0}, 0, 0},
    {"Experts and indexer", "KL of the indexer", {"indexer_kl"}, {0}, 0, 0},
    {"Time and tokens", "Seconds of a step", {"step_time"}, {0}, 0, 0},
    {"Time and tokens", NULL, {"time/"}, {0}, 0, 0},
    {"Time and tokens",
     "Tokens trained, rows computed for them",
     {"trained/tokens", "trained/rows"},
     {"tokens", "rows"},
     0,
     0},
    {"Time and tokens", "Tokens so far", {"num_tokens"}, {0}, 0, 1},
    {"Time and tokens", "Tokens with a loss", {"targets"}, {0}, 0, 0},
    {"Other", NULL, {""}, {0}, 0, 0},
};

/* -------------------------------------------------------------------------------------- units */

/* Of single metrics; the first pattern that fits decides. */
static const struct {
    const char *pattern, *unit;
} units[] = {{"loss_lm", "nats per token"},
             {"loss_kl", "nats"},
             {"indexer_kl", "nats"},
             {"kl", "nats per token"},
             {"entropy", "nats per token"},
             {"sampling/sampling_logp_difference/", "nats"},
             {"trajectory_staleness", "updates"},
             {"top_p_kept_vocab_per_token", "ids"},
             {"completions/clipped_ratio", NULL},
             {"completions/", "tokens"},
             {"drops/judge_proof_bytes", "bytes"},
             {"step_time", "s"},
             {"time/", "s"},
             {"num_tokens", "tokens"},
             {"trained/tokens", "tokens"},
             {"trained/rows", "rows"},
             {"targets", "tokens"}};

/* --------------------------------------------------------------------------------- directions */

/* The first pattern that fits decides; one that ends in '/' fits all that begin so. */
static const struct {
    const char *pattern;
    int better;
} directions[] = {{"reward", 1},
                  {"rewards/", 1},
                  {"roles/", 1},
                  {"right", 1},
                  {"claims_right", 1},
                  {"refined_right", 1},
                  {"self_score_true", 1},
                  {"loss_lm", -1},
                  {"loss_kl", -1},
                  {"indexer_kl", -1},
                  {"kl", -1},
                  {"frac_reward_zero_std", -1},
                  {"off_policy_mask_fraction", -1},
                  {"completions/clipped_ratio", -1},
                  {"sampling/sampling_logp_difference/", -1},
                  {"sampling/selected_rows_differ", -1},
                  {"sampling/selected_keys_differ", -1},
                  {"sampling/selected_rows_differ/first", -1},
                  {"sampling/routed_rows_differ", -1},
                  {"sampling/routed_experts_differ", -1},
                  {"sampling/routed_rows_differ/first", -1},
                  {"drops/judge_proof_bytes", 0},
                  {"drops/", -1},
                  {"judge/unreadable", -1},
                  {"expert_load_max", -1},
                  {"unparsed", -1},
                  {"self_one_but_wrong", -1},
                  {"step_time", -1},
                  {"time/", -1}};

static int fits(const char *pattern, const char *name)
{
    size_t n = strlen(pattern);
    return n == 0 || pattern[n - 1] == '/' ? strncmp(pattern, name, n) == 0
                                           : strcmp(pattern, name) == 0;
}

static int better(const char *name)
{
    for (size_t i = 0; i < sizeof directions / sizeof *directions; i++)
        if (fits(directions[i].pattern, name))
            return directions[i].better;
    return 0;
}

/* What several metrics of one chart measure together, by one of them. */
static const struct {
    const char *pattern, *axis;
} axes[] = {{"reward", "reward"},
            {"rewards/", "reward"},
            {"clip_ratio/", "fraction"},
            {"off_policy_mask_fraction", "fraction"},
            {"sampling/sampling_logp_difference/", "difference (nats)"},
            {"sampling/importance_sampling_ratio/", "ratio"},
            {"sampling/", "share that differs"},
            {"completions/", "length (tokens)"},
            {"trained/", "tokens, rows"}};

static const char *axis_of(const char *name)
{
    for (size_t i = 0; i < sizeof axes / sizeof *axes; i++)
        if (fits(axes[i].pattern, name))
            return axes[i].axis;
    return "value";
}

static const char *unit_of(const char *name)
{
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (fits(units[i].pattern, name))
            return units[i].unit;
    return NULL;
}

/* ------------------------------------------------------------------------------------ figures */

static void take(struct el_training_figures *f, double value, int64_t step)
{
    if (f->n++ == 0)
        f->first = value;
    f->last = value;
    if (f->better && (isnan(f->best) || f->better * value > f->better * f->best)) {
        f->best = value;
        f->best_step = step;
    }
}

void el_training_figures(const struct el_training_log *log, const struct el_training_metric *m,
                         struct el_training_figures *out)
{
    const double *values = m->value;
    *out = (struct el_training_figures){
        .better = better(m->name), .best = NAN, .tail_lo = NAN, .tail_hi = NAN};
    for (int i = 0; i < log->rows; i++)
        if (!isnan(values[i]))
            take(out, values[i], log->step[i]);
    if (m->n_tail) {
        el_mean_interval(m->tail, m->n_tail, &out->tail, &out->tail_lo, &out->tail_hi);
        return;
    }
    int last = (out->n + 9) / 10;
    for (int i = log->rows - 1, k = 0; i >= 0 && k < last; i--)
        if (!isnan(values[i])) {
            out->tail += values[i] / last;
            k++;
        }
}

/* --------------------------------------------------------------------------------------- plan */

struct naming {
    const char **name; /* of every run, each once, in the order of appearance */
    char *placed;
    int n;
};

static int name_index(const struct naming *all, const char *name)
{
    for (int i = 0; i < all->n; i++)
        if (strcmp(all->name[i], name) == 0)
            return i;
    return -1;
}

static void collect(struct naming *all, const struct el_training_runs *runs)
{
    for (int i = 0; i < runs->n; i++)
        for (int k = 0; k < runs->run[i].n_metrics; k++)
            if (name_index(all, runs->run[i].metric[k].name) < 0)
                all->name[all->n++] = runs->run[i].metric[k].name;
}

/* "rewards/score/mean" under "rewards/": "score". */
static void short_title(const char *prefix, const char *name, char *out, size_t size)
{
    const char *from = name + strlen(prefix);
    size_t n = strlen(from);
    if (strcmp(prefix, "rewards/") == 0 && n > 5 && strcmp(from + n - 5, "/mean") == 0)
        n -= 5;
    if (strcmp(prefix, "roles/") == 0 && n > 7 && strcmp(from + n - 7, "/reward") == 0)
        n -= 7;
    if (strcmp(prefix, "rewards/") != 0 && strcmp(prefix, "roles/") != 0)
        snprintf(out, size, "%s", name);
    else
        snprintf(out, size, "%.*s", (int)n, from);
}

/* The axis is as long as some 50 letters. */
static void name_axis(struct el_training_chart *c)
{
    const char *name = strlen(c->metric[0]) <= 42 ? c->metric[0] : "value";
    const char *unit = unit_of(c->metric[0]);
    if (c->n > 1)
        snprintf(c->axis, sizeof c->axis, "%s", axis_of(c->metric[0]));
    else if (unit)
        snprintf(c->axis, sizeof c->axis, "%s (%s)", name, unit);
    else
        snprintf(c->axis, sizeof c->axis, "%s", name);
}

static void place_together(struct el_training_plan *plan, const struct entry *e, struct naming *all)
{
    struct el_training_chart *c = &plan->chart[plan->n];
    *c = (struct el_training_chart){.group = e->group, .share = e->share, .exact = e->exact};
    snprintf(c->title, sizeof c->title, "%s", e->title);
    for (int k = 0; k < 3 && e->metric[k]; k++) {
        int i = name_index(all, e->metric[k]);
        if (i < 0)
            continue;
        all->placed[i] = 1;
        c->label[c->n] = e->label[k] ? e->label[k] : all->name[i];
        c->metric[c->n++] = all->name[i];
    }
    if (c->n == 0)
        return;
    name_axis(c);
    plan->n++;
}

static void place_each(struct el_training_plan *plan, const struct entry *e, struct naming *all)
{
    for (int i = 0; i < all->n; i++) {
        if (all->placed[i] || !fits(e->metric[0], all->name[i]))
            continue;
        struct el_training_chart *c = &plan->chart[plan->n++];
        *c = (struct el_training_chart){.group = e->group,
                                        .metric = {all->name[i]},
                                        .label = {all->name[i]},
                                        .n = 1,
                                        .share = e->share};
        short_title(e->metric[0], all->name[i], c->title, sizeof c->title);
        name_axis(c);
        all->placed[i] = 1;
    }
}

int el_training_plan_make(struct el_training_plan *plan, const struct el_training_runs *runs,
                          struct el_error *err)
{
    size_t most = 0;
    for (int i = 0; i < runs->n; i++)
        most += (size_t)runs->run[i].n_metrics;
    struct naming all = {.name = el_alloc_array(most, sizeof *all.name),
                         .placed = el_alloc_array(most, 1)};
    *plan = (struct el_training_plan){.chart = el_alloc_array(most + 1, sizeof *plan->chart)};
    int rc = all.name && all.placed && plan->chart ? 0 : EL_ENOMEM;
    if (rc == 0)
        collect(&all, runs);
    for (size_t i = 0; rc == 0 && i < sizeof entries / sizeof *entries; i++)
        if (entries[i].title)
            place_together(plan, &entries[i], &all);
        else
            place_each(plan, &entries[i], &all);
    el_free(all.name);
    el_free(all.placed);
    if (rc == 0)
        return 0;
    el_training_plan_release(plan);
    return el_error_set(err, rc, "out of memory for the charts");
}

void el_training_plan_release(struct el_training_plan *plan)
{
    el_free(plan->chart);
    *plan = (struct el_training_plan){0};
}
