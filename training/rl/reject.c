/* Rejection sampling: each role is sampled by the model that plays it best, and the completions
 * that earned most are kept as training material for one model that shall play them all. The file
 * is written when it is complete, and read back before use, so that a resumed run trains on the
 * same bytes. */
#include "training/rl/run.h"

#include "core/base/alloc.h"
#include "core/base/io.h"
#include "core/base/json.h"
#include "training/rl/batch.h"
#include "training/rl/drops.h"

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
    rc = dir ? el_weights_load(dir, el_device_host(), &c->w[k], NULL, t->o->loading, err)
             : el_error_set(err, EL_ENOMEM, "out of memory for paths");
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

struct tally {
    int64_t sampled[EL_ROLES], kept[EL_ROLES], refused;
    struct el_rl_judge_counts judge;
};

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

static int keep_batch(const struct el_rl_run *t, const struct el_rl_batch *b, struct tally *tally,
                      struct el_buf *out)
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

static int one_batch(struct el_rl_run *t, const struct cast *c, int step, struct tally *tally,
                     struct el_buf *out, struct el_error *err)
{
    const struct el_rl_judge judge = {&t->recipe, t->prompts, t->parser, t->judge_backend};
    struct el_rl_batch b;
    int rc = el_rl_batch_init(&b, &t->recipe, err);
    if (rc < 0)
        return rc;
    rc = el_rl_batch_sample(&b, &t->tasks, step, c->player, t->parser, err);
    if (rc == 0)
        rc = el_rl_judge_all(&judge, b.group, b.p, step, &tally->judge, NULL, err);
    if (rc == 0 && keep_batch(t, &b, tally, out) < 0)
        rc = el_error_set(err, EL_ENOMEM, "out of memory for what is kept");
    el_rl_batch_release(&b);
    return rc;
}

static void report(const struct el_rl_run *t, const struct tally *tally)
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
        el_rl_say(t, "left out: %" PRId64 " prompts that do not fit the model", tally->refused);
}

/* The first line of the file. */
static int print_drops(const struct tally *tally, int batches, struct el_buf *out)
{
    int rc = el_buf_printf(out, "{\"batches\":%d", batches);
    if (rc == 0)
        rc = el_rl_drops_json(&tally->judge, tally->refused, out);
    return rc == 0 ? el_buf_puts(out, "}\n") : rc;
}

static int sample_all(struct el_rl_run *t, const struct cast *c, struct tally *tally,
                      struct el_buf *out, struct el_error *err)
{
    int rc = 0, n = t->recipe.rejection.steps;
    for (int step = 0; step < n && rc == 0; step++) {
        char note[80];
        rc = one_batch(t, c, step, tally, out, err);
        snprintf(note, sizeof note, "rejection: %d of %d batches", step + 1, n);
        el_progress_update(t->o->progress, 0, t->recipe.schedule.steps, note);
        if (rc == 0 && el_stop_requested)
            rc = el_error_set(err, EL_EINTR, "interrupted while sampling, which begins anew");
    }
    if (rc == 0)
        report(t, tally);
    return rc;
}

static int write_file(const struct el_rl_run *t, const char *path, const struct tally *tally,
                      const struct el_buf *kept, struct el_error *err)
{
    struct el_buf text;
    el_buf_init(&text);
    int rc = print_drops(tally, t->recipe.rejection.steps, &text);
    if (rc == 0)
        rc = el_buf_add(&text, kept->data ? kept->data : "", kept->len);
    rc = rc < 0 ? el_error_set(err, EL_ENOMEM, "out of memory for what is kept")
                : el_file_write(path, text.data, text.len, err);
    el_buf_release(&text);
    return rc;
}

static int make_file(struct el_rl_run *t, const char *path, struct el_error *err)
{
    struct cast c = {0};
    struct tally tally = {0};
    struct el_buf out;
    int rc = 0;
    el_buf_init(&out);
    for (int k = 0; k < EL_ROLES && rc == 0; k++)
        rc = open_role(t, &c, k, err);
    if (rc == 0)
        rc = sample_all(t, &c, &tally, &out, err);
    if (rc == 0 && out.len == 0)
        rc = el_error_set(err, EL_ENOTFOUND,
                          "%s: no completion earned min_reward: there is nothing to learn from",
                          t->o->recipe);
    if (rc == 0)
        rc = el_rl_note_made(path, t->owner, err);
    if (rc == 0)
        rc = write_file(t, path, &tally, &out, err);
    close_cast(&c);
    el_buf_release(&out);
    return rc;
}

/* ---- Reading back ---- */

/* The first line holds what the sampling dropped; files of old have none. */
static int is_drops(const char *line, size_t n)
{
    static const char start[] = "{\"batches\":";
    return n > sizeof start && memcmp(line, start, sizeof start - 1) == 0;
}

static int read_drops(struct el_rl_run *t, const char *where, const char *line, size_t n,
                      struct el_error *err)
{
    cJSON *o = NULL;
    int rc = el_json_parse(where, line, n, &o, err);
    cJSON_Delete(o);
    if (rc < 0)
        return rc;
    const char *from = memchr(line, ',', n), *end = memrchr(line, '}', n);
    t->kept.drops =
        from && end && from < end ? el_strndup(from, (size_t)(end - from)) : el_strdup("");
    return t->kept.drops ? 0 : el_error_set(err, EL_ENOMEM, "%s: out of memory", where);
}

static int add_example(struct el_rl_kept *k, struct el_rl_example *x)
{
    if (k->n == k->room) {
        size_t room = k->room ? 2 * k->room : 256;
        struct el_rl_example *more = el_realloc(k->item, room * sizeof *more);
        if (!more)
            return EL_ENOMEM;
        k->item = more;
        k->room = room;
    }
    k->item[k->n++] = *x;
    return 0;
}

static int read_ids(const cJSON *list, const char *where, int vocab, struct el_rl_example *x,
                    struct el_error *err)
{
    const cJSON *item;
    x->n = cJSON_GetArraySize(list);
    if (!cJSON_IsArray(list) || x->prompt < 1 || x->n <= x->prompt)
        return el_error_set(err, EL_EFORMAT, "%s: expected ids of a prompt and a completion",
                            where);
    x->ids = el_alloc_array((size_t)x->n, sizeof *x->ids);
    if (!x->ids)
        return el_error_set(err, EL_ENOMEM, "%s: out of memory", where);
    int n = 0;
    cJSON_ArrayForEach(item, list)
    {
        if (!cJSON_IsNumber(item) || item->valueint < 0 || item->valueint >= vocab)
            return el_error_set(err, EL_EFORMAT, "%s: ids must lie in 0..%d", where, vocab - 1);
        x->ids[n++] = item->valueint;
    }
    return 0;
}

static int read_line(struct el_rl_run *t, const char *where, const char *line, size_t n,
                     struct el_error *err)
{
    cJSON *o = NULL;
    const char *role = NULL;
    struct el_rl_example x = {0};
    int rc = el_json_parse(where, line, n, &o, err);
    if (rc == 0)
        rc = el_json_str(o, where, "role", &role, err);
    if (rc == 0)
        rc = el_json_int(o, where, "prompt", &x.prompt, err);
    int number = rc == 0 ? el_role_from_name(role) : 0;
    if (rc == 0 && number < 0)
        rc = el_error_set(err, EL_EFORMAT, "%s: unknown role '%s'", where, role);
    x.role = (enum el_role)number;
    if (rc == 0)
        rc = read_ids(cJSON_GetObjectItemCaseSensitive(o, "ids"), where,
                      t->policy->config.vocab_size, &x, err);
    if (rc == 0 && add_example(&t->kept, &x) < 0)
        rc = el_error_set(err, EL_ENOMEM, "%s: out of memory", where);
    if (rc < 0)
        el_free(x.ids);
    cJSON_Delete(o);
    return rc;
}

static int read_file(struct el_rl_run *t, const char *path, struct el_error *err)
{
    struct el_buf text;
    int rc, number = 0;
    el_buf_init(&text);
    rc = el_file_read(path, 0, &text, err);
    for (char *line = text.data; rc == 0 && line && line < text.data + text.len;) {
        char where[300];
        size_t left = (size_t)(text.data + text.len - line);
        char *end = memchr(line, '\n', left);
        size_t n = end ? (size_t)(end - line) : left;
        snprintf(where, sizeof where, "%s: line %d", path, ++number);
        rc = number == 1 && is_drops(line, n) ? read_drops(t, where, line, n, err)
                                              : read_line(t, where, line, n, err);
        line += n + 1;
    }
    el_buf_release(&text);
    return rc;
}

int el_rl_reject(struct el_rl_run *t, struct el_error *err)
{
    char *path = el_path_join(t->o->out, "kept.jsonl");
    if (!path)
        return el_error_set(err, EL_ENOMEM, "out of memory for paths");
    int rc = el_rl_made(path, t->owner, err);
    if (rc == 0)
        rc = make_file(t, path, err);
    if (rc >= 0)
        rc = read_file(t, path, err);
    if (rc == 0 && t->kept.n == 0)
        rc = el_error_set(err, EL_EFORMAT, "%s: holds nothing to learn from", path);
    el_free(path);
    return rc;
}

void el_rl_kept_release(struct el_rl_kept *k)
{
    for (size_t i = 0; i < k->n; i++)
        el_free(k->item[i].ids);
    el_free(k->item);
    el_free(k->drops);
    *k = (struct el_rl_kept){0};
}
