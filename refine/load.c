#include "refine/load.h"

#include "core/base/alloc.h"
#include "roles/role.h"

#include <stdio.h>
#include <string.h>

/* ------------------------------------------------------------------------------- the record */

static int read_problems(struct el_run_record *r, struct el_error *err)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(r->run.json, "problems"), *item;
    int n = cJSON_GetArraySize(list);
    if (!cJSON_IsArray(list) || n == 0)
        return el_error_set(err, EL_EFORMAT, "run %s: no problems", r->settings.name);
    r->keys = el_alloc_array((size_t)n, sizeof *r->keys);
    if (!r->keys)
        return el_error_set(err, EL_ENOMEM, "run %s: out of memory", r->settings.name);
    cJSON_ArrayForEach(item, list)
    {
        if (!cJSON_IsString(item))
            return el_error_set(err, EL_EFORMAT, "run %s: problems: expected keys",
                                r->settings.name);
        r->keys[r->n_problems++] = item->valuestring;
    }
    return 0;
}

int el_run_find(struct el_store *s, const char *name, struct el_run_record *out,
                struct el_error *err)
{
    const char *verifier = "";
    memset(out, 0, sizeof *out);
    int rc = el_named_run_find(s, EL_RUN_COMPETE, name, &out->run, err);
    if (rc < 0)
        return rc;
    el_settings_init(&out->settings);
    rc = el_settings_read(&out->settings, out->run.json, "the run's config", err);
    if (rc == 0)
        rc = el_settings_check(&out->settings, err);
    if (rc == 0)
        rc = el_json_str_or(out->run.json, "the run's config", "verifier_model", &verifier, err);
    if (rc == 0)
        rc = read_problems(out, err);
    snprintf(out->verifier_model, sizeof out->verifier_model, "%s", verifier);
    if (rc < 0)
        el_run_record_release(out);
    return rc;
}

void el_run_record_release(struct el_run_record *r)
{
    el_named_run_release(&r->run);
    el_free(r->keys);
    memset(r, 0, sizeof *r);
}

/* -------------------------------------------------------------------------------- the state */

/* A verifier's job waits here until every proof is known. */
struct held {
    int64_t proof;
    int sample;
    struct el_vote_record vote;
};

struct loader {
    struct el_competition *c;
    struct el_store *store;
    struct el_map problems; /* row id -> index */
    struct el_buf held;
    int anew;
    int thread, round, refused; /* anew: refusals of this attempt, until it is known how it ended */
};

static int strange(const struct el_job *j, const char *what, struct el_error *err)
{
    return el_error_set(err, EL_EFORMAT, "job %s (%s, thread %d, round %d): %s", j->key, j->role,
                        j->thread, j->round, what);
}

const char *el_job_lacks(const struct el_job *j, int64_t made)
{
    if (j->last.attempt < 0)
        return "it is done, but its last reply is not stored";
    if (!made)
        return "it is done, but what its reply held is not stored";
    return el_score_is_legal(j->last.halves) ? NULL : "it is done, but its reply has no score";
}

static int hold_analysis(struct loader *l, const struct el_job *j, struct el_error *err)
{
    const char *lack = j->state == EL_JOB_DONE ? el_job_lacks(j, j->last.analysis) : NULL;
    if (lack)
        return strange(j, lack, err);
    struct held h = {.proof = j->proof,
                     .sample = j->sample,
                     .vote = {.job = j->id,
                              .analysis = j->last.analysis,
                              .prompt_tokens = (int)j->read_tokens,
                              .completion_tokens = (int)j->written_tokens,
                              .attempts = j->attempts,
                              .refusals = j->refusals,
                              .halves = (signed char)j->last.halves}};
    if (j->state == EL_JOB_DONE)
        h.vote.state = EL_VOTE_DONE;
    if (j->state == EL_JOB_FAILED && !(l->anew && el_job_was_refused(j)))
        h.vote.state = EL_VOTE_DROPPED;
    if (h.vote.state != EL_VOTE_DONE)
        h.vote.halves = EL_SCORE_NONE;
    return el_buf_add(&l->held, &h, sizeof h) < 0
               ? el_error_set(err, EL_ENOMEM, "out of memory for stored analyses")
               : 0;
}

static int text_of(struct loader *l, int problem, int64_t proof, struct el_error *err)
{
    if (!proof)
        return -1;
    struct el_proof p;
    int rc = el_store_proof_get(l->store, proof, &p, err);
    if (rc < 0)
        return rc;
    rc = el_competition_text(l->c, problem, p.text, strlen(p.text), proof, err);
    el_proof_release(&p);
    return rc;
}

static int skip_refusal(struct loader *l, const struct el_job *j, int thread)
{
    if (l->thread != thread || l->round != j->round)
        l->refused = 0;
    l->thread = thread;
    l->round = j->round;
    l->refused++;
    return 0;
}

/* What was skipped of an attempt that is stored. */
static int load_skipped(struct loader *l, const struct el_job *j, int thread, struct el_error *err)
{
    int rc = 0, n = l->thread == thread && l->round == j->round ? l->refused : 0;
    for (int i = 0; rc == 0 && i < n; i++)
        rc = el_competition_refused(l->c, thread, j->round, i, err);
    l->refused = 0;
    return rc;
}

/* One analysis fewer each. The prompt that was answered in the end may stand before them: after a
 * refusal under a smaller context it was asked with all that there was by then. */
static int load_refusal(struct loader *l, const struct el_job *j, int thread, struct el_error *err)
{
    if (j->round >= 1 && j->round <= l->c->threads[thread].round)
        return 0;
    int dropped = j->round >= 1 && j->round <= l->c->set.rounds
                      ? el_competition_at(l->c, thread, j->round)->dropped
                      : 0;
    return el_competition_refused(l->c, thread, j->round, dropped, err);
}

static int load_attempt(struct loader *l, const struct el_job *j, int problem, int refined,
                        struct el_error *err)
{
    if (j->thread < 0 || j->thread >= l->c->set.threads)
        return strange(j, "no such thread", err);
    int thread = problem * l->c->set.threads + j->thread;
    if (j->state == EL_JOB_FAILED)
        return l->anew ? skip_refusal(l, j, thread) : load_refusal(l, j, thread, err);
    if (j->state == EL_JOB_PENDING)
        return 0;
    int failure = j->last.failure ? el_reply_failure_from_name(j->last.failure) : EL_REPLY_OK;
    if (failure < 0)
        return strange(j, "an unknown failure", err);
    const char *lack =
        failure == EL_REPLY_OK ? el_job_lacks(j, j->last.proof && j->last.analysis) : NULL;
    int rc = lack ? strange(j, lack, err) : load_skipped(l, j, thread, err);
    if (rc < 0)
        return rc;
    struct el_attempt a = {.job = j->id,
                           .proof = j->last.proof,
                           .self = j->last.analysis,
                           .text = -1,
                           .failure = failure,
                           .prompt_tokens = (int)j->last.prompt_tokens,
                           .completion_tokens = (int)j->last.completion_tokens,
                           .halves = (signed char)j->last.halves,
                           .refined = (unsigned char)refined};
    if (a.proof) {
        a.text = text_of(l, problem, a.proof, err);
        if (a.text < 0)
            return a.text;
    }
    return el_competition_attempt(l->c, thread, j->round, &a, err);
}

static int load_job(void *user, const struct el_job *j, struct el_error *err)
{
    struct loader *l = user;
    int role = el_role_from_name(j->role);
    int problem = el_map_get(&l->problems, (uint64_t)j->problem);
    if (problem < 0)
        return strange(j, "its problem is not one of the run's", err);
    if (role == EL_ROLE_VERIFIER)
        return hold_analysis(l, j, err);
    if (role == EL_ROLE_GENERATOR || role == EL_ROLE_REFINER)
        return load_attempt(l, j, problem, role == EL_ROLE_REFINER, err);
    return strange(j, "a role that a competition does not have", err);
}

static int release_held(struct loader *l, struct el_error *err)
{
    int rc = 0;
    for (size_t at = 0; rc == 0 && at < l->held.len; at += sizeof(struct held)) {
        struct held h;
        memcpy(&h, l->held.data + at, sizeof h);
        int text = el_map_get(&l->c->by_proof, (uint64_t)h.proof);
        rc = text < 0 ? el_error_set(err, EL_EFORMAT,
                                     "an analysis of proof %lld, which no thread "
                                     "of the run wrote",
                                     (long long)h.proof)
                      : el_competition_analysis(l->c, text, h.sample, &h.vote, err);
    }
    return rc;
}

static int load(struct el_competition *c, struct el_store *s, int64_t run,
                const struct el_contest *contest, int anew, struct el_error *err)
{
    struct loader l = {.c = c, .store = s, .anew = anew};
    el_map_init(&l.problems);
    el_buf_init(&l.held);
    int rc = 0;
    for (int i = 0; rc == 0 && i < contest->n; i++)
        if (el_map_put(&l.problems, (uint64_t)contest->problems[i].id, i) < 0)
            rc = el_error_set(err, EL_ENOMEM, "out of memory for %d problems", contest->n);
    const struct el_job_filter all = {.run = run, .thread = -1, .round = -1, .state = -1};
    if (rc == 0)
        rc = el_store_job_each(s, &all, load_job, &l, err);
    if (rc == 0)
        rc = release_held(&l, err);
    el_map_release(&l.problems);
    el_buf_release(&l.held);
    return rc;
}

int el_competition_load(struct el_competition *c, struct el_store *s, int64_t run,
                        const struct el_contest *contest, struct el_error *err)
{
    return load(c, s, run, contest, 0, err);
}

int el_competition_load_anew(struct el_competition *c, struct el_store *s, int64_t run,
                             const struct el_contest *contest, struct el_error *err)
{
    return load(c, s, run, contest, 1, err);
}
