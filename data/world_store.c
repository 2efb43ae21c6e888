#include "data/world_store.h"

#include "core/base/alloc.h"
#include "data/world_parts.h"

#include <inttypes.h>
#include <stdio.h>

enum { problems_per_transaction = 32 };

struct filling {
    struct el_store *store;
    const struct el_world_store_plan *plan;
    uint64_t index;
    struct el_world_problem problem;
    struct el_world_report report;
    struct el_world_review review;
    struct el_world_parts texts; /* statement, proof and analysis are used */
    struct el_world_stored added;
};

static int check(const struct el_world_store_plan *p, struct el_error *err)
{
    if ((unsigned)p->split >= EL_WORLD_SPLITS)
        return el_error_set(err, EL_EINVAL, "split %d is unknown", (int)p->split);
    if (p->problems < 1)
        return el_error_set(err, EL_EINVAL, "%d problems: expected 1 or more", p->problems);
    if (p->claims < 0 || p->claims > EL_WORLD_CLAIMS)
        return el_error_set(err, EL_EINVAL, "at most %d claims: expected 1 to %d, or 0 for any",
                            p->claims, EL_WORLD_CLAIMS);
    if (p->analyses < 0 || p->analyses > EL_WORLD_STORE_ANALYSES)
        return el_error_set(err, EL_EINVAL, "%d analyses of a proof: expected 0 to %d", p->analyses,
                            EL_WORLD_STORE_ANALYSES);
    if (!(p->checked >= 0 && p->checked <= 1))
        return el_error_set(err, EL_EINVAL, "checked proofs %g: expected 0 to 1", p->checked);
    if (!(p->false_start >= 0 && p->false_start <= 1))
        return el_error_set(err, EL_EINVAL, "false starts %g: expected 0 to 1", p->false_start);
    if (!(p->unlisted >= 0 && p->unlisted <= 1))
        return el_error_set(err, EL_EINVAL, "unlisted numbers %g: expected 0 to 1", p->unlisted);
    if (!(p->reused >= 0 && p->reused <= 1))
        return el_error_set(err, EL_EINVAL, "entries used twice %g: expected 0 to 1", p->reused);
    return 0;
}

/* The stream of one proof, or of its analysis k. */
static void seed_of(const struct filling *f, int halves, int analysis, struct el_rng *rng)
{
    struct el_digest d;
    el_digest_init(&d);
    el_digest_u64(&d, f->plan->seed);
    el_digest_u64(&d, el_world_problem_key(&f->problem));
    el_digest_u64(&d, (uint64_t)halves);
    if (analysis >= 0)
        el_digest_u64(&d, (uint64_t)analysis);
    el_rng_init(rng, el_digest_key(&d));
}

static enum el_world_flaw fatal_flaw(const struct filling *f, uint32_t claim,
                                     const struct el_world_style *style, struct el_rng *rng)
{
    enum el_world_flaw of_lists = el_world_list_flaw(&f->problem.claim[claim], style, rng);
    return of_lists != EL_FLAW_NONE ? of_lists : el_world_fatal_flaw(rng);
}

/* A proof of the score `halves`, one claim flawed. A flaw that the claim cannot have becomes
 * another one, so the oracle has the last word; every claim can have a slip and miss its closing
 * line. */
static int draw_proof(struct filling *f, int halves, struct el_rng *rng, struct el_error *err)
{
    enum { tries = 64 };
    struct el_world_style style;
    el_world_style_draw(f->plan->checked, f->plan->false_start, 0, rng, &style);
    style.unlisted = f->plan->unlisted;
    style.reused = f->plan->reused;
    for (int i = 0; i < tries; i++) {
        enum el_world_flaw flaw[EL_WORLD_CLAIMS] = {EL_FLAW_NONE};
        uint32_t claim = el_rng_below(rng, (uint32_t)f->problem.n_claims);
        if (halves == EL_SCORE_ZERO)
            flaw[claim] = fatal_flaw(f, claim, &style, rng);
        else if (halves == EL_SCORE_HALF)
            flaw[claim] = el_world_minor_flaw(rng);
        el_buf_clear(&f->texts.proof);
        int rc = el_world_proof_started(&f->problem, flaw, &style, rng, &f->texts.proof, err);
        if (rc < 0)
            return rc;
        el_world_judge_proof(&f->problem, f->texts.proof.data, f->texts.proof.len, &f->report);
        if (el_score_from_value(f->report.score) == halves)
            return 0;
    }
    return el_error_set(err, EL_EREFUSED, "no proof of score %s in %d tries", el_score_text(halves),
                        tries);
}

static int add_score(struct filling *f, int64_t proof, int64_t analysis, int halves,
                     struct el_error *err)
{
    int rc = f->plan->scores ? el_oracle_put(f->store, proof, analysis, halves, err) : 0;
    f->added.scores += rc == 1;
    return rc < 0 ? rc : 0;
}

static int add_analysis(struct filling *f, int64_t proof, int halves, int k, struct el_error *err)
{
    struct el_rng rng;
    char origin[80];
    struct el_buf *text = &f->texts.analysis;
    double meant = 0.5 * (double)((f->index + (uint64_t)(halves + k)) % 3);
    seed_of(f, halves, k, &rng);
    el_buf_clear(text);
    int rc = el_world_analysis_with_ms(&f->report, meant, &rng, text, err);
    if (rc < 0)
        return rc;
    el_world_judge_analysis(&f->report, text->data, text->len, &f->review);
    snprintf(origin, sizeof origin, "%" PRIu64 ":%" PRIu64 ":%d:%d", f->plan->seed, f->index,
             halves, k);
    const struct el_analysis a = {.proof = proof,
                                  .text = text->data,
                                  .halves = el_score_from_value(f->review.score),
                                  .author = {EL_AUTHOR_IMPORT, EL_ORACLE_RATER, origin}};
    int64_t id = 0;
    rc = el_store_analysis_add(f->store, &a, &id, err);
    if (rc < 0)
        return rc;
    int ms = el_score_from_value(f->review.ms);
    f->added.analyses[ms] += rc;
    return add_score(f, 0, id, ms, err);
}

static int add_proof(struct filling *f, int64_t problem, int halves, struct el_error *err)
{
    struct el_rng rng;
    char origin[64];
    seed_of(f, halves, -1, &rng);
    int rc = draw_proof(f, halves, &rng, err);
    if (rc < 0)
        return rc;
    snprintf(origin, sizeof origin, "%" PRIu64 ":%" PRIu64 ":%d", f->plan->seed, f->index, halves);
    const struct el_proof proof = {.problem = problem,
                                   .text = f->texts.proof.data,
                                   .author = {EL_AUTHOR_IMPORT, EL_ORACLE_RATER, origin}};
    int64_t id = 0;
    rc = el_store_proof_add(f->store, &proof, &id, err);
    if (rc < 0)
        return rc;
    f->added.proofs[halves] += rc;
    rc = add_score(f, id, 0, halves, err);
    for (int k = 0; k < f->plan->analyses && rc == 0; k++)
        rc = add_analysis(f, id, halves, k, err);
    return rc;
}

static int add_problem(struct filling *f, uint64_t index, struct el_error *err)
{
    char set[32], name[40];
    int64_t id = 0;
    int most = f->plan->claims;
    f->index = index;
    el_world_problem(f->plan->split, index, &f->problem);
    int n = snprintf(name, sizeof name, "%" PRIu64, index);
    if (most && f->problem.n_claims > most) {
        f->problem.n_claims = most;
        snprintf(name + n, sizeof name - (size_t)n, ".%d", most);
    }
    el_buf_clear(&f->texts.statement);
    if (el_world_problem_text(&f->problem, &f->texts.statement) < 0)
        return el_error_set(err, EL_ENOMEM, "out of memory for a problem");
    snprintf(set, sizeof set, "world-%s", el_world_split_name((int)f->plan->split));
    const struct el_problem p = {
        .set = set, .external_id = name, .statement = f->texts.statement.data};
    int rc = el_store_problem_add(f->store, &p, &id, NULL, err);
    for (int halves = 0; rc >= 0 && halves <= EL_SCORE_ONE; halves++)
        rc = add_proof(f, id, halves, err);
    return rc < 0 ? rc : 0;
}

/* Problems from..to of the plan, all or none. */
static int add_some(struct filling *f, int from, int to, struct el_world_stored *total,
                    struct el_error *err)
{
    f->added = *total;
    int rc = el_store_begin(f->store, err);
    if (rc < 0)
        return rc;
    for (int i = from; rc == 0 && i < to; i++)
        rc = add_problem(f, f->plan->first + (uint64_t)i, err);
    if (rc < 0) {
        el_store_rollback(f->store);
        return rc;
    }
    rc = el_store_commit(f->store, err);
    if (rc == 0)
        *total = f->added;
    return rc;
}

static int add_all(struct filling *f, struct el_world_stored *added, struct el_progress *progress,
                   struct el_error *err)
{
    int n = f->plan->problems, rc = 0;
    for (int i = 0, to; rc == 0 && i < n; i = to) {
        to = n - i < problems_per_transaction ? n : i + problems_per_transaction;
        if (el_stop_requested)
            return el_error_set(err, EL_EINTR,
                                "stopped after %d of %d problems; what is written stays", i, n);
        rc = add_some(f, i, to, added, err);
        if (rc == 0)
            el_progress_update(progress, to, n, NULL);
    }
    return rc;
}

int el_world_store(struct el_store *s, const struct el_world_store_plan *plan,
                   struct el_world_stored *added, struct el_progress *progress,
                   struct el_error *err)
{
    int rc = check(plan, err);
    struct filling *f = rc == 0 ? el_alloc_array(1, sizeof *f) : NULL;
    if (!f)
        return rc < 0 ? rc : el_error_set(err, EL_ENOMEM, "out of memory for proofs");
    f->store = s;
    f->plan = plan;
    el_world_parts_init(&f->texts);
    rc = add_all(f, added, progress, err);
    el_world_parts_release(&f->texts);
    el_free(f);
    return rc;
}
