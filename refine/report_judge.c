/* Exact truth: the small world's oracle over every proof and every analysis. */
#include "refine/report_parts.h"

#include "core/base/alloc.h"
#include "data/world.h"

#include <string.h>

enum row {
    ROW_HIT,
    ROW_RECALL0, /* .. ROW_RECALL0 + 2 */
    ROW_INVENTED = ROW_RECALL0 + 3,
    ROW_DEFECTS,
    ROW_QUALITY,
    ROWS
};

/* Sums by problem for one judge: num, den (ROWS, problems). */
struct tally {
    double *num, *den;
    int n_problems;
    int64_t by_truth[3];
};

static void add(struct tally *t, enum row row, int problem, double num, double den)
{
    t->num[(int)row * t->n_problems + problem] += num;
    t->den[(int)row * t->n_problems + problem] += den;
}

/* One analysis with a score: what it says against what is so. */
static void judge(struct tally *t, int problem, const struct el_world_report *proof, int halves,
                  const char *text)
{
    struct el_world_review v;
    int truth = el_score_from_value(proof->score);
    el_world_judge_analysis(proof, text, strlen(text), &v);
    t->by_truth[truth]++;
    add(t, ROW_HIT, problem, halves == truth, 1);
    add(t, (enum row)(ROW_RECALL0 + truth), problem, halves == truth, 1);
    add(t, ROW_INVENTED, problem, v.invented > 0, 1);
    add(t, ROW_DEFECTS, problem, proof->n_defects - v.missed, proof->n_defects);
    add(t, ROW_QUALITY, problem, v.ms, 1);
}

static int judge_stored(struct tally *t, struct el_store *s, int problem,
                        const struct el_world_report *proof, int halves, int64_t analysis,
                        struct el_error *err)
{
    struct el_analysis a;
    int rc = el_store_analysis_get(s, analysis, &a, err);
    if (rc < 0)
        return rc;
    judge(t, problem, proof, halves, a.text);
    el_analysis_release(&a);
    return 0;
}

struct work {
    struct el_report *r;
    struct el_store *s;
    struct el_world_problem *problems;
    struct el_world_report *proof;
    struct tally verifier, self;
    double *claimed, *wrong; /* (problems) */
};

static int judge_proof(struct work *w, int text, struct el_error *err)
{
    struct el_report *r = w->r;
    struct el_text *t = &r->state.texts[text];
    struct el_proof p;
    int rc = el_store_proof_get(w->s, t->proof, &p, err);
    if (rc < 0)
        return rc;
    el_world_judge_proof(&w->problems[t->problem], p.text, strlen(p.text), w->proof);
    el_proof_release(&p);
    r->truth[text] = (signed char)el_score_from_value(w->proof->score);
    r->answer_holds[text] = (signed char)el_world_answer_holds(&w->problems[t->problem], w->proof);
    for (int i = 0; rc == 0 && i < t->cap; i++)
        if (t->votes[i].state == EL_VOTE_DONE)
            rc = judge_stored(&w->verifier, w->s, t->problem, w->proof, t->votes[i].halves,
                              t->votes[i].analysis, err);
    return rc;
}

/* Self-analyses, in the order of the attempts. */
static int judge_attempt(struct work *w, int thread, const struct el_attempt *a,
                         struct el_error *err)
{
    if (a->text < 0 || a->halves < 0 || !a->self)
        return 0;
    int problem = thread / w->r->state.set.threads;
    struct el_proof p;
    int rc = el_store_proof_get(w->s, a->proof, &p, err);
    if (rc < 0)
        return rc;
    el_world_judge_proof(&w->problems[problem], p.text, strlen(p.text), w->proof);
    el_proof_release(&p);
    if (w->proof->score < 1) {
        w->wrong[problem]++;
        w->claimed[problem] += a->halves == EL_SCORE_ONE;
        w->r->over_claim_n++;
    }
    return judge_stored(&w->self, w->s, problem, w->proof, a->halves, a->self, err);
}

static int judge_all(struct work *w, struct el_error *err)
{
    const struct el_competition *c = &w->r->state;
    int rc = 0;
    for (int p = 0; rc == 0 && p < w->r->contest.n; p++) {
        const char *text = w->r->contest.problems[p].statement;
        rc = el_world_problem_parse(text, strlen(text), &w->problems[p], err);
    }
    for (int x = 0; rc == 0 && x < c->n_texts; x++)
        rc = judge_proof(w, x, err);
    for (int t = 0; rc == 0 && t < el_competition_threads(c); t++)
        for (int i = 1; rc == 0 && i <= c->threads[t].round; i++)
            rc = judge_attempt(w, t, el_competition_at(c, t, i), err);
    return rc;
}

static int add_figures(const struct tally *t, struct el_figures *f, struct el_judge_report *out,
                       struct el_error *err)
{
    struct el_figure *const to[ROWS] = {&out->accuracy,  &out->recall[0], &out->recall[1],
                                        &out->recall[2], &out->invented,  &out->defect_recall,
                                        &out->quality};
    for (int i = 0; i < ROWS; i++)
        if (el_figures_add(f, t->num + i * t->n_problems, t->den + i * t->n_problems, to[i]) < 0)
            return el_error_set(err, EL_ENOMEM, "out of memory for a report");
    for (int i = 0; i < 3; i++)
        out->analyses += out->by_truth[i] = t->by_truth[i];
    return el_figures_mean_of(f, t->num + ROW_RECALL0 * t->n_problems,
                              t->den + ROW_RECALL0 * t->n_problems, 3, &out->balanced, err);
}

static int judge_exactly(struct work *w, double *block, struct el_figures *f, struct el_error *err)
{
    int n = w->r->contest.n;
    double *at = block;
    struct tally *const tallies[] = {&w->verifier, &w->self};
    for (int i = 0; i < 2; i++, at += 2 * ROWS * n)
        *tallies[i] = (struct tally){.num = at, .den = at + ROWS * n, .n_problems = n};
    w->claimed = at;
    w->wrong = at + n;
    int rc = judge_all(w, err);
    if (rc == 0)
        rc = add_figures(&w->verifier, f, &w->r->verifier, err);
    if (rc == 0)
        rc = add_figures(&w->self, f, &w->r->self, err);
    if (rc == 0 && el_figures_add(f, w->claimed, w->wrong, &w->r->over_claim) < 0)
        rc = el_error_set(err, EL_ENOMEM, "out of memory for a report");
    return rc;
}

int el_report_judge(struct el_report *r, struct el_store *s, struct el_figures *f,
                    struct el_error *err)
{
    memset(r->truth, EL_SCORE_NONE, (size_t)r->state.n_texts);
    if (!r->exact)
        return 0;
    size_t n = (size_t)r->contest.n;
    struct work w = {.r = r, .s = s};
    double *block = el_alloc_array((4 * ROWS + 2) * n, sizeof *block);
    w.problems = el_alloc_array(n, sizeof *w.problems);
    w.proof = el_alloc(sizeof *w.proof);
    int rc = block && w.problems && w.proof
                 ? judge_exactly(&w, block, f, err)
                 : el_error_set(err, EL_ENOMEM, "out of memory for a report");
    el_free(block);
    el_free(w.problems);
    el_free(w.proof);
    return rc;
}
