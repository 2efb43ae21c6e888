#include "training/rl/role_eval.h"

#include "core/base/alloc.h"
#include "data/world.h"
#include "refine/metrics.h"
#include "training/rl/ask.h"

#include <math.h>
#include <string.h>

/* One item of a data set, and the replies to it. */
struct question {
    const struct el_dataset_item *item;
    enum el_role role;
    int left_out; /* it does not fit the model */
    int problem;  /* number in 0..problems-1 */
    struct el_buf prompt;
};

struct bench {
    const struct el_role_eval *e;
    struct question *q;
    int n, room, problems;
    double *num, *den; /* (EL_ROLE_METRICS, problems) */
    struct el_reply_parser *parser;
    struct el_role_report *out;
};

/* ---- Questions ---- */

static int add_question(struct bench *b, const struct el_dataset_item *x, enum el_role role,
                        struct el_error *err)
{
    struct question *q = &b->q[b->n++];
    *q = (struct question){.item = x, .role = role};
    el_buf_init(&q->prompt);
    const struct el_role_input in = {.statement = el_slice_str(x->statement),
                                     .proof = el_slice_str(x->proof),
                                     .analysis = el_slice_str(x->analysis ? x->analysis : "")};
    return el_role_prompt(role, b->e->prompts, &in, &q->prompt, err);
}

static size_t chosen(const struct bench *b, const struct el_dataset *d)
{
    size_t limit = (size_t)b->e->limit;
    return !d ? 0 : limit && limit < d->n ? limit : d->n;
}

static int add_set(struct bench *b, const struct el_dataset *d, enum el_role role,
                   struct el_error *err)
{
    size_t n = chosen(b, d);
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = add_question(b, &d->item[i * d->n / n], role, err);
    return rc;
}

static int same_problem(const struct question *q, const struct question *x)
{
    return !q->left_out && strcmp(q->item->problem_key, x->item->problem_key) == 0;
}

/* Equal problems of both sets are one problem of the bootstrap. */
static void number_problems(struct bench *b)
{
    for (int i = 0; i < b->n; i++) {
        int k = i;
        if (b->q[i].left_out)
            continue;
        while (k > 0 && !same_problem(&b->q[k - 1], &b->q[i]))
            k--;
        b->q[i].problem = k > 0 ? b->q[k - 1].problem : b->problems++;
    }
}

/* ---- Counting ---- */

static void count(struct bench *b, int problem, int metric, double hit, double of)
{
    int64_t at = (int64_t)metric * b->problems + problem;
    b->num[at] += hit;
    b->den[at] += of;
}

static void count_scores(struct bench *b, const struct question *q, int said, int first)
{
    int right = said == q->item->halves;
    count(b, q->problem, first, said != EL_SCORE_NONE, 1);
    count(b, q->problem, first + 1, right, 1);
    count(b, q->problem, first + 2 + q->item->halves, right, 1);
}

static void count_analysis(struct bench *b, const struct question *q, int said,
                           struct el_slice analysis)
{
    struct el_world_problem p;
    struct el_world_report truth;
    struct el_world_review v = {0};
    int bad = q->item->halves < EL_SCORE_ONE;
    count_scores(b, q, said, EL_ROLE_V_FORMAT);
    count(b, q->problem, EL_ROLE_V_PASSED_BAD, bad && said == EL_SCORE_ONE, bad);
    if (el_world_problem_parse(q->item->statement, strlen(q->item->statement), &p, NULL) < 0)
        return;
    el_world_judge_proof(&p, q->item->proof, strlen(q->item->proof), &truth);
    v.missed = truth.n_defects;
    if (said != EL_SCORE_NONE)
        el_world_judge_analysis(&truth, analysis.data, analysis.len, &v);
    count(b, q->problem, EL_ROLE_V_QUALITY, v.ms, 1);
    count(b, q->problem, EL_ROLE_V_QUALITY_BAD, bad ? v.ms : 0, bad);
    count(b, q->problem, EL_ROLE_V_RECALL, bad ? truth.n_defects - v.missed : 0,
          bad ? truth.n_defects : 0);
    count(b, q->problem, EL_ROLE_V_INVENTED, v.invented > 0, 1);
}

static void count_rating(struct bench *b, const struct question *q, int said)
{
    int bad = q->item->halves < EL_SCORE_ONE;
    int low = said != EL_SCORE_NONE && said < EL_SCORE_ONE;
    count_scores(b, q, said, EL_ROLE_M_FORMAT);
    count(b, q->problem, EL_ROLE_M_CAUGHT, bad && low, bad);
    count(b, q->problem, EL_ROLE_M_FALSE_ALARM, !bad && low, !bad);
}

static int take(struct bench *b, const struct question *q, const struct el_completion *c,
                struct el_error *err)
{
    struct el_reply reply = {.failure = EL_REPLY_EMPTY};
    struct el_reply_context ctx = {
        c->finish == EL_FINISH_LENGTH ? EL_REPLY_CUT_OFF : EL_REPLY_ENDED, 0};
    int rc = el_role_parse(q->role, b->parser, c->text, c->text_len, &ctx, &reply, err);
    int said = reply.failure == EL_REPLY_OK ? reply.halves : EL_SCORE_NONE;
    if (q->role == EL_ROLE_VERIFIER) {
        b->out->analyses++;
        count_analysis(b, q, said, el_reply_slice(reply.analysis, c->text));
    } else {
        b->out->ratings++;
        count_rating(b, q, said);
    }
    return rc;
}

/* ---- Asking ---- */

static uint64_t key_of(const struct bench *b, const struct question *q, int sample)
{
    struct el_digest d;
    el_digest_init(&d);
    el_digest_str(&d, "role-eval");
    el_digest_str(&d, b->e->backend->digest);
    el_digest_u64(&d, b->e->seed);
    el_digest_u64(&d, (uint64_t)q->role);
    el_digest_str(&d, q->item->proof_key);
    el_digest_str(&d, q->item->analysis_key);
    el_digest_u64(&d, (uint64_t)sample);
    return el_digest_key(&d);
}

/* A verdict that the context would cut off says nothing of the judge. */
static void prepare(const struct bench *b, struct el_rl_ask *asks)
{
    int samples = b->e->samples;
    for (int i = 0; i < b->n * samples; i++)
        asks[i] = (struct el_rl_ask){.prompt = b->q[i / samples].prompt.data,
                                     .sampling = b->e->sampling,
                                     .key = key_of(b, &b->q[i / samples], i % samples),
                                     .full = 1};
}

/* All samples of a question have one prompt, which fits or not. */
static int leave_out(struct bench *b, const struct el_rl_ask *asks, struct el_error *err)
{
    struct el_role_report *r = b->out;
    for (int i = 0; i < b->n; i++) {
        struct question *q = &b->q[i];
        enum el_dataset_what what = q->role == EL_ROLE_VERIFIER ? EL_DATASET_DV : EL_DATASET_DMV;
        q->left_out = asks[i * b->e->samples].out.finish == EL_FINISH_REFUSED;
        r->too_long[what] += q->left_out;
        r->asked[what] += !q->left_out;
    }
    if (r->asked[EL_DATASET_DV] + r->asked[EL_DATASET_DMV] > 0)
        return 0;
    return el_error_set(err, EL_ENOTFOUND,
                        "none of %d proofs and analyses fits the model: it takes %d tokens, of "
                        "which %d are kept for the reply",
                        b->n, b->e->backend->context_limit, b->e->sampling.max_tokens);
}

static int count_all(struct bench *b, const struct el_rl_ask *asks, struct el_error *err)
{
    int samples = b->e->samples, rc = 0;
    number_problems(b);
    b->out->problems = b->problems;
    size_t cells = (size_t)EL_ROLE_METRICS * (size_t)b->problems;
    b->num = el_alloc_array(cells, sizeof *b->num);
    b->den = el_alloc_array(cells, sizeof *b->den);
    if (!b->num || !b->den)
        return el_error_set(err, EL_ENOMEM, "out of memory for counts");
    for (int i = 0; i < b->n * samples && rc == 0; i++)
        if (!b->q[i / samples].left_out)
            rc = take(b, &b->q[i / samples], &asks[i].out, err);
    return rc;
}

static int ask(struct bench *b, struct el_error *err)
{
    int n = b->n * b->e->samples;
    struct el_rl_ask *asks = el_alloc_array((size_t)n, sizeof *asks);
    if (!asks)
        return el_error_set(err, EL_ENOMEM, "out of memory for %d questions", n);
    prepare(b, asks);
    int rc = el_rl_ask_all(b->e->backend, asks, n, b->e->progress, err);
    if (rc == 0)
        rc = leave_out(b, asks, err);
    if (rc == 0)
        rc = count_all(b, asks, err);
    for (int i = 0; i < n; i++)
        el_completion_release(&asks[i].out);
    el_free(asks);
    return rc;
}

/* ---- Intervals ---- */

static double ratio(const struct bench *b, int metric)
{
    double num = 0, den = 0;
    for (int i = 0; i < b->problems; i++) {
        num += b->num[(int64_t)metric * b->problems + i];
        den += b->den[(int64_t)metric * b->problems + i];
    }
    return den > 0 ? num / den : NAN;
}

/* The mean of the classes that occur, of the values themselves or of one resample. */
static double balanced(const double *of_class, int64_t stride)
{
    double sum = 0;
    int n = 0;
    for (int k = 0; k < 3; k++)
        if (!isnan(of_class[k * stride])) {
            sum += of_class[k * stride];
            n++;
        }
    return n ? sum / n : NAN;
}

static void set_balanced(const struct el_role_report *r, double *rep, int resamples, int first,
                         double *scratch, struct el_role_value *out)
{
    const double of_class[3] = {r->metric[first].value, r->metric[first + 1].value,
                                r->metric[first + 2].value};
    for (int i = 0; i < resamples; i++)
        scratch[i] = balanced(rep + (int64_t)first * resamples + i, resamples);
    out->value = balanced(of_class, 1);
    el_percentile_interval(scratch, resamples, 0.95, &out->lo, &out->hi);
}

static int intervals(struct bench *b, struct el_error *err)
{
    int n = b->e->resamples;
    struct el_role_report *r = b->out;
    double *rep = el_alloc_array((size_t)(EL_ROLE_METRICS + 1) * (size_t)n, sizeof *rep);
    if (!rep)
        return el_error_set(err, EL_ENOMEM, "out of memory for intervals");
    int rc = el_bootstrap(b->num, b->den, EL_ROLE_METRICS, b->problems, n, b->e->seed, rep, err);
    double *scratch = rep + (int64_t)EL_ROLE_METRICS * n;
    for (int k = 0; k < EL_ROLE_METRICS; k++)
        r->metric[k].value = ratio(b, k);
    if (rc == 0) {
        set_balanced(r, rep, n, EL_ROLE_V_CLASS_0, scratch, &r->verifier_balanced);
        set_balanced(r, rep, n, EL_ROLE_M_CLASS_0, scratch, &r->meta_balanced);
        for (int k = 0; k < EL_ROLE_METRICS; k++)
            el_percentile_interval(rep + (int64_t)k * n, n, 0.95, &r->metric[k].lo,
                                   &r->metric[k].hi);
    }
    el_free(rep);
    return rc;
}

static int measure(struct bench *b, struct el_error *err)
{
    int rc = add_set(b, b->e->dv, EL_ROLE_VERIFIER, err);
    if (rc == 0)
        rc = add_set(b, b->e->dmv, EL_ROLE_META_VERIFIER, err);
    if (rc == 0)
        rc = ask(b, err);
    return rc == 0 ? intervals(b, err) : rc;
}

int el_role_eval(const struct el_role_eval *e, struct el_role_report *out, struct el_error *err)
{
    struct bench b = {.e = e, .out = out};
    *out = (struct el_role_report){.samples = e->samples};
    size_t n = chosen(&b, e->dv) + chosen(&b, e->dmv);
    if (n == 0 || e->samples < 1 || e->resamples < 1)
        return el_error_set(err, EL_EINVAL,
                            "nothing to ask, or no samples, or no resamples: at least 1 each");
    b.q = el_alloc_array(n, sizeof *b.q);
    int rc = b.q ? el_reply_parser_create(&b.parser, err)
                 : el_error_set(err, EL_ENOMEM, "out of memory for questions");
    if (rc == 0)
        rc = measure(&b, err);
    for (int i = 0; i < b.n; i++)
        el_buf_release(&b.q[i].prompt);
    el_free(b.q);
    el_free(b.num);
    el_free(b.den);
    el_reply_parser_free(b.parser);
    return rc;
}

/* ---- Output ---- */

const char *el_role_metric_name(int metric)
{
    static const char *const names[EL_ROLE_METRICS] = {
        "verifier/format",          "verifier/accuracy",           "verifier/accuracy_0",
        "verifier/accuracy_half",   "verifier/accuracy_1",         "verifier/quality",
        "verifier/quality_flawed",  "verifier/defect_recall",      "verifier/invented",
        "verifier/flawed_passed",   "meta_verifier/format",        "meta_verifier/accuracy",
        "meta_verifier/accuracy_0", "meta_verifier/accuracy_half", "meta_verifier/accuracy_1",
        "meta_verifier/caught",     "meta_verifier/false_alarm"};
    return names[metric];
}

/* A class that is in no resample has no interval. */
static int put_line(struct el_buf *out, const char *name, const struct el_role_value *v, int json)
{
    if (isnan(v->value))
        return 0;
    if (json && (isnan(v->lo) || isnan(v->hi)))
        return el_buf_printf(out, ",\"%s\":{\"value\":%.6g,\"lo\":null,\"hi\":null}", name,
                             v->value);
    return el_buf_printf(out,
                         json ? ",\"%s\":{\"value\":%.6g,\"lo\":%.6g,\"hi\":%.6g}"
                              : "  %-28s %.3f  [%.3f, %.3f]\n",
                         name, v->value, v->lo, v->hi);
}

static int put_all(const struct el_role_report *r, struct el_buf *out, int json)
{
    int rc = 0;
    for (int k = 0; k < EL_ROLE_METRICS && rc == 0; k++) {
        rc = put_line(out, el_role_metric_name(k), &r->metric[k], json);
        if (rc == 0 && k == EL_ROLE_V_ACCURACY)
            rc = put_line(out, "verifier/balanced_accuracy", &r->verifier_balanced, json);
        if (rc == 0 && k == EL_ROLE_M_ACCURACY)
            rc = put_line(out, "meta_verifier/balanced_accuracy", &r->meta_balanced, json);
    }
    return rc;
}

int el_role_report_left_out(const struct el_role_report *r, struct el_buf *out)
{
    int rc = 0;
    for (int what = 0; what < 2 && rc == 0; what++)
        if (r->too_long[what])
            rc = el_buf_printf(out, "%s: %lld items; left out: %lld as too long for the model\n",
                               el_dataset_name((enum el_dataset_what)what),
                               (long long)r->asked[what], (long long)r->too_long[what]);
    return rc;
}

int el_role_report_asked(const struct el_role_report *r, struct el_buf *out)
{
    long long proofs = r->asked[EL_DATASET_DV], analyses = r->asked[EL_DATASET_DMV];
    int rc =
        el_buf_printf(out, "%lld proof%s to judge and %lld %s to rate over %d problem%s", proofs,
                      proofs == 1 ? "" : "s", analyses, analyses == 1 ? "analysis" : "analyses",
                      r->problems, r->problems == 1 ? "" : "s");
    return rc == 0 && r->samples > 1 ? el_buf_printf(out, ", %d replies to each", r->samples) : rc;
}

int el_role_report_text(const struct el_role_report *r, struct el_buf *out)
{
    int rc = el_role_report_asked(r, out);
    if (rc == 0)
        rc = el_buf_puts(out, "; 95% intervals, bootstrap over problems.\nA reply without a legal "
                              "score is wrong and of quality 0.\n");
    if (rc == 0)
        rc = el_role_report_left_out(r, out);
    return rc == 0 ? put_all(r, out, 0) : rc;
}

int el_role_report_json(const struct el_role_report *r, struct el_buf *out)
{
    int rc = el_buf_printf(
        out,
        "{\"problems\":%d,\"proofs_to_judge\":%lld,\"proofs_too_long\":%lld,"
        "\"analyses_to_rate\":%lld,\"analyses_too_long\":%lld,\"analyses\":%lld,\"ratings\":%lld",
        r->problems, (long long)r->asked[EL_DATASET_DV], (long long)r->too_long[EL_DATASET_DV],
        (long long)r->asked[EL_DATASET_DMV], (long long)r->too_long[EL_DATASET_DMV],
        (long long)r->analyses, (long long)r->ratings);
    if (rc == 0)
        rc = put_all(r, out, 1);
    return rc == 0 ? el_buf_puts(out, "}\n") : rc;
}
