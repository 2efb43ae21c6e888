/* The model at the end of an iteration may be a mean of what was trained and of the start: much of
 * what reward has taught stays, and what reward for single attempts has unlearnt comes back
 * (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models", section 3: interpolation of
 * weights). */
#ifndef EL_TRAINING_RL_AVERAGE_H
#define EL_TRAINING_RL_AVERAGE_H

#include "core/model/weights.h"

/* w = (1 - share) * w + share * start, every value, on the host; then rounded to what
 * el_weights_save writes, and w's digest renewed. EL_EREFUSED when the two are not of one shape. */
int el_rl_average(struct el_weights *w, const struct el_weights *start, double share,
                  struct el_error *err);

/* The same of Hugging Face folders, with the progress of each as in el_weights_load: writes the
 * model folder `out`, with the trained one's tokenizer and domain, and a training.json that names
 * both, the share and `recipe`, the plan that asks for it. The weights come last: a folder with
 * weights is whole. */
int el_rl_average_folders(const char *trained, const char *start, double share, const char *recipe,
                          const char *out, struct el_progress *progress, struct el_error *err);

#endif
