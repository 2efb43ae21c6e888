/* Scores of final proofs, by problem and round. */
#include "refine/report_parts.h"

#include "core/base/alloc.h"

#include <math.h>

double el_report_text_score(const struct el_report *r, int truth, int text)
{
    if (truth == EL_TRUTH_EXACT)
        return el_score_value(r->truth[text]);
    if (r->n_votes[text] == 0)
        return NAN;
    return r->votes[text].halves == EL_SCORE_NONE ? 0 : el_score_value(r->votes[text].halves);
}

static int count_votes(struct el_report *r, struct el_error *err)
{
    signed char *halves = el_alloc_array(EL_MAX_ANALYSES, 1);
    if (!halves)
        return el_error_set(err, EL_ENOMEM, "out of memory for a report");
    for (int x = 0; x < r->state.n_texts; x++) {
        const struct el_text *t = &r->state.texts[x];
        int n = 0;
        for (int i = 0; i < t->cap; i++)
            if (t->votes[i].state != EL_VOTE_NONE)
                halves[n++] = t->votes[i].halves;
        r->n_votes[x] = n;
        el_vote(halves, n, &r->votes[x]);
    }
    el_free(halves);
    return 0;
}

/* The final proofs of one problem after some rounds; (threads) each. */
struct finals {
    double *score[EL_TRUTHS], *self, *verifier;
    int known[EL_TRUTHS], ranked; /* every proof has a score; has a rank by the verifier */
    int voted, asked;             /* a proof of any problem has votes; one that is not final, too */
};

static void collect(const struct el_report *r, int problem, int round, struct finals *f)
{
    f->known[EL_TRUTH_EXACT] = r->exact;
    f->known[EL_TRUTH_VOTES] = f->asked;
    f->ranked = f->voted;
    for (int i = 0; i < r->state.set.threads; i++) {
        const struct el_attempt *a =
            el_competition_final(&r->state, problem * r->state.set.threads + i, round);
        f->score[0][i] = f->score[1][i] = f->self[i] = f->verifier[i] = NAN;
        if (!a)
            continue;
        f->self[i] = el_score_value(a->halves);
        f->verifier[i] = r->votes[a->text].mean;
        for (int truth = 0; truth < EL_TRUTHS; truth++)
            f->score[truth][i] = el_report_text_score(r, truth, a->text);
        if (r->n_votes[a->text] == 0)
            f->known[EL_TRUTH_VOTES] = f->ranked = 0;
    }
}

static double measure(const struct finals *f, int truth, int which, int n)
{
    const double *score = f->score[truth];
    switch (which) {
    case EL_MEASURE_PASS:
        return el_pass_at_1(score, n);
    case EL_MEASURE_BEST:
        return el_selected_score(score, f->self, n);
    case EL_MEASURE_VERIFIER:
        return f->ranked ? el_selected_score(score, f->verifier, n) : NAN;
    default:
        return el_oracle_score(score, n);
    }
}

static void fill_cells(struct el_report *r, int problem, int round, struct finals *f)
{
    int n = r->state.set.threads;
    for (int truth = 0; truth < EL_TRUTHS; truth++) {
        if (!f->known[truth])
            continue;
        for (int m = 0; m < EL_MEASURES; m++)
            el_report_cell(r, truth, m, EL_KIND_MEAN, round)[problem] = measure(f, truth, m, n);
        for (int i = 0; i < n; i++)
            f->score[truth][i] = f->score[truth][i] == 1;
        for (int m = 0; m < EL_MEASURES; m++)
            el_report_cell(r, truth, m, EL_KIND_SHARE, round)[problem] = measure(f, truth, m, n);
    }
}

/* Where no final proof of any problem has votes, nothing can be selected by them: no analyses were
 * made, or there are no proofs to make them of. */
static int has_votes_in(const struct el_report *r, int round)
{
    for (int t = 0; t < el_competition_threads(&r->state); t++) {
        const struct el_attempt *a = el_competition_final(&r->state, t, round);
        if (a && r->n_votes[a->text] > 0)
            return 1;
    }
    return 0;
}

static int score_problems(struct el_report *r, struct el_error *err)
{
    size_t n = (size_t)r->state.set.threads;
    double *block = el_alloc_array(4 * n, sizeof *block);
    if (!block)
        return el_error_set(err, EL_ENOMEM, "out of memory for a report");
    struct finals f = {
        .score = {block, block + n}, .self = block + 2 * n, .verifier = block + 3 * n};
    for (int x = 0; x < r->state.n_texts; x++)
        f.asked |= r->n_votes[x] > 0;
    for (int round = 1; round <= r->state.set.rounds; round++) {
        f.voted = has_votes_in(r, round);
        for (int p = 0; p < r->contest.n; p++) {
            collect(r, p, round, &f);
            fill_cells(r, p, round, &f);
        }
    }
    el_free(block);
    return 0;
}

/* --------------------------------------------------------------------------------- by round */

void el_report_attempt_tokens(const struct el_competition *c, int thread, int round, double *prompt,
                              double *completion)
{
    const struct el_attempt *a = el_competition_at(c, thread, round);
    *prompt = a->prompt_tokens;
    *completion = a->completion_tokens;
    if (!a->refined || c->set.feedback == EL_FEEDBACK_SELF)
        return;
    const struct el_attempt *source = el_competition_source(c, thread, round);
    const struct el_text *t = source ? &c->texts[source->text] : NULL;
    for (int i = 0; t && i < c->set.feedback_analyses && i < t->cap; i++) {
        *prompt += t->votes[i].prompt_tokens;
        *completion += t->votes[i].completion_tokens;
    }
}

void el_report_tokens(const struct el_competition *c, const int *problems, int n, double *tokens,
                      double *written)
{
    double all = 0, completion = 0, threads = (double)n * c->set.threads;
    for (int round = 1; round <= c->set.rounds; round++) {
        for (int i = 0; i < n * c->set.threads; i++) {
            int problem = i / c->set.threads;
            int t = (problems ? problems[problem] : problem) * c->set.threads + i % c->set.threads;
            double prompt, reply;
            if (c->threads[t].round < round)
                continue;
            el_report_attempt_tokens(c, t, round, &prompt, &reply);
            all += prompt + reply;
            completion += reply;
        }
        tokens[round - 1] = all / threads;
        written[round - 1] = completion / threads;
    }
}

static int count_tokens(struct el_report *r)
{
    const struct el_competition *c = &r->state;
    int threads = el_competition_threads(c), rounds = c->set.rounds;
    double *tokens = el_alloc_array(2 * (size_t)rounds, sizeof *tokens);
    if (!tokens)
        return EL_ENOMEM;
    el_report_tokens(c, NULL, threads / c->set.threads, tokens, tokens + rounds);
    for (int round = 1; round <= rounds; round++) {
        int64_t ended = 0;
        for (int t = 0; t < threads; t++)
            ended += c->threads[t].round <= round && el_report_thread_state(c, t) != EL_THREAD_NEW;
        r->rounds[round - 1].tokens = tokens[round - 1];
        r->rounds[round - 1].completion_tokens = tokens[rounds + round - 1];
        r->rounds[round - 1].stopped = (double)ended / threads;
    }
    el_free(tokens);
    return 0;
}

static int add_rounds(struct el_report *r, struct el_figures *f, struct el_error *err)
{
    for (int round = 1; round <= r->state.set.rounds; round++)
        for (int truth = 0; truth < EL_TRUTHS; truth++)
            for (int m = 0; m < EL_MEASURES; m++)
                for (int k = 0; k < EL_KINDS_OF_SCORE; k++)
                    if (el_figures_add(f, el_report_cell(r, truth, m, k, round), NULL,
                                       &r->rounds[round - 1].figure[truth][m][k]) < 0)
                        return el_error_set(err, EL_ENOMEM, "out of memory for a report");
    return 0;
}

/* Exact: how many of the final proofs of a problem are right. */
static int count_right(const struct el_report *r, int problem)
{
    int right = 0, n = r->state.set.threads;
    for (int i = 0; i < n; i++) {
        const struct el_attempt *a =
            el_competition_final(&r->state, problem * n + i, r->state.set.rounds);
        right += a && r->truth[a->text] == EL_SCORE_ONE;
    }
    return right;
}

static int add_pass_at_k(struct el_report *r, struct el_figures *f, struct el_error *err)
{
    double *row = el_alloc_array((size_t)r->contest.n, sizeof *row);
    if (!row)
        return el_error_set(err, EL_ENOMEM, "out of memory for a report");
    int rc = 0, n = r->state.set.threads;
    for (int k = 1; r->exact && rc == 0 && k <= n; k *= 2) {
        for (int p = 0; p < r->contest.n; p++)
            row[p] = el_pass_at_k(n, count_right(r, p), k);
        rc = el_figures_add(f, row, NULL, &r->pass_at_k[r->n_pass++]);
    }
    el_free(row);
    return rc < 0 ? el_error_set(err, EL_ENOMEM, "out of memory for a report") : 0;
}

static void count_final_votes(struct el_report *r)
{
    r->has_votes = 1;
    for (int t = 0; t < el_competition_threads(&r->state); t++) {
        const struct el_attempt *a = el_competition_final(&r->state, t, r->state.set.rounds);
        if (!a)
            continue;
        int n = r->n_votes[a->text];
        if (n == 0)
            r->has_votes = 0;
        if (n > 0 && (r->votes_min == 0 || n < r->votes_min))
            r->votes_min = n;
        if (n > r->votes_max)
            r->votes_max = n;
    }
    if (r->votes_max == 0)
        r->has_votes = 0;
}

int el_report_score(struct el_report *r, struct el_figures *f, struct el_error *err)
{
    int rc = count_votes(r, err);
    if (rc == 0)
        rc = score_problems(r, err);
    if (rc < 0)
        return rc;
    count_final_votes(r);
    if (count_tokens(r) < 0)
        return el_error_set(err, EL_ENOMEM, "out of memory for a report");
    rc = add_rounds(r, f, err);
    return rc == 0 ? add_pass_at_k(r, f, err) : rc;
}
