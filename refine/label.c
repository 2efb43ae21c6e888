#include "refine/label_parts.h"

#include "core/base/alloc.h"
#include "refine/named_run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ------------------------------------------------------------------------------------ opening */

/* What decides about bits: the meta-verifier's, too, where that is another. */
static void name_mode(const struct el_label_options *o, char out[128])
{
    const char *one = o->verifier->mode, *other = o->meta_verifier->mode;
    if (strcmp(one, other) == 0)
        snprintf(out, 128, "%s", one);
    else
        snprintf(out, 128, "%.55s, meta-verifier %.55s", one, other);
}

static int open_run(struct el_labeller *c, char *warning, struct el_error *err)
{
    const struct el_label_options *o = &c->o;
    struct el_buf identity;
    char prompts[EL_DIGEST_HEX], mode[128];
    name_mode(o, mode);
    el_buf_init(&identity);
    el_named_run_prompts(o->prompts, prompts);
    int rc = el_label_settings_check(o->settings, err);
    if (rc == 0 && el_label_settings_identity(o->settings, o->meta_verifier->digest, &identity) < 0)
        rc = el_error_set(err, EL_ENOMEM, "out of memory for the run's settings");
    const struct el_run run = {.kind = EL_RUN_LABEL,
                               .config = identity.data,
                               .seed = o->settings->seed,
                               .model_digest = o->verifier->digest,
                               .prompt_digest = prompts,
                               .mode = mode,
                               .dtype = "",
                               .isa = ""};
    if (rc == 0)
        rc = el_named_run_claim(o->store, o->settings->name, &run, &c->run, warning, err);
    el_buf_release(&identity);
    return rc;
}

/* Whose the labels are. Decisions by different rules have different origins. */
static int name_labels(struct el_labeller *c, struct el_error *err)
{
    const struct el_label_settings *s = c->o.settings;
    struct el_digest d;
    struct el_run run;
    char digest[EL_DIGEST_HEX];
    if (el_label_rule_put(&s->rule, &c->rule) < 0)
        return el_error_set(err, EL_ENOMEM, "out of memory for a rule");
    int rc = el_store_run_get(c->o.store, c->run, &run, err);
    if (rc < 0)
        return rc;
    el_digest_init(&d);
    el_digest_str(&d, c->rule.data);
    el_digest_hex(&d, digest);
    snprintf(c->rater, sizeof c->rater, "%s@%.12s", s->name, c->o.verifier->digest);
    snprintf(c->origin, sizeof c->origin, "%s:%.16s", run.key, digest);
    el_run_release(&run);
    return 0;
}

static void show(void *self)
{
    struct el_labeller *c = self;
    const struct el_labelling *s = &c->state;
    char note[64];
    snprintf(note, sizeof note, "%d of %d decided", s->decided, s->n_items);
    el_progress_update(c->o.progress, s->stored[0] + s->stored[1], el_labelling_expected(s), note);
}

static int open_dispatch(struct el_labeller *c, struct el_error *err)
{
    const struct el_label_options *o = &c->o;
    const struct el_dispatch_options options = {.store = o->store,
                                                .run = c->run,
                                                .backend = {o->verifier, o->meta_verifier},
                                                .seed = o->settings->seed,
                                                .thinking = o->settings->thinking,
                                                .judge_retries = o->settings->judge_retries,
                                                .max_outages = o->max_outages,
                                                .backoff_ms = o->backoff_ms,
                                                .group = o->group};
    const struct el_dispatch_owner owner = {.self = c,
                                            .take = el_labeller_take,
                                            .ready = el_labeller_ready,
                                            .describe = el_labeller_describe,
                                            .receive = el_labeller_receive,
                                            .refuse = el_labeller_refuse,
                                            .show = show};
    return el_dispatch_init(&c->dispatch, &options, &owner, err);
}

int el_labeller_open(const struct el_label_options *o, struct el_labeller **out, char *warning,
                     struct el_error *err)
{
    struct el_labeller *c = el_alloc_array(1, sizeof *c);
    if (!c)
        return el_error_set(err, EL_ENOMEM, "out of memory for labelling");
    c->o = *o;
    el_buf_init(&c->rule);
    *warning = 0;
    int rc = open_run(c, warning, err);
    if (rc == 0)
        rc = el_store_run_lock(o->store, c->run, err);
    if (rc == 0)
        rc = name_labels(c, err);
    if (rc == 0)
        rc = el_labelling_init(&c->state, o->settings, err);
    if (rc == 0)
        rc = el_labelling_load_anew(&c->state, o->store, c->run, o->proofs, err);
    if (rc == 0)
        rc = el_labelling_start(&c->state, err);
    if (rc == 0)
        rc = el_labeller_settle(c, err);
    if (rc == 0)
        rc = open_dispatch(c, err);
    if (rc < 0) {
        el_labeller_close(c);
        return rc;
    }
    *out = c;
    return 0;
}

void el_labeller_close(struct el_labeller *c)
{
    if (!c)
        return;
    if (c->run)
        el_store_run_unlock(c->o.store, c->run);
    el_dispatch_release(&c->dispatch);
    el_labelling_release(&c->state);
    el_buf_release(&c->rule);
    el_free(c);
}

/* --------------------------------------------------------------------------------------- cost */

/* Sums of tokens and number of the replies that were read. */
static void add_votes(const struct el_vote_record *v, int n, double *tokens, double *count)
{
    for (int i = 0; i < n; i++)
        if (v[i].state != EL_VOTE_NONE) {
            *tokens += v[i].completion_tokens;
            *count += 1;
        }
}

void el_labeller_cost(const struct el_labeller *c, struct el_label_cost *out)
{
    const struct el_labelling *s = &c->state;
    double tokens[2] = {0}, count[2] = {0};
    *out = (struct el_label_cost){.proofs = s->n_copies,
                                  .texts = s->n_items,
                                  .decided = s->decided,
                                  .stored = s->stored[0] + s->stored[1],
                                  .analyses = s->outstanding[EL_LABEL_ANALYSIS]};
    out->metas = el_labelling_expected(s) - out->stored - out->analyses;
    for (int i = 0; i < s->n_items; i++) {
        const struct el_label_item *x = &s->items[i];
        add_votes(x->analyses, x->cap, &tokens[0], &count[0]);
        int64_t most = (int64_t)s->set.rule.n * s->set.rule.m - x->metas;
        if (x->stage != EL_STAGE_DECIDED && most > 0)
            out->metas_max += most;
    }
    for (int i = 0; i < s->n_texts; i++)
        add_votes(s->texts[i].metas, s->texts[i].cap, &tokens[1], &count[1]);
    out->analysis_tokens = count[0] > 0 ? tokens[0] / count[0] : NAN;
    out->meta_tokens = count[1] > 0 ? tokens[1] / count[1] : NAN;
    out->completion_tokens_max = out->analyses * s->set.verifier.max_tokens +
                                 out->metas_max * s->set.meta_verifier.max_tokens;
}

/* ------------------------------------------------------------------------------------ running */

static int decide(struct el_labeller *c, int item, int64_t proof, struct el_error *err)
{
    const struct el_label_result *x = &c->state.items[item].result;
    const struct el_decision d = {.run = c->run,
                                  .proof = proof,
                                  .outcome = x->halves == EL_SCORE_NONE ? c->o.settings->otherwise
                                                                        : EL_DECIDED_LABELLED,
                                  .halves = x->halves,
                                  .rater = c->rater,
                                  .reason = el_label_reason_name((int)x->reason),
                                  .rule = c->rule.data};
    int rc = el_store_decide(c->o.store, &d, c->origin, err);
    return rc < 0 ? rc : 0;
}

int el_labeller_settle(struct el_labeller *c, struct el_error *err)
{
    int item = el_labelling_next_decided(&c->state);
    if (item < 0)
        return 0;
    int rc = el_store_begin(c->o.store, err);
    if (rc < 0)
        return rc;
    for (; rc == 0 && item >= 0; item = el_labelling_next_decided(&c->state))
        for (int i = c->state.items[item].first_copy; rc == 0 && i >= 0;
             i = c->state.copies[i].next)
            rc = decide(c, item, c->state.copies[i].proof, err);
    if (rc == 0)
        return el_store_commit(c->o.store, err);
    el_store_rollback(c->o.store);
    return rc;
}

int el_labeller_go(struct el_labeller *c, struct el_error *err)
{
    const struct el_labelling *s = &c->state;
    int rc = el_dispatch_go(&c->dispatch, err);
    if (rc == EL_EINTR)
        return el_error_set(err, EL_EINTR,
                            "stopped; %lld replies are stored in %s, %d of %d proof texts are "
                            "decided. Run the same command again to go on",
                            (long long)(s->stored[0] + s->stored[1]), el_store_path(c->o.store),
                            s->decided, s->n_items);
    if (rc < 0)
        return rc;
    if (s->decided < s->n_items)
        return el_error_set(err, EL_EIO, "run '%s': %d proofs were not decided",
                            c->o.settings->name, s->n_items - s->decided);
    return el_store_run_set_done(c->o.store, c->run, err);
}
