/* Many requests at once through one completion backend. */
#ifndef EL_TRAINING_RL_ASK_H
#define EL_TRAINING_RL_ASK_H

#include "core/base/progress.h"
#include "core/run/completion.h"

struct el_rl_ask {
    const char *prompt; /* one user message; borrowed */
    struct el_sampling sampling;
    uint64_t key;
    int full; /* refused as well when prompt and sampling.max_tokens do not fit together */
    int trace;
    struct el_completion out; /* released by the caller; finish EL_FINISH_REFUSED when the prompt
                                 does not fit the model */
};

/* Fills `out` of every ask. An outage of the backend is an error; EL_EINTR when a stop was
 * requested. progress counts completions, or NULL. Results do not depend on their order. */
int el_rl_ask_all(struct el_backend *b, struct el_rl_ask *ask, int n, struct el_progress *progress,
                  struct el_error *err);

#endif
