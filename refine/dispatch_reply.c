/* From a completion to the store. */
#include "refine/dispatch_parts.h"

#include "core/base/clock.h"

#include <stdio.h>

int el_dispatch_row(struct el_dispatch *d, struct el_flight *f, struct el_error *err)
{
    if (f->row.id)
        return 0;
    struct el_job job = f->row;
    job.run = d->o.run;
    job.key = f->key;
    job.role = el_role_name(f->role);
    job.inputs = f->inputs;
    int rc = el_store_job_add(d->o.store, &job, &f->row.id, err);
    return rc < 0 ? rc : 0;
}

void el_dispatch_origin(const struct el_flight *f, char out[EL_ORIGIN_BYTES])
{
    snprintf(out, EL_ORIGIN_BYTES, "%s:%d", f->key, el_flight_tries(f));
}

/* ------------------------------------------------------------------------------------ parsing */

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

static int parse(struct el_dispatch *d, const struct el_flight *f,
                 const struct el_completion *reply, struct el_parsed *p, struct el_error *err)
{
    const struct el_reply_context ctx = {
        .finish = reply->finish == EL_FINISH_LENGTH ? EL_REPLY_CUT_OFF : EL_REPLY_ENDED,
        .expect_thinking = d->o.thinking};
    int rc = el_role_parse(f->role, d->parser, reply->text, reply->text_len, &ctx, &p->reply, err);
    if (rc == 0)
        rc = keep(&d->scratch[0], reply->text, p->reply.proof, &p->proof, err);
    if (rc == 0)
        rc = keep(&d->scratch[1], reply->text, p->reply.analysis, &p->analysis, err);
    p->prompt_tokens = reply->prompt_tokens;
    p->completion_tokens = reply->completion_tokens;
    return rc;
}

/* The whole text and, apart from it, the reasoning before "</think>". d->scratch[2] holds both. */
static int split_text(struct el_dispatch *d, const struct el_completion *reply,
                      struct el_job_result *r, struct el_error *err)
{
    size_t begin = 0;
    el_reply_strip_thinking(reply->text, reply->text_len, d->o.thinking, &begin);
    struct el_buf *b = &d->scratch[2];
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
                        const struct el_parsed *p, struct el_outcome *o)
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
                             .wall_ms = (int64_t)(1000 * (el_clock_seconds() - f->asked))};
}

int el_dispatch_receive(struct el_dispatch *d, struct el_flight *f,
                        const struct el_completion *reply, struct el_error *err)
{
    struct el_parsed p = {.reply = {.failure = EL_REPLY_EMPTY}};
    struct el_job_result r = {0};
    int rc = parse(d, f, reply, &p, err);
    if (rc == 0)
        rc = split_text(d, reply, &r, err);
    if (rc < 0)
        return rc;
    set_outcome(f, reply, &p, &r.outcome);
    return d->owner.receive(d->owner.self, f, &p, &r, err);
}

/* ------------------------------------------------------------------------------------ storing */

int el_dispatch_judge(const struct el_dispatch *d, const struct el_flight *f,
                      const struct el_parsed *p, struct el_job_result *r)
{
    int ok = p->reply.failure == EL_REPLY_OK;
    int again = !ok && el_flight_tries(f) < d->o.judge_retries;
    r->state = ok ? EL_JOB_DONE : again ? EL_JOB_PENDING : EL_JOB_FAILED;
    if (r->state == EL_JOB_FAILED) {
        r->drop_reason = r->outcome.failure;
        r->drop_proof_bytes = (int64_t)f->proof_bytes;
    }
    return again;
}

int el_dispatch_put(struct el_dispatch *d, struct el_flight *f, const struct el_job_result *r,
                    struct el_job *job, struct el_error *err)
{
    int rc = el_store_begin(d->o.store, err);
    if (rc < 0)
        return rc;
    rc = el_dispatch_row(d, f, err);
    if (rc == 0)
        rc = el_store_job_put_result(d->o.store, f->row.id, r, err);
    if (rc >= 0)
        rc = el_store_job_get(d->o.store, f->row.id, job, err);
    if (rc < 0) {
        el_store_rollback(d->o.store);
        return rc;
    }
    rc = el_store_commit(d->o.store, err);
    if (rc < 0)
        el_job_release(job);
    return rc;
}

int el_dispatch_put_refusal(struct el_dispatch *d, struct el_flight *f, const char *reason,
                            struct el_error *err)
{
    const struct el_job_result r = {.state = EL_JOB_FAILED,
                                    .outcome = {.attempt = f->attempt,
                                                .halves = EL_SCORE_NONE,
                                                .failure = "prompt_over_context",
                                                .finish = "refused"},
                                    .text = "",
                                    .drop_reason = reason,
                                    .drop_proof_bytes = (int64_t)f->proof_bytes};
    int rc = el_dispatch_row(d, f, err);
    if (rc == 0)
        rc = el_store_job_put_result(d->o.store, f->row.id, &r, err);
    return rc < 0 ? rc : 0;
}
