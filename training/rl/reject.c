/* Rejection sampling: each role is sampled by the model that plays it best, and the completions
 * that earned most are kept as training material for one model that shall play them all. What is
 * kept is saved after every batch; the file of it all is written when it is complete, and read back
 * before use, so that a resumed run trains on the same bytes. */
#include "training/rl/run.h"

#include "core/base/alloc.h"
#include "core/base/io.h"
#include "training/rl/batch.h"
#include "training/rl/part.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The models that play the roles. */
struct cast {
    struct el_weights *w[EL_ROLES]; /* own ones; NULL: another role's, or the start's */
    struct el_backend *own[EL_ROLES], *start;
    struct el_rl_player player[EL_ROLES];
};

/* ---- The cast ---- */

static int open_backend(struct el_rl_run *t, const struct el_weights *w, struct el_backend **out,
                        struct el_error *err)
{
    const struct el_local_options o = {.attention = EL_ATTENTION_MQA,
                                       .batch = 128,
                                       .threads = t->o->threads,
                                       .trace = EL_TRACE_ROUTED,
                                       .isa = t->o->isa};
    return el_local_wrap(&o, w, t->tokenizer_path, out, err);
}

/* A role before k with the same source. */
static int same_source(const struct el_rl_recipe *r, int k)
{
    for (int i = 0; i < k; i++)
        if (r->rejection.source[i] && strcmp(r->rejection.source[i], r->rejection.source[k]) == 0)
            return i;
    return -1;
}

/* The ids that a source samples are trained on as they are. */
static int check_tokenizer(const struct el_rl_run *t, const char *dir, struct el_error *err)
{
    struct el_buf ours, theirs;
    char *path = el_path_join(dir, "tokenizer.json");
    el_buf_init(&ours);
    el_buf_init(&theirs);
    int rc = path ? el_file_read(t->tokenizer_path, 0, &ours, err)
                  : el_error_set(err, EL_ENOMEM, "out of memory for paths");
    if (rc == 0)
        rc = el_file_read(path, 0, &theirs, err);
    if (rc == 0 && (ours.len != theirs.len || memcmp(ours.data, theirs.data, ours.len) != 0))
        rc = el_error_set(err, EL_EREFUSED,
                          "%s: differs from %s: what it samples cannot be trained on", path,
                          t->tokenizer_path);
    el_buf_release(&ours);
    el_buf_release(&theirs);
    el_free(path);
    return rc;
}

static int open_role(struct el_rl_run *t, struct cast *c, int k, struct el_error *err)
{
    const char *source = t->recipe.rejection.source[k];
    int same = source ? same_source(&t->recipe, k) : -1, rc = 0;
    if (!source && !c->start)
        rc = open_backend(t, t->start, &c->start, err);
    if (rc == 0 && !source)
        c->player[k] = (struct el_rl_player){c->start, t->start->digest};
    if (rc < 0 || !source)
        return rc;
    if (same >= 0) {
        c->player[k] = c->player[same];
        return 0;
    }
    char *dir = el_rl_folder(t, source);
    rc = dir ? check_tokenizer(t, dir, err)
             : el_error_set(err, EL_ENOMEM, "out of memory for paths");
    if (rc == 0)
        rc = el_weights_load(dir, el_device_host(), &c->w[k], NULL, t->o->loading, err);
    el_free(dir);
    if (rc == 0)
        rc = open_backend(t, c->w[k], &c->own[k], err);
    if (rc == 0)
        c->player[k] = (struct el_rl_player){c->own[k], c->w[k]->digest};
    return rc;
}

static void close_cast(struct cast *c)
{
    for (int k = 0; k < EL_ROLES; k++) {
        el_backend_free(c->own[k]);
        el_weights_free(c->w[k]);
    }
    el_backend_free(c->start);
}

/* ---- Keeping ---- */

static int is_copy(const struct el_rl_group *group, const struct el_rl_sample *s, const int *chosen,
                   int n)
{
    for (int i = 0; i < n; i++)
        if (strcmp(group->sample[chosen[i]].completion.text, s->completion.text) == 0)
            return 1;
    return 0;
}

/* The best of the group, the earlier of equal ones; texts that differ. Returns how many. */
static int choose(const struct el_rl_recipe *r, const struct el_rl_group *group, int g, int *chosen)
{
    int n = 0;
    while (n < r->rejection.max_per_prompt) {
        int best = -1;
        for (int i = 0; i < g; i++) {
            const struct el_rl_sample *s = &group->sample[i];
            /* !(>=): a reward that is no number is none */
            if (s->lost || !(s->reward >= r->rejection.min_reward[group->task.role]) ||
                (best >= 0 && s->reward <= group->sample[best].reward) ||
                is_copy(group, s, chosen, n))
                continue;
            best = i;
        }
        if (best < 0)
            break;
        chosen[n++] = best;
    }
    return n;
}

static int print_kept(struct el_buf *out, enum el_role role, const struct el_completion *c)
{
    int rc = el_buf_printf(out, "{\"role\":\"%s\",\"prompt\":%d,\"ids\":[", el_role_name(role),
                           c->prompt_tokens);
    for (int i = 0; i < c->n_ids && rc == 0; i++)
        rc = el_buf_printf(out, "%s%" PRId32, i ? "," : "", c->ids[i]);
    return rc == 0 ? el_buf_puts(out, "]}\n") : rc;
}

static int keep_batch(const struct el_rl_run *t, const struct el_rl_batch *b,
                      struct el_rl_kept_tally *tally, struct el_buf *out)
{
    int chosen[EL_RL_GENERATIONS], rc = 0;
    for (int i = 0; i < b->p && rc == 0; i++) {
        const struct el_rl_group *group = &b->group[i];
        tally->refused += group->refused;
        if (group->refused)
            continue;
        int n = choose(&t->recipe, group, b->g, chosen);
        tally->sampled[group->task.role] += b->g;
        tally->kept[group->task.role] += n;
        for (int k = 0; k < n && rc == 0; k++)
            rc = print_kept(out, group->task.role, &group->sample[chosen[k]].completion);
    }
    return rc;
}

static int one_batch(struct el_rl_run *t, const struct cast *c, int step,
                     struct el_rl_kept_tally *tally, struct el_buf *out, struct el_error *err)
{
    const struct el_rl_judge judge = {&t->recipe, t->prompts, t->parser, t->judge_backend};
    struct el_rl_batch b;
    struct el_rl_part sampling, judging;
    int rc = el_rl_batch_init(&b, &t->recipe, err);
    if (rc < 0)
        return rc;
    el_rl_part_init(&sampling, t, "sampling");
    el_rl_part_init(&judging, t, "judging");
    rc = el_rl_batch_sample(&b, &t->tasks, step, c->player, t->parser, &sampling.base, err);
    if (rc == 0)
        rc = el_rl_judge_all(&judge, b.group, b.p, step, &tally->judge, &judging.base, err);
    if (rc == 0 && keep_batch(t, &b, tally, out) < 0)
        rc = el_error_set(err, EL_ENOMEM, "out of memory for what is kept");
    el_rl_batch_release(&b);
    return rc;
}

static void report(const struct el_rl_run *t, const struct el_rl_kept_tally *tally)
{
    for (int k = 0; k < EL_ROLES; k++)
        if (tally->sampled[k])
            el_rl_say(t, "%s: kept %" PRId64 " of %" PRId64 " completions",
                      el_role_name((enum el_role)k), tally->kept[k], tally->sampled[k]);
    if (tally->judge.lost)
        el_rl_say(t,
                  "left out: %" PRId64 " of %" PRId64 " judged completions, whose judge could not "
                  "be read",
                  tally->judge.lost, tally->judge.judged);
    if (tally->refused)
        el_rl_say(t,
                  "left out: %" PRId64 " prompts that leave less than max_completion_length tokens "
                  "of the model's context",
                  tally->refused);
}

/* A batch is a pure function of its number, so those that are saved need not be made again. */
static int sample_all(struct el_rl_run *t, const struct cast *c, const char *part,
                      struct el_rl_kept_tally *tally, struct el_buf *out, struct el_error *err)
{
    int rc = 0, n = t->recipe.rejection.steps;
    while (rc == 0 && tally->batches < n) {
        rc = el_stop_requested ? EL_EINTR : one_batch(t, c, tally->batches, tally, out, err);
        if (rc < 0)
            break;
        tally->batches++;
        snprintf(t->note, sizeof t->note, "rejection: %d of %d batches", tally->batches, n);
        el_progress_update(t->o->progress, 0, t->recipe.schedule.steps, t->note);
        rc = el_rl_kept_save_part(part, tally, out, err);
    }
    if (rc == EL_EINTR && tally->batches == 0)
        return el_error_set(err, rc, "interrupted before the first batch of rejection sampling");
    if (rc == EL_EINTR)
        return el_error_set(err, rc,
                            "interrupted after batch %d of %d of rejection sampling, saved in %s",
                            tally->batches, n, part);
    if (rc == 0)
        report(t, tally);
    return rc;
}

/* What a stopped run of the same kind, with the same cast, has kept so far. */
static int resume(struct el_rl_run *t, const struct cast *c, const char *part,
                  struct el_rl_kept_tally *tally, struct el_buf *out, struct el_error *err)
{
    char owner[EL_DIGEST_HEX];
    struct el_digest d;
    el_digest_init(&d);
    el_digest_str(&d, t->owner);
    for (int k = 0; k < EL_ROLES; k++)
        el_digest_str(&d, c->player[k].digest);
    el_digest_hex(&d, owner);
    int rc = el_rl_made(part, owner, err);
    if (rc == 0)
        return el_rl_note_made(part, owner, err);
    if (rc > 0)
        rc = el_rl_kept_load_part(part, t->recipe.rejection.steps, tally, out, err);
    if (rc == 0)
        el_rl_say(t, "resuming after batch %d of %d of rejection sampling", tally->batches,
                  t->recipe.rejection.steps);
    return rc;
}

static int finish(struct el_rl_run *t, const char *path, const char *part,
                  const struct el_rl_kept_tally *tally, const struct el_buf *out,
                  struct el_error *err)
{
    int rc = 0;
    if (out->len == 0)
        rc = el_error_set(err, EL_ENOTFOUND,
                          "%s: no completion earned min_reward: there is nothing to learn from",
                          t->o->recipe);
    if (rc == 0)
        rc = el_rl_note_made(path, t->owner, err);
    if (rc == 0)
        rc = el_rl_kept_write(path, tally, out, err);
    if (rc == 0 || rc == EL_ENOTFOUND)
        el_rl_unmake(part);
    return rc;
}

static int make_file(struct el_rl_run *t, const char *path, const char *part, struct el_error *err)
{
    struct cast c = {0};
    struct el_rl_kept_tally tally = {0};
    struct el_buf out;
    el_buf_init(&out);
    int rc = 0;
    for (int k = 0; k < EL_ROLES && rc == 0; k++)
        rc = open_role(t, &c, k, err);
    if (rc == 0)
        rc = resume(t, &c, part, &tally, &out, err);
    if (rc == 0)
        rc = sample_all(t, &c, part, &tally, &out, err);
    if (rc == 0)
        rc = finish(t, path, part, &tally, &out, err);
    close_cast(&c);
    el_buf_release(&out);
    return rc;
}

int el_rl_reject(struct el_rl_run *t, struct el_error *err)
{
    char *path = el_path_join(t->o->out, "kept.jsonl");
    char *part = el_path_join(t->o->out, "kept.part.jsonl");
    int rc = path && part ? el_rl_made(path, t->owner, err)
                          : el_error_set(err, EL_ENOMEM, "out of memory for paths");
    if (rc == 0)
        rc = make_file(t, path, part, err);
    else if (rc > 0)
        el_rl_unmake(part); /* of a process that was killed at the end */
    if (rc >= 0)
        rc = el_rl_kept_read(&t->kept, path, t->policy->config.vocab_size, err);
    if (rc == 0 && t->kept.n == 0)
        rc = el_error_set(err, EL_EFORMAT, "%s: holds nothing to learn from", path);
    el_free(path);
    el_free(part);
    return rc;
}
