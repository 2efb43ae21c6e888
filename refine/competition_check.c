/* The invariants of refine/competition.h, tested one by one. */
#include "refine/competition.h"

#include "core/base/alloc.h"
#include "rewards/score.h"

static int solved(const struct el_attempt *a)
{
    return el_attempt_is_whole(a) && a->halves == EL_SCORE_ONE;
}

static const char *check_attempts(const struct el_competition *c, int thread)
{
    const struct el_thread *t = &c->threads[thread];
    for (int r = 1; r <= c->set.rounds; r++) {
        const struct el_attempt *a = el_competition_at(c, thread, r);
        if ((r <= t->round) != (a->stored != 0))
            return "1: stored attempts are 1..round";
        if (r < t->round && solved(a))
            return "2: an attempt after self-score 1";
    }
    int last_solved = t->round > 0 && solved(el_competition_at(c, thread, t->round));
    if (last_solved != (t->state == EL_THREAD_SOLVED))
        return "2: solved exactly with self-score 1";
    if (t->state == EL_THREAD_SPENT && t->round != c->set.rounds)
        return "3: spent before the last round";
    if (!el_thread_is_finished(t->state) && t->round == c->set.rounds)
        return "3: goes on after the last round";
    return NULL;
}

static int times_in_list(const struct el_competition *c, int text, int thread)
{
    int n = 0;
    for (int t = c->texts[text].waiter; t >= 0; t = c->threads[t].next_waiter)
        n += t == thread;
    return n;
}

static const char *check_waiting(const struct el_competition *c, int thread)
{
    const struct el_thread *t = &c->threads[thread];
    if (t->state == EL_THREAD_AWAIT_ANALYSES) {
        const struct el_attempt *source = el_competition_source(c, thread, t->round + 1);
        if (!source || times_in_list(c, source->text, thread) != 1)
            return "5: waits for analyses of nothing";
        const struct el_text *x = &c->texts[source->text];
        int open = 0;
        for (int i = 0; i < c->set.feedback_analyses; i++)
            open += i >= x->cap || x->votes[i].state == EL_VOTE_NONE;
        if (open == 0)
            return "5: waits for analyses that are there";
    }
    if (t->state == EL_THREAD_AWAIT_ROUND &&
        (c->set.control != EL_CONTROL_SHUFFLE ||
         el_competition_round_complete(c, thread / c->set.threads, t->round)))
        return "6: waits for a round that is complete";
    return NULL;
}

static const char *check_queue(const struct el_competition *c)
{
    int n = el_competition_threads(c);
    unsigned char *seen = el_alloc_array((size_t)n, 1);
    if (!seen)
        return "out of memory";
    const char *wrong = NULL;
    const struct el_task_queue *q = &c->queue[EL_TASK_ATTEMPT];
    for (size_t i = 0; i < q->count; i++)
        if (seen[q->items[(q->head + i) % q->cap].thread]++)
            wrong = "4: a thread is queued twice";
    for (int t = 0; !wrong && t < n; t++)
        if (seen[t] != (c->threads[t].state == EL_THREAD_READY))
            wrong = "4: exactly the ready threads are queued";
    el_free(seen);
    return wrong;
}

const char *el_competition_check(const struct el_competition *c)
{
    int unfinished = 0;
    const char *wrong = check_queue(c);
    for (int t = 0; !wrong && t < el_competition_threads(c); t++) {
        int finished = el_thread_is_finished(c->threads[t].state);
        unfinished += !finished;
        wrong = check_attempts(c, t);
        if (!wrong)
            wrong = check_waiting(c, t);
        const struct el_attempt *last = el_competition_final(c, t, c->set.rounds);
        if (!wrong && finished && last && c->texts[last->text].wanted < c->set.analyses)
            wrong = "8: a final text without its analyses";
    }
    if (!wrong && unfinished != c->unfinished)
        wrong = "7: the count of unfinished threads";
    return wrong;
}
