/* Recipes: a training run as one JSON file (folder configs/train).
 *
 *   { "seed": 1,
 *     "prompts": "configs/prompts/small",          folder of a prompt set
 *     "model": { config.json keys; vocab_size and the token ids come from the tokenizer },
 *                                                  or, instead of "model":
 *     "start": "runs/small/model",                 folder of a model to go on from
 *     "batch": { "tokens": 8192, "max_sequence": 512, "micro_batches": 1 },
 *     "adamw": { "beta1": 0.9, "beta2": 0.95, "eps": 1e-8, "weight_decay": 0.1,
 *                "max_grad_norm": 1 },
 *     "mix": { fields of struct el_world_mix that differ from the recommended ones },
 *     "checkpoint_every": 100, "save_total_limit": 2, "log_every": 10,
 *     "stages": [
 *       { "name": "sft", "train": "dense", "steps": 2000, "lr": 2e-3, "final_lr": 1e-3,
 *         "warmup": 100, "decay": "cosine", "attempt_share": 0, "drill_share": 0.36,
 *         "kl_weight": 1, "bias_update_speed": 1e-3, "max_sequence": 512,
 *         "mix": { fields that differ from the recipe's "mix" in this stage } },
 *       { "name": "try", "attempts": 2000, "samples": 2, "temperature": 1,
 *         "refine": false }, ... ] }
 *
 * A training stage is dense, warmup or sparse (core/train/trainer.h). An attempts stage lets the
 * model of the moment prove train-split problems; what it wrote, with "refine" its second tries at
 * what failed, too, becomes training material, with the oracle's labels, for later stages with
 * attempt_share > 0. Names of stages are different, and made of letters, digits, '_' and '-'.
 * save_total_limit is the number of checkpoints that stay (training/rotation.h). */
#ifndef EL_TRAINING_RECIPE_H
#define EL_TRAINING_RECIPE_H

#include "core/base/digest.h"
#include "core/model/config.h"
#include "core/train/schedule.h"
#include "core/train/trainer.h"
#include "data/world.h"

enum { EL_RECIPE_STAGES = 16 };

struct el_recipe_stage {
    char name[32];
    int attempts; /* > 0: an attempts stage over this many problems */
    /* training stages */
    enum el_stage stage;
    struct el_schedule schedule;
    int max_sequence;        /* the recipe's, unless the stage has its own */
    struct el_world_mix mix; /* of this stage; its prompts point into the recipe's */
    double attempt_share;    /* of examples made from the model's own attempts */
    double drill_share;      /* weight of drills in this stage's mixture; < 0: as in "mix" */
    double kl_weight, bias_update_speed;
    /* attempts stages */
    int samples; /* completions per problem */
    double temperature;
    int refine; /* also let it refine its failed first attempts */
};

struct el_recipe {
    uint64_t seed;
    char *prompts_dir;
    struct el_buf prompt_text[4]; /* generate, verify, meta, refine as read */
    struct el_config model;       /* of new weights, where start is NULL */
    char *start;                  /* model folder whose weights the run begins with, or NULL */
    int batch_tokens, max_sequence, micro_batches;
    struct el_adamw_config adamw;
    struct el_world_mix mix; /* its prompts point into prompt_text */
    int checkpoint_every, save_total_limit, log_every;
    struct el_recipe_stage stage[EL_RECIPE_STAGES];
    int n_stages;
    char digest[EL_DIGEST_HEX]; /* of the recipe and its prompts: a run resumes only its own */
};

/* Reads a recipe. prompts_dir and start are taken as relative to the working folder, or when they
 * are not there, to `root` (may be NULL). Nothing is read of `start`, whose folder must be there,
 * unchanged, whenever the run goes on. Errors name file and field. Release with
 * el_recipe_release. */
int el_recipe_load(const char *path, const char *root, struct el_recipe *r, struct el_error *err);
void el_recipe_release(struct el_recipe *r);

/* Optimiser steps over all training stages. */
int64_t el_recipe_steps(const struct el_recipe *r);

#endif
