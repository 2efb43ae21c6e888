#include "training/run.h"

#include "training/run_note.h"

#include "core/base/alloc.h"
#include "core/base/io.h"
#include "data/world_tokenizer.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void el_train_say(const struct el_train_run *t, const char *fmt, ...)
{
    char line[512];
    va_list ap;
    if (!t->o->say)
        return;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    t->o->say(t->o->user, line);
}

static struct el_state_owner owner_of(const struct el_train_run *t)
{
    return (struct el_state_owner){t->owner, t->recipe.n_stages};
}

/* New weights follow from the recipe; a start is what lies in its folder now. */
static void take_owner(struct el_train_run *t)
{
    struct el_digest d;
    memcpy(t->owner, t->recipe.digest, sizeof t->owner);
    if (!t->start_digest[0])
        return;
    el_digest_init(&d);
    el_digest_str(&d, t->recipe.digest);
    el_digest_str(&d, t->start_digest);
    el_digest_hex(&d, t->owner);
}

int el_train_save(struct el_train_run *t, struct el_error *err)
{
    const struct el_state_owner owner = owner_of(t);
    int rc = el_metrics_log_sync(&t->log, err);
    return rc == 0 ? el_rotation_save(&t->checkpoints, &t->state, &t->trainer, &owner, err) : rc;
}

/* The tokenizer is written to the folder and read back: what runs is what ships. */
static int open_tokenizer(struct el_train_run *t, struct el_error *err)
{
    struct el_buf text;
    el_buf_init(&text);
    int rc = el_world_tokenizer_json(&text);
    rc = rc < 0 ? el_error_set(err, rc, "out of memory for the tokenizer")
                : el_file_write(t->tokenizer_path, text.data, text.len, err);
    el_buf_release(&text);
    if (rc == 0)
        rc = el_tokenizer_load(t->tokenizer_path, &t->tokenizer, err);
    return rc == 0 ? el_chat_format_init(&t->chat, t->tokenizer, err) : rc;
}

static int check_lengths(const struct el_train_run *t, struct el_error *err)
{
    const struct el_recipe *r = &t->recipe;
    int longest = r->max_sequence;
    for (int i = 0; i < r->n_stages; i++)
        if (r->stage[i].max_sequence > longest)
            longest = r->stage[i].max_sequence;
    if (longest <= t->w->rope_positions)
        return 0;
    return el_error_set(err, EL_EINVAL,
                        "%s: max_sequence %d is longer than the model's max_position_embeddings %d",
                        t->o->recipe, longest, t->w->rope_positions);
}

static int open_engine(struct el_train_run *t, struct el_error *err)
{
    const struct el_recipe *r = &t->recipe;
    const struct el_ops *ops = t->o->isa ? el_ops_find(t->o->isa) : el_ops_cpu();
    if (!ops)
        return el_error_set(err, EL_EINVAL,
                            "instruction set '%s': this machine has none of that name", t->o->isa);
    int rc = r->start ? el_train_open_start(t, err)
                      : el_weights_create(&r->model, el_device_host(), r->seed, &t->w, err);
    if (rc == 0)
        rc = check_lengths(t, err);
    if (rc < 0)
        return rc;
    el_stream_init(&t->stream, t->w->device, ops, t->o->threads);
    const struct el_trainer_options o = {.max_rows = r->batch_tokens,
                                         .max_sequences = r->batch_tokens,
                                         .head_chunk = 512,
                                         .adamw = r->adamw};
    return el_trainer_init(&t->trainer, t->w, &t->stream, &o, err);
}

static int open_paths(struct el_train_run *t, struct el_error *err)
{
    int rc = el_rotation_init(&t->checkpoints, t->o->out, t->recipe.save_total_limit, err);
    t->tokenizer_path = el_path_join(t->o->out, "tokenizer.json");
    if (rc == 0 && !t->tokenizer_path)
        rc = el_error_set(err, EL_ENOMEM, "out of memory for paths");
    return rc == 0 && !t->o->export_only ? el_dir_make(t->o->out, err) : rc;
}

/* One training to a folder: two would replace each other's checkpoints. Exporting goes on beside
 * one, since of the run's own files it only reads checkpoints. */
static int take_lock(struct el_train_run *t, struct el_error *err)
{
    if (t->o->export_only)
        return 0;
    char *path = el_path_join(t->o->out, "lock");
    if (!path)
        return el_error_set(err, EL_ENOMEM, "out of memory for paths");
    t->lock = el_file_lock(path, t->o->out, err);
    el_free(path);
    return t->lock < 0 ? t->lock : 0;
}

static int load_checkpoint(struct el_train_run *t, struct el_error *err)
{
    const struct el_state_owner owner = owner_of(t);
    struct el_buf notice;
    el_buf_init(&notice);
    int rc = el_rotation_load(&t->checkpoints, &t->state, &t->trainer, &owner, &notice, err);
    if (rc == 1 && notice.len)
        el_train_say(t, "%s", notice.data);
    if (rc == 1)
        el_train_say(t, "resuming at step %" PRId64 " of %" PRId64, t->state.step,
                     el_recipe_steps(&t->recipe));
    el_buf_release(&notice);
    if (rc >= 0 && !t->o->export_only)
        el_rotation_prune(&t->checkpoints);
    return rc < 0 ? rc : 0;
}

static int resume(struct el_train_run *t, struct el_error *err)
{
    int rc = t->o->dump_gradients ? 0 : load_checkpoint(t, err);
    if (rc == 0 && !t->o->export_only)
        rc = el_train_load_attempts(t, t->state.stage, err);
    t->source = (struct el_source){.recipe = &t->recipe,
                                   .tokenizer = t->tokenizer,
                                   .chat = &t->chat,
                                   .attempts = &t->attempts,
                                   .next = t->state.next,
                                   .fingerprint = t->state.fingerprint};
    return rc;
}

/* An attempts stage that is yet to come may have left its line and no checkpoint. */
static int open_log(struct el_train_run *t, struct el_error *err)
{
    const struct el_recipe *r = &t->recipe;
    const struct el_recipe_stage *s =
        t->state.stage < r->n_stages ? &r->stage[t->state.stage] : NULL;
    char *path = el_path_join(t->o->out, "metrics.jsonl");
    if (!path)
        return el_error_set(err, EL_ENOMEM, "out of memory for paths");
    int rc =
        el_metrics_log_open(&t->log, path, t->state.step, s && s->attempts ? s->name : NULL, err);
    el_free(path);
    return rc;
}

static int open_run(struct el_train_run *t, struct el_error *err)
{
    int rc = el_recipe_load(t->o->recipe, t->o->root, &t->recipe, err);
    if (rc == 0)
        rc = open_paths(t, err);
    if (rc == 0)
        rc = take_lock(t, err);
    if (rc == 0)
        rc = open_engine(t, err);
    if (rc == 0 && !t->o->export_only) /* after what may be refused: the first file written */
        rc = open_tokenizer(t, err);
    if (rc < 0)
        return rc;
    take_owner(t);
    return resume(t, err);
}

static void close_run(struct el_train_run *t)
{
    for (size_t i = 0; i < t->room_examples; i++)
        el_encoded_release(&t->examples[i]);
    el_free(t->examples);
    el_metrics_log_close(&t->log);
    el_attempts_release(&t->attempts);
    if (t->trainer.w)
        el_trainer_release(&t->trainer);
    if (t->stream.device)
        el_stream_release(&t->stream);
    el_weights_free(t->w);
    el_tokenizer_free(t->tokenizer);
    el_recipe_release(&t->recipe);
    el_rotation_release(&t->checkpoints);
    el_free(t->tokenizer_path);
    if (t->lock >= 0)
        close(t->lock);
}

static int dump_first_step(struct el_train_run *t, struct el_error *err)
{
    const struct el_recipe_stage *s = t->recipe.stage;
    struct el_step_stats stats = {0};
    while (s < t->recipe.stage + t->recipe.n_stages && s->attempts)
        s++;
    if (s == t->recipe.stage + t->recipe.n_stages)
        return el_error_set(err, EL_EINVAL, "%s: no training stage", t->o->recipe);
    el_source_enter(&t->source, s);
    int rc = el_train_step_gradients(t, s, &stats, err);
    return rc == 0 ? el_train_dump(t, &stats, t->o->dump_gradients, err) : rc;
}

static int write_note(const struct el_train_run *t, struct el_error *err)
{
    struct el_digest d;
    el_digest_init(&d);
    int rc = el_run_note_recipe(&d, t->o->recipe, err);
    if (t->start_digest[0])
        el_digest_str(&d, t->start_digest);
    return rc < 0 ? rc : el_run_note_write(t->o->out, t->o->recipe, &d, t->recipe.seed, err);
}

static int run_stages(struct el_train_run *t, struct el_error *err)
{
    const struct el_recipe *r = &t->recipe;
    int rc = open_log(t, err);
    if (rc == 0)
        rc = write_note(t, err);
    if (rc < 0)
        return rc;
    while (t->state.stage < r->n_stages) {
        const struct el_recipe_stage *s = &r->stage[t->state.stage];
        rc = s->attempts ? el_train_attempts(t, s, t->state.stage, err) : el_train_stage(t, s, err);
        if (rc < 0)
            return rc;
        t->state.stage++;
        t->state.stage_step = 0;
        rc = el_train_save(t, err);
        if (rc < 0)
            return rc;
    }
    return el_train_export(t, err);
}

static int export_checkpoint(struct el_train_run *t, struct el_error *err)
{
    if (!t->checkpoints.good)
        return el_error_set(err, EL_ENOTFOUND, "%s: there is no checkpoint to export",
                            t->checkpoints.path);
    return el_train_export(t, err);
}

int el_train(const struct el_train_options *o, struct el_error *err)
{
    struct el_train_run t = {.o = o, .lock = -1};
    int rc = open_run(&t, err);
    if (rc == 0 && o->dump_gradients)
        rc = dump_first_step(&t, err);
    else if (rc == 0)
        rc = o->export_only ? export_checkpoint(&t, err) : run_stages(&t, err);
    close_run(&t);
    return rc;
}
