/* The report for programs. */
#include "refine/json_out.h"

#include "roles/reply.h"

#include <math.h>
#include <stdio.h>

static void put_settings(const struct el_report *r, struct el_json_out *j)
{
    const struct el_settings *s = &r->state.set;
    char seed[24];
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)s->seed);
    el_json_text(j, "run", s->name);
    el_json_truth(j, "finished", r->finished);
    el_json_text(j, "model", r->record.run.model);
    el_json_text(j, "mode", r->record.run.mode);
    el_json_count(j, "problems", r->contest.n);
    el_json_count(j, "threads", s->threads);
    el_json_count(j, "rounds", s->rounds);
    el_json_text(j, "feedback", el_feedback_name(s->feedback));
    el_json_text(j, "control", el_control_name(s->control));
    el_json_text(j, "seed", seed);
    el_json_number(j, "temperature", s->generator.temperature);
    el_json_number(j, "top_p", s->generator.top_p);
    el_json_count(j, "top_k", s->generator.top_k);
    el_json_count(j, "resamples", r->resamples);
}

static void put_round(const struct el_report *r, int round, struct el_json_out *j)
{
    const struct el_report_round *x = &r->rounds[round - 1];
    el_json_open(j, NULL, '{');
    el_json_count(j, "T", round);
    el_json_number(j, "stopped", x->stopped);
    el_json_number(j, "tokens", x->tokens);
    el_json_number(j, "completion_tokens", x->completion_tokens);
    if (r->exact) {
        el_json_figure(j, "answer_error", &x->answer_error);
        el_json_figure(j, "trace_error", &x->trace_error);
    }
    for (int truth = 0; truth < EL_TRUTHS; truth++) {
        if (isnan(x->figure[truth][EL_MEASURE_PASS][EL_KIND_MEAN].value))
            continue;
        el_json_open(j, el_truth_key(truth), '{');
        for (int m = 0; m < EL_MEASURES; m++) {
            el_json_open(j, el_measure_key(m), '{');
            el_json_figure(j, "share", &x->figure[truth][m][EL_KIND_SHARE]);
            el_json_figure(j, "mean", &x->figure[truth][m][EL_KIND_MEAN]);
            el_json_close(j, '}');
        }
        el_json_close(j, '}');
    }
    el_json_close(j, '}');
}

static void put_judge(const char *key, const struct el_judge_report *x, struct el_json_out *j)
{
    el_json_open(j, key, '{');
    el_json_count(j, "analyses", x->analyses);
    el_json_open(j, "by_truth", '[');
    for (int i = 0; i < 3; i++)
        el_json_count(j, NULL, x->by_truth[i]);
    el_json_close(j, ']');
    el_json_figure(j, "accuracy", &x->accuracy);
    el_json_figure(j, "balanced_accuracy", &x->balanced);
    el_json_open(j, "recall", '[');
    for (int i = 0; i < 3; i++)
        el_json_figure(j, NULL, &x->recall[i]);
    el_json_close(j, ']');
    el_json_figure(j, "invented_issues", &x->invented);
    el_json_figure(j, "defect_recall", &x->defect_recall);
    el_json_figure(j, "quality", &x->quality);
    el_json_close(j, '}');
}

static void put_exact(const struct el_report *r, struct el_json_out *j)
{
    if (!r->exact)
        return;
    el_json_open(j, "pass_at_k", '[');
    for (int i = 0; i < r->n_pass; i++) {
        el_json_open(j, NULL, '{');
        el_json_count(j, "k", 1 << i);
        el_json_figure(j, "share", &r->pass_at_k[i]);
        el_json_close(j, '}');
    }
    el_json_close(j, ']');
    put_judge("verifier", &r->verifier, j);
    put_judge("self_evaluation", &r->self, j);
    el_json_figure(j, "self_score_1_given_wrong", &r->over_claim);
    el_json_count(j, "self_score_1_given_wrong_n", r->over_claim_n);
}

static void put_failures(const struct el_report *r, struct el_json_out *j)
{
    el_json_open(j, "threads_ended", '{');
    el_json_count(j, "solved", r->threads_by_state[EL_THREAD_SOLVED]);
    el_json_count(j, "spent", r->threads_by_state[EL_THREAD_SPENT]);
    el_json_count(j, "refused", r->threads_by_state[EL_THREAD_REFUSED]);
    el_json_count(j, "unfinished", r->threads_by_state[EL_THREAD_NEW]);
    el_json_close(j, '}');
    el_json_count(j, "attempts", r->attempts);
    el_json_open(j, "failures", '{');
    for (int i = 1; i < EL_REPLY_FAILURES; i++)
        el_json_count(j, el_reply_failure_name((enum el_reply_failure)i), r->failures[i]);
    el_json_close(j, '}');
    el_tally_json_drops(&r->tally, j);
    el_tally_json_lengths(&r->lengths, "analyses_by_proof_length", "analyses", j);
}

static void put_usage(const struct el_report *r, struct el_json_out *j)
{
    el_tally_json_usage(&r->tally, j);
    el_json_count(j, "index_topk", r->state.set.index_topk);
    el_json_number(j, "median_attempt_tokens", r->median_length);
    el_json_number(j, "attention_keys_not_read", r->keys_dropped);
}

int el_report_json(const struct el_report *r, struct el_buf *out)
{
    struct el_json_out j = {.buf = out, .first = 1};
    el_json_open(&j, NULL, '{');
    put_settings(r, &j);
    el_json_count(&j, "votes_min", r->votes_min);
    el_json_count(&j, "votes_max", r->votes_max);
    el_json_open(&j, "by_round", '[');
    for (int round = 1; round <= r->state.set.rounds; round++)
        put_round(r, round, &j);
    el_json_close(&j, ']');
    put_exact(r, &j);
    put_failures(r, &j);
    put_usage(r, &j);
    el_json_close(&j, '}');
    if (j.failed == 0)
        j.failed = el_buf_putc(out, '\n');
    return j.failed;
}
