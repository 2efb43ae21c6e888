/* From a task to a job and its prompt, and from a reply to the store and the state. */
#include "refine/label_parts.h"

#include <string.h>

/* ------------------------------------------------------------------------------------- asking */

int el_labeller_ready(void *self, int kind)
{
    const struct el_labeller *c = self;
    return c->state.queue[kind].count > 0;
}

int el_labeller_take(void *self, struct el_flight *f)
{
    struct el_labeller *c = self;
    struct el_label_task task;
    if (!el_labelling_take(&c->state, (enum el_label_task_kind)f->kind, &task))
        return 0;
    f->task[EL_FLIGHT_SUBJECT] = task.subject;
    f->task[EL_FLIGHT_SAMPLE] = task.sample;
    return 1;
}

/* The item that the task is about. */
static const struct el_label_item *describe_job(struct el_labeller *c, struct el_flight *f)
{
    const struct el_labelling *s = &c->state;
    int meta = f->kind == EL_LABEL_META, sample = f->task[EL_FLIGHT_SAMPLE];
    const struct el_label_text *t = meta ? &s->texts[f->task[EL_FLIGHT_SUBJECT]] : NULL;
    const struct el_label_item *x = &s->items[meta ? t->item : f->task[EL_FLIGHT_SUBJECT]];
    const struct el_vote_record *v = meta ? &t->metas[sample] : &x->analyses[sample];
    const struct el_problem *p = &c->o.proofs->contest.problems[x->problem];
    f->role = meta ? EL_ROLE_META_VERIFIER : EL_ROLE_VERIFIER;
    f->sampling = meta ? &s->set.meta_verifier : &s->set.verifier;
    f->problem_key = p->key;
    f->index = sample;
    f->attempt = v->attempts;
    f->refusals = v->refusals;
    f->proof_bytes = x->bytes;
    f->row = (struct el_job){.id = v->job,
                             .problem = p->id,
                             .sample = sample,
                             .proof = x->proof,
                             .analysis = meta ? t->analysis : 0};
    return x;
}

static int put_prompt(struct el_labeller *c, const struct el_flight *f,
                      const struct el_label_item *x, const struct el_proof *proof,
                      const char *analysis, struct el_buf *prompt, struct el_error *err)
{
    const struct el_role_input in = {
        .statement = el_slice_str(c->o.proofs->contest.problems[x->problem].statement),
        .proof = el_slice_str(proof->text),
        .analysis = el_slice_str(analysis)};
    return el_role_prompt(f->role, c->o.prompts, &in, prompt, err);
}

int el_labeller_describe(void *self, struct el_flight *f, struct el_buf *prompt,
                         struct el_error *err)
{
    struct el_labeller *c = self;
    const struct el_label_item *x = describe_job(c, f);
    struct el_proof proof;
    struct el_analysis analysis = {.text = ""};
    int rc = el_store_proof_get(c->o.store, x->proof, &proof, err);
    if (rc < 0)
        return rc;
    if (f->row.analysis)
        rc = el_store_analysis_get(c->o.store, f->row.analysis, &analysis, err);
    if (rc == 0) {
        rc = put_prompt(c, f, x, &proof, analysis.text, prompt, err);
        el_analysis_release(&analysis);
    }
    el_proof_release(&proof);
    return rc;
}

/* ------------------------------------------------------------------------------------- replies */

static int move_on(struct el_labeller *c, const struct el_flight *f, const struct el_vote_record *v,
                   const char *text, struct el_error *err)
{
    int subject = f->task[EL_FLIGHT_SUBJECT], sample = f->task[EL_FLIGHT_SAMPLE];
    int rc = f->kind == EL_LABEL_META
                 ? el_labelling_meta(&c->state, subject, sample, v, err)
                 : el_labelling_analysis(&c->state, subject, sample, v, text, err);
    return rc == 0 ? el_labeller_settle(c, err) : rc;
}

int el_labeller_refuse(void *self, struct el_flight *f, struct el_error *err)
{
    struct el_labeller *c = self;
    int rc = el_dispatch_put_refusal(&c->dispatch, f, "prompt_over_context", err);
    const struct el_vote_record v = {.job = f->row.id,
                                     .attempts = f->attempt + 1,
                                     .refusals = f->refusals + 1,
                                     .state = EL_VOTE_DROPPED,
                                     .halves = EL_SCORE_NONE};
    return rc == 0 ? move_on(c, f, &v, NULL, err) : rc;
}

int el_labeller_receive(void *self, struct el_flight *f, const struct el_parsed *p,
                        struct el_job_result *r, struct el_error *err)
{
    struct el_labeller *c = self;
    char origin[EL_ORIGIN_BYTES];
    el_dispatch_origin(f, origin);
    int meta = f->kind == EL_LABEL_META;
    const struct el_backend *who = meta ? c->o.meta_verifier : c->o.verifier;
    const struct el_author author = {EL_AUTHOR_MODEL, who->digest, origin};
    const struct el_analysis analysis = {
        .proof = f->row.proof, .text = p->analysis, .halves = r->outcome.halves, .author = author};
    const struct el_meta_analysis assessment = {.analysis = f->row.analysis,
                                                .text = p->analysis,
                                                .halves = r->outcome.halves,
                                                .author = author};
    int again = el_dispatch_judge(&c->dispatch, f, p, r);
    int ok = r->state == EL_JOB_DONE;
    r->analysis = ok && !meta ? &analysis : NULL;
    r->meta = ok && meta ? &assessment : NULL;
    struct el_job job;
    int rc = el_dispatch_put(&c->dispatch, f, r, &job, err);
    if (rc < 0)
        return rc;
    const struct el_vote_record v = {.job = f->row.id,
                                     .analysis = meta ? job.last.meta : job.last.analysis,
                                     .prompt_tokens = p->prompt_tokens,
                                     .completion_tokens = p->completion_tokens,
                                     .attempts = f->attempt + 1,
                                     .refusals = f->refusals,
                                     .state = ok      ? EL_VOTE_DONE
                                              : again ? EL_VOTE_NONE
                                                      : EL_VOTE_DROPPED,
                                     .halves = (signed char)r->outcome.halves};
    el_job_release(&job);
    rc = move_on(c, f, &v, p->analysis, err);
    return rc < 0 ? rc : again;
}
