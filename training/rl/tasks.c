#include "training/rl/tasks.h"

#include "core/base/alloc.h"

#include <stdlib.h>
#include <string.h>

/* The train split is endless; recipes of supervised stages take it from its start. */
static const uint64_t first_world_problem = 10000000;

/* ---- What there is ---- */

static int load(struct el_rl_tasks *t, enum el_dataset_what what, struct el_store *s,
                struct el_error *err)
{
    const struct el_dataset_filter f = {.raters = t->recipe->raters, .set = t->recipe->set};
    struct el_dataset *d = &t->data[what];
    size_t n[3] = {0};
    int rc = el_dataset_load(d, s, what, &f, err);
    for (int k = 0; k < 3 && rc == 0; k++) {
        t->by_label[what][k] = el_alloc_array(d->by_class[k] + 1, sizeof *t->by_label[what][k]);
        if (!t->by_label[what][k])
            rc = el_error_set(err, EL_ENOMEM, "out of memory for %s", el_dataset_name(what));
    }
    for (size_t i = 0; i < d->n && rc == 0; i++) {
        int k = d->item[i].halves;
        t->by_label[what][k][n[k]++] = i;
    }
    return rc;
}

/* Analyses that found something: what a refiner is given. */
static int index_refinable(struct el_rl_tasks *t, struct el_error *err)
{
    struct el_reply_parser *parser = NULL;
    const struct el_dataset *dmv = &t->data[EL_DATASET_DMV];
    int rc = el_reply_parser_create(&parser, err);
    if (rc < 0)
        return rc;
    t->refinable = el_alloc_array(dmv->n + 1, sizeof *t->refinable);
    if (!t->refinable)
        rc = el_error_set(err, EL_ENOMEM, "out of memory for D_mv");
    for (size_t i = 0; i < dmv->n && rc == 0; i++) {
        const char *text = dmv->item[i].analysis;
        struct el_reply reply;
        rc = el_reply_parse_verifier(parser, text, strlen(text), NULL, &reply, err);
        if (rc == 0 && reply.failure == EL_REPLY_OK && reply.halves < EL_SCORE_ONE)
            t->refinable[t->n_refinable++] = i;
    }
    el_reply_parser_free(parser);
    if (rc == 0 && t->n_refinable == 0)
        rc = el_error_set(err, EL_ENOTFOUND,
                          "no analysis in D_mv scores its proof below 1: the refiner has nothing "
                          "to refine");
    return rc;
}

static int add_statement(void *user, const struct el_problem *p, struct el_error *err)
{
    struct el_rl_tasks *t = user;
    char **more = el_realloc(t->statements, (t->n_statements + 1) * sizeof *more);
    if (more)
        t->statements = more;
    char *copy = more ? el_strdup(p->statement) : NULL;
    if (!copy)
        return el_error_set(err, EL_ENOMEM, "out of memory for problems");
    t->statements[t->n_statements++] = copy;
    return 0;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The problems of a store that was given, in an order of their own. */
static int read_statements(struct el_rl_tasks *t, struct el_store *s, struct el_error *err)
{
    int rc = el_store_problem_each(s, t->recipe->set, add_statement, t, err);
    if (rc == 0 && t->n_statements == 0)
        rc = el_error_set(err, EL_ENOTFOUND, "the store holds no problems to prove");
    if (rc == 0)
        qsort(t->statements, t->n_statements, sizeof *t->statements, by_text);
    return rc;
}

static void take_digest(struct el_rl_tasks *t)
{
    struct el_digest d;
    char part[EL_DIGEST_HEX];
    el_digest_init(&d);
    el_prompt_set_digest(t->prompts, &d);
    for (int i = 0; i < 2; i++) {
        if (!t->data[i].n)
            continue;
        el_dataset_digest(&t->data[i], part);
        el_digest_str(&d, part);
    }
    for (size_t i = 0; i < t->n_statements; i++)
        el_digest_str(&d, t->statements[i]);
    el_digest_hex(&d, t->digest);
}

int el_rl_tasks_init(struct el_rl_tasks *t, const struct el_rl_recipe *r,
                     const struct el_prompt_set *prompts, struct el_store *s, struct el_error *err)
{
    *t = (struct el_rl_tasks){.recipe = r, .prompts = prompts};
    int rc = 0, own = r->world > 0 || r->attempts > 0;
    if (r->share[EL_ROLE_VERIFIER] > 0)
        rc = load(t, EL_DATASET_DV, s, err);
    if (rc == 0 && (r->share[EL_ROLE_META_VERIFIER] > 0 || r->share[EL_ROLE_REFINER] > 0))
        rc = load(t, EL_DATASET_DMV, s, err);
    if (rc == 0 && r->share[EL_ROLE_REFINER] > 0)
        rc = index_refinable(t, err);
    if (rc == 0 && r->share[EL_ROLE_GENERATOR] > 0 && !own)
        rc = read_statements(t, s, err);
    if (rc == 0)
        take_digest(t);
    else
        el_rl_tasks_release(t);
    return rc;
}

void el_rl_tasks_release(struct el_rl_tasks *t)
{
    for (int i = 0; i < 2; i++) {
        el_dataset_release(&t->data[i]);
        for (int k = 0; k < 3; k++)
            el_free(t->by_label[i][k]);
    }
    el_free(t->refinable);
    for (size_t i = 0; i < t->n_statements; i++)
        el_free(t->statements[i]);
    el_free(t->statements);
    memset(t, 0, sizeof *t);
}

/* ---- Drawing ---- */

static int pick_share(const double *share, int n, struct el_rng *rng)
{
    double sum = 0, at = el_rng_uniform(rng);
    for (int i = 0; i < n; i++)
        sum += share[i];
    at *= sum;
    int last = 0;
    for (int i = 0; i < n; i++) {
        if (share[i] <= 0)
            continue;
        last = i;
        if (at < share[i])
            return i;
        at -= share[i];
    }
    return last;
}

static size_t pick(size_t n, struct el_rng *rng)
{
    return el_rng_below(rng, (uint32_t)n);
}

static void take_item(struct el_rl_task *out, const struct el_dataset_item *x, int label)
{
    out->statement = x->statement;
    out->proof = x->proof;
    out->analysis = x->analysis;
    out->label = label;
}

/* Labels without an item are left out of the balance. */
static void draw_labelled(const struct el_rl_tasks *t, enum el_dataset_what what,
                          struct el_rng *rng, struct el_rl_task *out)
{
    const struct el_dataset *d = &t->data[what];
    double share[3];
    for (int k = 0; k < 3; k++)
        share[k] = d->by_class[k] ? t->recipe->label_balance[k] : 0;
    if (!(share[0] + share[1] + share[2] > 0))
        for (int k = 0; k < 3; k++)
            share[k] = (double)d->by_class[k];
    int k = pick_share(share, 3, rng);
    take_item(out, &d->item[t->by_label[what][k][pick(d->by_class[k], rng)]], k);
}

static int draw_problem(const struct el_rl_tasks *t, uint64_t number, struct el_rng *rng,
                        struct el_rl_task *out, struct el_error *err)
{
    struct el_world_problem p;
    struct el_buf text;
    out->label = EL_SCORE_NONE;
    if (t->n_statements) {
        out->statement = t->statements[pick(t->n_statements, rng)];
        return 0;
    }
    el_buf_init(&text);
    el_world_problem(EL_WORLD_TRAIN, first_world_problem + number, &p);
    if (el_world_problem_text(&p, &text) < 0) {
        el_buf_release(&text);
        return el_error_set(err, EL_ENOMEM, "out of memory for a problem");
    }
    out->statement = out->memory = el_buf_detach(&text);
    return out->statement ? 0 : el_error_set(err, EL_ENOMEM, "out of memory for a problem");
}

static int make_prompt(const struct el_rl_tasks *t, struct el_rl_task *out, struct el_error *err)
{
    struct el_slice analysis = el_slice_str(out->analysis ? out->analysis : "");
    struct el_prompt_candidate candidate = {.proof = el_slice_str(out->proof ? out->proof : ""),
                                            .analyses = &analysis,
                                            .n_analyses = 1};
    const struct el_role_input in = {.statement = el_slice_str(out->statement),
                                     .proof = candidate.proof,
                                     .analysis = analysis,
                                     .candidates = &candidate,
                                     .n_candidates = 1};
    return el_role_prompt(out->role, t->prompts, &in, &out->prompt, err);
}

int el_rl_tasks_draw(const struct el_rl_tasks *t, int64_t step, int i, struct el_rl_task *out,
                     struct el_error *err)
{
    struct el_digest d;
    struct el_rng rng;
    uint64_t number = (uint64_t)step * (uint64_t)t->recipe->prompts_per_step + (uint64_t)i;
    el_digest_init(&d);
    el_digest_str(&d, "task");
    el_digest_u64(&d, t->recipe->seed);
    el_digest_u64(&d, number);
    el_rng_init(&rng, el_digest_key(&d));
    *out = (struct el_rl_task){0};
    el_buf_init(&out->prompt);
    out->role = (enum el_role)pick_share(t->recipe->share, EL_ROLES, &rng);
    int rc = 0;
    if (out->role == EL_ROLE_VERIFIER)
        draw_labelled(t, EL_DATASET_DV, &rng, out);
    else if (out->role == EL_ROLE_META_VERIFIER)
        draw_labelled(t, EL_DATASET_DMV, &rng, out);
    else if (out->role == EL_ROLE_REFINER)
        take_item(out, &t->data[EL_DATASET_DMV].item[t->refinable[pick(t->n_refinable, &rng)]],
                  EL_SCORE_NONE);
    else
        rc = draw_problem(t, number, &rng, out, err);
    if (rc == 0)
        out->in_world = el_world_problem_parse(out->statement, strlen(out->statement),
                                               &out->problem, NULL) == 0;
    if (rc == 0)
        rc = make_prompt(t, out, err);
    if (rc < 0)
        el_rl_task_release(out);
    return rc;
}

void el_rl_task_release(struct el_rl_task *t)
{
    el_buf_release(&t->prompt);
    el_free(t->memory);
    *t = (struct el_rl_task){0};
}
