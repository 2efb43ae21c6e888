/* From a task to a job and its prompt. */
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
        n = el_competition_feedback(&c->state, f->task[EL_FLIGHT_THREAD], f->row.round,
                                    f->row.sample, ids);
    int rc = f->row.proof ? el_store_proof_get(c->o.store, f->row.proof, &m->proof, err) : 0;
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

static int make_prompt(struct el_compete *c, struct el_flight *f, const char *statement,
                       struct el_buf *prompt, struct el_error *err)
{
    struct material m;
    int rc = fetch(c, f, &m, err);
    if (rc < 0)
        return rc;
    struct el_prompt_candidate candidate = {
        .proof = el_slice_str(m.proof.text), .analyses = m.slices, .n_analyses = (size_t)m.n};
    const struct el_role_input in = {.statement = el_slice_str(statement),
                                     .proof = candidate.proof,
                                     .candidates = &candidate,
                                     .n_candidates = 1};
    rc = el_role_prompt(f->role, c->o.prompts, &in, prompt, err);
    material_release(&m);
    return rc;
}

/* The index of the problem. */
static int describe_analysis(struct el_compete *c, struct el_flight *f)
{
    int sample = f->task[EL_FLIGHT_SAMPLE];
    const struct el_text *t = &c->state.texts[f->task[EL_FLIGHT_TEXT]];
    const struct el_vote_record *v = &t->votes[sample];
    f->role = EL_ROLE_VERIFIER;
    f->sampling = &c->o.settings->verifier;
    f->index = sample;
    f->attempt = v->attempts;
    f->refusals = v->refusals;
    f->proof_bytes = t->bytes;
    f->row = (struct el_job){.id = v->job, .sample = sample, .proof = t->proof};
    return t->problem;
}

static int describe_attempt(struct el_compete *c, struct el_flight *f)
{
    const struct el_competition *s = &c->state;
    int thread = f->task[EL_FLIGHT_THREAD], round = s->threads[thread].round + 1;
    const struct el_attempt *source = el_competition_source(s, thread, round);
    const struct el_attempt *base = source ? el_competition_base(s, thread, round) : NULL;
    f->role = source ? EL_ROLE_REFINER : EL_ROLE_GENERATOR;
    f->sampling = &c->o.settings->generator;
    f->index = thread % s->set.threads;
    f->attempt = 0;
    f->proof_bytes = base && base->text >= 0 ? s->texts[base->text].bytes : 0;
    f->row = (struct el_job){.thread = f->index,
                             .round = round,
                             .sample = el_competition_at(s, thread, round)->dropped,
                             .proof = base ? base->proof : 0};
    return thread / s->set.threads;
}

/* Everything about the job that follows from the task. Before the first submission, and again with
 * one analysis fewer after a refusal. */
int el_compete_describe(void *self, struct el_flight *f, struct el_buf *prompt,
                        struct el_error *err)
{
    struct el_compete *c = self;
    int problem = f->kind == EL_TASK_ANALYSIS ? describe_analysis(c, f) : describe_attempt(c, f);
    f->row.problem = c->o.contest->problems[problem].id;
    f->problem_key = c->o.contest->keys[problem];
    return make_prompt(c, f, c->o.contest->problems[problem].statement, prompt, err);
}

int el_compete_ready(void *self, int kind)
{
    const struct el_compete *c = self;
    return c->state.queue[kind].count > 0;
}

int el_compete_take(void *self, struct el_flight *f)
{
    struct el_compete *c = self;
    struct el_task task;
    if (!el_competition_take(&c->state, (enum el_task_kind)f->kind, &task))
        return 0;
    if (task.kind == EL_TASK_ATTEMPT) {
        f->task[EL_FLIGHT_THREAD] = task.thread;
    } else {
        f->task[EL_FLIGHT_TEXT] = task.text;
        f->task[EL_FLIGHT_SAMPLE] = task.sample;
    }
    return 1;
}
