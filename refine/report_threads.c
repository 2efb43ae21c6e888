/* The histories: problems, their threads, every attempt with its proof and analyses. */
#include "refine/report_page.h"

#include "core/base/alloc.h"
#include "roles/reply.h"

#include <math.h>
#include <string.h>

struct page {
    const struct el_report *r;
    struct el_store *s;
    struct el_buf *out;
    unsigned char *shown; /* (texts): its votes stand on the page already */
    struct el_error *err;
};

static int memory(struct page *p, int rc)
{
    return rc < 0 ? el_error_set(p->err, rc, "out of memory for the page") : 0;
}

static int put_score(struct el_buf *out, const char *what, int halves)
{
    if (halves < 0)
        return el_buf_printf(out, " %s -", what);
    return el_buf_printf(out, " %s <b class=\"v%d\">%s</b>", what, halves, el_score_text(halves));
}

/* The scores of one attempt: self, exact, votes. */
static int put_scores(const struct el_report *r, const struct el_attempt *a, struct el_buf *out)
{
    int rc = put_score(out, "self-score", a->halves);
    if (a->text < 0)
        return rc == 0 ? el_buf_puts(out, ", no proof") : rc;
    if (rc == 0 && r->exact)
        rc = put_score(out, "truth", r->truth[a->text]);
    const struct el_vote_result *v = &r->votes[a->text];
    if (rc == 0 && r->n_votes[a->text] > 0) {
        rc = put_score(out, "votes", v->halves);
        if (rc == 0)
            rc = el_buf_printf(out,
                               " <span class=\"soft\">(0: %d, 0.5: %d, 1: %d, unparsed: %d)"
                               "</span>",
                               v->count[0], v->count[1], v->count[2], v->unparsed);
    }
    return rc;
}

static int put_analysis(struct page *p, const char *title, int64_t id)
{
    struct el_analysis a;
    int rc = el_store_analysis_get(p->s, id, &a, p->err);
    if (rc < 0)
        return rc;
    rc = el_buf_printf(p->out, "<h5>%s</h5><pre>", title);
    if (rc == 0)
        rc = el_page_text(p->out, a.text);
    if (rc == 0)
        rc = el_buf_puts(p->out, "</pre>");
    el_analysis_release(&a);
    return memory(p, rc);
}

static int put_votes(struct page *p, int text)
{
    const struct el_text *t = &p->r->state.texts[text];
    if (p->r->n_votes[text] == 0)
        return 0;
    if (p->shown[text])
        return memory(p, el_buf_puts(p->out, "<p class=\"soft\">The same text stands above, with "
                                             "its analyses.</p>"));
    p->shown[text] = 1;
    int rc = memory(p, el_buf_printf(p->out,
                                     "<details><summary>%d analyses by the verifier"
                                     "</summary>",
                                     p->r->n_votes[text]));
    for (int i = 0; rc == 0 && i < t->cap; i++)
        if (t->votes[i].state == EL_VOTE_DONE)
            rc = put_analysis(p, el_score_text(t->votes[i].halves), t->votes[i].analysis);
    return rc == 0 ? memory(p, el_buf_puts(p->out, "</details>")) : rc;
}

static int put_proof(struct page *p, const char *statement, int64_t id)
{
    struct el_proof proof;
    int rc = el_store_proof_get(p->s, id, &proof, p->err);
    if (rc < 0)
        return rc;
    rc = el_buf_puts(p->out, "<div><h5>Proof</h5>");
    if (rc == 0 && p->r->exact) {
        rc = el_page_exact_proof(statement, proof.text, p->out);
    } else if (rc == 0) {
        rc = el_buf_puts(p->out, "<pre>");
        if (rc == 0)
            rc = el_page_text(p->out, proof.text);
        if (rc == 0)
            rc = el_buf_puts(p->out, "</pre>");
    }
    if (rc == 0)
        rc = el_buf_puts(p->out, "</div>");
    el_proof_release(&proof);
    return memory(p, rc);
}

/* A failed attempt: what came instead of a proof. */
static int put_reply(struct page *p, const struct el_attempt *a)
{
    struct el_reply_text reply;
    int rc = el_store_result_get(p->s, a->job, -1, &reply, p->err);
    if (rc < 0)
        return rc;
    rc = el_buf_puts(p->out, "<div><h5>Reply</h5><pre>");
    if (rc == 0)
        rc = el_page_text(p->out, reply.text);
    if (rc == 0)
        rc = el_buf_puts(p->out, "</pre></div>");
    el_reply_text_release(&reply);
    return memory(p, rc);
}

static int put_attempt(struct page *p, int problem, const struct el_attempt *a, int round)
{
    int rc = el_buf_printf(p->out, "<h4>Round %d <span class=\"soft\">(%s)</span>", round,
                           a->refined ? "refined" : "fresh");
    if (rc == 0)
        rc = put_scores(p->r, a, p->out);
    if (rc == 0 && a->failure)
        rc =
            el_buf_printf(p->out, ", %s", el_reply_failure_name((enum el_reply_failure)a->failure));
    if (rc == 0)
        rc = el_buf_puts(p->out, "</h4>\n<div class=\"pair\">");
    rc = memory(p, rc);
    if (rc == 0)
        rc = a->text < 0 ? put_reply(p, a)
                         : put_proof(p, p->r->contest.problems[problem].statement, a->proof);
    if (rc == 0 && a->self) {
        rc = memory(p, el_buf_puts(p->out, "<div>"));
        if (rc == 0)
            rc = put_analysis(p, "Self-evaluation", a->self);
        if (rc == 0)
            rc = memory(p, el_buf_puts(p->out, "</div>"));
    }
    if (rc == 0)
        rc = memory(p, el_buf_puts(p->out, "</div>\n"));
    return rc == 0 && a->text >= 0 ? put_votes(p, a->text) : rc;
}

static int put_thread(struct page *p, int problem, int number)
{
    const struct el_competition *c = &p->r->state;
    int thread = problem * c->set.threads + number, rounds = c->threads[thread].round;
    const struct el_attempt *last = el_competition_final(c, thread, rounds);
    int rc = el_buf_printf(p->out, "<details><summary>Thread %d, %d round%s:", number + 1, rounds,
                           rounds == 1 ? "" : "s");
    if (rc == 0)
        rc = last ? put_scores(p->r, last, p->out) : el_buf_puts(p->out, " no proof");
    if (rc == 0)
        rc = el_buf_puts(p->out, "</summary>\n");
    rc = memory(p, rc);
    for (int i = 1; rc == 0 && i <= rounds; i++)
        rc = put_attempt(p, problem, el_competition_at(c, thread, i), i);
    return rc == 0 ? memory(p, el_buf_puts(p->out, "</details>\n")) : rc;
}

static int put_problem_head(struct page *p, int problem)
{
    const struct el_report *r = p->r;
    const struct el_problem *x = &r->contest.problems[problem];
    int truth = r->exact ? EL_TRUTH_EXACT : EL_TRUTH_VOTES;
    int rc = el_buf_puts(p->out, "<details><summary>");
    if (rc == 0)
        rc = el_page_text(p->out, x->set);
    if (rc == 0)
        rc = el_buf_putc(p->out, ' ');
    if (rc == 0)
        rc = el_page_text(p->out, x->external_id);
    double first =
        el_report_value(r, (enum el_truth)truth, EL_MEASURE_PASS, EL_KIND_SHARE, 1, problem);
    double last = el_report_value(r, (enum el_truth)truth, EL_MEASURE_PASS, EL_KIND_SHARE,
                                  r->state.set.rounds, problem);
    if (rc == 0 && !isnan(last))
        rc = isnan(first) ? el_buf_printf(p->out, ": %.0f%% of the threads score 1", 100 * last)
                          : el_buf_printf(p->out,
                                          ": %.0f%% of the threads score 1, %.0f%% in "
                                          "round 1",
                                          100 * last, 100 * first);
    if (rc == 0)
        rc = el_buf_puts(p->out, "</summary>\n<pre>");
    if (rc == 0)
        rc = el_page_text(p->out, x->statement);
    return memory(p, rc == 0 ? el_buf_puts(p->out, "</pre>\n") : rc);
}

static int put_problem(struct page *p, int problem)
{
    int rc = put_problem_head(p, problem);
    for (int i = 0; rc == 0 && i < p->r->state.set.threads; i++)
        rc = put_thread(p, problem, i);
    return rc == 0 ? memory(p, el_buf_puts(p->out, "</details>\n")) : rc;
}

/* About how many bytes all histories take: texts, their self-evaluations of about the same length,
 * analyses, and markup. */
static double estimate(const struct el_report *r)
{
    const struct el_competition *c = &r->state;
    double bytes = 0;
    for (int t = 0; t < el_competition_threads(c); t++)
        for (int i = 1; i <= c->threads[t].round; i++) {
            int text = el_competition_at(c, t, i)->text;
            bytes += 600 + (text < 0 ? 2000.0 : 2.5 * (double)c->texts[text].bytes);
        }
    for (int x = 0; x < c->n_texts; x++)
        bytes += r->n_votes[x] * (60 + 1.2 * (double)c->texts[x].bytes);
    return bytes;
}

int el_page_problems(const struct el_report *r, struct el_store *s, size_t max_bytes,
                     struct el_buf *out, struct el_error *err)
{
    struct page p = {.r = r, .s = s, .out = out, .err = err};
    double all = estimate(r);
    int stride = all > (double)max_bytes ? (int)ceil(all / (double)max_bytes) : 1;
    p.shown = el_alloc_array((size_t)r->state.n_texts + 1, 1);
    if (!p.shown)
        return memory(&p, EL_ENOMEM);
    int rc = el_buf_puts(out, "<h2>Problems</h2>\n");
    if (rc == 0 && stride > 1)
        rc = el_buf_printf(out,
                           "<p>This page holds every %dth problem, %d of %d: all histories would "
                           "take about %.0f MB.</p>\n",
                           stride, (r->contest.n + stride - 1) / stride, r->contest.n, all / 1e6);
    rc = memory(&p, rc);
    for (int i = 0; rc == 0 && i < r->contest.n; i += stride)
        rc = put_problem(&p, i);
    el_free(p.shown);
    return rc;
}
