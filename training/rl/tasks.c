#include "training/rl/fitting.h"

#include "core/base/alloc.h"
#include "rewards/answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- The prompt of a task ---- */

void el_rl_task_take(struct el_rl_task *out, const struct el_dataset_item *x, int label)
{
    out->statement = x->statement;
    out->proof = x->proof;
    out->analysis = x->analysis;
    out->label = label;
}

static int by_text(const void *a, const void *b)
{
    const struct el_rl_problem *x = a, *y = b;
    return strcmp(x->statement, y->statement);
}

/* NULL when the store has none of that statement. */
static const struct el_rl_problem *find_problem(const struct el_rl_tasks *t, const char *statement)
{
    const struct el_rl_problem key = {.statement = (char *)(uintptr_t)statement};
    return t->n_problems ? bsearch(&key, t->problem, t->n_problems, sizeof key, by_text) : NULL;
}

/* What the store knows of the problem. */
static void look_up(const struct el_rl_tasks *t, struct el_rl_task *out)
{
    const struct el_rl_problem *p = find_problem(t, out->statement);
    if (!p)
        return;
    out->answer = p->answer;
    out->reference = p->reference;
    out->rubric = p->rubric;
    out->items = p->items;
}

struct el_prompt_extras el_rl_task_extras(const struct el_rl_recipe *r, const struct el_rl_task *t)
{
    return (struct el_prompt_extras){.reference =
                                         el_slice_str(r->show_reference ? t->reference : NULL),
                                     .rubric = el_slice_str(r->show_rubric ? t->rubric : NULL)};
}

int el_rl_task_prompt(const struct el_rl_tasks *t, struct el_rl_task *out, struct el_error *err)
{
    look_up(t, out);
    struct el_slice analysis = el_slice_str(out->analysis ? out->analysis : "");
    struct el_prompt_candidate candidate = {.proof = el_slice_str(out->proof ? out->proof : ""),
                                            .analyses = &analysis,
                                            .n_analyses = 1};
    const struct el_role_input in = {.statement = el_slice_str(out->statement),
                                     .proof = candidate.proof,
                                     .analysis = analysis,
                                     .candidates = &candidate,
                                     .n_candidates = 1,
                                     .extras = el_rl_task_extras(t->recipe, out)};
    return el_role_prompt(out->role, t->prompts, &in, &out->prompt, err);
}

/* ---- What there is ---- */

static int load(struct el_rl_tasks *t, enum el_dataset_what what, struct el_store *s,
                const struct el_rl_room *room, struct el_error *err)
{
    struct el_rl_fitting fit = el_rl_fitting_of(t, room);
    const struct el_dataset_filter f = {.raters = t->recipe->raters,
                                        .set = t->recipe->set,
                                        .fits = room ? el_rl_fitting_item : NULL,
                                        .fits_user = &fit};
    struct el_dataset *d = &t->data[what];
    size_t n[3] = {0};
    int rc = el_dataset_load(d, s, what, &f, err);
    if (rc == EL_ENOTFOUND && fit.asked)
        rc = el_rl_fitting_none(&fit, el_dataset_name(what), err);
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

/* Roles that need D_mv give way to the others. */
static int drop_roles(struct el_rl_tasks *t, const char *why, struct el_error *err)
{
    const double meta = t->share[EL_ROLE_META_VERIFIER], refiner = t->share[EL_ROLE_REFINER];
    if (!(t->share[EL_ROLE_VERIFIER] + t->share[EL_ROLE_GENERATOR] > 0))
        return el_error_set(err, EL_ENOTFOUND,
                            "%s. The recipe has no role that can do without analyses that have a "
                            "score; \"record\": \"dmv\" of 'elenchus import' brings them",
                            why);
    snprintf(t->dropped, sizeof t->dropped, "roles left out: %s%s%s (%s)",
             meta > 0 ? "meta_verifier" : "", meta > 0 && refiner > 0 ? ", " : "",
             refiner > 0 ? "refiner" : "", why);
    t->share[EL_ROLE_META_VERIFIER] = t->share[EL_ROLE_REFINER] = 0;
    return 0;
}

static int load_analyses(struct el_rl_tasks *t, struct el_store *s, const struct el_rl_room *room,
                         struct el_error *err)
{
    struct el_error why = {0};
    int rc = load(t, EL_DATASET_DMV, s, room, &why);
    if (rc == EL_ENOTFOUND)
        return drop_roles(t, why.msg, err);
    return rc < 0 ? el_error_set(err, rc, "%s", why.msg) : 0;
}

static int in_world(const char *statement)
{
    struct el_world_problem world;
    return el_world_problem_parse(statement, strlen(statement), &world, NULL) == 0;
}

/* A reward for outcomes alone needs problems whose outcome can be checked. */
static int has_outcome(const struct el_rl_tasks *t, const char *statement)
{
    if (t->recipe->rewards.proof_weight > 0 || in_world(statement))
        return 1;
    const struct el_rl_problem *p = find_problem(t, statement);
    return p && el_answer_checkable(p->answer);
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
        if (!has_outcome(t, dmv->item[i].statement))
            continue;
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

static int copy(const char *from, char **to)
{
    if (!from || *to)
        return 0;
    *to = el_strdup(from);
    return *to ? 0 : EL_ENOMEM;
}

static int add_problem(void *user, const struct el_problem *p, struct el_error *err)
{
    struct el_rl_tasks *t = user;
    struct el_rl_problem *more = el_realloc(t->problem, (t->n_problems + 1) * sizeof *more);
    if (!more)
        return el_error_set(err, EL_ENOMEM, "out of memory for problems");
    t->problem = more;
    struct el_rl_problem *q = &more[t->n_problems++];
    *q = (struct el_rl_problem){0};
    if (copy(p->statement, &q->statement) < 0 || copy(p->answer, &q->answer) < 0 ||
        copy(p->reference, &q->reference) < 0 || copy(p->rubric, &q->rubric) < 0)
        return el_error_set(err, EL_ENOMEM, "out of memory for problems");
    return 0;
}

static void release_problem(struct el_rl_problem *p)
{
    el_free(p->statement);
    el_free(p->answer);
    el_free(p->reference);
    el_free(p->rubric);
    el_rubric_free(p->items);
}

static void take(char **from, char **to)
{
    if (*to)
        return;
    *to = *from;
    *from = NULL;
}

/* Imports of several files may hold a problem twice, each with a part of what is known of it. */
static void merge_copies(struct el_rl_tasks *t)
{
    size_t n = 0;
    for (size_t i = 0; i < t->n_problems; i++) {
        struct el_rl_problem *p = &t->problem[i], *last = n ? &t->problem[n - 1] : NULL;
        if (!last || strcmp(last->statement, p->statement) != 0) {
            t->problem[n++] = *p;
            continue;
        }
        take(&p->answer, &last->answer);
        take(&p->reference, &last->reference);
        take(&p->rubric, &last->rubric);
        release_problem(p);
    }
    t->n_problems = n;
}

static int read_rubrics(struct el_rl_tasks *t, struct el_error *err)
{
    int rc = 0;
    for (size_t i = 0; i < t->n_problems && rc == 0; i++) {
        struct el_rl_problem *p = &t->problem[i];
        if (p->rubric && (rc = el_rubric_read(p->rubric, &p->items, err)) < 0)
            el_error_prefix(err, "the problem \"%.60s\"", p->statement);
    }
    return rc;
}

/* The problems of a store that was given, in an order of their own. */
static int read_problems(struct el_rl_tasks *t, struct el_store *s, struct el_error *err)
{
    int rc = el_store_problem_each(s, t->recipe->set, add_problem, t, err);
    if (rc < 0 || t->n_problems == 0)
        return rc;
    qsort(t->problem, t->n_problems, sizeof *t->problem, by_text);
    merge_copies(t);
    return t->recipe->rewards.problem_rubrics ? read_rubrics(t, err) : 0;
}

/* 1, 0, or negative. */
static int is_provable(struct el_rl_fitting *fit, const struct el_rl_problem *p,
                       struct el_error *err)
{
    if (!has_outcome(fit->t, p->statement))
        return 0;
    return fit->room ? el_rl_fitting_problem(fit, p->statement, err) : 1;
}

static int nothing_provable(const struct el_rl_tasks *t, const struct el_rl_fitting *fit,
                            struct el_error *err)
{
    if (fit->asked)
        return el_rl_fitting_none(fit, "problems to prove", err);
    if (t->n_problems)
        return el_error_set(err, EL_ENOTFOUND,
                            "proof_weight 0: none of the store's %zu problems has an answer that "
                            "can be checked by rule",
                            t->n_problems);
    return el_error_set(err, EL_ENOTFOUND, "the store holds no problems to prove");
}

static int index_provable(struct el_rl_tasks *t, const struct el_rl_room *room,
                          struct el_error *err)
{
    struct el_rl_fitting fit = el_rl_fitting_of(t, room);
    t->provable = el_alloc_array(t->n_problems + 1, sizeof *t->provable);
    if (!t->provable)
        return el_error_set(err, EL_ENOMEM, "out of memory for problems");
    for (size_t i = 0; i < t->n_problems; i++) {
        int is = is_provable(&fit, &t->problem[i], err);
        if (is < 0)
            return is;
        if (is)
            t->provable[t->n_provable++] = i;
    }
    t->too_long = room ? fit.asked - t->n_provable : 0;
    return t->n_provable ? 0 : nothing_provable(t, &fit, err);
}

/* Whether anything but the statements of the store's problems plays a part. */
static int uses_problems(const struct el_rl_recipe *r)
{
    return r->rewards.final_answer_weight > 0 || r->rewards.problem_rubrics || r->show_reference ||
           r->show_rubric;
}

static void digest_problems(const struct el_rl_tasks *t, struct el_digest *d)
{
    for (size_t i = 0; i < t->n_problems; i++) {
        const struct el_rl_problem *p = &t->problem[i];
        const char *part[] = {p->statement, p->answer, p->reference, p->rubric};
        for (int k = 0; k < 4; k++)
            el_digest_str(d, part[k] ? part[k] : "");
    }
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
    for (size_t i = 0; i < t->n_provable; i++)
        el_digest_str(&d, t->problem[t->provable[i]].statement);
    if (uses_problems(t->recipe))
        digest_problems(t, &d);
    el_digest_hex(&d, t->digest);
}

static int known_to_oracle(const char *what, const char *statement, struct el_error *err)
{
    return in_world(statement)
               ? 0
               : el_error_set(err, EL_EREFUSED,
                              "the oracle knows only the small world, and %s \"%.60s\"; name a "
                              "judge, or with \"data\": {\"set\": NAME} a set that it knows",
                              what, statement);
}

/* What it does not know would end the run at some later step. */
static int check_oracle(const struct el_rl_tasks *t, struct el_error *err)
{
    const struct el_dataset *dv = &t->data[EL_DATASET_DV], *dmv = &t->data[EL_DATASET_DMV];
    int rc = 0;
    for (size_t i = 0; rc == 0 && t->share[EL_ROLE_VERIFIER] > 0 && i < dv->n; i++)
        rc = known_to_oracle("D_v has", dv->item[i].statement, err);
    for (size_t i = 0; rc == 0 && i < t->n_provable; i++)
        rc = known_to_oracle("the problems have", t->problem[t->provable[i]].statement, err);
    for (size_t i = 0; rc == 0 && i < t->n_refinable; i++)
        rc = known_to_oracle("D_mv has", dmv->item[t->refinable[i]].statement, err);
    return rc;
}

/* Problems first: prompts of the rest may show what is known of them. */
int el_rl_tasks_init(struct el_rl_tasks *t, const struct el_rl_recipe *r,
                     const struct el_prompt_set *prompts, struct el_store *s,
                     const struct el_rl_room *room, struct el_error *err)
{
    *t = (struct el_rl_tasks){.recipe = r, .prompts = prompts, .context = room ? room->context : 0};
    memcpy(t->share, r->share, sizeof t->share);
    int rc = 0, own = r->world > 0 || r->attempts > 0;
    const struct el_rl_room *filter = own ? NULL : room;
    if (!own && (r->share[EL_ROLE_GENERATOR] > 0 || uses_problems(r)))
        rc = read_problems(t, s, err);
    if (rc == 0 && r->share[EL_ROLE_VERIFIER] > 0)
        rc = load(t, EL_DATASET_DV, s, filter, err);
    if (rc == 0 && (r->share[EL_ROLE_META_VERIFIER] > 0 || r->share[EL_ROLE_REFINER] > 0))
        rc = load_analyses(t, s, filter, err);
    if (rc == 0 && t->share[EL_ROLE_REFINER] > 0)
        rc = index_refinable(t, err);
    if (rc == 0 && !own && r->share[EL_ROLE_GENERATOR] > 0)
        rc = index_provable(t, filter, err);
    if (rc == 0 && own && room)
        rc = el_rl_fitting_own(t, room, err);
    if (rc == 0 && r->oracle && !own)
        rc = check_oracle(t, err);
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
    for (size_t i = 0; i < t->n_problems; i++)
        release_problem(&t->problem[i]);
    el_free(t->problem);
    el_free(t->provable);
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
    el_rl_task_take(out, &d->item[t->by_label[what][k][pick(d->by_class[k], rng)]], k);
}

int el_rl_own_problem(const struct el_rl_recipe *r, uint64_t number, struct el_buf *text,
                      struct el_error *err)
{
    struct el_world_problem p;
    el_buf_init(text);
    el_world_problem(r->split, el_rl_first_problem(r, EL_RL_TO_PROVE) + number, &p);
    if (el_world_problem_text(&p, text) == 0)
        return 0;
    el_buf_release(text);
    return el_error_set(err, EL_ENOMEM, "out of memory for a problem");
}

static int draw_problem(const struct el_rl_tasks *t, uint64_t number, struct el_rng *rng,
                        struct el_rl_task *out, struct el_error *err)
{
    struct el_buf text;
    out->label = EL_SCORE_NONE;
    if (t->n_provable) {
        out->statement = t->problem[t->provable[pick(t->n_provable, rng)]].statement;
        return 0;
    }
    int rc = el_rl_own_problem(t->recipe, number, &text, err);
    if (rc < 0)
        return rc;
    out->statement = out->memory = el_buf_detach(&text);
    return out->statement ? 0 : el_error_set(err, EL_ENOMEM, "out of memory for a problem");
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
    out->role = (enum el_role)pick_share(t->share, EL_ROLES, &rng);
    int rc = 0;
    if (out->role == EL_ROLE_VERIFIER)
        draw_labelled(t, EL_DATASET_DV, &rng, out);
    else if (out->role == EL_ROLE_META_VERIFIER)
        draw_labelled(t, EL_DATASET_DMV, &rng, out);
    else if (out->role == EL_ROLE_REFINER)
        el_rl_task_take(out,
                        &t->data[EL_DATASET_DMV].item[t->refinable[pick(t->n_refinable, &rng)]],
                        EL_SCORE_NONE);
    else
        rc = draw_problem(t, number, &rng, out, err);
    if (rc == 0)
        out->in_world = el_world_problem_parse(out->statement, strlen(out->statement),
                                               &out->problem, NULL) == 0;
    if (rc == 0)
        rc = el_rl_task_prompt(t, out, err);
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
