/* Where the prompts of a training come from: D_v for the verifier, D_mv for the meta-verifier,
 * problems for the generator, failed attempts with their analyses for the refiner.
 *
 * Task i of step t is a pure function of (recipe, data, t, i). */
#ifndef EL_TRAINING_RL_TASKS_H
#define EL_TRAINING_RL_TASKS_H

#include "data/dataset.h"
#include "data/world.h"
#include "roles/role.h"
#include "training/rl/recipe.h"

/* A problem of a store that was given; what it lacks is NULL. */
struct el_rl_problem {
    char *statement, *answer, *reference, *rubric;
    struct el_rubric *items; /* of the rubric, where the recipe counts them */
};

struct el_rl_tasks {
    const struct el_rl_recipe *recipe;
    const struct el_prompt_set *prompts;
    struct el_dataset data[2]; /* D_v and D_mv (enum el_dataset_what) */
    size_t *by_label[2][3];    /* their items of each label */
    size_t *refinable;         /* D_mv items whose analysis scores its proof below 1 */
    size_t n_refinable;
    struct el_rl_problem *problem; /* in the order of their statements; NULL: a store of its own */
    size_t n_problems;
    size_t *provable; /* those that the generator is given; NULL: the small world's train split */
    size_t n_provable;
    char digest[EL_DIGEST_HEX]; /* of everything above */
};

/* Reads what the recipe's roles need from the store. EL_ENOTFOUND says which role has nothing. */
int el_rl_tasks_init(struct el_rl_tasks *t, const struct el_rl_recipe *r,
                     const struct el_prompt_set *prompts, struct el_store *s, struct el_error *err);
void el_rl_tasks_release(struct el_rl_tasks *t);

struct el_rl_task {
    enum el_role role;
    const char *statement;        /* X */
    const char *proof, *analysis; /* Y, V as far as the role is shown them, else NULL; borrowed */
    const char *answer, *reference, *rubric; /* of the problem; NULL where it has none; borrowed */
    const struct el_rubric *items;           /* of the rubric; likewise */
    int label;    /* halves: s for the verifier, ms for the meta-verifier, else -1 */
    int in_world; /* problem is set: there is an oracle */
    struct el_world_problem problem;
    struct el_buf prompt;
    char *memory; /* owned, may be NULL */
};

/* *out is initialised here; release it. */
int el_rl_tasks_draw(const struct el_rl_tasks *t, int64_t step, int i, struct el_rl_task *out,
                     struct el_error *err);
void el_rl_task_release(struct el_rl_task *t);

/* What the recipe shows to the judges of this task, the policy as a judge included. */
struct el_prompt_extras el_rl_task_extras(const struct el_rl_recipe *r, const struct el_rl_task *t);

#endif
