/* Recipes for training roles by GRPO: one JSON object, fields named as the field names them.
 *
 * What is trained, from what
 *
 *   "model"             folder of the start; also the reference of the KL
 *   "judge"             folder of the frozen judge ("start": the start itself), or "oracle":
 *                       exact truth of the small world
 *   "prompts"           folder of a prompt set
 *   "roles"             {"verifier": 1, "meta_verifier": 0.5, "generator": 0, "refiner": 0}:
 *                       shares of the prompts of a step
 *   "data"              {"store": FILE, "raters": "human,oracle", "set": NAME}: D_v and D_mv
 *                       of a store; or {"world": N, "attempts": M, "split": "train", "checked": 0,
 *                       "false_start": 0, "unlisted": 0, "reused": 0}: a store of the run's own
 *                       with N programmed proofs and analyses (the last four as in struct
 *                       el_world_mix) and M attempts of the start, scored by the oracle.
 *                       "split", train or valid, is that of their problems and of those to
 *                       prove: claims of train may be known by heart from supervised training,
 *                       those of valid have to be searched. A store, in the recipe or given to
 *                       it, replaces all of this; what of it does not fit the model with
 *                       max_completion_length is left out, and roles that need a D_mv that is
 *                       empty give way to the others (training/rl/tasks.h)
 *   "label_balance"     [0.34, 0.33, 0.33] shares of the labels 0, 0.5, 1 among prompts of the
 *                       verifier and of the meta-verifier; labels that have no item are left out
 *
 * Sampling
 *
 *   "prompts_per_step", "num_generations" (G), "temperature", "top_p", "top_k",
 *   "max_completion_length"  below the model's context. A prompt that leaves less of the
 *                       context is not sampled: of a store that was given it is left out from
 *                       the start, of the run's own data it is dropped when it is drawn
 *                       (drops/prompt), and the start says how many there are
 *
 * Rewards (rewards/rewards.h)
 *
 *   "use_meta_reward"   R_meta is part of the verifier's reward
 *   "alpha", "beta_self"  weights of R_Y and R_Z: 0.76, 0.24
 *   "verifications", "meta_verifications"  judgements a proof, an analysis gets; their mean
 *                       counts
 *   "judge_temperature" of a judgement's first attempt; absent: "temperature". A frozen judge need
 *                       not explore; at 0 one verification says it all, and more are refused
 *   "judge_retries"     further attempts after an unreadable judgement, at "temperature"
 *   "show_reference", "show_rubric"  false; the store's reference solution and grading
 *                       guidelines of a problem stand in the prompts of verifier and
 *                       meta-verifier, of the policy and of the judge; the prompt set must
 *                       have a place for them
 *
 * Extra terms, all off by default (rewards/terms.h says how they are added)
 *
 *   "final_answer_weight"  the rule-based final answer of who writes proofs: on the small world
 *                       all witnesses hold, exactly; elsewhere the last box of the proof
 *                       equals the stored answer (rewards/answer.h). A problem whose answer
 *                       cannot be checked is trained without this term
 *   "proof_weight"      1; 0 leaves only extra terms: outcome reward, and only problems whose
 *                       answer can be checked
 *   "length_weight"     of completion tokens / max_completion_length: > 0 a bonus, < 0 a
 *                       penalty
 *   "overlong_penalty", "overlong_from"  soft penalty up to the first value, growing from that
 *                       share of max_completion_length on
 *   "language", "language_consistency_weight"  "en", "zh", ... (rewards/language.h): the share
 *                       of words of the whole completion that are in it; weight 0 only shows
 *                       it
 *   "rubric"            {"weight": 0.1, "of_problems": true, "items": [{"name": "both claims",
 *                       "part": "proof", "pattern": "[(]1[)]", "points": 1,
 *                       "absent": false}]}: the share of points by rule (rewards/rubric.h) of
 *                       the items that apply to a role and, for who writes proofs, of those in
 *                       the store's rubric of the problem; weight 0 only shows it
 *
 * Optimisation (core/train/grpo.h, policy.h)
 *
 *   "epsilon", "epsilon_high", "beta", "use_bias_correction_kl", "scale_rewards",
 *   "mask_truncated_completions", "mini_batches", "num_iterations", "bias_update_speed",
 *   "learning_rate", "final_learning_rate", "warmup_steps", "lr_scheduler_type", "adam_beta1",
 *   "adam_beta2", "adam_epsilon", "weight_decay", "max_grad_norm"
 *   "off_policy_mask_threshold"  null: off
 *   "keep_routing", "keep_sampling_mask"  true
 *   "selected_sets"     "live": the indexer's selection with the weights as they are; "replay":
 *                       that of sampling; "unrecorded": live, and what was selected at sampling
 *                       is not kept (layers * context / 8 bytes for each cached token), so
 *                       that the mismatch is not shown
 *   "indexer_kl_weight" 0: the indexer is frozen
 *   "batch_rows"        rows of one pass
 *
 * Rejection fine-tuning instead of GRPO, which leaves the fields of the optimisation from "epsilon"
 * to "num_iterations" unread, and those of replay
 *
 *   "rejection"         {"steps": 32, "min_reward": 1, "max_per_prompt": 1,
 *                       "sources": {"verifier": DIR, ...}}: that many batches of prompts are
 *                       sampled, each role by the model of its source (default: the start);
 *                       the best completions of a prompt that earn at least min_reward are
 *                       kept, and max_steps steps of supervised training on them start from
 *                       "model". min_reward may name roles, {"generator": 0.2}, the others need
 *                       1: a generator whose proof fails earns beta_self at most, for saying so,
 *                       and where nothing better was sampled that is worth learning; a model
 *                       that learns from proofs that succeed alone learns to claim success
 *
 * The run: "seed", "max_steps", "save_steps", "save_total_limit" (2: checkpoints that stay,
 * training/rotation.h). */
#ifndef EL_TRAINING_RL_RECIPE_H
#define EL_TRAINING_RL_RECIPE_H

#include "core/base/digest.h"
#include "core/run/completion.h"
#include "core/train/grpo.h"
#include "core/train/optimizer.h"
#include "core/train/schedule.h"
#include "data/world.h"
#include "rewards/language.h"
#include "rewards/rewards.h"
#include "rewards/rubric.h"
#include "roles/role.h"

enum { EL_RL_GENERATIONS = 1024 }; /* the most of one group */

enum el_rl_selected_sets { EL_RL_SELECTED_LIVE, EL_RL_SELECTED_REPLAY, EL_RL_SELECTED_UNRECORDED };

struct el_rl_rewards {
    int use_meta_reward;
    struct el_reward_weights weights;
    int verifications, meta_verifications, judge_retries;
    double judge_temperature; /* NaN: that of sampling */
    double proof_weight, final_answer_weight;
    double overlong_penalty, overlong_from, length_weight;
    const struct el_language *language; /* NULL: not measured */
    double language_weight;
    struct el_rubric *rubric; /* NULL: no items */
    int problem_rubrics;      /* those of the problems count, too */
    double rubric_weight;
};

struct el_rl_rejection {
    int steps; /* 0: GRPO, not rejection */
    double min_reward[EL_ROLES];
    int max_per_prompt;
    char *source[EL_ROLES]; /* NULL: the start */
};

struct el_rl_recipe {
    uint64_t seed;
    char *model, *judge, *prompts; /* judge NULL: the start */
    int oracle;                    /* the judge is the oracle */
    double share[EL_ROLES];
    char *store, *set;   /* of "data", NULL where absent */
    unsigned raters;     /* bits as in el_dataset_filter */
    int world, attempts; /* 0 with a store */
    enum el_world_split split;
    double checked, false_start, unlisted, reused;
    double label_balance[3];
    int prompts_per_step, num_generations;
    struct el_sampling sampling;
    struct el_rl_rewards rewards;
    int show_reference, show_rubric;
    struct el_rl_rejection rejection;
    struct el_grpo_config grpo;
    int mask_truncated_completions, keep_routing, keep_sampling_mask;
    enum el_rl_selected_sets selected_sets;
    int mini_batches, num_iterations;
    double indexer_kl_weight, bias_update_speed;
    struct el_schedule schedule;
    struct el_adamw_config adamw;
    int batch_rows, save_steps, save_total_limit;
    char digest[EL_DIGEST_HEX]; /* of the recipe's text and what overrides it */
};

/* What the command line, or an iteration, may replace; NULL, 0: as in the recipe. */
struct el_rl_overrides {
    const char *model, *judge, *store;
    int64_t seed; /* < 0: as in the recipe */
    const char *source[EL_ROLES];
};

/* Reads a recipe. Errors name file and field; unknown fields are errors. Release it. */
int el_rl_recipe_load(const char *path, const struct el_rl_overrides *over, struct el_rl_recipe *r,
                      struct el_error *err);
void el_rl_recipe_release(struct el_rl_recipe *r);

/* Problems of the small world that a run takes, each kind from its own number on: distinct kinds
 * and different seeds do not meet (each seed has a block of 2^24 numbers to itself, but for
 * chance). */
enum el_rl_problems { EL_RL_PROGRAMMED, EL_RL_ATTEMPTED, EL_RL_TO_PROVE };
uint64_t el_rl_first_problem(const struct el_rl_recipe *r, enum el_rl_problems kind);

/* How a judgement is sampled after so many unreadable attempts. */
struct el_sampling el_rl_judge_sampling(const struct el_rl_recipe *r, int attempts);

/* 1 when the JSON file at `path` is a recipe of this kind (it has "roles"), 0 when it is not;
 * negative when it cannot be read. */
int el_rl_recipe_is(const char *path, struct el_error *err);

#endif
