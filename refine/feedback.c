/* What an attempt refines, and which analyses it is given. Everything here is a function of the
 * attempts and votes before it. */
#include "refine/competition.h"

static int base_round(const struct el_competition *c, int thread, int round)
{
    int r = round - 1;
    while (r > 0 && !el_attempt_is_whole(el_competition_at(c, thread, r)))
        r--;
    return r;
}

const struct el_attempt *el_competition_base(const struct el_competition *c, int thread, int round)
{
    if (c->set.control == EL_CONTROL_RESAMPLE)
        return NULL;
    int r = base_round(c, thread, round);
    return r > 0 ? el_competition_at(c, thread, r) : NULL;
}

const struct el_attempt *el_competition_source(const struct el_competition *c, int thread,
                                               int round)
{
    const struct el_attempt *base = el_competition_base(c, thread, round);
    if (!base || c->set.control != EL_CONTROL_SHUFFLE)
        return base;
    return el_competition_donor(c, thread, base_round(c, thread, round), round);
}

int el_competition_feedback(const struct el_competition *c, int thread, int round, int dropped,
                            int64_t *analyses)
{
    const struct el_attempt *source = el_competition_source(c, thread, round);
    if (!source)
        return 0;
    int n = 0;
    if (c->set.feedback != EL_FEEDBACK_VERIFIER)
        analyses[n++] = source->self;
    if (c->set.feedback != EL_FEEDBACK_SELF) {
        const struct el_text *t = &c->texts[source->text];
        for (int i = 0; i < c->set.feedback_analyses && i < t->cap; i++)
            if (t->votes[i].state == EL_VOTE_DONE)
                analyses[n++] = t->votes[i].analysis;
    }
    if (n == 0)
        analyses[n++] = source->self;
    return n > dropped ? n - dropped : 0;
}

const struct el_attempt *el_competition_final(const struct el_competition *c, int thread,
                                              int rounds)
{
    int r = c->threads[thread].round < rounds ? c->threads[thread].round : rounds;
    for (; r > 0; r--)
        if (el_competition_at(c, thread, r)->text >= 0)
            return el_competition_at(c, thread, r);
    return NULL;
}
