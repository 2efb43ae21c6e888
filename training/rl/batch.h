/* A batch of prompts and their sampled completions, parsed. */
#ifndef EL_TRAINING_RL_BATCH_H
#define EL_TRAINING_RL_BATCH_H

#include "training/rl/sample.h"

struct el_rl_batch {
    const struct el_rl_recipe *recipe;
    int p, g;                    /* prompts, generations of each */
    struct el_rl_group *group;   /* (p) */
    struct el_rl_sample *sample; /* (p * g): those of group i begin at i * g */
};

int el_rl_batch_init(struct el_rl_batch *b, const struct el_rl_recipe *r, struct el_error *err);
void el_rl_batch_release(struct el_rl_batch *b);

/* Who plays a role. Several roles may share a backend. */
struct el_rl_player {
    struct el_backend *backend;
    const char *digest; /* of its weights as they are now: names the random streams */
};

/* Draws the tasks of step `step` and samples them. A pure function of tasks, step and players.
 * progress counts completions; may be NULL. */
int el_rl_batch_sample(struct el_rl_batch *b, const struct el_rl_tasks *tasks, int64_t step,
                       const struct el_rl_player player[EL_ROLES],
                       const struct el_reply_parser *parser, struct el_progress *progress,
                       struct el_error *err);

#endif
