/* Runs a role-training recipe (training/rl/recipe.h): GRPO from a model folder to a model folder.
 *
 *   OUT/state.safetensors        the checkpoint (training/state.h), every save_steps steps
 *   OUT/state.STEP.safetensors   those before it (training/rotation.h)
 *   OUT/metrics.jsonl            one line a step
 *   OUT/run.json                 recipe and seed (training/run_note.h)
 *   OUT/data.db                  the data, where the recipe makes its own
 *   OUT/lock                     held while a training runs in this folder
 *   OUT/model/                   at the end: a Hugging Face folder with tokenizer, domain and
 * history
 *
 * With "rejection" in the recipe it is rejection fine-tuning instead: OUT/kept.jsonl holds what was
 * kept of the sampled completions behind a line of what was dropped, and the steps are supervised
 * ones on it; the metrics of the first step have the line of drops, too. OUT/kept.part.jsonl is
 * what was kept of the batches so far, while there are more to come.
 *
 * A step is a pure function of the checkpoint before it, the recipe and the data: rollouts, rewards
 * and updates of a killed run are made again and come out the same, so a run that was killed ends
 * with the bytes of one that was not. */
#ifndef EL_TRAINING_RL_RUN_H
#define EL_TRAINING_RL_RUN_H

#include "core/base/progress.h"
#include "core/run/local.h"
#include "core/text/tokenizer.h"
#include "training/metrics_log.h"
#include "training/rl/judge.h"
#include "training/rl/kept.h"
#include "training/rotation.h"

struct el_rl_options {
    const char *recipe, *out;
    const char *root;   /* where relative folders of the recipe may also be; may be NULL */
    const char *isa;    /* op table by name; NULL: the fastest */
    int threads;        /* 0: OMP_NUM_THREADS, or one per core */
    const char *record; /* a store that keeps the run and its metrics, too; may be NULL */
    int export_only;    /* write OUT/model, and nothing else, from the checkpoint as it stands, and
                           stop; EL_ENOTFOUND without one, or without data that the run has made */
    struct el_rl_overrides over;
    struct el_progress *progress;
    struct el_progress *loading; /* el_weights_load's, one model after the other; may be NULL, as
                                    progress */
    void (*say)(void *user, const char *line); /* news worth a line; may be NULL */
    void *user;
};

struct el_rl_run {
    const struct el_rl_options *o;
    struct el_rl_recipe recipe;
    char owner[EL_DIGEST_HEX]; /* of all that decides the run */
    char *model_dir;           /* of the start, as found */
    char *tokenizer_path, *data_path;
    char *judge_tokenizer_path; /* of a judge of its own; NULL: there is none */
    struct el_rotation checkpoints;
    int goes_on; /* there was a checkpoint when it was opened */
    int lock;
    struct el_prompt_set *prompts;
    struct el_reply_parser *parser;
    struct el_weights *policy, *start,
        *judge; /* start: the reference; judge may be start, or NULL */
    const struct el_ops *ops;
    struct el_stream stream;
    struct el_trainer trainer;
    struct el_backend *sampler, *judge_backend; /* over the policy's and the judge's weights */
    struct el_rl_tasks tasks;
    struct el_run_state state; /* next: examples seen, of rejection fine-tuning */
    struct el_rl_kept kept;
    struct el_metrics_log log;
    char note[120]; /* of the last step, for the progress; "" before */
};

/* 0 when the recipe is finished; EL_EINTR when a stop was requested: everything up to the last step
 * is saved and the same call goes on from there. */
int el_rl_train(const struct el_rl_options *o, struct el_error *err);

/* All of el_rl_train before its first step: recipe, models, data, the newest checkpoint, and the
 * metrics up to it. The options are borrowed. Close it, also after an error. */
int el_rl_run_open(struct el_rl_run *t, const struct el_rl_options *o, struct el_error *err);
void el_rl_run_close(struct el_rl_run *t);

/* One step (training/rl/step.c): rollouts, rewards, updates, and a line of metrics. */
int el_rl_step(struct el_rl_run *t, struct el_error *err);

/* Samples, judges and keeps: OUT/kept.jsonl, unless it is there, and reads it
 * (training/rl/reject.c).
 */
int el_rl_reject(struct el_rl_run *t, struct el_error *err);
/* One supervised step on what was kept (training/rl/sft.c). */
int el_rl_sft_step(struct el_rl_run *t, struct el_error *err);

/* The data of a recipe that makes its own: OUT/data.db, unless it is there (training/rl/data.c). */
int el_rl_make_data(struct el_rl_run *t, struct el_error *err);

/* A file of the folder that is made once, out of what `digest` stands for. 1: it is there, and was
 * made of that (or by a program that kept no note); 0: it is not there; EL_EREFUSED: it was made of
 * something else. */
int el_rl_made(const char *path, const char *digest, struct el_error *err);
/* To be called before the file gets its name: FILE.from holds the digest. */
int el_rl_note_made(const char *path, const char *digest, struct el_error *err);
/* Removes the file, if it is there, and its note. */
void el_rl_unmake(const char *path);

/* Tasks out of the recipe's store or the run's own; says what there is, what was left out, and what
 * means nothing (training/rl/open_tasks.c). */
int el_rl_open_tasks(struct el_rl_run *t, struct el_error *err);

/* Run and metrics up to the checkpoint into the store of the options (training/rl/record.c). */
int el_rl_record(const struct el_rl_run *t, struct el_error *err);

/* OUT/model (training/rl/export.c). */
int el_rl_export(struct el_rl_run *t, struct el_error *err);

/* A folder named relative to the working folder, or else to the root; to be freed. NULL when memory
 * runs out. */
char *el_rl_folder(const struct el_rl_run *t, const char *dir);

void el_rl_say(const struct el_rl_run *t, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
