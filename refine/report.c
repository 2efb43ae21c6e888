#include "refine/report_parts.h"

#include "core/base/alloc.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *el_measure_key(int measure)
{
    static const char *const names[] = {"pass_at_1", "best_at_k", "selected_by_votes", "best_of_k"};
    return measure >= 0 && measure < EL_MEASURES ? names[measure] : "unknown";
}

const char *el_truth_key(int truth)
{
    return truth == EL_TRUTH_EXACT ? "exact" : "votes";
}

double *el_report_cell(const struct el_report *r, int truth, int measure, int kind, int round)
{
    size_t row = (size_t)((truth * EL_MEASURES + measure) * EL_KINDS_OF_SCORE + kind);
    row = row * (size_t)r->state.set.rounds + (size_t)(round - 1);
    return r->values + row * (size_t)r->contest.n;
}

double el_report_value(const struct el_report *r, enum el_truth truth, enum el_measure measure,
                       enum el_kind kind, int round, int problem)
{
    return el_report_cell(r, truth, measure, kind, round)[problem];
}

static int allocate(struct el_report *r, struct el_error *err)
{
    size_t texts = (size_t)r->state.n_texts + 1, rounds = (size_t)r->state.set.rounds;
    size_t cells = EL_TRUTHS * EL_MEASURES * EL_KINDS_OF_SCORE * rounds * (size_t)r->contest.n;
    r->truth = el_alloc_array(texts, sizeof *r->truth);
    r->answer_holds = el_alloc_array(texts, sizeof *r->answer_holds);
    r->votes = el_alloc_array(texts, sizeof *r->votes);
    r->n_votes = el_alloc_array(texts, sizeof *r->n_votes);
    r->values = el_alloc_array(cells, sizeof *r->values);
    r->rounds = el_alloc_array(rounds, sizeof *r->rounds);
    r->pass_at_k = el_alloc_array(32, sizeof *r->pass_at_k);
    if (!r->truth || !r->answer_holds || !r->votes || !r->n_votes || !r->values || !r->rounds ||
        !r->pass_at_k)
        return el_error_set(err, EL_ENOMEM, "out of memory for a report");
    for (size_t i = 0; i < cells; i++)
        r->values[i] = NAN;
    for (size_t i = 0; i < rounds; i++)
        r->rounds[i].answer_error = r->rounds[i].trace_error = (struct el_figure){NAN, NAN, NAN};
    return 0;
}

static int load(struct el_report *r, struct el_store *s, const char *name, struct el_error *err)
{
    el_contest_init(&r->contest);
    int rc = el_run_find(s, name, &r->record, err);
    if (rc == 0)
        rc = el_contest_load(&r->contest, s, r->record.keys, r->record.n_problems, err);
    if (rc == 0)
        rc = el_competition_init(&r->state, &r->record.settings, r->contest.n, err);
    if (rc == 0)
        rc = el_competition_load(&r->state, s, r->record.run.id, &r->contest, err);
    return rc;
}

static int compute(struct el_report *r, struct el_store *s, struct el_error *err)
{
    struct el_figures f = {
        .n_problems = r->contest.n, .resamples = r->resamples, .seed = r->bootstrap_seed};
    int rc = el_report_judge(r, s, &f, err);
    if (rc == 0)
        rc = el_report_score(r, &f, err);
    if (rc == 0)
        rc = el_report_answers(r, &f, err);
    if (rc == 0)
        rc = el_figures_compute(&f, err);
    el_figures_release(&f);
    return rc == 0 ? el_report_count(r, s, err) : rc;
}

int el_report_make(struct el_report *r, struct el_store *s, const char *name,
                   const struct el_report_options *options, struct el_error *err)
{
    static const struct el_report_options defaults;
    const struct el_report_options *o = options ? options : &defaults;
    memset(r, 0, sizeof *r);
    r->resamples = o->resamples > 0 ? o->resamples : 10000;
    r->bootstrap_seed = o->seed;
    int rc = load(r, s, name, err);
    if (rc == 0)
        rc = allocate(r, err);
    if (rc == 0) {
        r->exact = !o->no_oracle && el_contest_is_world(&r->contest);
        rc = compute(r, s, err);
    }
    if (rc < 0)
        el_report_release(r);
    return rc;
}

void el_report_release(struct el_report *r)
{
    el_run_record_release(&r->record);
    el_contest_release(&r->contest);
    el_competition_release(&r->state);
    el_free(r->truth);
    el_free(r->answer_holds);
    el_free(r->votes);
    el_free(r->n_votes);
    el_free(r->values);
    el_free(r->rounds);
    el_free(r->pass_at_k);
    el_tally_release(&r->tally);
    memset(r, 0, sizeof *r);
}

/* ------------------------------------------------------------------------------------- counts */

/* A sequence of n tokens with k keys read of each token's own and earlier ones: pairs in all, and
 * pairs not read. */
static void count_keys(double n, double k, double *all, double *left_out)
{
    *all += n * (n + 1) / 2;
    if (n > k)
        *left_out += (n - k) * (n - k + 1) / 2;
}

static int ascending(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

/* Lengths of the sequences tell what attention read: with k = index_topk, the token at place i
 * reads min(i, k) of its i keys. */
static int count_attention(struct el_report *r, struct el_error *err)
{
    const struct el_competition *c = &r->state;
    int *lengths = el_alloc_array((size_t)c->stored_attempts + 1, sizeof *lengths);
    if (!lengths)
        return el_error_set(err, EL_ENOMEM, "out of memory for a report");
    double all = 0, left_out = 0;
    int n = 0;
    for (int t = 0; t < el_competition_threads(c); t++)
        for (int i = 1; i <= c->threads[t].round; i++) {
            const struct el_attempt *a = el_competition_at(c, t, i);
            lengths[n] = a->prompt_tokens + a->completion_tokens;
            count_keys(lengths[n++], c->set.index_topk, &all, &left_out);
        }
    qsort(lengths, (size_t)n, sizeof *lengths, ascending);
    r->median_length = n ? (lengths[(n - 1) / 2] + lengths[n / 2]) / 2.0 : NAN;
    r->keys_dropped = c->set.index_topk > 0 && all > 0 ? left_out / all : NAN;
    el_free(lengths);
    return 0;
}

enum el_thread_state el_report_thread_state(const struct el_competition *c, int thread)
{
    int round = c->threads[thread].round;
    const struct el_attempt *last = round ? el_competition_at(c, thread, round) : NULL;
    if (last && el_attempt_is_whole(last) && last->halves == EL_SCORE_ONE)
        return EL_THREAD_SOLVED;
    if (round == c->set.rounds)
        return EL_THREAD_SPENT;
    int dropped = el_competition_at(c, thread, round + 1)->dropped;
    int64_t ids[65];
    int n = el_competition_feedback(c, thread, round + 1, 0, ids);
    return dropped >= (n > 1 ? n : 1) ? EL_THREAD_REFUSED : EL_THREAD_NEW;
}

int el_report_count(struct el_report *r, struct el_store *s, struct el_error *err)
{
    const struct el_competition *c = &r->state;
    for (int t = 0; t < el_competition_threads(c); t++) {
        r->threads_by_state[el_report_thread_state(c, t)]++;
        for (int i = 1; i <= c->threads[t].round; i++) {
            r->attempts++;
            r->failures[el_competition_at(c, t, i)->failure]++;
        }
    }
    r->finished = r->record.run.done && r->threads_by_state[EL_THREAD_NEW] == 0;
    for (int x = 0; x < c->n_texts; x++)
        for (int i = 0; i < c->texts[x].cap; i++) {
            int length_class = el_length_class(c->texts[x].bytes);
            r->lengths.asked[length_class] += c->texts[x].votes[i].state != EL_VOTE_NONE;
            r->lengths.dropped[length_class] += c->texts[x].votes[i].state == EL_VOTE_DROPPED;
        }
    int rc = el_tally_load(&r->tally, s, r->record.run.id, err);
    return rc == 0 ? count_attention(r, err) : rc;
}
