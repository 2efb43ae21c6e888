/* Runs a recipe from nothing, or from where it stopped, to a finished model folder.
 *
 *   OUT/state.safetensors        the checkpoint (training/state.h)
 *   OUT/state.STEP.safetensors   those before it (training/rotation.h)
 *   OUT/metrics.jsonl            one line every log_every steps, one per attempts stage
 *   OUT/run.json                 recipe and seed (training/run_note.h)
 *   OUT/attempts.<stage>.jsonl   what the model tried
 *   OUT/tokenizer.json
 *   OUT/lock                     held while a training runs in this folder
 *   OUT/model/                   at the end: a Hugging Face folder with tokenizer.json, domain.json
 *                                and training.json (steps, tokens, fingerprint of the data) */
#ifndef EL_TRAINING_RUN_H
#define EL_TRAINING_RUN_H

#include "core/base/progress.h"
#include "training/attempts.h"
#include "training/metrics_log.h"
#include "training/rotation.h"
#include "training/source.h"

struct el_train_options {
    const char *recipe, *out;
    const char *root;           /* where relative prompt folders may also be; may be NULL */
    const char *isa;            /* op table by name; NULL: the fastest */
    int threads;                /* 0: OMP_NUM_THREADS, or one per core */
    int export_only;            /* write OUT/model from the checkpoint as it stands, and stop;
                                   needs, and makes, nothing else of the run's, which may be under
                                   way */
    const char *dump_gradients; /* write loss and gradients of the first step there and stop */
    struct el_progress *progress;
    struct el_progress *loading; /* el_weights_load's, of `start`; may be NULL, as progress */
    void (*say)(void *user, const char *line); /* news worth a line; may be NULL */
    void *user;
};

struct el_train_run {
    const struct el_train_options *o;
    struct el_recipe recipe;
    struct el_weights *w;
    char start_digest[EL_DIGEST_HEX]; /* of the weights the run started from; empty: new ones */
    char owner[EL_DIGEST_HEX];        /* of recipe and start: whose checkpoints are the run's own */
    struct el_stream stream;
    struct el_trainer trainer;
    struct el_tokenizer *tokenizer;
    struct el_chat_format chat;
    struct el_attempts attempts;
    struct el_run_state state;
    struct el_source source;
    struct el_metrics_log log;
    struct el_rotation checkpoints;
    char *tokenizer_path;
    int lock;                    /* descriptor of OUT/lock, -1: not held */
    struct el_encoded *examples; /* of the step being built */
    size_t n_examples, room_examples;
};

/* 0 when the recipe is finished; EL_EINTR when a stop was requested: everything is saved and the
 * same call goes on from there. */
int el_train(const struct el_train_options *o, struct el_error *err);

/* The weights of the model that the recipe starts from, which must be one of the small world, and
 * their digest (training/start.c). EL_EREFUSED: another vocabulary or tokenizer. */
int el_train_open_start(struct el_train_run *t, struct el_error *err);
/* One training stage from state.stage_step to its end (training/stage.c). */
int el_train_stage(struct el_train_run *t, const struct el_recipe_stage *s, struct el_error *err);
/* Draws the examples of one step and adds their gradients. */
int el_train_step_gradients(struct el_train_run *t, const struct el_recipe_stage *s,
                            struct el_step_stats *stats, struct el_error *err);
/* One attempts stage (training/stage_attempts.c). */
int el_train_attempts(struct el_train_run *t, const struct el_recipe_stage *s, int number,
                      struct el_error *err);
/* Loads the attempts of all attempts stages before `stage` (training/stage_attempts.c). */
int el_train_load_attempts(struct el_train_run *t, int stage, struct el_error *err);
/* OUT/model (training/export_model.c). */
int el_train_export(struct el_train_run *t, struct el_error *err);
/* Loss and gradients as a safetensors file, one F32 tensor per weight (training/dump.c). */
int el_train_dump(struct el_train_run *t, const struct el_step_stats *stats, const char *path,
                  struct el_error *err);

int el_train_save(struct el_train_run *t, struct el_error *err);
void el_train_say(const struct el_train_run *t, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
