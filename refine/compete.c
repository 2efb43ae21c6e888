#include "refine/compete_parts.h"

#include "core/base/alloc.h"
#include "refine/load.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const double max_group_s = 0.1;

double el_compete_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

struct el_side *el_compete_side(struct el_compete *c, enum el_task_kind kind)
{
    return &c->side[kind == EL_TASK_ANALYSIS && c->n_sides == 2 ? 1 : 0];
}

/* ------------------------------------------------------------------------------------ opening */

static void prompt_digest(const struct el_prompt_set *prompts, char out[EL_DIGEST_HEX])
{
    struct el_digest d;
    el_digest_init(&d);
    el_prompt_set_digest(prompts, &d);
    el_digest_hex(&d, out);
}

/* The first field in which two identities differ. */
static void name_difference(const cJSON *stored, const char *asked, char *out, size_t size)
{
    cJSON *now = cJSON_Parse(asked);
    snprintf(out, size, "settings");
    for (const cJSON *a = stored->child; a; a = a->next) {
        const cJSON *b = cJSON_GetObjectItemCaseSensitive(now, a->string);
        if (b && cJSON_Compare(a, b, 1))
            continue;
        char *x = cJSON_PrintUnformatted(a), *y = b ? cJSON_PrintUnformatted(b) : NULL;
        if (strcmp(a->string, "problems") == 0)
            snprintf(out, size, "problems");
        else
            snprintf(out, size, "%s (%.100s there, %.100s here)", a->string, x ? x : "?",
                     y ? y : "nothing");
        cJSON_free(x);
        cJSON_free(y);
        break;
    }
    cJSON_Delete(now);
}

static int check_same(const struct el_compete *c, const struct el_run_record *r,
                      const char *identity, const char *prompts, struct el_error *err)
{
    char what[256] = "";
    if (strcmp(r->config, identity) != 0)
        name_difference(r->json, identity, what, sizeof what);
    else if (strcmp(r->model, c->o.generator->digest) != 0)
        snprintf(what, sizeof what, "model (digest %s there, %s here)", r->model,
                 c->o.generator->digest);
    else if (strcmp(r->prompts, prompts) != 0)
        snprintf(what, sizeof what, "prompts");
    if (!*what)
        return 0;
    return el_error_set(err, EL_EREFUSED,
                        "%s: the run '%s' exists with other %s; give the same, or another --run",
                        el_store_path(c->o.store), r->settings.name, what);
}

static int add_run(struct el_compete *c, const char *identity, const char *prompts,
                   struct el_error *err)
{
    const struct el_run run = {.kind = EL_RUN_COMPETE,
                               .config = identity,
                               .seed = c->o.settings->seed,
                               .model_digest = c->o.generator->digest,
                               .prompt_digest = prompts,
                               .mode = c->o.generator->mode,
                               .dtype = "",
                               .isa = ""};
    int rc = el_store_run_add(c->o.store, &run, &c->run, err);
    return rc < 0 ? rc : 0;
}

static int find_or_add_run(struct el_compete *c, const char *identity, char *warning,
                           struct el_error *err)
{
    char prompts[EL_DIGEST_HEX];
    struct el_run_record record;
    struct el_error missing = {0};
    prompt_digest(c->o.prompts, prompts);
    int rc = el_run_find(c->o.store, c->o.settings->name, &record, &missing);
    if (rc == EL_ENOTFOUND)
        return add_run(c, identity, prompts, err);
    if (rc < 0)
        return el_error_set(err, rc, "%s", missing.msg);
    rc = check_same(c, &record, identity, prompts, err);
    c->run = record.id;
    if (rc == 0 && strcmp(record.mode, c->o.generator->mode) != 0)
        snprintf(warning, 256,
                 "the run was begun as '%.80s' and goes on as '%.80s': its replies are not "
                 "reproducible bit for bit",
                 record.mode, c->o.generator->mode);
    el_run_record_release(&record);
    return rc;
}

static int open_run(struct el_compete *c, char *warning, struct el_error *err)
{
    const struct el_compete_options *o = &c->o;
    struct el_buf identity;
    el_buf_init(&identity);
    int rc = el_settings_check(o->settings, err);
    if (rc == 0 &&
        el_settings_identity(o->settings, o->verifier->digest, (const char(*)[33])o->contest->keys,
                             o->contest->n, &identity) < 0)
        rc = el_error_set(err, EL_ENOMEM, "out of memory for the run's settings");
    if (rc == 0)
        rc = find_or_add_run(c, identity.data, warning, err);
    el_buf_release(&identity);
    return rc;
}

int el_compete_open(const struct el_compete_options *o, struct el_compete **out, char *warning,
                    struct el_error *err)
{
    struct el_compete *c = el_alloc_array(1, sizeof *c);
    if (!c)
        return el_error_set(err, EL_ENOMEM, "out of memory for a competition");
    c->o = *o;
    c->side[0].backend = o->generator;
    c->side[1].backend = o->verifier;
    c->n_sides = o->generator == o->verifier ? 1 : 2;
    c->again = c->free_flight = -1;
    el_buf_init(&c->prompt);
    for (int i = 0; i < 3; i++)
        el_buf_init(&c->scratch[i]);
    *warning = 0;
    int rc = open_run(c, warning, err);
    if (rc == 0)
        rc = el_store_run_lock(o->store, c->run, err);
    if (rc >= 0)
        rc = el_competition_init(&c->state, o->settings, o->contest->n, err);
    if (rc == 0)
        rc = el_competition_load(&c->state, o->store, c->run, o->contest, err);
    if (rc == 0)
        rc = el_competition_start(&c->state, err);
    if (rc == 0)
        rc = el_reply_parser_create(&c->parser, err);
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
    for (int i = 0; i < c->n_flights; i++)
        el_free(c->flights[i].inputs);
    el_free(c->flights);
    el_reply_parser_free(c->parser);
    el_competition_release(&c->state);
    el_buf_release(&c->prompt);
    for (int i = 0; i < 3; i++)
        el_buf_release(&c->scratch[i]);
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

/* ------------------------------------------------------------------------------------ flights */

int el_flight_open(struct el_compete *c, struct el_error *err)
{
    int i = c->free_flight;
    if (i >= 0) {
        c->free_flight = c->flights[i].next;
    } else {
        if (c->n_flights == c->cap_flights) {
            int cap = c->cap_flights ? 2 * c->cap_flights : 64;
            struct el_flight *grown = el_realloc(c->flights, (size_t)cap * sizeof *grown);
            if (!grown)
                return el_error_set(err, EL_ENOMEM, "out of memory for %d jobs in flight", cap);
            c->flights = grown;
            c->cap_flights = cap;
        }
        i = c->n_flights++;
    }
    memset(&c->flights[i], 0, sizeof c->flights[i]);
    c->flights[i].in_use = 1;
    return i;
}

void el_flight_close(struct el_compete *c, int flight)
{
    struct el_flight *f = &c->flights[flight];
    el_free(f->inputs);
    f->inputs = NULL;
    f->in_use = 0;
    f->next = c->free_flight;
    c->free_flight = flight;
}

/* --------------------------------------------------------------------------------- the loop */

/* Asks again for what is due. Jobs that must wait stay in the list; *soonest is the first due. */
static int ask_due(struct el_compete *c, double *soonest, struct el_error *err)
{
    int list = c->again, rc = 0;
    c->again = -1;
    *soonest = 0;
    while (list >= 0) {
        struct el_flight *f = &c->flights[list];
        int next = f->next;
        int room = el_backend_room(el_compete_side(c, f->task.kind)->backend) > 0;
        if (rc == 0 && room && f->due <= el_compete_now()) {
            rc = el_compete_ask(c, list, err);
        } else {
            if (*soonest == 0 || f->due < *soonest)
                *soonest = f->due;
            f->next = c->again;
            c->again = list;
        }
        list = next;
    }
    return rc;
}

static int fill(struct el_compete *c, enum el_task_kind kind, struct el_error *err)
{
    struct el_backend *b = el_compete_side(c, kind)->backend;
    struct el_task task;
    int rc = 0;
    while (rc == 0 && el_backend_room(b) > 0 && el_competition_take(&c->state, kind, &task)) {
        int flight = el_flight_open(c, err);
        if (flight < 0)
            return flight;
        c->flights[flight].task = task;
        rc = el_compete_ask(c, flight, err);
    }
    return rc;
}

static void show(struct el_compete *c)
{
    const struct el_competition *s = &c->state;
    char note[64];
    int all = el_competition_threads(s);
    snprintf(note, sizeof note, "%d of %d threads finished", all - s->unfinished, all);
    el_progress_update(c->o.progress, s->stored_attempts + s->stored_analyses,
                       el_competition_bound(s), note);
}

/* A side with something in flight, in turns; NULL: none. */
static struct el_side *busy_side(struct el_compete *c)
{
    for (int i = 0; i < c->n_sides; i++) {
        c->turn = (c->turn + 1) % c->n_sides;
        if (c->side[c->turn].in_flight > 0)
            return &c->side[c->turn];
    }
    return NULL;
}

/* Commits the replies that share a transaction. */
static int flush(struct el_compete *c, struct el_error *err)
{
    if (c->grouped == 0)
        return 0;
    c->grouped = 0;
    return el_store_commit(c->o.store, err);
}

/* Before waiting for a reply: commits unless the next one is likely to come at once. */
static int flush_if_due(struct el_compete *c, struct el_error *err)
{
    int most = c->o.group > 0 ? c->o.group : 64;
    if (c->grouped >= most || c->last_wait > max_group_s ||
        el_compete_now() - c->group_begin > max_group_s)
        return flush(c, err);
    return 0;
}

/* Stores one reply in the open transaction, or opens one. */
static int receive(struct el_compete *c, int flight, const struct el_completion *reply,
                   struct el_error *err)
{
    if (c->grouped == 0) {
        int rc = el_store_begin(c->o.store, err);
        if (rc < 0)
            return rc;
        c->group_begin = el_compete_now();
    }
    c->grouped++;
    return el_compete_receive(c, flight, reply, err);
}

/* Takes one reply. */
static int poll_side(struct el_compete *c, struct el_side *side, struct el_error *err)
{
    struct el_completion reply = {0};
    int rc = flush_if_due(c, err);
    if (rc < 0)
        return rc;
    double begin = el_compete_now();
    rc = el_backend_poll(side->backend, &reply, err);
    c->last_wait = el_compete_now() - begin;
    if (rc < 0)
        return rc;
    if (rc == 0)
        return el_error_set(err, EL_EIO, "%s: %d requests were taken and never answered",
                            side->backend->name, side->in_flight);
    side->in_flight--;
    if (reply.tag < 0 || reply.tag >= c->n_flights || !c->flights[reply.tag].in_use)
        rc = el_error_set(err, EL_EIO, "%s: an answer to a request that was never made",
                          side->backend->name);
    else
        rc = receive(c, (int)reply.tag, &reply, err);
    el_completion_release(&reply);
    return rc;
}

/* Naps until something is due, at most a tenth of a second, so that a stop is seen. */
static void nap(double until)
{
    double left = until - el_compete_now();
    if (left <= 0)
        return;
    struct timespec t = {.tv_nsec = (long)(1e9 * (left < 0.1 ? left : 0.1))};
    nanosleep(&t, NULL);
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

static int step(struct el_compete *c, int *busy, struct el_error *err)
{
    double soonest;
    int rc = ask_due(c, &soonest, err);
    for (int kind = 0; rc == 0 && kind < 2; kind++)
        rc = fill(c, (enum el_task_kind)kind, err);
    if (rc < 0)
        return rc;
    struct el_side *side = busy_side(c);
    *busy = side || c->again >= 0 || c->state.queue[0].count || c->state.queue[1].count;
    if (side)
        return poll_side(c, side, err);
    rc = flush(c, err);
    if (rc == 0 && soonest > 0)
        nap(soonest);
    else if (rc == 0 && c->state.queue[0].count && el_backend_room(c->side[0].backend) <= 0)
        return el_error_set(err, EL_EIO, "%s: has no room for a single request",
                            c->side[0].backend->name);
    return rc;
}

/* The loop; everything is committed when it returns without a store error. */
static int loop(struct el_compete *c, struct el_error *err)
{
    int busy = 1, rc = 0;
    while (rc == 0 && busy && !el_stop_requested) {
        rc = step(c, &busy, err);
        show(c);
    }
    struct el_error *unless_told = rc < 0 ? NULL : err;
    int flushed = flush(c, unless_told);
    return rc < 0 ? rc : flushed < 0 ? flushed : busy ? EL_EINTR : 0;
}

int el_compete_go(struct el_compete *c, struct el_error *err)
{
    int rc = loop(c, err);
    if (rc == EL_EINTR)
        return stopped(c, err);
    if (rc < 0)
        return rc;
    if (c->state.unfinished > 0)
        return el_error_set(err, EL_EIO, "run '%s': %d threads did not finish", c->o.settings->name,
                            c->state.unfinished);
    return el_store_run_set_done(c->o.store, c->run, err);
}
