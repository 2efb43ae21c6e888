/* How well the models of an arm judge, taken together: means over models that differ in their seed,
 * with intervals over them. */
#ifndef EL_TRAINING_RL_ROLE_ARMS_H
#define EL_TRAINING_RL_ROLE_ARMS_H

#include "training/rl/role_eval.h"

struct el_role_arm {
    const char *name;
    const char *const *model;            /* (n) their names */
    const struct el_role_report *report; /* (n) over the same store */
    int n;
};

/* Appends, for every arm, a table of mean, 95% interval of the mean over its models (Student's t)
 * and the value of each; or a JSON object with "arms" and, in each, "models" with reports of their
 * own. 0 or EL_ENOMEM. */
int el_role_arms_text(const struct el_role_arm *arm, int n, struct el_buf *out);
int el_role_arms_json(const struct el_role_arm *arm, int n, struct el_buf *out);

#endif
