#include "training/rl/sample.h"

#include "rewards/answer.h"
#include "rewards/terms.h"

#include <math.h>
#include <string.h>

const char *el_rl_term_name(enum el_rl_term term)
{
    static const char *const names[EL_TERMS] = {"format",    "score",  "meta",
                                                "proof",     "self",   "final_answer",
                                                "overlong",  "length", "language_consistency",
                                                "rubric",    "true",   "true_meta",
                                                "true_proof"};
    return names[term];
}

static int proves(enum el_role role)
{
    return role == EL_ROLE_GENERATOR || role == EL_ROLE_REFINER;
}

struct el_slice el_rl_sample_proof(const struct el_rl_task *t, const struct el_rl_sample *s)
{
    if (proves(t->role))
        return el_reply_slice(s->reply.proof, s->completion.text);
    return el_slice_str(t->proof ? t->proof : "");
}

struct el_slice el_rl_sample_analysis(const struct el_rl_sample *s)
{
    return el_reply_slice(s->reply.analysis, s->completion.text);
}

/* ---- Rewards ---- */

static double verifier_reward(const struct el_rl_recipe *r, const struct el_rl_sample *s,
                              double label, const struct el_rl_judgement *j, double *score)
{
    *score = el_reward_score(el_score_value(s->reply.halves), label);
    return el_reward_verifier(1, *score, r->rewards.use_meta_reward ? j->analysis : 1);
}

static double generator_reward(const struct el_rl_recipe *r, const struct el_rl_sample *s,
                               const struct el_rl_judgement *j, double *score, double *self)
{
    *score = el_reward_score(el_score_value(s->reply.halves), j->proof);
    /* without a weight nobody was asked about the self-evaluation */
    *self = r->rewards.weights.beta > 0 ? el_reward_self_evaluation(*score, j->analysis) : 0;
    return el_reward_generator(1, j->proof, *self, &r->rewards.weights);
}

/* The reward of a legal reply by the paper's formulas; score and R_Z on the way. */
static double paper_reward(const struct el_rl_recipe *r, const struct el_rl_task *t,
                           const struct el_rl_sample *s, const struct el_rl_judgement *j,
                           double *score, double *self)
{
    *self = NAN;
    if (proves(t->role))
        return generator_reward(r, s, j, score, self);
    if (t->role == EL_ROLE_VERIFIER)
        return verifier_reward(r, s, el_score_value(t->label), j, score);
    *score = el_reward_score(el_score_value(s->reply.halves), el_score_value(t->label));
    return el_reward_meta_verifier(1, *score);
}

static double with_extras(const struct el_rl_recipe *r, const struct el_rl_task *t,
                          const struct el_rl_sample *s, double reward)
{
    const struct el_rl_rewards *w = &r->rewards;
    const struct {
        enum el_rl_term term;
        double weight;
    } extra[] = {{EL_TERM_OVERLONG, w->overlong_penalty},
                 {EL_TERM_LENGTH, w->length_weight},
                 {EL_TERM_LANGUAGE, w->language_weight},
                 {EL_TERM_RUBRIC, w->rubric_weight}};
    int format = el_reply_format(&s->reply);
    double answer = s->term[EL_TERM_FINAL_ANSWER];
    if (proves(t->role) && !isnan(answer) && (w->final_answer_weight > 0 || w->proof_weight == 0))
        reward =
            el_reward_with_answer(format, reward, answer, w->proof_weight, w->final_answer_weight);
    for (size_t i = 0; i < sizeof extra / sizeof *extra; i++)
        reward = el_reward_add(reward, format, extra[i].weight, s->term[extra[i].term]);
    return reward;
}

static int rubric(const struct el_rl_recipe *r, const struct el_rl_task *t, struct el_rl_sample *s,
                  struct el_error *err)
{
    const struct el_rl_rewards *w = &r->rewards;
    struct el_rubric_points points = {0};
    int rc = 0, format = el_reply_format(&s->reply);
    struct el_rubric_text part[EL_RUBRIC_PARTS] = {{s->completion.text, s->completion.text_len}};
    s->term[EL_TERM_RUBRIC] = NAN;
    if (format && proves(t->role)) {
        struct el_slice y = el_rl_sample_proof(t, s);
        part[EL_RUBRIC_PROOF] = (struct el_rubric_text){y.data, y.len};
    }
    if (format) {
        struct el_slice v = el_rl_sample_analysis(s);
        part[EL_RUBRIC_ANALYSIS] = (struct el_rubric_text){v.data, v.len};
    }
    if (w->rubric)
        rc = el_rubric_check(w->rubric, part, &points, err);
    if (rc == 0 && t->items)
        rc = el_rubric_check(t->items, part, &points, err);
    s->term[EL_TERM_RUBRIC] = el_rubric_share(&points);
    return rc;
}

int el_rl_sample_rules(const struct el_rl_recipe *r, const struct el_rl_task *t,
                       struct el_rl_sample *s, struct el_error *err)
{
    const struct el_rl_rewards *w = &r->rewards;
    int tokens = s->completion.completion_tokens, limit = r->sampling.max_tokens;
    s->term[EL_TERM_OVERLONG] = s->term[EL_TERM_LENGTH] = s->term[EL_TERM_LANGUAGE] = NAN;
    if (w->overlong_penalty > 0)
        s->term[EL_TERM_OVERLONG] = el_reward_overlong(tokens, limit, w->overlong_from);
    if (w->length_weight != 0)
        s->term[EL_TERM_LENGTH] = el_reward_length(tokens, limit);
    if (w->language)
        s->term[EL_TERM_LANGUAGE] =
            el_reward_language_consistency(w->language, s->completion.text, s->completion.text_len);
    return rubric(r, t, s, err);
}

void el_rl_sample_reward(const struct el_rl_recipe *r, const struct el_rl_task *t,
                         const struct el_rl_judgement *j, struct el_rl_sample *s)
{
    double reward = 0, score = NAN, self = NAN;
    int format = el_reply_format(&s->reply);
    s->term[EL_TERM_FORMAT] = format;
    if (format)
        reward = paper_reward(r, t, s, j, &score, &self);
    s->term[EL_TERM_SCORE] = score;
    s->term[EL_TERM_SELF] = self;
    s->term[EL_TERM_PROOF] = format && proves(t->role) ? j->proof : NAN;
    s->term[EL_TERM_META] = format ? j->analysis : NAN;
    s->reward = with_extras(r, t, s, reward);
}

/* ---- Truth ---- */

static void report_of(const struct el_rl_task *t, const struct el_rl_sample *s,
                      struct el_world_report *report)
{
    struct el_slice proof = el_rl_sample_proof(t, s);
    el_world_judge_proof(&t->problem, proof.data, proof.len, report);
}

static double analysis_quality(const struct el_world_report *report, struct el_slice analysis)
{
    struct el_world_review review;
    el_world_judge_analysis(report, analysis.data, analysis.len, &review);
    return review.ms;
}

struct el_rl_judgement el_rl_oracle(const struct el_rl_task *t, const struct el_rl_sample *s)
{
    struct el_world_report report;
    struct el_rl_judgement j = {NAN, NAN};
    if (t->role == EL_ROLE_META_VERIFIER)
        return j;
    report_of(t, s, &report);
    if (proves(t->role))
        j.proof = report.score;
    j.analysis = analysis_quality(&report, el_rl_sample_analysis(s));
    return j;
}

static double final_answer(const struct el_rl_task *t, const struct el_rl_sample *s)
{
    struct el_world_report report;
    report_of(t, s, &report);
    return el_world_answer_holds(&t->problem, &report);
}

/* Outside the small world: the box against the stored answer. */
static double boxed_answer(const struct el_rl_task *t, const struct el_rl_sample *s)
{
    if (!proves(t->role) || !el_answer_checkable(t->answer))
        return NAN;
    struct el_slice proof = el_rl_sample_proof(t, s);
    return el_reply_format(&s->reply) ? el_reward_final_answer(proof.data, proof.len, t->answer)
                                      : 0;
}

/* What the meta-verifier should have said, from the texts it was shown. */
static double true_meta_score(const struct el_rl_task *t)
{
    struct el_world_report report;
    el_world_judge_proof(&t->problem, t->proof, strlen(t->proof), &report);
    return analysis_quality(&report, el_slice_str(t->analysis));
}

/* The paper's part of the reward by exact truth, of a legal reply; the oracle's other terms. */
static double true_reward(const struct el_rl_recipe *r, const struct el_rl_task *t,
                          struct el_rl_sample *s)
{
    double score, self, said = el_score_value(s->reply.halves);
    if (t->role == EL_ROLE_META_VERIFIER)
        return el_reward_score(said, true_meta_score(t));
    struct el_rl_judgement truth = el_rl_oracle(t, s);
    s->term[EL_TERM_TRUE_META] = truth.analysis;
    if (proves(t->role)) {
        s->term[EL_TERM_TRUE_PROOF] = truth.proof;
        s->term[EL_TERM_FINAL_ANSWER] = final_answer(t, s);
        return generator_reward(r, s, &truth, &score, &self);
    }
    struct el_world_report report;
    report_of(t, s, &report);
    return verifier_reward(r, s, report.score, &truth, &score);
}

void el_rl_sample_truth(const struct el_rl_recipe *r, const struct el_rl_task *t,
                        struct el_rl_sample *s)
{
    s->term[EL_TERM_TRUE] = s->term[EL_TERM_TRUE_PROOF] = s->term[EL_TERM_TRUE_META] = NAN;
    if (!t->in_world) {
        s->term[EL_TERM_FINAL_ANSWER] = boxed_answer(t, s);
        return;
    }
    s->term[EL_TERM_FINAL_ANSWER] = proves(t->role) ? 0 : NAN;
    s->term[EL_TERM_TRUE_PROOF] = proves(t->role) ? 0 : NAN;
    double reward = el_reply_format(&s->reply) ? true_reward(r, t, s) : 0;
    s->term[EL_TERM_TRUE] = with_extras(r, t, s, reward);
}
