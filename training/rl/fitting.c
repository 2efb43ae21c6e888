#include "training/rl/fitting.h"

#include "core/base/buf.h"

#include <limits.h>

struct el_rl_fitting el_rl_fitting_of(const struct el_rl_tasks *t, const struct el_rl_room *room)
{
    return (struct el_rl_fitting){.t = t, .room = room, .shortest = INT_MAX};
}

/* INT_MAX: more than can be counted. */
static int prompt_tokens(const struct el_rl_fitting *f, struct el_rl_task *x, struct el_error *err)
{
    struct el_error why = {0};
    el_buf_init(&x->prompt);
    int rc = el_rl_task_prompt(f->t, x, &why);
    int n = rc < 0 ? rc : f->room->tokens(f->room->user, x->prompt.data, &why);
    el_buf_release(&x->prompt);
    if (n == EL_ELIMIT)
        return INT_MAX;
    return n >= 0 ? n : el_error_set(err, n, "the problem \"%.60s\": %s", x->statement, why.msg);
}

/* Whether a prompt of so many tokens leaves room for the completion. */
static int leaves_room(struct el_rl_fitting *f, int tokens)
{
    int fits = tokens <= f->room->context - f->t->recipe->sampling.max_tokens;
    f->asked++;
    f->fit += (size_t)fits;
    f->shortest = tokens < f->shortest ? tokens : f->shortest;
    return fits;
}

static int item_tokens(const struct el_rl_fitting *f, enum el_role role,
                       const struct el_dataset_item *item, struct el_error *err)
{
    struct el_rl_task x = {.role = role};
    el_rl_task_take(&x, item, item->halves);
    return prompt_tokens(f, &x, err);
}

int el_rl_fitting_item(void *fitting, const struct el_dataset_item *item, struct el_error *err)
{
    static const enum el_role readers[] = {EL_ROLE_VERIFIER, EL_ROLE_META_VERIFIER,
                                           EL_ROLE_REFINER};
    struct el_rl_fitting *f = fitting;
    int longest = 0;
    for (int k = 0; k < 3; k++) {
        int reads_analyses = readers[k] != EL_ROLE_VERIFIER;
        if (reads_analyses != (item->analysis != NULL) || !(f->t->share[readers[k]] > 0))
            continue;
        int n = item_tokens(f, readers[k], item, err);
        if (n < 0)
            return n;
        longest = n > longest ? n : longest;
    }
    return leaves_room(f, longest);
}

int el_rl_fitting_problem(struct el_rl_fitting *f, const char *statement, struct el_error *err)
{
    struct el_rl_task x = {.role = EL_ROLE_GENERATOR, .statement = statement};
    int n = prompt_tokens(f, &x, err);
    return n < 0 ? n : leaves_room(f, n);
}

int el_rl_fitting_none(const struct el_rl_fitting *f, const char *what, struct el_error *err)
{
    return el_error_set(err, EL_ENOTFOUND,
                        "%s: none of %zu fits the model: it takes %d tokens, max_completion_length "
                        "keeps %d of them for the reply, and the shortest prompt has %d",
                        what, f->asked, f->room->context, f->t->recipe->sampling.max_tokens,
                        f->shortest);
}

/* ---- The run's own data ---- */

/* Items of D_v or D_mv that a role is given; `among`: only those. */
struct given {
    enum el_role role;
    const char *what;
    const struct el_dataset *data;
    const size_t *among;
    size_t n;
};

static int counted(struct el_rl_tasks *t, const struct el_rl_fitting *f, enum el_role role,
                   const char *what, struct el_error *err)
{
    t->own[role] = (struct el_rl_own){.asked = f->asked, .no_room = f->asked - f->fit};
    return f->asked && !f->fit && !f->room->anyhow ? el_rl_fitting_none(f, what, err) : 0;
}

static int own_items(struct el_rl_tasks *t, const struct given *g, const struct el_rl_room *room,
                     struct el_error *err)
{
    struct el_rl_fitting f = el_rl_fitting_of(t, room);
    int rc = 0;
    for (size_t i = 0; i < g->n && rc >= 0; i++) {
        rc = item_tokens(&f, g->role, &g->data->item[g->among ? g->among[i] : i], err);
        if (rc >= 0)
            leaves_room(&f, rc);
    }
    return rc < 0 ? rc : counted(t, &f, g->role, g->what, err);
}

static int own_problems(struct el_rl_tasks *t, const struct el_rl_room *room, struct el_error *err)
{
    struct el_rl_fitting f = el_rl_fitting_of(t, room);
    int rc = 0;
    for (int i = 0; i < EL_RL_OWN_PROBLEMS && rc >= 0; i++) {
        struct el_buf text;
        rc = el_rl_own_problem(t->recipe, (uint64_t)i, &text, err);
        if (rc < 0)
            break;
        rc = el_rl_fitting_problem(&f, text.data, err);
        el_buf_release(&text);
    }
    return rc < 0 ? rc : counted(t, &f, EL_ROLE_GENERATOR, "problems to prove", err);
}

int el_rl_fitting_own(struct el_rl_tasks *t, const struct el_rl_room *room, struct el_error *err)
{
    const struct el_dataset *dv = &t->data[EL_DATASET_DV], *dmv = &t->data[EL_DATASET_DMV];
    const struct given given[] = {
        {EL_ROLE_VERIFIER, "D_v", dv, NULL, dv->n},
        {EL_ROLE_META_VERIFIER, "D_mv", dmv, NULL, dmv->n},
        {EL_ROLE_REFINER, "D_mv for the refiner", dmv, t->refinable, t->n_refinable}};
    int rc = 0;
    for (int k = 0; k < 3 && rc == 0; k++)
        if (t->share[given[k].role] > 0)
            rc = own_items(t, &given[k], room, err);
    return rc == 0 && t->share[EL_ROLE_GENERATOR] > 0 ? own_problems(t, room, err) : rc;
}
