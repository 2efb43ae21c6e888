/* From a parsed reply to the store and the state. */
#include "refine/compete_parts.h"

#include <string.h>

/* ---------------------------------------------------------------------------- over the context */

static int drop_analysis(struct el_compete *c, const struct el_flight *f, struct el_error *err)
{
    int text = f->task[EL_FLIGHT_TEXT], sample = f->task[EL_FLIGHT_SAMPLE];
    struct el_vote_record dropped = c->state.texts[text].votes[sample];
    dropped.job = f->row.id;
    dropped.attempts = f->attempt + 1;
    dropped.state = EL_VOTE_DROPPED;
    dropped.halves = EL_SCORE_NONE;
    return el_competition_analysis(&c->state, text, sample, &dropped, err);
}

int el_compete_refuse(void *self, struct el_flight *f, struct el_error *err)
{
    struct el_compete *c = self;
    int thread = f->task[EL_FLIGHT_THREAD], analyses = 0;
    int64_t ids[65];
    if (f->role == EL_ROLE_REFINER)
        analyses = el_competition_feedback(&c->state, thread, f->row.round, f->row.sample, ids);
    int rc = el_dispatch_put_refusal(
        &c->dispatch, f, analyses > 1 ? "analysis_over_context" : "prompt_over_context", err);
    if (rc < 0)
        return rc;
    return f->kind == EL_TASK_ANALYSIS
               ? drop_analysis(c, f, err)
               : el_competition_refused(&c->state, thread, f->row.round, f->row.sample, err);
}

/* ------------------------------------------------------------------------------------- replies */

/* A proof can be read although its self-evaluation cannot. */
static int has_proof(const struct el_parsed *p)
{
    switch (p->reply.failure) {
    case EL_REPLY_OK:
    case EL_REPLY_MISSING_SELF_EVALUATION_HEADER:
    case EL_REPLY_MISSING_KEY_PHRASE:
    case EL_REPLY_NO_BOXED_SCORE:
    case EL_REPLY_ILLEGAL_SCORE:
        return p->proof != NULL;
    default:
        return 0;
    }
}

static int move_on(struct el_compete *c, const struct el_flight *f, const struct el_parsed *p,
                   const struct el_job *job, struct el_error *err)
{
    int thread = f->task[EL_FLIGHT_THREAD];
    struct el_attempt a = {.job = f->row.id,
                           .proof = job->last.proof,
                           .self = job->last.analysis,
                           .text = -1,
                           .failure = p->reply.failure,
                           .prompt_tokens = p->prompt_tokens,
                           .completion_tokens = p->completion_tokens,
                           .halves = (signed char)job->last.halves,
                           .refined = f->role == EL_ROLE_REFINER};
    int rc = 0;
    if (a.proof)
        a.text = rc = el_competition_text(&c->state, thread / c->state.set.threads, p->proof,
                                          strlen(p->proof), a.proof, err);
    return rc < 0 ? rc : el_competition_attempt(&c->state, thread, f->row.round, &a, err);
}

static int receive_attempt(struct el_compete *c, struct el_flight *f, const struct el_parsed *p,
                           struct el_job_result *r, struct el_error *err)
{
    char origin[EL_ORIGIN_BYTES];
    el_dispatch_origin(f, origin);
    const struct el_author author = {EL_AUTHOR_MODEL, c->o.generator->digest, origin};
    const struct el_proof proof = {.problem = f->row.problem, .text = p->proof, .author = author};
    const struct el_analysis self = {.is_self = 1,
                                     .text = p->analysis,
                                     .halves = r->outcome.halves,
                                     .failure = r->outcome.failure,
                                     .author = author};
    r->state = EL_JOB_DONE;
    r->in_place = 1;
    if (has_proof(p)) {
        r->proof = &proof;
        r->self = p->analysis ? &self : NULL;
    }
    struct el_job job;
    int rc = el_dispatch_put(&c->dispatch, f, r, &job, err);
    if (rc < 0)
        return rc;
    rc = move_on(c, f, p, &job, err);
    el_job_release(&job);
    return rc;
}

static int receive_analysis(struct el_compete *c, struct el_flight *f, const struct el_parsed *p,
                            struct el_job_result *r, struct el_error *err)
{
    char origin[EL_ORIGIN_BYTES];
    el_dispatch_origin(f, origin);
    const struct el_analysis analysis = {
        .proof = f->row.proof,
        .text = p->analysis,
        .halves = r->outcome.halves,
        .author = {EL_AUTHOR_MODEL, c->o.verifier->digest, origin}};
    int again = el_dispatch_judge(&c->dispatch, f, p, r);
    int ok = r->state == EL_JOB_DONE;
    r->analysis = ok ? &analysis : NULL;
    struct el_job job;
    int rc = el_dispatch_put(&c->dispatch, f, r, &job, err);
    if (rc < 0)
        return rc;
    const struct el_vote_record v = {.job = f->row.id,
                                     .analysis = job.last.analysis,
                                     .prompt_tokens = p->prompt_tokens,
                                     .completion_tokens = p->completion_tokens,
                                     .attempts = f->attempt + 1,
                                     .refusals = f->refusals,
                                     .state = ok      ? EL_VOTE_DONE
                                              : again ? EL_VOTE_NONE
                                                      : EL_VOTE_DROPPED,
                                     .halves = (signed char)r->outcome.halves};
    el_job_release(&job);
    rc = el_competition_analysis(&c->state, f->task[EL_FLIGHT_TEXT], f->task[EL_FLIGHT_SAMPLE], &v,
                                 err);
    return rc < 0 ? rc : again;
}

int el_compete_receive(void *self, struct el_flight *f, const struct el_parsed *p,
                       struct el_job_result *r, struct el_error *err)
{
    struct el_compete *c = self;
    return f->kind == EL_TASK_ANALYSIS ? receive_analysis(c, f, p, r, err)
                                       : receive_attempt(c, f, p, r, err);
}
