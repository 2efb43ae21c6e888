/* The control `shuffle`: a refinement sees analyses of ANOTHER proof, so that it has everything
 * that refinement has (a proof of its own, an analysis in the right format, the tokens) but the
 * truth about its proof.
 *
 * The donor of thread t, which refines its proof of round b in attempt r:
 *   1. one of the attempts of round b of the same problem's other threads that parsed, that asked
 *      for refinement themselves (self-score below 1, as every analysis that a refinement is given
 *      by feedback `self`) and whose text differs from that of t;
 *   2. where there is none, one of the attempts of round 1 of another problem under the same
 *      conditions: the first problem, counted cyclically from a random one, that has any;
 *   3. where there is none either, the attempt starts afresh.
 * The choice is random with a stream of (seed, problem, thread, r). It is made when every thread of
 * the problem has made its attempts up to r - 1 or finished, and all threads of all problems their
 * first one, so that it does not depend on the order in which replies come. */
#include "refine/competition.h"

#include "core/base/digest.h"
#include "core/base/rng.h"
#include "rewards/score.h"

static const struct el_attempt *candidate(const struct el_competition *c, int thread, int round,
                                          int own_text)
{
    if (c->threads[thread].round < round)
        return NULL;
    const struct el_attempt *a = el_competition_at(c, thread, round);
    int usable = el_attempt_is_whole(a) && a->halves != EL_SCORE_ONE && a->text != own_text;
    return usable ? a : NULL;
}

/* A random one of the problem's candidates; NULL when it has none. */
static const struct el_attempt *draw(const struct el_competition *c, int problem, int round,
                                     int own_text, struct el_rng *rng)
{
    int first = problem * c->set.threads, n = 0;
    for (int i = 0; i < c->set.threads; i++)
        n += candidate(c, first + i, round, own_text) != NULL;
    if (n == 0)
        return NULL;
    int skip = (int)el_rng_below(rng, (uint32_t)n);
    for (int i = 0;; i++) {
        const struct el_attempt *a = candidate(c, first + i, round, own_text);
        if (a && skip-- == 0)
            return a;
    }
}

const struct el_attempt *el_competition_donor(const struct el_competition *c, int thread,
                                              int base_round, int round)
{
    int problem = thread / c->set.threads;
    struct el_digest d;
    struct el_rng rng;
    el_digest_init(&d);
    el_digest_str(&d, "shuffle");
    el_digest_u64(&d, c->set.seed);
    el_digest_u64(&d, (uint64_t)thread);
    el_digest_u64(&d, (uint64_t)round);
    el_rng_init(&rng, el_digest_key(&d));
    int own = el_competition_at(c, thread, base_round)->text;
    const struct el_attempt *a = draw(c, problem, base_round, own, &rng);
    if (a || c->n_problems == 1)
        return a;
    int start = (int)el_rng_below(&rng, (uint32_t)c->n_problems);
    for (int i = 0; !a && i < c->n_problems; i++) {
        int other = (start + i) % c->n_problems;
        if (other != problem)
            a = draw(c, other, 1, own, &rng);
    }
    return a;
}
