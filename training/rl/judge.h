/* Judging the samples of a step: the frozen verifier scores new proofs, the frozen meta-verifier
 * scores analyses; or the oracle of the small world does.
 *
 * A judgement that cannot be read is the judge's failure: it is asked again with another stream, at
 * most judge_retries times, then left out. A sample for which fewer than half of its judgements
 * could be read is lost: dropped from its group and counted, never scored 0. */
#ifndef EL_TRAINING_RL_JUDGE_H
#define EL_TRAINING_RL_JUDGE_H

#include "refine/tally.h"
#include "training/rl/sample.h"

struct el_rl_judge {
    const struct el_rl_recipe *recipe;
    const struct el_prompt_set *prompts;
    const struct el_reply_parser *parser;
    struct el_backend *backend; /* of the frozen judge; NULL: the oracle */
};

struct el_rl_judge_counts {
    int64_t asked, unreadable;        /* judgements */
    int64_t judged, lost;             /* samples */
    int64_t judged_bytes, lost_bytes; /* of their proofs */
    struct el_tally_lengths lengths;  /* samples judged (asked) and lost (dropped) */
};

/* Gives rewards to the samples of n groups with G samples each. `step` enters the judge's random
 * streams. Adds to `counts`. */
int el_rl_judge_all(const struct el_rl_judge *j, struct el_rl_group *group, int n, int64_t step,
                    struct el_rl_judge_counts *counts, struct el_progress *progress,
                    struct el_error *err);

#endif
