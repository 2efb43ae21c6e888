/* Why a proof was decided as it was, out of the stored replies. */
#include "refine/label_report.h"

#include "core/base/alloc.h"

#include <string.h>

/* One run's decision, with everything it rests on. */
struct explained {
    struct el_store *store;
    int64_t proof;
    struct el_decision decision;
    struct el_label_record record;
    struct el_label_proofs proofs;
    struct el_labelling state;
    struct el_label_rule rule;
    struct el_label_result result;
    int item;
    struct el_problem problem;
    struct el_proof row;
};

static int no_memory(struct el_error *err)
{
    return el_error_set(err, EL_ENOMEM, "out of memory for an explanation");
}

static void release(struct explained *x)
{
    el_decision_release(&x->decision);
    el_label_proofs_release(&x->proofs);
    el_labelling_release(&x->state);
    el_problem_release(&x->problem);
    el_proof_release(&x->row);
}

static int load_state(struct explained *x, int64_t run, struct el_error *err)
{
    int rc = el_label_record_get(x->store, run, &x->record, err);
    if (rc == 0)
        rc = el_label_proofs_around(&x->proofs, x->store, run, x->proof, err);
    x->record.settings.rule = x->rule;
    if (rc == 0)
        rc = el_labelling_init(&x->state, &x->record.settings, err);
    return rc == 0 ? el_labelling_load(&x->state, x->store, run, &x->proofs, err) : rc;
}

static int open_decision(struct explained *x, int64_t run, struct el_error *err)
{
    el_label_proofs_init(&x->proofs);
    int rc = el_store_decision_get(x->store, run, x->proof, &x->decision, err);
    if (rc == 0)
        rc = el_label_rule_read(&x->rule, x->decision.rule, err);
    if (rc == 0)
        rc = load_state(x, run, err);
    if (rc == 0)
        rc = el_store_proof_get(x->store, x->proof, &x->row, err);
    if (rc == 0)
        rc = el_store_problem_get(x->store, x->row.problem, &x->problem, err);
    if (rc < 0)
        return rc;
    x->item = el_map_get(&x->state.by_proof, (uint64_t)x->proof);
    if (el_labelling_decide(&x->state, x->item, &x->rule, &x->result) &&
        el_label_reason_from_name(x->decision.reason) == (int)x->result.reason &&
        x->decision.halves == x->result.halves)
        return 0;
    return el_error_set(err, EL_EFORMAT,
                        "run '%s': the stored replies about proof %lld do not lead to the stored "
                        "decision '%s'",
                        x->record.settings.name, (long long)x->proof, x->decision.reason);
}

/* ---------------------------------------------------------------------------------------- text */

static int put_indented(const char *text, struct el_buf *out)
{
    int rc = 0;
    while (rc == 0 && *text) {
        size_t n = strcspn(text, "\n");
        rc = el_buf_printf(out, "    | %.*s\n", (int)n, text);
        text += n + (text[n] == '\n');
    }
    return rc;
}

static int put_metas(const struct explained *x, int text, struct el_buf *out)
{
    const struct el_label_text *t = &x->state.texts[text];
    int rc = el_buf_puts(out, "    meta-assessments:");
    for (int i = 0; rc == 0 && i < x->rule.m && i < t->cap; i++)
        rc = el_buf_printf(out, " %s",
                           t->metas[i].state == EL_VOTE_DONE ? el_score_text(t->metas[i].halves)
                                                             : "dropped");
    return rc == 0 ? el_buf_putc(out, '\n') : rc;
}

static int failure_of(const struct explained *x, int64_t job, struct el_buf *out,
                      struct el_error *err)
{
    struct el_job j;
    int rc = el_store_job_get(x->store, job, &j, err);
    if (rc < 0)
        return rc;
    int replies = j.attempts - j.refusals;
    rc = el_buf_printf(out, "dropped after %d repl%s: %s\n", replies, replies == 1 ? "y" : "ies",
                       j.last.failure ? j.last.failure : "unknown");
    el_job_release(&j);
    return rc < 0 ? no_memory(err) : 0;
}

static int put_verdict(struct explained *x, int i, struct el_buf *out)
{
    struct el_meta_count c = {0};
    int text = x->state.items[x->item].texts[i];
    if (text < 0)
        return el_buf_puts(out, ", reports no issue\n");
    if (x->state.texts[text].sample < i)
        return el_buf_printf(out, ", the text of analysis %d\n", x->state.texts[text].sample);
    el_labelling_metas(&x->state, text, &x->rule, &c);
    if (c.verdict == EL_VERDICT_NONE)
        return el_buf_puts(out, ", not examined: the others decide\n");
    int rc = el_buf_printf(out, ", %s: %d confirm, %d do not, %d dropped\n",
                           el_verdict_name((int)c.verdict), c.confirm, c.deny, c.dropped);
    return rc == 0 ? put_metas(x, text, out) : rc;
}

static int put_analysis(struct explained *x, int i, struct el_buf *out, struct el_error *err)
{
    const struct el_vote_record *v = &x->state.items[x->item].analyses[i];
    struct el_analysis a;
    int rc = el_buf_printf(out, "  analysis %d: ", i);
    if (rc == 0 && v->state != EL_VOTE_DONE)
        return failure_of(x, v->job, out, err);
    if (rc == 0)
        rc = el_buf_printf(out, "score %s", el_score_text(v->halves));
    if (rc == 0)
        rc = put_verdict(x, i, out);
    if (rc < 0)
        return no_memory(err);
    int text = x->state.items[x->item].texts[i];
    if (text >= 0 && x->state.texts[text].sample < i)
        return 0;
    rc = el_store_analysis_get(x->store, v->analysis, &a, err);
    if (rc < 0)
        return rc;
    rc = put_indented(a.text, out);
    el_analysis_release(&a);
    return rc < 0 ? no_memory(err) : 0;
}

static int put_head(const struct explained *x, struct el_buf *out)
{
    int rc = el_buf_printf(out, "proof %lld (%.12s) of problem %s/%s\nrun %s: %s",
                           (long long)x->proof, x->row.key, x->problem.set, x->problem.external_id,
                           x->record.settings.name, el_decided_name(x->decision.outcome));
    if (rc == 0 && x->decision.outcome == EL_DECIDED_LABELLED)
        rc = el_buf_printf(out, " %s", el_score_text(x->decision.halves));
    if (rc == 0)
        rc = el_buf_printf(out, " (%s), because ", x->decision.reason);
    if (rc == 0)
        rc = el_label_because(&x->rule, &x->result, out);
    if (rc == 0)
        rc = el_buf_printf(out, "\nrule %s\n", x->decision.rule);
    int64_t asked = x->state.items[x->item].proof;
    if (rc == 0 && asked != x->proof)
        rc = el_buf_printf(out, "The analyses are of proof %lld, which has the same text.\n",
                           (long long)asked);
    return rc;
}

static int put_text(struct explained *x, struct el_buf *out, struct el_error *err)
{
    int rc = put_head(x, out) < 0 ? no_memory(err) : 0;
    for (int i = 0; rc == 0 && i < x->rule.n; i++)
        rc = put_analysis(x, i, out, err);
    return rc;
}

/* ---------------------------------------------------------------------------------------- JSON */

static int json_metas(const struct explained *x, int text, struct el_json_out *j,
                      struct el_error *err)
{
    const struct el_label_text *t = &x->state.texts[text];
    int rc = 0;
    el_json_open(j, "metas", '[');
    for (int i = 0; rc == 0 && i < x->rule.m && i < t->cap; i++) {
        struct el_meta_analysis m;
        el_json_open(j, NULL, '{');
        el_json_count(j, "replies", t->metas[i].attempts - t->metas[i].refusals);
        int scored = t->metas[i].state == EL_VOTE_DONE;
        if (scored)
            rc = el_store_meta_get(x->store, t->metas[i].analysis, &m, err);
        if (scored && rc == 0) {
            el_json_number(j, "score", el_score_value(m.halves));
            el_json_text(j, "text", m.text);
            el_meta_release(&m);
        }
        el_json_close(j, '}');
    }
    el_json_close(j, ']');
    return rc;
}

static int json_analysis(struct explained *x, int i, struct el_json_out *j, struct el_error *err)
{
    const struct el_label_item *item = &x->state.items[x->item];
    const struct el_vote_record *v = &item->analyses[i];
    struct el_analysis a;
    struct el_meta_count c = {0};
    int rc = v->analysis ? el_store_analysis_get(x->store, v->analysis, &a, err) : 0;
    el_json_open(j, NULL, '{');
    el_json_count(j, "sample", i);
    el_json_count(j, "replies", v->attempts - v->refusals);
    if (v->analysis && rc == 0) {
        el_json_number(j, "score", el_score_value(v->halves));
        el_json_text(j, "text", a.text);
        el_analysis_release(&a);
    }
    if (rc == 0 && item->texts[i] >= 0) {
        el_labelling_metas(&x->state, item->texts[i], &x->rule, &c);
        el_json_count(j, "text_of_sample", x->state.texts[item->texts[i]].sample);
        el_json_text(j, "verdict", el_verdict_name((int)c.verdict));
        if (c.verdict != EL_VERDICT_NONE)
            rc = json_metas(x, item->texts[i], j, err);
    }
    el_json_close(j, '}');
    return rc;
}

static int json_head(const struct explained *x, struct el_json_out *j)
{
    struct el_buf why;
    el_buf_init(&why);
    int rc = el_label_because(&x->rule, &x->result, &why);
    el_json_text(j, "run", x->record.settings.name);
    el_json_count(j, "proof", x->proof);
    el_json_text(j, "proof_key", x->row.key);
    el_json_text(j, "problem", x->problem.external_id);
    el_json_text(j, "outcome", el_decided_name(x->decision.outcome));
    if (x->decision.halves != EL_SCORE_NONE)
        el_json_number(j, "label", el_score_value(x->decision.halves));
    el_json_text(j, "reason", x->decision.reason);
    if (rc == 0)
        el_json_text(j, "because", why.data);
    el_json_text(j, "rule", x->decision.rule);
    el_buf_release(&why);
    return rc;
}

static int put_json(struct explained *x, struct el_buf *out, int first, struct el_error *err)
{
    struct el_json_out j = {.buf = out, .first = first};
    el_json_open(&j, NULL, '{');
    int rc = json_head(x, &j) < 0 ? no_memory(err) : 0;
    el_json_open(&j, "analyses", '[');
    for (int i = 0; rc == 0 && i < x->rule.n; i++)
        rc = json_analysis(x, i, &j, err);
    el_json_close(&j, ']');
    el_json_close(&j, '}');
    return rc == 0 && j.failed ? no_memory(err) : rc;
}

/* -------------------------------------------------------------------------------- all the runs */

struct runs {
    int64_t id[64];
    int n;
};

static int collect(void *user, const struct el_decision *d, struct el_error *err)
{
    (void)err;
    struct runs *r = user;
    if (r->n == (int)(sizeof r->id / sizeof *r->id))
        return 1;
    r->id[r->n++] = d->run;
    return 0;
}

static int explain_run(struct el_store *s, int64_t proof, int64_t run, int json, int first,
                       struct el_buf *out, struct el_error *err)
{
    struct explained *x = el_alloc_array(1, sizeof *x);
    if (!x)
        return no_memory(err);
    x->store = s;
    x->proof = proof;
    int rc = open_decision(x, run, err);
    if (rc == 0)
        rc = json ? put_json(x, out, first, err) : put_text(x, out, err);
    release(x);
    el_free(x);
    return rc;
}

int el_label_explain(struct el_store *s, int64_t proof, const char *name, int json,
                     struct el_buf *out, struct el_error *err)
{
    struct el_label_record only = {0};
    struct runs runs = {0};
    int rc = name ? el_label_record_find(s, name, &only, err) : 0;
    if (rc == 0)
        rc = el_store_decision_each(s, only.id, proof, collect, &runs, err);
    if (rc >= 0 && runs.n == 0)
        rc = el_error_set(err, EL_ENOTFOUND, "%s: no labelling%s%s has decided about proof %lld",
                          el_store_path(s), name ? " " : "", name ? name : "", (long long)proof);
    if (rc >= 0 && json && el_buf_putc(out, '[') < 0)
        rc = no_memory(err);
    for (int i = 0; rc >= 0 && i < runs.n; i++) {
        rc = explain_run(s, proof, runs.id[i], json, i == 0, out, err);
        if (rc == 0 && !json && i + 1 < runs.n && el_buf_putc(out, '\n') < 0)
            rc = no_memory(err);
    }
    if (rc >= 0 && json && el_buf_puts(out, "]\n") < 0)
        rc = no_memory(err);
    return rc < 0 ? rc : 0;
}
