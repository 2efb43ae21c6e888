#include "refine/compete_parts.h"

#include "core/base/alloc.h"
#include "refine/load.h"

#include <stdio.h>

static int open_run(struct el_compete *c, char *warning, struct el_error *err)
{
    const struct el_compete_options *o = &c->o;
    struct el_buf identity;
    char prompts[EL_DIGEST_HEX];
    el_buf_init(&identity);
    el_named_run_prompts(o->prompts, prompts);
    int rc = el_settings_check(o->settings, err);
    if (rc == 0 &&
        el_settings_identity(o->settings, o->verifier->digest, (const char(*)[33])o->contest->keys,
                             o->contest->n, &identity) < 0)
        rc = el_error_set(err, EL_ENOMEM, "out of memory for the run's settings");
    const struct el_run run = {.kind = EL_RUN_COMPETE,
                               .config = identity.data,
                               .seed = o->settings->seed,
                               .model_digest = o->generator->digest,
                               .prompt_digest = prompts,
                               .mode = o->generator->mode,
                               .dtype = "",
                               .isa = ""};
    if (rc == 0)
        rc = el_named_run_claim(o->store, o->settings->name, &run, &c->run, warning, err);
    el_buf_release(&identity);
    return rc;
}

static int open_dispatch(struct el_compete *c, struct el_error *err)
{
    const struct el_compete_options *o = &c->o;
    const struct el_dispatch_options options = {.store = o->store,
                                                .run = c->run,
                                                .backend = {o->generator, o->verifier},
                                                .seed = o->settings->seed,
                                                .thinking = o->settings->thinking,
                                                .judge_retries = o->settings->judge_retries,
                                                .max_outages = o->max_outages,
                                                .backoff_ms = o->backoff_ms,
                                                .group = o->group};
    const struct el_dispatch_owner owner = {.self = c,
                                            .take = el_compete_take,
                                            .ready = el_compete_ready,
                                            .describe = el_compete_describe,
                                            .receive = el_compete_receive,
                                            .refuse = el_compete_refuse,
                                            .show = el_compete_show};
    return el_dispatch_init(&c->dispatch, &options, &owner, err);
}

int el_compete_open(const struct el_compete_options *o, struct el_compete **out, char *warning,
                    struct el_error *err)
{
    struct el_compete *c = el_alloc_array(1, sizeof *c);
    if (!c)
        return el_error_set(err, EL_ENOMEM, "out of memory for a competition");
    c->o = *o;
    *warning = 0;
    int rc = open_run(c, warning, err);
    if (rc == 0)
        rc = el_store_run_lock(o->store, c->run, err);
    if (rc == 0)
        rc = el_competition_init(&c->state, o->settings, o->contest->n, err);
    if (rc == 0)
        rc = el_competition_load_anew(&c->state, o->store, c->run, o->contest, err);
    if (rc == 0)
        rc = el_competition_start(&c->state, err);
    if (rc == 0)
        rc = open_dispatch(c, err);
    if (rc < 0) {
        el_compete_close(c);
        return rc;
    }
    *out = c;
    return 0;
}

void el_compete_close(struct el_compete *c)
{
    if (!c)
        return;
    if (c->run)
        el_store_run_unlock(c->o.store, c->run);
    el_dispatch_release(&c->dispatch);
    el_competition_release(&c->state);
    el_free(c);
}

int64_t el_compete_run_id(const struct el_compete *c)
{
    return c->run;
}

void el_compete_cost(const struct el_compete *c, struct el_compete_cost *out)
{
    const struct el_competition *s = &c->state;
    const struct el_settings *set = c->o.settings;
    *out = (struct el_compete_cost){.stored = s->stored_attempts + s->stored_analyses,
                                    .attempts_min = s->unfinished,
                                    .attempts_max = s->rounds_left};
    out->analyses_max = el_competition_bound(s) - out->stored - out->attempts_max;
    out->completion_tokens_max = out->attempts_max * set->generator.max_tokens +
                                 out->analyses_max * set->verifier.max_tokens;
    double tokens = 0;
    size_t n = (size_t)el_competition_threads(s) * (size_t)set->rounds;
    for (size_t i = 0; i < n; i++)
        tokens += s->attempts[i].completion_tokens;
    if (s->stored_attempts)
        out->tokens_per_attempt = tokens / (double)s->stored_attempts;
}

void el_compete_show(void *self)
{
    struct el_compete *c = self;
    const struct el_competition *s = &c->state;
    char note[64];
    int all = el_competition_threads(s);
    snprintf(note, sizeof note, "%d of %d threads finished", all - s->unfinished, all);
    el_progress_update(c->o.progress, s->stored_attempts + s->stored_analyses,
                       el_competition_bound(s), note);
}

static int stopped(struct el_compete *c, struct el_error *err)
{
    const struct el_competition *s = &c->state;
    return el_error_set(err, EL_EINTR,
                        "stopped; %lld replies are stored in %s. Run the same command again to go "
                        "on",
                        (long long)(s->stored_attempts + s->stored_analyses),
                        el_store_path(c->o.store));
}

/* Every thread ended, and none by an attempt. */
static int asked_nothing(const struct el_compete *c)
{
    return c->state.unfinished == 0 && c->state.stored_attempts == 0;
}

int el_compete_check_asked(const struct el_compete *c, struct el_error *err)
{
    if (!asked_nothing(c))
        return 0;
    return el_error_set(err, EL_ELIMIT,
                        "run '%s': no problem's prompt fits into the context (--context, or what "
                        "the model allows), so that no proof was asked for; with a larger one the "
                        "same command goes on",
                        c->o.settings->name);
}

int el_compete_go(struct el_compete *c, struct el_error *err)
{
    int rc = el_dispatch_go(&c->dispatch, err);
    if (rc == EL_EINTR)
        return stopped(c, err);
    if (rc < 0)
        return rc;
    if (c->state.unfinished > 0)
        return el_error_set(err, EL_EIO, "run '%s': %d threads did not finish", c->o.settings->name,
                            c->state.unfinished);
    return asked_nothing(c) ? 0 : el_store_run_set_done(c->o.store, c->run, err);
}
