#include "training/rl/batch.h"

#include "core/base/alloc.h"
#include "training/rl/ask.h"

#include <string.h>

int el_rl_batch_init(struct el_rl_batch *b, const struct el_rl_recipe *r, struct el_error *err)
{
    *b = (struct el_rl_batch){.recipe = r, .p = r->prompts_per_step, .g = r->num_generations};
    b->group = el_alloc_array((size_t)b->p, sizeof *b->group);
    b->sample = el_alloc_array((size_t)b->p * (size_t)b->g, sizeof *b->sample);
    if (!b->group || !b->sample) {
        el_rl_batch_release(b);
        return el_error_set(err, EL_ENOMEM, "out of memory for a step");
    }
    for (int i = 0; i < b->p; i++)
        b->group[i].sample = b->sample + (size_t)i * (size_t)b->g;
    return 0;
}

void el_rl_batch_release(struct el_rl_batch *b)
{
    for (int i = 0; b->group && i < b->p; i++)
        el_rl_task_release(&b->group[i].task);
    for (int i = 0; b->sample && i < b->p * b->g; i++)
        el_completion_release(&b->sample[i].completion);
    el_free(b->group);
    el_free(b->sample);
    memset(b, 0, sizeof *b);
}

/* One call of el_rl_batch_sample. */
struct sampling {
    struct el_rl_batch *b;
    int64_t step;
    const struct el_rl_player *player;
    const struct el_reply_parser *parser;
    struct el_progress *progress;
    struct el_rl_ask *ask; /* (p * g) those of one backend */
    int *sample;           /* (p * g) whose they are */
};

static uint64_t key_of(const struct sampling *s, const char *digest, int i)
{
    struct el_digest d;
    el_digest_init(&d);
    el_digest_str(&d, "policy");
    el_digest_str(&d, digest);
    el_digest_u64(&d, s->b->recipe->seed);
    el_digest_u64(&d, (uint64_t)s->step);
    el_digest_u64(&d, (uint64_t)(i / s->b->g));
    el_digest_u64(&d, (uint64_t)(i % s->b->g));
    return el_digest_key(&d);
}

static int take(struct sampling *s, int i, struct el_completion *c, struct el_error *err)
{
    struct el_rl_group *group = &s->b->group[i / s->b->g];
    struct el_rl_sample *x = &s->b->sample[i];
    x->completion = *c;
    *c = (struct el_completion){0};
    if (x->completion.finish == EL_FINISH_REFUSED) {
        group->refused = 1;
        return 0;
    }
    struct el_reply_context ctx = {
        x->completion.finish == EL_FINISH_LENGTH ? EL_REPLY_CUT_OFF : EL_REPLY_ENDED, 0};
    return el_role_parse(group->task.role, s->parser, x->completion.text, x->completion.text_len,
                         &ctx, &x->reply, err);
}

/* All samples whose role is played on this backend. */
static int ask_backend(struct sampling *s, struct el_backend *backend, struct el_error *err)
{
    int n = 0;
    for (int i = 0; i < s->b->p * s->b->g; i++) {
        const struct el_rl_task *t = &s->b->group[i / s->b->g].task;
        if (s->player[t->role].backend != backend)
            continue;
        s->sample[n] = i;
        s->ask[n++] = (struct el_rl_ask){.prompt = t->prompt.data,
                                         .sampling = s->b->recipe->sampling,
                                         .key = key_of(s, s->player[t->role].digest, i),
                                         .full = 1, /* a reply that the context cuts off is not
                                                       the policy's failure */
                                         .trace = 1};
    }
    int rc = el_rl_ask_all(backend, s->ask, n, s->progress, err);
    for (int i = 0; i < n; i++) {
        if (rc == 0)
            rc = take(s, s->sample[i], &s->ask[i].out, err);
        el_completion_release(&s->ask[i].out);
    }
    return rc;
}

static int ask_backends(struct sampling *s, struct el_error *err)
{
    int rc = 0;
    for (int k = 0; k < EL_ROLES && rc == 0; k++) {
        int seen = 0;
        for (int j = 0; j < k; j++)
            seen |= s->player[j].backend == s->player[k].backend;
        if (!seen)
            rc = ask_backend(s, s->player[k].backend, err);
    }
    return rc;
}

int el_rl_batch_sample(struct el_rl_batch *b, const struct el_rl_tasks *tasks, int64_t step,
                       const struct el_rl_player player[EL_ROLES],
                       const struct el_reply_parser *parser, struct el_progress *progress,
                       struct el_error *err)
{
    struct sampling s = {
        .b = b, .step = step, .player = player, .parser = parser, .progress = progress};
    size_t n = (size_t)b->p * (size_t)b->g;
    int rc = 0;
    for (int i = 0; i < b->p && rc == 0; i++)
        rc = el_rl_tasks_draw(tasks, step, i, &b->group[i].task, err);
    s.ask = el_alloc_array(n, sizeof *s.ask);
    s.sample = el_alloc_array(n, sizeof *s.sample);
    if (rc == 0)
        rc = s.ask && s.sample ? ask_backends(&s, err)
                               : el_error_set(err, EL_ENOMEM, "out of memory for requests");
    el_free(s.ask);
    el_free(s.sample);
    return rc;
}
