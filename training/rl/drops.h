/* What a sampling of completions lost, and what its judges cost, under the names of the metrics:
 *
 *   drops/judge         samples whose judge could not be read
 *   drops/judge_rate/below_256, below_512, ..., from_65536   their share of those that were judged,
 *                       by bytes of the proof (el_length_class; classes that have samples)
 *   drops/judge_proof_bytes beside judge/proof_bytes   means: do long proofs break judges?
 *   drops/prompt        prompts that leave less than max_completion_length tokens of the model's
 *                       context: not sampled, for what the context cuts off is nobody's failure
 *   judge/asked, judge/unreadable   judgements */
#ifndef EL_TRAINING_RL_DROPS_H
#define EL_TRAINING_RL_DROPS_H

#include "training/rl/judge.h"

/* Appends members of a JSON object, each behind a comma; what does not exist is left out. 0 or
 * EL_ENOMEM. */
int el_rl_drops_json(const struct el_rl_judge_counts *judge, int64_t refused, struct el_buf *out);

#endif
