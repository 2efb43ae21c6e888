#include "refine/label_report.h"

#include "core/base/alloc.h"

#include <string.h>

struct work {
    struct el_label_report *r;
    struct el_store *store;
    struct el_labelling state;
    struct el_label_proofs proofs;
    signed char *label; /* (items) */
    int rules;          /* decisions seen */
};

/* -------------------------------------------------------------------------------------- counts */

static int count_rule(struct work *w, const struct el_decision *d, struct el_error *err)
{
    struct el_label_rule rule;
    int rc = el_label_rule_read(&rule, d->rule, err);
    if (rc < 0)
        return rc;
    if (w->rules++ == 0)
        w->r->rule = rule;
    w->r->other_rules += memcmp(&rule, &w->r->rule, sizeof rule) != 0;
    return 0;
}

static int count_decision(void *user, const struct el_decision *d, struct el_error *err)
{
    struct work *w = user;
    struct el_label_report *r = w->r;
    int item = el_map_get(&w->state.by_proof, (uint64_t)d->proof);
    int reason = el_label_reason_from_name(d->reason);
    int fits = d->outcome == EL_DECIDED_LABELLED ? el_score_is_legal(d->halves)
                                                 : d->halves == EL_SCORE_NONE;
    if (item < 0 || reason < 0 || !fits)
        return el_error_set(err, EL_EFORMAT,
                            "run '%s': a decision about proof %lld for '%s': %s %s",
                            r->record.settings.name, (long long)d->proof, d->reason,
                            el_decided_name(d->outcome), el_score_text(d->halves));
    r->outcome[d->outcome]++;
    r->reasons[reason]++;
    if (d->outcome == EL_DECIDED_LABELLED)
        r->labels[d->halves]++;
    w->label[item] = (signed char)d->halves;
    return count_rule(w, d, err);
}

static void count_votes(const struct el_vote_record *v, int n, size_t bytes,
                        struct el_tally_lengths *out)
{
    int c = el_length_class(bytes);
    for (int i = 0; i < n; i++) {
        out->asked[c] += v[i].state != EL_VOTE_NONE;
        out->dropped[c] += v[i].state == EL_VOTE_DROPPED;
    }
}

static void count_lengths(struct work *w)
{
    const struct el_labelling *s = &w->state;
    for (int i = 0; i < s->n_items; i++)
        count_votes(s->items[i].analyses, s->items[i].cap, s->items[i].bytes, &w->r->analyses);
    for (int t = 0; t < s->n_texts; t++)
        count_votes(s->texts[t].metas, s->texts[t].cap, s->items[s->texts[t].item].bytes,
                    &w->r->metas);
}

/* --------------------------------------------------------------------------------- exact truth */

static int measure_with(struct work *w, signed char *truth, struct el_label_case *cases,
                        struct el_figures *f, struct el_error *err)
{
    const struct el_labelling *s = &w->state;
    int rc = el_label_truth(s, w->store, &w->proofs, truth, err);
    for (int i = 0; rc == 0 && i < s->n_items; i++) {
        cases[i] = (struct el_label_case){
            .problem = s->items[i].problem, .truth = truth[i], .label = w->label[i]};
        for (int c = s->items[i].first_copy; c >= 0; c = s->copies[c].next)
            cases[i].copies++;
    }
    if (rc == 0)
        rc = el_label_measure(cases, s->n_items, f, &w->r->figures, err);
    return rc == 0 ? el_figures_compute(f, err) : rc;
}

static int measure(struct work *w, uint64_t seed, struct el_error *err)
{
    size_t n = (size_t)w->state.n_items + 1;
    struct el_figures f = {
        .n_problems = w->r->problems, .resamples = w->r->resamples, .seed = seed};
    signed char *truth = el_alloc_array(n, 1);
    struct el_label_case *cases = el_alloc_array(n, sizeof *cases);
    int rc = truth && cases ? measure_with(w, truth, cases, &f, err)
                            : el_error_set(err, EL_ENOMEM, "out of memory for a report");
    el_figures_release(&f);
    el_free(truth);
    el_free(cases);
    return rc;
}

/* -------------------------------------------------------------------------------------- making */

static int load(struct work *w, const char *name, struct el_error *err)
{
    struct el_label_report *r = w->r;
    int rc = el_label_record_find(w->store, name, &r->record, err);
    if (rc == 0)
        rc = el_label_proofs_select(&w->proofs, w->store, r->record.id, NULL, 0, err);
    if (rc == 0)
        rc = el_labelling_init(&w->state, &r->record.settings, err);
    return rc == 0 ? el_labelling_load(&w->state, w->store, r->record.id, &w->proofs, err) : rc;
}

static int count(struct work *w, uint64_t seed, struct el_error *err)
{
    struct el_label_report *r = w->r;
    w->label = el_alloc_array((size_t)w->state.n_items + 1, 1);
    if (!w->label)
        return el_error_set(err, EL_ENOMEM, "out of memory for a report");
    memset(w->label, EL_SCORE_NONE, (size_t)w->state.n_items);
    r->proofs = w->state.n_copies;
    r->problems = w->proofs.contest.n;
    int rc = el_store_decision_each(w->store, r->record.id, 0, count_decision, w, err);
    r->undecided = r->proofs - w->rules;
    if (rc == 0)
        rc = el_tally_load(&r->tally, w->store, r->record.id, err);
    count_lengths(w);
    r->exact = el_contest_is_world(&w->proofs.contest);
    return rc == 0 && r->exact ? measure(w, seed, err) : rc;
}

int el_label_report_make(struct el_label_report *r, struct el_store *s, const char *name,
                         const struct el_label_report_options *options, struct el_error *err)
{
    static const struct el_label_report_options defaults;
    const struct el_label_report_options *o = options ? options : &defaults;
    struct work w = {.r = r, .store = s};
    memset(r, 0, sizeof *r);
    el_label_rule_init(&r->rule);
    r->resamples = o->resamples > 0 ? o->resamples : 10000;
    el_label_proofs_init(&w.proofs);
    int rc = load(&w, name, err);
    if (rc == 0)
        rc = count(&w, o->seed, err);
    el_labelling_release(&w.state);
    el_label_proofs_release(&w.proofs);
    el_free(w.label);
    if (rc < 0)
        el_label_report_release(r);
    return rc;
}

void el_label_report_release(struct el_label_report *r)
{
    el_tally_release(&r->tally);
    memset(r, 0, sizeof *r);
}
