/* Attempts stages: the model of the moment tries train-split problems. */
#include "training/run.h"

#include "core/base/alloc.h"
#include "core/run/local.h"

#include <inttypes.h>
#include <stdio.h>

static char *pool_path(const struct el_train_run *t, int stage)
{
    struct el_buf b;
    el_buf_init(&b);
    if (el_buf_printf(&b, "%s/attempts.%s.jsonl", t->o->out, t->recipe.stage[stage].name) < 0) {
        el_buf_release(&b);
        return NULL;
    }
    return el_buf_detach(&b);
}

/* Every attempts stage takes problems that no other one took. */
static uint64_t first_problem(const struct el_recipe *r, int stage)
{
    uint64_t first = 0;
    for (int i = 0; i < stage; i++)
        first += (uint64_t)r->stage[i].attempts;
    return first;
}

static double share(int64_t part, int64_t whole)
{
    return whole ? (double)part / (double)whole : 0;
}

static int report(struct el_train_run *t, const char *name, const struct el_attempts_report *a,
                  struct el_error *err)
{
    int64_t first = a->completions - a->refined;
    int64_t parsed = first - a->unparsed, unparsed = a->unparsed + a->refined_unparsed;
    el_train_say(t,
                 "%s: %" PRId64
                 " attempts, right %.3f, half %.3f, claims right %.3f, unparsed %.3f, "
                 "self-score true %.3f, self-score 1 though wrong %.3f, refined right %.3f",
                 name, first, share(a->right, first), share(a->half, first),
                 share(a->claims_right, a->claims), share(unparsed, a->completions),
                 share(a->self_right, parsed), share(a->said_one_wrong, a->said_one),
                 share(a->refined_right, a->refined));
    return el_metrics_log_add(
        &t->log, err,
        "{\"step\":%" PRId64 ",\"stage\":\"%s\",\"attempts\":%" PRId64
        ",\"right\":%.4f,\"half\":%.4f,"
        "\"claims_right\":%.4f,\"unparsed\":%.4f,\"self_score_true\":%.4f,"
        "\"self_one_but_wrong\":%.4f,\"refined\":%" PRId64 ",\"refined_right\":%.4f}",
        t->state.step, name, first, share(a->right, first), share(a->half, first),
        share(a->claims_right, a->claims), share(unparsed, a->completions),
        share(a->self_right, parsed), share(a->said_one_wrong, a->said_one), a->refined,
        share(a->refined_right, a->refined));
}

/* Shows attempts while the bar stands at the steps done. */
struct shown {
    struct el_progress base; /* first */
    const struct el_train_run *t;
    const char *name;
};

static void show(struct el_progress *p, int64_t done, int64_t total, const char *note)
{
    const struct shown *s = (const struct shown *)(const void *)p;
    char text[100];
    (void)note;
    snprintf(text, sizeof text, "%s: %" PRId64 " of %" PRId64 " attempts", s->name, done, total);
    el_progress_update(s->t->o->progress, s->t->state.step, el_recipe_steps(&s->t->recipe), text);
}

static int sample(struct el_train_run *t, const struct el_recipe_stage *s, int number,
                  struct el_attempts *pool, struct el_attempts_report *a, struct el_error *err)
{
    int most = t->w->rope_positions, room = 2 * t->recipe.max_sequence;
    const struct el_local_options o = {.attention = EL_ATTENTION_DENSE,
                                       .batch = 96,
                                       .context = room < most ? room : most,
                                       .threads = t->o->threads,
                                       .isa = t->o->isa};
    struct el_backend *b = NULL;
    struct shown shown = {{show, NULL}, t, s->name};
    int rc = el_weights_digest(t->w, err);
    if (rc == 0)
        rc = el_local_wrap(&o, t->w, t->tokenizer_path, &b, err);
    if (rc == 0)
        rc = el_attempts_sample(b, &t->recipe, s, first_problem(&t->recipe, number), t->recipe.seed,
                                pool, a, &shown.base, err);
    el_backend_free(b);
    return rc;
}

int el_train_attempts(struct el_train_run *t, const struct el_recipe_stage *s, int number,
                      struct el_error *err)
{
    struct el_attempts pool;
    struct el_attempts_report a;
    char *path = pool_path(t, number);
    if (!path)
        return el_error_set(err, EL_ENOMEM, "out of memory for attempts");
    el_attempts_init(&pool);
    int rc = sample(t, s, number, &pool, &a, err);
    if (rc == 0)
        rc = el_attempts_save(&pool, path, err);
    if (rc == 0)
        rc = report(t, s->name, &a, err);
    el_attempts_release(&pool);
    /* back from the file, so that a resumed run trains on the very same bytes */
    if (rc == 0)
        rc = el_attempts_load(&t->attempts, path, err);
    el_free(path);
    return rc;
}

int el_train_load_attempts(struct el_train_run *t, int stage, struct el_error *err)
{
    int rc = 0;
    for (int i = 0; i < stage && rc == 0; i++) {
        if (!t->recipe.stage[i].attempts)
            continue;
        char *path = pool_path(t, i);
        rc = path ? el_attempts_load(&t->attempts, path, err)
                  : el_error_set(err, EL_ENOMEM, "out of memory for attempts");
        el_free(path);
    }
    return rc;
}
