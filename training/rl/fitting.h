/* What of a recipe's data fits a model: a prompt and max_completion_length have to, together.
 * Internal to training/rl. */
#ifndef EL_TRAINING_RL_FITTING_H
#define EL_TRAINING_RL_FITTING_H

#include "training/rl/tasks.h"

struct el_rl_fitting {
    const struct el_rl_tasks *t;
    const struct el_rl_room *room;
    size_t asked, fit; /* what was asked about, and what of it fits */
    int shortest;      /* prompt of all of that, in tokens */
};
/* room may be NULL where nothing will be asked. */
struct el_rl_fitting el_rl_fitting_of(const struct el_rl_tasks *t, const struct el_rl_room *room);

/* el_dataset_filter's `fits` with a fitting: in every role that the recipe shows the item to. */
int el_rl_fitting_item(void *fitting, const struct el_dataset_item *item, struct el_error *err);
/* The same of a problem to prove. */
int el_rl_fitting_problem(struct el_rl_fitting *f, const char *statement, struct el_error *err);
/* EL_ENOTFOUND: nothing of `what` fits. */
int el_rl_fitting_none(const struct el_rl_fitting *f, const char *what, struct el_error *err);

/* Counts what of the run's own data does not fit (`own` of tasks that have the rest). 0, or
 * negative, EL_ENOTFOUND when nothing fits that a role is given (but see el_rl_room's anyhow). */
int el_rl_fitting_own(struct el_rl_tasks *t, const struct el_rl_room *room, struct el_error *err);

/* ---- What tasks.c lends to that ---- */

/* A task about an item; its role is set. */
void el_rl_task_take(struct el_rl_task *out, const struct el_dataset_item *x, int label);
/* What the store knows of the problem, and the prompt, appended to out->prompt. */
int el_rl_task_prompt(const struct el_rl_tasks *t, struct el_rl_task *out, struct el_error *err);
/* The statement of the run's own problem to prove of that number; *text is initialised here. */
int el_rl_own_problem(const struct el_rl_recipe *r, uint64_t number, struct el_buf *text,
                      struct el_error *err);

#endif
