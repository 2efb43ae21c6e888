/* The report for a terminal. */
#include "refine/report.h"

#include "roles/reply.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static int put_head(const struct el_report *r, struct el_buf *out)
{
    const struct el_settings *s = &r->state.set;
    int rc = el_buf_printf(out,
                           "run %s: %d problem%s x %d threads, up to %d rounds, feedback %s, "
                           "control %s, seed %llu\n",
                           s->name, r->contest.n, r->contest.n == 1 ? "" : "s", s->threads,
                           s->rounds, el_feedback_name(s->feedback), el_control_name(s->control),
                           (unsigned long long)s->seed);
    if (rc == 0)
        rc = el_buf_printf(out, "model %.16s (%s), temperature %g, top-p %g, top-k %d\n",
                           r->record.run.model, r->record.run.mode, s->generator.temperature,
                           s->generator.top_p, s->generator.top_k);
    int64_t open = r->threads_by_state[EL_THREAD_NEW];
    if (rc == 0 && open)
        return el_buf_printf(out, "UNFINISHED: %lld threads have not ended\n", (long long)open);
    return rc == 0 && !r->finished && r->attempts
               ? el_buf_puts(out, "UNFINISHED: analyses are missing\n")
               : rc;
}

/* "0.213 [0.180,0.246]", or blanks of the same width. */
static void figure_text(const struct el_figure *f, char out[32])
{
    if (isnan(f->value))
        snprintf(out, 32, "%-19s", "-");
    else
        snprintf(out, 32, "%.3f [%.3f,%.3f]", f->value, f->lo, f->hi);
}

static void short_text(const struct el_figure *f, char out[16])
{
    if (isnan(f->value))
        snprintf(out, 16, "%-5s", "-");
    else
        snprintf(out, 16, "%.3f", f->value);
}

static int put_round(const struct el_report *r, int truth, int round, struct el_buf *out)
{
    const struct el_report_round *x = &r->rounds[round - 1];
    char pass[32], best[32], oracle[16], votes[16], pass_mean[16], best_mean[16];
    figure_text(&x->figure[truth][EL_MEASURE_PASS][EL_KIND_SHARE], pass);
    figure_text(&x->figure[truth][EL_MEASURE_BEST][EL_KIND_SHARE], best);
    short_text(&x->figure[truth][EL_MEASURE_ORACLE][EL_KIND_SHARE], oracle);
    short_text(&x->figure[truth][EL_MEASURE_VERIFIER][EL_KIND_SHARE], votes);
    short_text(&x->figure[truth][EL_MEASURE_PASS][EL_KIND_MEAN], pass_mean);
    short_text(&x->figure[truth][EL_MEASURE_BEST][EL_KIND_MEAN], best_mean);
    return el_buf_printf(out, "%3d  %s  %s  %s     %s     %s   %s   %5.1f%%  %8.0f\n", round, pass,
                         best, oracle, votes, pass_mean, best_mean, 100 * x->stopped, x->tokens);
}

static int put_table(const struct el_report *r, int truth, struct el_buf *out)
{
    int rc = truth == EL_TRUTH_EXACT
                 ? el_buf_printf(out, "\nScored by exact truth, n = %d problems\n", r->contest.n)
                 : el_buf_printf(out,
                                 "\nScored by votes of the verifier (%d to %d a proof), n = %d "
                                 "problems\n",
                                 r->votes_min, r->votes_max, r->contest.n);
    char best[24];
    snprintf(best, sizeof best, "Best@%d", r->state.set.threads);
    if (rc == 0)
        rc = el_buf_printf(out,
                           "     share that scores 1                                             "
                           "   mean score\n"
                           "  T  Pass@1               %-19s  best of  by votes  Pass@1  Best    "
                           "stopped  tokens\n",
                           best);
    int skipped = 0;
    for (int round = 1; rc == 0 && round <= r->state.set.rounds; round++) {
        if (isnan(r->rounds[round - 1].figure[truth][EL_MEASURE_PASS][EL_KIND_MEAN].value))
            skipped++;
        else
            rc = put_round(r, truth, round, out);
    }
    if (rc == 0 && skipped)
        rc = el_buf_puts(out, "     (the other rounds have final proofs without analyses; compete "
                              "--analyse-all adds them)\n");
    return rc;
}

static int put_rules(const struct el_report *r, struct el_buf *out)
{
    int k = r->state.set.threads;
    return el_buf_printf(
        out,
        "\nPass@1: mean over problems and threads of the final proof's score. Best@%d: score of "
        "the final\nproof with the highest self-score of the %d threads, ties give the mean over "
        "the tied threads, no\nself-score ranks last. best of: the highest score of the %d. by "
        "votes: selected by the mean score of\nthe verifier's analyses. A final proof is that of "
        "the last attempt with a readable proof; a thread\nthat stopped keeps its own; a missing "
        "proof scores 0 and counts. A vote tie goes to the lower score;\nmore than half of the "
        "votes unparsed is undetermined and scores 0; equal texts share their votes.\ntokens: "
        "prompts and replies per thread up to that round, feedback analyses included. [..]: 95%% "
        "bootstrap\nover problems, %d resamples.\n",
        k, k, k, r->resamples);
}

static int put_pass_at_k(const struct el_report *r, struct el_buf *out)
{
    if (r->n_pass == 0)
        return 0;
    int rc =
        el_buf_printf(out, "\npass@k after round %d, 1 - C(n-c,k)/C(n,k):", r->state.set.rounds);
    for (int i = 0; rc == 0 && i < r->n_pass; i++)
        rc = el_buf_printf(out, "  k=%d %.3f", 1 << i, r->pass_at_k[i].value);
    return rc == 0 ? el_buf_putc(out, '\n') : rc;
}

static int put_answers(const struct el_report *r, struct el_buf *out)
{
    int rc =
        el_buf_puts(out, "\nFinal answers (all witnesses hold) and traces, by exact truth\n"
                         "  T  wrong answer         wrong trace, of those with a right answer\n");
    for (int round = 1; rc == 0 && round <= r->state.set.rounds; round++) {
        char answer[32], trace[32];
        figure_text(&r->rounds[round - 1].answer_error, answer);
        figure_text(&r->rounds[round - 1].trace_error, trace);
        rc = el_buf_printf(out, "%3d  %s  %s\n", round, answer, trace);
    }
    return rc;
}

static int put_judge(const char *who, const struct el_judge_report *j, struct el_buf *out)
{
    if (j->analyses == 0)
        return 0;
    const struct {
        const char *label;
        const struct el_figure *figure;
    } rows[] = {{"accuracy", &j->accuracy},
                {"balanced accuracy", &j->balanced},
                {"  of proofs that score 0", &j->recall[0]},
                {"  of proofs that score 0.5", &j->recall[1]},
                {"  of proofs that score 1", &j->recall[2]},
                {"analyses with an invented issue", &j->invented},
                {"defects that are named", &j->defect_recall},
                {"quality (mean ms)", &j->quality}};
    int rc = el_buf_printf(out, "\n%s: %lld scored (of proofs with 0: %lld, 0.5: %lld, 1: %lld)\n",
                           who, (long long)j->analyses, (long long)j->by_truth[0],
                           (long long)j->by_truth[1], (long long)j->by_truth[2]);
    for (size_t i = 0; rc == 0 && i < sizeof rows / sizeof *rows; i++) {
        char text[32];
        figure_text(rows[i].figure, text);
        rc = el_buf_printf(out, "  %-34s %s\n", rows[i].label, text);
    }
    return rc;
}

static int put_over_claim(const struct el_report *r, struct el_buf *out)
{
    if (!r->exact)
        return 0;
    char text[32];
    figure_text(&r->over_claim, text);
    return el_buf_printf(out, "  %-34s %s  (n = %lld attempts)\n", "P(self-score 1 | wrong)", text,
                         (long long)r->over_claim_n);
}

static int put_failures(const struct el_report *r, struct el_buf *out)
{
    int rc =
        el_buf_printf(out,
                      "\nthreads: %lld with self-score 1, %lld after %d rounds, %lld whose "
                      "prompt did not fit\nattempts: %lld",
                      (long long)r->threads_by_state[EL_THREAD_SOLVED],
                      (long long)r->threads_by_state[EL_THREAD_SPENT], r->state.set.rounds,
                      (long long)r->threads_by_state[EL_THREAD_REFUSED], (long long)r->attempts);
    for (int i = 1; rc == 0 && i < EL_REPLY_FAILURES; i++)
        if (r->failures[i])
            rc = el_buf_printf(out, ", %s %lld", el_reply_failure_name((enum el_reply_failure)i),
                               (long long)r->failures[i]);
    if (rc == 0)
        rc = el_buf_putc(out, '\n');
    return rc == 0 ? el_tally_put_drops(&r->tally, out) : rc;
}

static int put_usage(const struct el_report *r, struct el_buf *out)
{
    int rc = el_tally_put_usage(&r->tally, out);
    if (rc == 0 && !isnan(r->keys_dropped))
        rc = el_buf_printf(out,
                           "sparse attention: index_topk %d, median sequence of an attempt %.0f "
                           "tokens, %.1f%% of the keys not read\n",
                           r->state.set.index_topk, r->median_length, 100 * r->keys_dropped);
    return rc;
}

int el_report_text(const struct el_report *r, struct el_buf *out)
{
    int rc = put_head(r, out);
    if (rc == 0 && r->exact)
        rc = put_table(r, EL_TRUTH_EXACT, out);
    if (rc == 0 && r->has_votes)
        rc = put_table(r, EL_TRUTH_VOTES, out);
    if (rc == 0 && !r->exact && !r->has_votes)
        rc = el_buf_puts(out, "\nNo scores: the final proofs have no analyses. Ask for some with "
                              "compete --analyses N.\n");
    if (rc == 0 && (r->exact || r->has_votes))
        rc = put_rules(r, out);
    if (rc == 0)
        rc = put_pass_at_k(r, out);
    if (rc == 0 && r->exact)
        rc = put_answers(r, out);
    if (rc == 0)
        rc = put_judge("The verifier's analyses against exact truth", &r->verifier, out);
    if (rc == 0)
        rc = put_judge("Self-evaluations against exact truth", &r->self, out);
    if (rc == 0)
        rc = put_over_claim(r, out);
    if (rc == 0)
        rc = put_failures(r, out);
    if (rc == 0)
        rc = el_tally_put_lengths(&r->lengths, "analyses", out);
    return rc == 0 ? put_usage(r, out) : rc;
}
