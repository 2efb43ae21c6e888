#include "data/world_parts.h"

#include "core/base/alloc.h"
#include "core/base/digest.h"

#include <string.h>

/* ---- Templates ---- */

int el_world_fill(const char *tmpl, const char *statement, const char *proof, const char *analysis,
                  struct el_buf *out)
{
    const struct {
        const char *name, *value;
    } fields[] = {{"{statement}", statement}, {"{proof}", proof}, {"{analysis}", analysis}};
    while (*tmpl) {
        size_t skip = 0;
        int rc = 0;
        for (size_t i = 0; i < 3 && *tmpl == '{' && !skip; i++) {
            size_t n = strlen(fields[i].name);
            if (!fields[i].value || strncmp(tmpl, fields[i].name, n) != 0)
                continue;
            const char *text = fields[i].value;
            size_t len = strlen(text);
            el_world_trim(&text, &len);
            rc = el_buf_add(out, text, len);
            skip = n;
        }
        if (!skip) {
            rc = el_buf_putc(out, *tmpl);
            skip = 1;
        }
        if (rc < 0)
            return rc;
        tmpl += skip;
    }
    return 0;
}

/* ---- Mixture ---- */

const char *el_example_kind_name(int kind)
{
    static const char *const names[EL_EXAMPLE_KINDS] = {"generate", "verify", "meta", "refine",
                                                        "drill"};
    return kind >= 0 && kind < EL_EXAMPLE_KINDS ? names[kind] : NULL;
}

void el_world_mix_init(struct el_world_mix *m, const struct el_world_prompts *prompts)
{
    *m = (struct el_world_mix){
        .prompts = *prompts,
        .share = {[EL_EXAMPLE_GENERATE] = 0.22,
                  [EL_EXAMPLE_VERIFY] = 0.14,
                  [EL_EXAMPLE_META] = 0.08,
                  [EL_EXAMPLE_REFINE] = 0.20,
                  [EL_EXAMPLE_DRILL] = 0.36},
        .verify_score = {0.4, 0.2, 0.4},
        .meta_score = {0.25, 0.3, 0.45},
        .generate_flawed = 0.3,
        .generate_minor = 0.04,
        .refine_minor = 0.12,
        .refine_flawed = 0.25,
        .refine_checked = -1,
        .refine_retry = -1,
        .retry_loss = 1,
        .drill_witness = 0.5,
        .drill_lines = 24,
    };
}

static int check_weights(const char *name, const double *w, int n, struct el_error *err)
{
    double sum = 0;
    for (int i = 0; i < n; i++) {
        if (!(w[i] >= 0 && w[i] <= 1e6))
            return el_error_set(err, EL_EINVAL, "%s[%d] is %g, expected a weight of 0 or more",
                                name, i, w[i]);
        sum += w[i];
    }
    return sum > 0 ? 0 : el_error_set(err, EL_EINVAL, "%s: all weights are 0", name);
}

int el_world_mix_check(const struct el_world_mix *m, struct el_error *err)
{
    int rc = check_weights("share", m->share, EL_EXAMPLE_KINDS, err);
    if (rc == 0)
        rc = check_weights("verify_score", m->verify_score, 3, err);
    if (rc == 0)
        rc = check_weights("meta_score", m->meta_score, 3, err);
    const struct {
        const char *name;
        double value;
    } parts[] = {{"generate_flawed", m->generate_flawed},
                 {"generate_minor", m->generate_minor},
                 {"refine_minor", m->refine_minor},
                 {"refine_flawed", m->refine_flawed},
                 {"checked", m->checked},
                 {"false_start", m->false_start},
                 {"retry", m->retry},
                 {"retry_loss", m->retry_loss},
                 {"unlisted", m->unlisted},
                 {"reused", m->reused},
                 {"crowded", m->crowded},
                 {"even_flaws", m->even_flaws},
                 {"drill_witness", m->drill_witness},
                 {"drill_list", m->drill_list}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0] && rc == 0; i++)
        if (!(parts[i].value >= 0 && parts[i].value <= 1))
            rc = el_error_set(err, EL_EINVAL, "%s is %g, expected 0 to 1", parts[i].name,
                              parts[i].value);
    const struct {
        const char *name;
        double value;
    } refined[] = {{"refine_checked", m->refine_checked}, {"refine_retry", m->refine_retry}};
    for (size_t i = 0; i < sizeof refined / sizeof refined[0] && rc == 0; i++)
        if (refined[i].value != -1 && !(refined[i].value >= 0 && refined[i].value <= 1))
            rc = el_error_set(err, EL_EINVAL, "%s is %g, expected 0 to 1, or -1", refined[i].name,
                              refined[i].value);
    if (rc == 0 && m->history != 0 && m->history != 1)
        rc = el_error_set(err, EL_EINVAL, "history is %d, expected 0 or 1", m->history);
    if (rc == 0 && (m->look_up < 0 || m->look_up > 3))
        rc = el_error_set(err, EL_EINVAL, "look_up is %d, expected 0 to 3", m->look_up);
    if (rc == 0 && (m->drill_lines < 1 || m->drill_lines > EL_EXAMPLE_SPANS))
        rc = el_error_set(err, EL_EINVAL, "drill_lines is %d, expected 1 to %d", m->drill_lines,
                          EL_EXAMPLE_SPANS);
    if (rc == 0 &&
        (!m->prompts.generate || !m->prompts.verify || !m->prompts.meta || !m->prompts.refine))
        rc = el_error_set(err, EL_EINVAL, "a prompt template is missing");
    return rc;
}

/* ---- Examples ---- */

void el_example_init(struct el_example *e)
{
    memset(e, 0, sizeof *e);
}

void el_example_release(struct el_example *e)
{
    el_free(e->prompt);
    el_free(e->completion);
    el_example_init(e);
}

static int choose(const double *weight, int n, struct el_rng *rng)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += weight[i];
    double u = el_rng_uniform(rng) * sum;
    int last = 0;
    for (int i = 0; i < n; i++) {
        if (weight[i] <= 0)
            continue;
        last = i;
        if (u < weight[i])
            return i;
        u -= weight[i];
    }
    return last;
}

void el_world_parts_init(struct el_world_parts *w)
{
    el_buf_init(&w->statement);
    el_buf_init(&w->proof);
    el_buf_init(&w->analysis);
    el_buf_init(&w->prompt);
    el_buf_init(&w->completion);
}

void el_world_parts_release(struct el_world_parts *w)
{
    el_buf_release(&w->statement);
    el_buf_release(&w->proof);
    el_buf_release(&w->analysis);
    el_buf_release(&w->prompt);
    el_buf_release(&w->completion);
}

int el_world_no_memory(struct el_error *err)
{
    return el_error_set(err, EL_ENOMEM, "out of memory for a training example");
}

int el_world_finish(struct el_world_parts *w, enum el_example_kind kind, size_t loss_from,
                    double label, struct el_example *out, struct el_error *err)
{
    size_t n = w->completion.len;
    out->kind = kind;
    out->label = label;
    out->prompt = el_buf_detach(&w->prompt);
    out->completion = el_buf_detach(&w->completion);
    if (!out->prompt || !out->completion) {
        el_example_release(out);
        return el_world_no_memory(err);
    }
    out->n_loss = 1;
    out->loss[0].begin = loss_from;
    out->loss[0].end = n;
    return 0;
}

/* Completes a generator's reply: proof and true self-evaluation. *self is where the analysis
 * begins. */
int el_world_put_reply(struct el_world_parts *w, const char *proof, size_t n,
                       const struct el_world_report *r, size_t *self, struct el_error *err)
{
    struct el_buf *c = &w->completion;
    if (el_buf_puts(c, EL_WORLD_SOLUTION) < 0 || el_buf_add(c, proof, n) < 0 ||
        el_buf_puts(c, EL_WORLD_SELF) < 0)
        return el_world_no_memory(err);
    *self = c->len;
    return el_world_analysis_true(r, c) < 0 ? el_world_no_memory(err) : 0;
}

void el_world_judge_for_mix(const struct el_world_mix *m, const struct el_world_problem *p,
                            const char *proof, size_t n, struct el_world_report *r)
{
    el_world_judge_proof(p, proof, n, r);
    r->look_up = m->look_up;
}

/* A random proof with the score, in the mixture's style, into w. */
static int draw_proof(const struct el_world_mix *m, const struct el_world_problem *p, double score,
                      struct el_rng *rng, struct el_world_parts *w, struct el_error *err)
{
    struct el_world_style style;
    el_world_style_draw(m->checked, m->false_start, m->retry, rng, &style);
    style.unlisted = m->unlisted;
    style.reused = m->reused;
    style.history = m->history;
    style.even = m->even_flaws;
    return el_world_proof_with_score(p, score, &style, rng, &w->proof, err);
}

static int generate(const struct el_world_mix *m, const struct el_world_problem *p,
                    struct el_rng *rng, struct el_world_parts *w, struct el_example *out,
                    struct el_error *err)
{
    double u = el_rng_uniform(rng);
    double score = u < m->generate_flawed                       ? 0
                   : u < m->generate_flawed + m->generate_minor ? 0.5
                                                                : 1;
    struct el_world_report r;
    size_t self = 0;
    int rc = draw_proof(m, p, score, rng, w, err);
    if (rc < 0)
        return rc;
    el_world_judge_for_mix(m, p, w->proof.data, w->proof.len, &r);
    rc = el_world_put_reply(w, w->proof.data, w->proof.len, &r, &self, err);
    if (rc < 0)
        return rc;
    if (el_world_fill(m->prompts.generate, w->statement.data, NULL, NULL, &w->prompt) < 0)
        return el_world_no_memory(err);
    rc = el_world_finish(w, EL_EXAMPLE_GENERATE, r.score > 0 ? 0 : self, r.score, out, err);
    if (rc == 0)
        el_world_unlearn(m, w->proof.data, w->proof.len, m->retry > 0, NULL, rng, out);
    return rc;
}

static int verify(const struct el_world_mix *m, const struct el_world_problem *p,
                  struct el_rng *rng, struct el_world_parts *w, struct el_example *out,
                  struct el_error *err)
{
    struct el_world_report r;
    double score = 0.5 * choose(m->verify_score, 3, rng);
    int rc = draw_proof(m, p, score, rng, w, err);
    if (rc < 0)
        return rc;
    el_world_judge_for_mix(m, p, w->proof.data, w->proof.len, &r);
    if (el_world_analysis_true(&r, &w->completion) < 0 ||
        el_world_fill(m->prompts.verify, w->statement.data, w->proof.data, NULL, &w->prompt) < 0)
        return el_world_no_memory(err);
    return el_world_finish(w, EL_EXAMPLE_VERIFY, 0, r.score, out, err);
}

/* A random proof and an analysis of it, meant for ms, that v reviews; ms < 0: of many issues. */
static int draw_analysis(const struct el_world_mix *m, const struct el_world_problem *p, double ms,
                         struct el_rng *rng, struct el_world_parts *w, struct el_world_report *r,
                         struct el_world_review *v, struct el_error *err)
{
    uint32_t u = el_rng_below(rng, 100);
    struct el_error impossible = {0};
    *v = (struct el_world_review){.ms = -1};
    el_world_cut(&w->proof, 0);
    el_world_cut(&w->analysis, 0);
    int rc = draw_proof(m, p, u < 60 ? 0 : u < 80 ? 0.5 : 1, rng, w, err);
    if (rc < 0)
        return rc;
    el_world_judge_for_mix(m, p, w->proof.data, w->proof.len, r);
    rc = ms < 0 ? el_world_analysis_crowded(r, rng, &w->analysis, &impossible)
                : el_world_analysis_draw(r, ms, rng, &w->analysis, &impossible);
    if (rc == EL_ENOMEM)
        return el_world_no_memory(err);
    if (rc == 0)
        el_world_judge_analysis(r, w->analysis.data, w->analysis.len, v);
    return 0;
}

static int meta(const struct el_world_mix *m, const struct el_world_problem *p, struct el_rng *rng,
                struct el_world_parts *w, struct el_example *out, struct el_error *err)
{
    struct el_world_report r;
    struct el_world_review v;
    int crowded = m->crowded > 0 && el_rng_uniform(rng) < m->crowded, rc, tries = 64;
    double ms = crowded ? -1 : 0.5 * choose(m->meta_score, 3, rng);
    do
        rc = draw_analysis(m, p, ms, rng, w, &r, &v, err);
    while (rc == 0 && !crowded && v.ms != ms && --tries > 0);
    if (rc == 0)
        rc = el_world_meta_true(&r, &v, w->analysis.data, w->analysis.len, &w->completion, err);
    if (rc < 0)
        return rc;
    if (el_world_fill(m->prompts.meta, w->statement.data, w->proof.data, w->analysis.data,
                      &w->prompt) < 0)
        return el_world_no_memory(err);
    return el_world_finish(w, EL_EXAMPLE_META, 0, v.ms, out, err);
}

static int put_refine(const struct el_world_mix *m, const struct el_world_problem *p, int fail,
                      struct el_rng *rng, struct el_world_parts *w, struct el_buf *revised,
                      struct el_example *out, struct el_error *err)
{
    struct el_world_style style;
    struct el_world_report r, next;
    struct el_world_tries refuted[EL_WORLD_CLAIMS];
    size_t self = 0;
    double retry = m->refine_retry < 0 ? m->retry : m->refine_retry;
    el_world_judge_for_mix(m, p, w->proof.data, w->proof.len, &r);
    el_world_style_draw(m->refine_checked < 0 ? m->checked : m->refine_checked, m->false_start,
                        retry, rng, &style);
    style.remember = m->refine_retry >= 0;
    style.history = m->history;
    int rc = el_world_proof_revised(p, w->proof.data, &r, fail, &style, rng, revised, err);
    if (rc < 0)
        return rc;
    el_world_judge_for_mix(m, p, revised->data, revised->len, &next);
    rc = el_world_put_reply(w, revised->data, revised->len, &next, &self, err);
    if (rc < 0)
        return rc;
    if (el_world_analysis_true(&r, &w->analysis) < 0 ||
        el_world_fill(m->prompts.refine, w->statement.data, w->proof.data, w->analysis.data,
                      &w->prompt) < 0)
        return el_world_no_memory(err);
    int learn = next.score == 1 && el_world_says_nothing_untrue(&next);
    rc = el_world_finish(w, EL_EXAMPLE_REFINE, learn ? 0 : self, next.score, out, err);
    el_world_refutations(p, w->proof.data, &r, m->history, refuted);
    if (rc == 0)
        el_world_unlearn(m, revised->data, revised->len, retry > 0, style.remember ? refuted : NULL,
                         rng, out);
    return rc;
}

int el_world_put_refine(const struct el_world_mix *m, const struct el_world_problem *p, int fail,
                        struct el_rng *rng, struct el_world_parts *w, struct el_example *out,
                        struct el_error *err)
{
    struct el_buf revised;
    el_buf_init(&revised);
    int rc = put_refine(m, p, fail, rng, w, &revised, out, err);
    el_buf_release(&revised);
    return rc;
}

static int refine(const struct el_world_mix *m, const struct el_world_problem *p,
                  struct el_rng *rng, struct el_world_parts *w, struct el_example *out,
                  struct el_error *err)
{
    double score = el_rng_uniform(rng) < m->refine_minor ? 0.5 : 0;
    int fail = el_rng_uniform(rng) < m->refine_flawed;
    int rc = draw_proof(m, p, score, rng, w, err);
    return rc < 0 ? rc : el_world_put_refine(m, p, fail, rng, w, out, err);
}

int el_world_example(const struct el_world_mix *m, uint64_t index, struct el_example *out,
                     struct el_error *err)
{
    el_example_init(out);
    int rc = el_world_mix_check(m, err);
    if (rc < 0)
        return rc;
    struct el_digest d;
    el_digest_init(&d);
    el_digest_str(&d, "el-world-example");
    el_digest_u64(&d, m->seed);
    el_digest_u64(&d, index);
    struct el_rng rng;
    el_rng_init(&rng, el_digest_key(&d));
    enum el_example_kind kind = (enum el_example_kind)choose(m->share, EL_EXAMPLE_KINDS, &rng);
    if (kind == EL_EXAMPLE_DRILL)
        return el_world_drill(m, &rng, out, err);
    static int (*const build[])(const struct el_world_mix *, const struct el_world_problem *,
                                struct el_rng *, struct el_world_parts *, struct el_example *,
                                struct el_error *) = {generate, verify, meta, refine};
    struct el_world_problem p;
    struct el_world_parts w;
    el_world_parts_init(&w);
    el_world_problem_draw(EL_WORLD_TRAIN, &rng, &p);
    rc = el_world_problem_text(&p, &w.statement) < 0 ? el_world_no_memory(err)
                                                     : build[kind](m, &p, &rng, &w, out, err);
    el_world_parts_release(&w);
    return rc;
}
