#include "training/source.h"

#include "core/base/digest.h"

enum { skips_in_a_row = 100000 }; /* more of them and the recipe fits no example at all */

void el_source_enter(struct el_source *s, const struct el_recipe_stage *stage)
{
    s->mix = stage->mix;
    s->attempt_share = stage->attempt_share;
    s->max_sequence = stage->max_sequence;
    if (stage->drill_share >= 0)
        s->mix.share[EL_EXAMPLE_DRILL] = stage->drill_share;
}

/* Kinds an attempt can become, by the shares of the mixture without the drills. */
static enum el_example_kind attempt_kind(const struct el_world_mix *m, struct el_rng *rng)
{
    double sum = 0;
    for (int k = 0; k < EL_EXAMPLE_DRILL; k++)
        sum += m->share[k];
    double u = el_rng_uniform(rng) * sum;
    for (int k = 0; k < EL_EXAMPLE_DRILL - 1; k++) {
        if (u < m->share[k])
            return (enum el_example_kind)k;
        u -= m->share[k];
    }
    return (enum el_example_kind)(EL_EXAMPLE_DRILL - 1);
}

static int from_attempt(const struct el_source *s, struct el_rng *rng, struct el_example *x,
                        struct el_error *err)
{
    const struct el_attempt *t = &s->attempts->item[el_rng_below(rng, (uint32_t)s->attempts->n)];
    struct el_world_problem p;
    el_world_problem(EL_WORLD_TRAIN, t->problem, &p);
    enum el_example_kind kind = attempt_kind(&s->mix, rng);
    return el_world_example_from_attempt(&s->mix, &p, t->proof, t->analysis, kind, el_rng_u64(rng),
                                         x, err);
}

/* 0, or EL_EREFUSED: no honest example at this index. */
static int make_example(const struct el_source *s, uint64_t index, struct el_example *x,
                        struct el_error *err)
{
    struct el_digest d;
    struct el_rng rng;
    el_digest_init(&d);
    el_digest_str(&d, "source");
    el_digest_u64(&d, s->recipe->seed);
    el_digest_u64(&d, index);
    el_rng_init(&rng, el_digest_key(&d));
    if (s->attempts->n && el_rng_uniform(&rng) < s->attempt_share)
        return from_attempt(s, &rng, x, err);
    return el_world_example(&s->mix, index, x, err);
}

static void note(struct el_source *s, const struct el_encoded *e)
{
    struct el_digest d;
    el_digest_init(&d);
    el_digest_u64(&d, s->fingerprint);
    el_digest_bytes(&d, e->tokens.ids, e->tokens.len * sizeof *e->tokens.ids);
    el_digest_bytes(&d, e->weight, e->tokens.len * sizeof *e->weight);
    s->fingerprint = el_digest_key(&d);
}

int el_source_next(struct el_source *s, struct el_encoded *e, struct el_error *err)
{
    for (int skips = 0; skips < skips_in_a_row; skips++) {
        struct el_example x;
        struct el_error why = {0}; /* of an example that is skipped: not the caller's */
        el_example_init(&x);
        int rc = make_example(s, s->next++, &x, &why);
        if (rc == 0)
            rc = el_encode_example(s->chat, s->tokenizer, &x, e, &why);
        el_example_release(&x);
        if (rc == EL_EREFUSED) {
            s->refused++;
            continue;
        }
        if (rc < 0)
            return el_error_set(err, rc, "%s", why.msg);
        if (e->tokens.len > (size_t)s->max_sequence) {
            s->too_long++;
            continue;
        }
        note(s, e);
        return 0;
    }
    return el_error_set(err, EL_ELIMIT,
                        "%d examples in a row could not be used (max_sequence is %d tokens)",
                        skips_in_a_row, s->max_sequence);
}
