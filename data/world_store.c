#include "data/world_store.h"

#include "core/base/alloc.h"

#include <stdio.h>

/* The flaws by the score that one of them leaves. */
static const enum el_world_flaw fatal[] = {
    EL_FLAW_SLIP, EL_FLAW_WITNESS,     EL_FLAW_BENT,        EL_FLAW_SWAPPED,
    EL_FLAW_COPY, EL_FLAW_UNADDRESSED, EL_FLAW_BAD_WITNESS, EL_FLAW_MALFORMED};
static const enum el_world_flaw minor[] = {EL_FLAW_OMITTED, EL_FLAW_REPEATED, EL_FLAW_UNCLOSED};

struct filling {
    struct el_store *store;
    uint64_t seed;
    int scores;
    struct el_world_problem problem;
    struct el_world_report report;
    struct el_buf text;
    int64_t added;
};

/* A proof of the score `halves`, one claim flawed. A flaw that the claim cannot have becomes
 * another one, so the oracle has the last word; every claim can have a slip and miss its closing
 * line. */
static int draw_proof(struct filling *f, int halves, struct el_rng *rng, struct el_error *err)
{
    enum { tries = 64 };
    for (int i = 0; i < tries; i++) {
        enum el_world_flaw flaw[EL_WORLD_CLAIMS] = {EL_FLAW_NONE};
        uint32_t claim = el_rng_below(rng, (uint32_t)f->problem.n_claims);
        if (halves == EL_SCORE_ZERO)
            flaw[claim] = fatal[el_rng_below(rng, sizeof fatal / sizeof *fatal)];
        else if (halves == EL_SCORE_HALF)
            flaw[claim] = minor[el_rng_below(rng, sizeof minor / sizeof *minor)];
        el_buf_clear(&f->text);
        int rc = el_world_proof_flawed(&f->problem, flaw, rng, &f->text, err);
        if (rc < 0)
            return rc;
        el_world_judge_proof(&f->problem, f->text.data, f->text.len, &f->report);
        if (el_score_from_value(f->report.score) == halves)
            return 0;
    }
    return el_error_set(err, EL_EREFUSED, "no proof of score %s in %d tries", el_score_text(halves),
                        tries);
}

static int add_score(struct filling *f, int64_t proof, int halves, struct el_error *err)
{
    const struct el_score score = {.proof = proof,
                                   .rater_kind = EL_RATER_ORACLE,
                                   .rater = "world",
                                   .raw = el_score_value(halves),
                                   .scale_max = 1,
                                   .halves = halves,
                                   .blind = EL_BLIND_YES};
    return el_store_score_add(f->store, &score, NULL, err);
}

static int add_proof(struct filling *f, int64_t problem, uint64_t index, int halves,
                     struct el_error *err)
{
    struct el_digest d;
    struct el_rng rng;
    char origin[64];
    el_digest_init(&d);
    el_digest_u64(&d, f->seed);
    el_digest_u64(&d, el_world_problem_key(&f->problem));
    el_digest_u64(&d, (uint64_t)halves);
    el_rng_init(&rng, el_digest_key(&d));
    int rc = draw_proof(f, halves, &rng, err);
    if (rc < 0)
        return rc;
    snprintf(origin, sizeof origin, "%llu:%llu:%d", (unsigned long long)f->seed,
             (unsigned long long)index, halves);
    const struct el_proof proof = {
        .problem = problem, .text = f->text.data, .author = {EL_AUTHOR_IMPORT, "world", origin}};
    int64_t id = 0;
    rc = el_store_proof_add(f->store, &proof, &id, err);
    if (rc < 0)
        return rc;
    f->added += rc;
    rc = f->scores ? add_score(f, id, halves, err) : 0;
    return rc < 0 ? rc : 0;
}

static int add_problem(struct filling *f, enum el_world_split split, uint64_t index,
                       struct el_error *err)
{
    char set[32], name[32];
    int64_t id = 0;
    el_world_problem(split, index, &f->problem);
    el_buf_clear(&f->text);
    if (el_world_problem_text(&f->problem, &f->text) < 0)
        return el_error_set(err, EL_ENOMEM, "out of memory for a problem");
    snprintf(set, sizeof set, "world-%s", el_world_split_name(split));
    snprintf(name, sizeof name, "%llu", (unsigned long long)index);
    const struct el_problem p = {.set = set, .external_id = name, .statement = f->text.data};
    int rc = el_store_problem_add(f->store, &p, &id, NULL, err);
    for (int halves = 0; rc >= 0 && halves <= EL_SCORE_ONE; halves++)
        rc = add_proof(f, id, index, halves, err);
    return rc;
}

int64_t el_world_store(struct el_store *s, enum el_world_split split, uint64_t first, int count,
                       uint64_t seed, int scores, struct el_error *err)
{
    struct filling *f = el_alloc_array(1, sizeof *f);
    if (!f)
        return el_error_set(err, EL_ENOMEM, "out of memory for proofs");
    f->store = s;
    f->seed = seed;
    f->scores = scores;
    el_buf_init(&f->text);
    int rc = el_store_begin(s, err);
    int begun = rc == 0;
    for (int i = 0; rc >= 0 && i < count; i++)
        rc = add_problem(f, split, first + (uint64_t)i, err);
    if (rc >= 0)
        rc = el_store_commit(s, err);
    else if (begun)
        el_store_rollback(s);
    int64_t added = f->added;
    el_buf_release(&f->text);
    el_free(f);
    return rc < 0 ? rc : added;
}
