/* From a task to a request: prompt, key, submission. */
#include "refine/compete_parts.h"

#include "core/base/alloc.h"

#include <string.h>

/* The texts that go into one prompt; rows of the store, owned. */
struct material {
    struct el_proof proof;
    struct el_analysis analyses[65];
    struct el_slice slices[65];
    int n;
};

static void material_release(struct material *m)
{
    el_proof_release(&m->proof);
    for (int i = 0; i < m->n; i++)
        el_analysis_release(&m->analyses[i]);
}

/* {"analyses":["KEY",...]} for the job's row. */
static int name_inputs(struct el_flight *f, const struct material *m, struct el_error *err)
{
    struct el_buf b;
    el_buf_init(&b);
    int rc = el_buf_puts(&b, "{\"analyses\":[");
    for (int i = 0; rc == 0 && i < m->n; i++)
        rc = el_buf_printf(&b, "%s\"%s\"", i ? "," : "", m->analyses[i].key);
    if (rc == 0)
        rc = el_buf_puts(&b, "]}");
    el_free(f->inputs);
    f->inputs = rc == 0 ? el_buf_detach(&b) : NULL;
    el_buf_release(&b);
    return f->inputs ? 0 : el_error_set(err, EL_ENOMEM, "out of memory for a job's inputs");
}

static int fetch(struct el_compete *c, struct el_flight *f, struct material *m,
                 struct el_error *err)
{
    memset(m, 0, sizeof *m);
    int64_t ids[65];
    int n = 0;
    if (f->role == EL_ROLE_REFINER)
        n = el_competition_feedback(&c->state, f->task.thread, f->round, f->sample, ids);
    int rc = f->proof ? el_store_proof_get(c->o.store, f->proof, &m->proof, err) : 0;
    for (int i = 0; rc == 0 && i < n; i++) {
        rc = el_store_analysis_get(c->o.store, ids[i], &m->analyses[i], err);
        if (rc < 0)
            break;
        m->slices[i] = el_slice_str(m->analyses[i].text);
        m->n++;
    }
    if (rc == 0 && f->role == EL_ROLE_REFINER)
        rc = name_inputs(f, m, err);
    if (rc < 0)
        material_release(m);
    return rc;
}

static int make_prompt(struct el_compete *c, struct el_flight *f, struct el_error *err)
{
    struct material m;
    int rc = fetch(c, f, &m, err);
    if (rc < 0)
        return rc;
    struct el_prompt_candidate candidate = {
        .proof = el_slice_str(m.proof.text), .analyses = m.slices, .n_analyses = (size_t)m.n};
    const struct el_role_input in = {.statement =
                                         el_slice_str(c->o.contest->problems[f->problem].statement),
                                     .proof = candidate.proof,
                                     .candidates = &candidate,
                                     .n_candidates = 1};
    el_buf_clear(&c->prompt);
    rc = el_role_prompt(f->role, c->o.prompts, &in, &c->prompt, err);
    material_release(&m);
    return rc;
}

static const struct el_sampling *sampling_of(const struct el_compete *c, const struct el_flight *f)
{
    return f->role == EL_ROLE_VERIFIER ? &c->o.settings->verifier : &c->o.settings->generator;
}

static void make_key(struct el_compete *c, struct el_flight *f)
{
    const struct el_settings *s = c->o.settings;
    const struct el_sampling *sampling = sampling_of(c, f);
    struct el_digest d;
    el_digest_init(&d);
    el_digest_u64(&d, s->seed);
    el_digest_str(&d, el_compete_side(c, f->task.kind)->backend->digest);
    el_digest_str(&d, el_role_name(f->role));
    el_digest_str(&d, c->o.contest->keys[f->problem]);
    el_digest_u64(&d, (uint64_t)f->round);
    el_digest_bytes(&d, c->prompt.data, c->prompt.len);
    el_digest_f64(&d, sampling->temperature);
    el_digest_u64(&d, (uint64_t)sampling->top_k);
    el_digest_f64(&d, sampling->top_p);
    el_digest_u64(&d, (uint64_t)sampling->max_tokens);
    el_digest_u64(&d, (uint64_t)s->thinking);
    el_digest_u64(&d, (uint64_t)(f->role == EL_ROLE_VERIFIER ? f->sample : f->number));
    el_digest_hex(&d, f->key);
}

static uint64_t stream_of(const struct el_flight *f)
{
    struct el_digest d;
    el_digest_init(&d);
    el_digest_str(&d, f->key);
    el_digest_u64(&d, (uint64_t)f->attempt);
    return el_digest_key(&d);
}

/* Everything about the job that follows from the task. Before the first submission, and again with
 * one analysis fewer after a refusal. */
static void describe(struct el_compete *c, struct el_flight *f)
{
    const struct el_competition *s = &c->state;
    if (f->task.kind == EL_TASK_ANALYSIS) {
        const struct el_text *t = &s->texts[f->task.text];
        const struct el_vote_record *v = &t->votes[f->task.sample];
        f->role = EL_ROLE_VERIFIER;
        f->problem = t->problem;
        f->number = f->round = 0;
        f->sample = f->task.sample;
        f->proof = t->proof;
        f->job = v->job;
        f->attempt = v->attempts;
        return;
    }
    f->problem = f->task.thread / s->set.threads;
    f->number = f->task.thread % s->set.threads;
    f->round = s->threads[f->task.thread].round + 1;
    f->sample = el_competition_at(s, f->task.thread, f->round)->dropped;
    const struct el_attempt *source = el_competition_source(s, f->task.thread, f->round);
    f->role = source ? EL_ROLE_REFINER : EL_ROLE_GENERATOR;
    f->proof = source ? el_competition_base(s, f->task.thread, f->round)->proof : 0;
    f->job = 0;
    f->attempt = 0;
}

int el_compete_ask(struct el_compete *c, int flight, struct el_error *err)
{
    struct el_flight *f = &c->flights[flight];
    describe(c, f);
    int rc = make_prompt(c, f, err);
    if (rc < 0)
        return rc;
    make_key(c, f);
    const struct el_message message = {.role = "user", .content = c->prompt.data};
    const struct el_request request = {.messages = &message,
                                       .n_messages = 1,
                                       .thinking = c->o.settings->thinking,
                                       .sampling = *sampling_of(c, f),
                                       .key = stream_of(f),
                                       .tag = flight};
    struct el_side *side = el_compete_side(c, f->task.kind);
    struct el_error why = {0};
    f->asked = el_compete_now();
    rc = el_backend_submit(side->backend, &request, &why);
    if (rc >= 0) {
        side->in_flight++;
        return 0;
    }
    if (rc == EL_ELIMIT)
        return el_compete_over_context(c, flight, err);
    if (rc == EL_EIO || rc == EL_EBUSY)
        return el_compete_outage(c, flight, why.msg, err);
    return el_error_set(err, rc, "%s: %s", side->backend->name, why.msg);
}
