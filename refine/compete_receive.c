/* From a completion to the store and the state. */
#include "refine/compete_parts.h"

#include "core/base/alloc.h"

#include <stdio.h>
#include <string.h>

enum { max_pause_s = 30 };

int el_compete_job(struct el_compete *c, struct el_flight *f, struct el_error *err)
{
    if (f->job)
        return 0;
    const struct el_job job = {.run = c->run,
                               .key = f->key,
                               .role = el_role_name(f->role),
                               .problem = c->o.contest->problems[f->problem].id,
                               .thread = f->number,
                               .round = f->round,
                               .sample = f->sample,
                               .proof = f->proof,
                               .inputs = f->inputs};
    int rc = el_store_job_add(c->o.store, &job, &f->job, err);
    if (rc >= 0 && f->task.kind == EL_TASK_ANALYSIS)
        c->state.texts[f->task.text].votes[f->task.sample].job = f->job;
    return rc < 0 ? rc : 0;
}

/* ------------------------------------------------------------------------------- asking again */

static void ask_again(struct el_compete *c, int flight, double due)
{
    struct el_flight *f = &c->flights[flight];
    f->due = due;
    f->next = c->again;
    c->again = flight;
}

int el_compete_outage(struct el_compete *c, int flight, const char *why, struct el_error *err)
{
    struct el_flight *f = &c->flights[flight];
    int rc = el_compete_job(c, f, err);
    if (rc == 0)
        rc = el_store_job_outage(c->o.store, f->job, why, err);
    if (rc < 0)
        return rc;
    int most = c->o.max_outages > 0 ? c->o.max_outages : 8;
    if (++f->outages >= most)
        return el_error_set(err, EL_EIO,
                            "%s: %d times in a row no reply, last: %s. Everything so far is "
                            "stored; run the same command again to go on",
                            el_compete_side(c, f->task.kind)->backend->name, f->outages, why);
    double pause = (c->o.backoff_ms > 0 ? c->o.backoff_ms : 500) / 1000.0;
    for (int i = 1; i < f->outages && pause < max_pause_s; i++)
        pause *= 2;
    ask_again(c, flight, el_compete_now() + (pause < max_pause_s ? pause : max_pause_s));
    return 0;
}

/* ---------------------------------------------------------------------------- over the context */

static int put_refusal(struct el_compete *c, struct el_flight *f, const char *reason,
                       size_t proof_bytes, struct el_error *err)
{
    const struct el_job_result r = {.state = EL_JOB_FAILED,
                                    .outcome = {.attempt = f->attempt,
                                                .halves = EL_SCORE_NONE,
                                                .failure = "prompt_over_context",
                                                .finish = "refused"},
                                    .text = "",
                                    .drop_reason = reason,
                                    .drop_proof_bytes = (int64_t)proof_bytes};
    int rc = el_compete_job(c, f, err);
    if (rc == 0)
        rc = el_store_job_put_result(c->o.store, f->job, &r, err);
    return rc < 0 ? rc : 0;
}

static int drop_analysis(struct el_compete *c, const struct el_flight *f, struct el_error *err)
{
    struct el_vote_record *v = &c->state.texts[f->task.text].votes[f->task.sample];
    struct el_vote_record dropped = *v;
    dropped.job = f->job;
    dropped.attempts = f->attempt + 1;
    dropped.state = EL_VOTE_DROPPED;
    dropped.halves = EL_SCORE_NONE;
    return el_competition_analysis(&c->state, f->task.text, f->task.sample, &dropped, err);
}

static size_t proof_bytes(const struct el_compete *c, const struct el_flight *f)
{
    int text = f->proof ? el_map_get(&c->state.by_proof, (uint64_t)f->proof) : -1;
    return text < 0 ? 0 : c->state.texts[text].bytes;
}

int el_compete_over_context(struct el_compete *c, int flight, struct el_error *err)
{
    struct el_flight *f = &c->flights[flight];
    size_t bytes = proof_bytes(c, f);
    int64_t ids[65];
    int analyses = f->role == EL_ROLE_REFINER ? el_competition_feedback(&c->state, f->task.thread,
                                                                        f->round, f->sample, ids)
                                              : 0;
    int rc = put_refusal(c, f, analyses > 1 ? "analysis_over_context" : "prompt_over_context",
                         bytes, err);
    if (rc == 0)
        rc = f->role == EL_ROLE_VERIFIER
                 ? drop_analysis(c, f, err)
                 : el_competition_refused(&c->state, f->task.thread, f->round, f->sample, err);
    el_flight_close(c, flight);
    return rc < 0 ? rc : 0;
}

/* ------------------------------------------------------------------------------------- replies */

/* The reply taken apart; the texts are clean copies without NUL bytes. */
struct parsed {
    struct el_reply reply;
    const char *answer, *reasoning, *proof, *analysis; /* NULL: absent */
};

static int keep(struct el_buf *b, const char *text, struct el_span span, const char **out,
                struct el_error *err)
{
    el_buf_clear(b);
    *out = NULL;
    if (span.len == 0)
        return 0;
    if (el_store_clean(b, text + span.off, span.len) < 0)
        return el_error_set(err, EL_ENOMEM, "out of memory for a reply");
    *out = b->data;
    return 0;
}

static int parse(struct el_compete *c, const struct el_flight *f, const struct el_completion *reply,
                 struct parsed *p, struct el_error *err)
{
    const struct el_reply_context ctx = {
        .finish = reply->finish == EL_FINISH_LENGTH ? EL_REPLY_CUT_OFF : EL_REPLY_ENDED,
        .expect_thinking = c->o.settings->thinking};
    int rc = el_role_parse(f->role, c->parser, reply->text, reply->text_len, &ctx, &p->reply, err);
    if (rc == 0)
        rc = keep(&c->scratch[0], reply->text, p->reply.proof, &p->proof, err);
    if (rc == 0)
        rc = keep(&c->scratch[1], reply->text, p->reply.analysis, &p->analysis, err);
    return rc;
}

/* A proof can be read although its self-evaluation cannot. */
static int has_proof(const struct parsed *p)
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

/* The whole text and, apart from it, the reasoning before "</think>". c->scratch[2] holds both. */
static int split_text(struct el_compete *c, const struct el_completion *reply,
                      struct el_job_result *r, struct el_error *err)
{
    size_t begin = 0;
    el_reply_strip_thinking(reply->text, reply->text_len, c->o.settings->thinking, &begin);
    struct el_buf *b = &c->scratch[2];
    el_buf_clear(b);
    int rc = el_store_clean(b, reply->text, begin);
    size_t answer = b->len + 1;
    if (rc == 0)
        rc = el_buf_add(b, "", 1);
    if (rc == 0)
        rc = el_store_clean(b, reply->text + begin, reply->text_len - begin);
    if (rc < 0)
        return el_error_set(err, EL_ENOMEM, "out of memory for a reply");
    r->reasoning = begin > 0 ? b->data : NULL;
    r->text = b->data + answer;
    return 0;
}

static void set_outcome(const struct el_flight *f, const struct el_completion *reply,
                        const struct parsed *p, struct el_outcome *o)
{
    int ok = p->reply.failure == EL_REPLY_OK;
    *o = (struct el_outcome){.attempt = f->attempt,
                             .halves = ok ? p->reply.halves : EL_SCORE_NONE,
                             .failure = ok ? NULL : el_reply_failure_name(p->reply.failure),
                             .finish = reply->finish == EL_FINISH_LENGTH ? "length" : "stop",
                             .prompt_tokens = reply->prompt_tokens,
                             .cached_tokens = reply->cached_tokens,
                             .completion_tokens = reply->completion_tokens,
                             .logp_sum = reply->logp,
                             .wall_ms = (int64_t)(1000 * (el_compete_now() - f->asked))};
}

static int store_and_read_back(struct el_compete *c, struct el_flight *f,
                               const struct el_job_result *r, struct el_job *job,
                               struct el_error *err)
{
    int rc = el_store_begin(c->o.store, err);
    if (rc < 0)
        return rc;
    rc = el_compete_job(c, f, err);
    if (rc == 0)
        rc = el_store_job_put_result(c->o.store, f->job, r, err);
    if (rc >= 0)
        rc = el_store_job_get(c->o.store, f->job, job, err);
    if (rc < 0) {
        el_store_rollback(c->o.store);
        return rc;
    }
    rc = el_store_commit(c->o.store, err);
    if (rc < 0)
        el_job_release(job);
    return rc;
}

static int receive_attempt(struct el_compete *c, int flight, const struct el_completion *reply,
                           const struct parsed *p, struct el_job_result *r, struct el_error *err)
{
    struct el_flight *f = &c->flights[flight];
    char origin[64];
    snprintf(origin, sizeof origin, "%s:%d", f->key, f->attempt);
    const struct el_author author = {EL_AUTHOR_MODEL, c->side[0].backend->digest, origin};
    const struct el_proof proof = {
        .problem = c->o.contest->problems[f->problem].id, .text = p->proof, .author = author};
    const struct el_analysis self = {.is_self = 1,
                                     .text = p->analysis,
                                     .halves = r->outcome.halves,
                                     .failure = r->outcome.failure,
                                     .author = author};
    r->state = EL_JOB_DONE;
    if (has_proof(p)) {
        r->proof = &proof;
        r->self = p->analysis ? &self : NULL;
    }
    struct el_job job;
    int rc = store_and_read_back(c, f, r, &job, err);
    if (rc < 0)
        return rc;
    struct el_attempt a = {.job = f->job,
                           .proof = job.last.proof,
                           .self = job.last.analysis,
                           .text = -1,
                           .failure = p->reply.failure,
                           .prompt_tokens = reply->prompt_tokens,
                           .completion_tokens = reply->completion_tokens,
                           .halves = (signed char)r->outcome.halves,
                           .refined = f->role == EL_ROLE_REFINER};
    el_job_release(&job);
    if (a.proof)
        a.text = rc =
            el_competition_text(&c->state, f->problem, p->proof, strlen(p->proof), a.proof, err);
    if (rc >= 0)
        rc = el_competition_attempt(&c->state, f->task.thread, f->round, &a, err);
    el_flight_close(c, flight);
    return rc;
}

static int receive_analysis(struct el_compete *c, int flight, const struct el_completion *reply,
                            const struct parsed *p, struct el_job_result *r, struct el_error *err)
{
    struct el_flight *f = &c->flights[flight];
    char origin[64];
    snprintf(origin, sizeof origin, "%s:%d", f->key, f->attempt);
    const struct el_analysis analysis = {
        .proof = f->proof,
        .text = p->analysis,
        .halves = r->outcome.halves,
        .author = {EL_AUTHOR_MODEL, el_compete_side(c, EL_TASK_ANALYSIS)->backend->digest, origin}};
    int ok = p->reply.failure == EL_REPLY_OK;
    int again = !ok && f->attempt < c->o.settings->judge_retries;
    r->state = ok ? EL_JOB_DONE : again ? EL_JOB_PENDING : EL_JOB_FAILED;
    r->analysis = ok ? &analysis : NULL;
    r->drop_reason = r->state == EL_JOB_FAILED ? r->outcome.failure : NULL;
    r->drop_proof_bytes =
        r->state == EL_JOB_FAILED ? (int64_t)c->state.texts[f->task.text].bytes : 0;
    struct el_job job;
    int rc = store_and_read_back(c, f, r, &job, err);
    if (rc < 0)
        return rc;
    const struct el_vote_record v = {.job = f->job,
                                     .analysis = job.last.analysis,
                                     .prompt_tokens = reply->prompt_tokens,
                                     .completion_tokens = reply->completion_tokens,
                                     .attempts = f->attempt + 1,
                                     .state = ok      ? EL_VOTE_DONE
                                              : again ? EL_VOTE_NONE
                                                      : EL_VOTE_DROPPED,
                                     .halves =
                                         (signed char)(ok ? r->outcome.halves : EL_SCORE_NONE)};
    el_job_release(&job);
    rc = el_competition_analysis(&c->state, f->task.text, f->task.sample, &v, err);
    if (rc == 0 && again)
        ask_again(c, flight, 0);
    else
        el_flight_close(c, flight);
    return rc;
}

int el_compete_receive(struct el_compete *c, int flight, const struct el_completion *reply,
                       struct el_error *err)
{
    struct el_flight *f = &c->flights[flight];
    if (reply->finish == EL_FINISH_ERROR)
        return el_compete_outage(c, flight, reply->error.msg, err);
    if (reply->finish == EL_FINISH_REFUSED)
        return el_compete_over_context(c, flight, err);
    f->outages = 0;
    struct parsed p = {.reply = {.failure = EL_REPLY_EMPTY}};
    struct el_job_result r = {0};
    int rc = parse(c, f, reply, &p, err);
    if (rc == 0)
        rc = split_text(c, reply, &r, err);
    if (rc < 0)
        return rc;
    set_outcome(f, reply, &p, &r.outcome);
    return f->role == EL_ROLE_VERIFIER ? receive_analysis(c, flight, reply, &p, &r, err)
                                       : receive_attempt(c, flight, reply, &p, &r, err);
}
