/* A sample of the world for a person to look at: a problem, a right and a flawed proof, their true
 * analyses, a flawed analysis and its true meta-analysis, and a right proof that searches. */
#include "data/world_parts.h"

#include "core/base/digest.h"
#include "core/base/json.h"

#include <inttypes.h>
#include <stdio.h>

enum part { STATEMENT, PROOF, ANALYSIS, FLAWED, FLAWED_ANALYSIS, REVIEW, META, SEARCHED, PARTS };

static const char *const keys[PARTS] = {"statement",     "proof",           "analysis",
                                        "flawed_proof",  "flawed_analysis", "doubtful_analysis",
                                        "meta_analysis", "searched_proof"};
static const char *const titles[PARTS] = {
    "problem",      "a right proof",     "its analysis",      "a flawed proof",
    "its analysis", "a flawed analysis", "its meta-analysis", "a right proof that searches"};

struct sample {
    struct el_world_problem problem;
    struct el_world_report report; /* of the flawed proof */
    struct el_world_review review; /* of the flawed analysis */
    enum el_world_review_flaw flaw;
    struct el_buf part[PARTS];
};

static int make_proofs(struct sample *s, struct el_rng *rng, struct el_error *err)
{
    struct el_buf *b = s->part;
    struct el_world_report right;
    int rc = el_world_proof_good(&s->problem, rng, &b[PROOF], err);
    if (rc == 0)
        rc = el_world_proof_with_score(&s->problem, el_rng_below(rng, 4) ? 0 : 0.5, NULL, rng,
                                       &b[FLAWED], err);
    if (rc < 0)
        return rc;
    el_world_judge_proof(&s->problem, b[PROOF].data, b[PROOF].len, &right);
    el_world_judge_proof(&s->problem, b[FLAWED].data, b[FLAWED].len, &s->report);
    if (el_world_problem_text(&s->problem, &b[STATEMENT]) < 0 ||
        el_world_analysis_true(&right, &b[ANALYSIS]) < 0 ||
        el_world_analysis_true(&s->report, &b[FLAWED_ANALYSIS]) < 0)
        return el_error_set(err, EL_ENOMEM, "out of memory for a sample");
    return 0;
}

static int make_review(struct sample *s, struct el_rng *rng, struct el_error *err)
{
    struct el_buf *b = s->part;
    int rc = EL_ENOTFOUND;
    for (int i = 0; i < 20 && rc == EL_ENOTFOUND; i++) {
        struct el_error ignored = {0};
        s->flaw = 1 + el_rng_below(rng, EL_REVIEW_FLAWS - 1);
        rc = el_world_analysis_flawed(&s->report, s->flaw, rng, &b[REVIEW], &ignored);
    }
    if (rc < 0)
        return el_error_set(err, rc, "no flawed analysis can be made");
    el_world_judge_analysis(&s->report, b[REVIEW].data, b[REVIEW].len, &s->review);
    return el_world_meta_true(&s->report, &s->review, b[REVIEW].data, b[REVIEW].len, &b[META], err);
}

/* Drawn last, so that the other parts don't depend on it. */
static int make_search(struct sample *s, struct el_rng *rng, struct el_error *err)
{
    static const struct el_world_style style = {.checked = 1, .false_start = 1};
    return el_world_proof_with_score(&s->problem, 1, &style, rng, &s->part[SEARCHED], err);
}

static int put_text(const struct sample *s, struct el_buf *out)
{
    int rc = 0;
    for (int i = 0; i < PARTS && rc >= 0; i++) {
        rc = el_buf_printf(out, "--- %s", titles[i]);
        if (rc >= 0 && i == FLAWED)
            rc = el_buf_printf(out, ", score %g, %d defects", s->report.score, s->report.n_defects);
        if (rc >= 0 && i == REVIEW)
            rc = el_buf_printf(
                out, " (%s), quality %g: %d real, %d misstated, %d invented, %d missed",
                el_world_review_flaw_name((int)s->flaw), s->review.ms, s->review.real,
                s->review.misstated, s->review.invented, s->review.missed);
        if (rc >= 0)
            rc = el_buf_printf(out, "\n%s\n", s->part[i].data);
    }
    return rc;
}

static int put_defects(const struct el_world_report *r, struct el_buf *out)
{
    int rc = el_buf_puts(out, "  \"defects\": [");
    for (int i = 0; i < r->n_defects && rc >= 0; i++) {
        const struct el_world_defect *d = &r->defect[i];
        rc = el_buf_printf(out, "%s{\"claim\": %d, \"kind\": \"%s\"}", i ? ", " : "", d->claim + 1,
                           el_world_kind_name((int)d->kind));
    }
    return rc < 0 ? rc : el_buf_puts(out, "],\n");
}

static int put_json(const struct sample *s, const char *id, struct el_buf *out)
{
    int rc = el_buf_printf(out, "{\"id\": \"%s\",\n", id);
    for (int i = 0; i < PARTS && rc >= 0; i++) {
        rc = el_buf_printf(out, "  \"%s\": ", keys[i]);
        if (rc >= 0)
            rc = el_json_quote(out, s->part[i].data, s->part[i].len);
        if (rc >= 0)
            rc = el_buf_puts(out, ",\n");
    }
    if (rc >= 0)
        rc = el_buf_printf(out, "  \"flawed_score\": %g,\n", s->report.score);
    if (rc >= 0)
        rc = put_defects(&s->report, out);
    if (rc < 0)
        return rc;
    return el_buf_printf(out,
                         "  \"doubtful_flaw\": \"%s\", \"quality\": %g, \"real\": %d, "
                         "\"misstated\": %d, \"invented\": %d, \"missed\": %d}",
                         el_world_review_flaw_name((int)s->flaw), s->review.ms, s->review.real,
                         s->review.misstated, s->review.invented, s->review.missed);
}

int el_world_print(enum el_world_split split, uint64_t index, uint64_t seed, int json,
                   struct el_buf *out, struct el_error *err)
{
    struct el_digest d;
    struct el_rng rng;
    struct sample s = {0};
    char id[48];
    el_digest_init(&d);
    el_digest_str(&d, "el-world-print");
    el_digest_u64(&d, seed);
    el_digest_u64(&d, index);
    el_rng_init(&rng, el_digest_key(&d));
    for (int i = 0; i < PARTS; i++)
        el_buf_init(&s.part[i]);
    el_world_problem(split, index, &s.problem);
    snprintf(id, sizeof id, "%s-%" PRIu64, el_world_split_name((int)split), index);
    int rc = make_proofs(&s, &rng, err);
    if (rc == 0)
        rc = make_review(&s, &rng, err);
    if (rc == 0)
        rc = make_search(&s, &rng, err);
    if (rc == 0) {
        rc = json ? put_json(&s, id, out) : el_buf_printf(out, "=== %s\n", id);
        if (rc >= 0 && !json)
            rc = put_text(&s, out);
        if (rc < 0)
            rc = el_error_set(err, EL_ENOMEM, "out of memory for a sample");
    }
    for (int i = 0; i < PARTS; i++)
        el_buf_release(&s.part[i]);
    return rc < 0 ? rc : 0;
}
