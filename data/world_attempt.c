/* Training examples out of a model's own attempts. */
#include "data/world_parts.h"

#include <string.h>

enum { LONGEST_PROOF = 2000 };

static int is_utf8(const char *text, size_t n)
{
    const unsigned char *p = (const unsigned char *)text, *end = p + n;
    while (p < end) {
        int more = *p < 0x80 ? 0 : *p >> 5 == 6 ? 1 : *p >> 4 == 14 ? 2 : *p >> 3 == 30 ? 3 : -1;
        if (more < 0 || end - p <= more)
            return 0;
        for (p++; more > 0; more--, p++)
            if (*p >> 6 != 2)
                return 0;
    }
    return 1;
}

/* A proof that carries parts of the reply format would teach a broken format. */
static int check_proof(const char *proof, size_t n, struct el_error *err)
{
    static const char *const marks[] = {"## ",          "\\boxed", "Here is my evaluation",
                                        "Based on my ", "<｜",     "think>"};
    if (n == 0 || n > LONGEST_PROOF)
        return el_error_set(err, EL_EREFUSED, "the proof has %zu bytes, expected 1 to %d", n,
                            LONGEST_PROOF);
    if (!is_utf8(proof, n))
        return el_error_set(err, EL_EREFUSED, "the proof is not UTF-8");
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++)
        if (memmem(proof, n, marks[i], strlen(marks[i])))
            return el_error_set(err, EL_EREFUSED, "the proof carries '%s'", marks[i]);
    return 0;
}

static int generate(const struct el_world_mix *m, const struct el_world_report *r,
                    struct el_rng *rng, struct el_world_parts *w, struct el_example *out,
                    struct el_error *err)
{
    size_t self;
    int rc = el_world_put_reply(w, w->proof.data, w->proof.len, r, &self, err);
    if (rc < 0)
        return rc;
    if (el_world_fill(m->prompts.generate, w->statement.data, NULL, NULL, &w->prompt) < 0)
        return el_world_no_memory(err);
    int learn = r->score == 1 && el_world_says_nothing_untrue(r);
    rc = el_world_finish(w, EL_EXAMPLE_GENERATE, learn ? 0 : self, r->score, out, err);
    if (rc == 0)
        el_world_unlearn(m, w->proof.data, w->proof.len, m->retry > 0, NULL, rng, out);
    return rc;
}

/* The attempt carried on to a proof that holds. */
static int carry_on(const struct el_world_mix *m, const struct el_world_problem *p,
                    const struct el_world_report *r, struct el_rng *rng, struct el_world_parts *w,
                    struct el_example *out, struct el_error *err)
{
    struct el_world_report whole;
    struct el_buf text;
    el_buf_init(&text);
    int rc = el_world_proof_carried_on(p, w->proof.data, r, m->history, rng, &text, err);
    el_buf_release(&w->proof);
    w->proof = text;
    if (rc < 0)
        return rc;
    el_world_judge_for_mix(m, p, w->proof.data, w->proof.len, &whole);
    return generate(m, &whole, rng, w, out, err);
}

static int verify(const struct el_world_prompts *prompts, const struct el_world_report *r,
                  struct el_world_parts *w, struct el_example *out, struct el_error *err)
{
    if (el_world_analysis_true(r, &w->completion) < 0 ||
        el_world_fill(prompts->verify, w->statement.data, w->proof.data, NULL, &w->prompt) < 0)
        return el_world_no_memory(err);
    return el_world_finish(w, EL_EXAMPLE_VERIFY, 0, r->score, out, err);
}

static int meta(const struct el_world_prompts *prompts, const struct el_world_report *r,
                const char *analysis, struct el_world_parts *w, struct el_example *out,
                struct el_error *err)
{
    struct el_world_review v;
    if (!analysis || !is_utf8(analysis, strlen(analysis)))
        return el_error_set(err, EL_EREFUSED, "the analysis is %s",
                            analysis ? "not UTF-8" : "missing");
    size_t n = strlen(analysis);
    el_world_trim(&analysis, &n);
    if (n > 2 * LONGEST_PROOF)
        return el_error_set(err, EL_EREFUSED, "the analysis has %zu bytes, expected at most %d", n,
                            2 * LONGEST_PROOF);
    el_world_judge_analysis(r, analysis, n, &v);
    int rc = el_world_meta_true(r, &v, analysis, n, &w->completion, err);
    if (rc < 0)
        return rc;
    if (el_world_fill(prompts->meta, w->statement.data, w->proof.data, analysis, &w->prompt) < 0)
        return el_world_no_memory(err);
    return el_world_finish(w, EL_EXAMPLE_META, 0, v.ms, out, err);
}

static int build(const struct el_world_mix *m, const struct el_world_problem *p,
                 const char *analysis, enum el_example_kind kind, uint64_t seed,
                 struct el_world_parts *w, struct el_example *out, struct el_error *err)
{
    const struct el_world_prompts *prompts = &m->prompts;
    struct el_world_report r;
    struct el_rng rng;
    el_rng_init(&rng, seed);
    el_world_judge_for_mix(m, p, w->proof.data, w->proof.len, &r);
    switch (kind) {
    case EL_EXAMPLE_GENERATE:
        if (r.score < 1 && m->checked > 0 && el_rng_uniform(&rng) < m->checked)
            return carry_on(m, p, &r, &rng, w, out, err);
        return generate(m, &r, &rng, w, out, err);
    case EL_EXAMPLE_VERIFY:
        return verify(prompts, &r, w, out, err);
    case EL_EXAMPLE_META:
        return meta(prompts, &r, analysis, w, out, err);
    case EL_EXAMPLE_REFINE:
        if (r.score == 1)
            return el_error_set(err, EL_EREFUSED, "the proof is right: nothing to refine");
        return el_world_put_refine(m, p, 0, &rng, w, out, err);
    default:
        return el_error_set(err, EL_EINVAL, "no example of kind %d is made from an attempt",
                            (int)kind);
    }
}

int el_world_example_from_attempt(const struct el_world_mix *m, const struct el_world_problem *p,
                                  const char *proof, const char *analysis,
                                  enum el_example_kind kind, uint64_t seed, struct el_example *out,
                                  struct el_error *err)
{
    el_example_init(out);
    size_t n = strlen(proof);
    el_world_trim(&proof, &n);
    int rc = check_proof(proof, n, err);
    if (rc < 0)
        return rc;
    struct el_world_parts w;
    el_world_parts_init(&w);
    if (el_world_problem_text(p, &w.statement) < 0 || el_buf_add(&w.proof, proof, n) < 0)
        rc = el_world_no_memory(err);
    else
        rc = build(m, p, analysis, kind, seed, &w, out, err);
    el_world_parts_release(&w);
    return rc;
}
