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

/* The room that a model has for a prompt and its completion. */
struct el_rl_room {
    /* Tokens of a prompt as the model gets it, or negative; EL_ELIMIT: too many to be counted. */
    int (*tokens)(void *user, const char *prompt, struct el_error *err);
    void *user;
    int context; /* tokens */
    int anyhow;  /* of the run's own data nothing is refused: a run that goes on, or has ended */
};

enum { EL_RL_OWN_PROBLEMS = 64 }; /* of problems without end, that are asked whether they fit */

/* Of the run's own data that a role is given: what was asked about, and what of it does not fit and
 * is dropped where it is drawn. Problems to prove are the first EL_RL_OWN_PROBLEMS. */
struct el_rl_own {
    size_t asked, no_room;
};

struct el_rl_tasks {
    const struct el_rl_recipe *recipe;
    const struct el_prompt_set *prompts;
    double share[EL_ROLES];    /* the recipe's, and 0 for roles that D_mv has nothing for */
    char dropped[900];         /* a line that says which and why; "" */
    struct el_dataset data[2]; /* D_v and D_mv (enum el_dataset_what) */
    size_t *by_label[2][3];    /* their items of each label */
    size_t *refinable;         /* D_mv items whose analysis scores its proof below 1 */
    size_t n_refinable;
    struct el_rl_problem *problem; /* in the order of their statements; NULL: a store of its own */
    size_t n_problems;
    size_t *provable; /* those that the generator is given; none: the small world's, of the recipe's
                         split */
    size_t n_provable;
    size_t too_long;                /* problems that do not fit, and are not among them */
    struct el_rl_own own[EL_ROLES]; /* of its own data, which stay what they are */
    int context;                    /* tokens of the room; 0: not known */
    char digest[EL_DIGEST_HEX];     /* of everything above */
};

/* Reads what the recipe's roles need from the store. What has a prompt that with
 * max_completion_length does not fit `room` (NULL: there is room for all) is left out; of the
 * run's own data it is counted, and refused when nothing fits of what a role is given. Imports
 * bring scores of proofs, seldom of analyses: where D_mv is empty, meta-verifier and refiner are
 * dropped for the other roles of the recipe. EL_ENOTFOUND says which role has nothing, EL_EREFUSED
 * what the oracle, where it is the judge, does not know. */
int el_rl_tasks_init(struct el_rl_tasks *t, const struct el_rl_recipe *r,
                     const struct el_prompt_set *prompts, struct el_store *s,
                     const struct el_rl_room *room, struct el_error *err);
/* The same out of the store at `path`, for the room of the model in the folder `model`, of which
 * config.json and tokenizer.json are read; `anyhow` as in el_rl_room. */
int el_rl_tasks_open(struct el_rl_tasks *t, const struct el_rl_recipe *r,
                     const struct el_prompt_set *prompts, const char *path, const char *model,
                     int anyhow, struct el_error *err);
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
