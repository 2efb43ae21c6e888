#include "training/rl/run.h"

#include "training/run_note.h"

#include "core/base/alloc.h"
#include "core/base/io.h"
#include "core/model/inspect.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void el_rl_say(const struct el_rl_run *t, const char *fmt, ...)
{
    char line[768];
    va_list ap;
    if (!t->o->say)
        return;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    t->o->say(t->o->user, line);
}

char *el_rl_folder(const struct el_rl_run *t, const char *dir)
{
    return el_path_find(dir, t->o->root);
}

static int open_paths(struct el_rl_run *t, struct el_error *err)
{
    int rc = t->o->export_only ? 0 : el_dir_make(t->o->out, err);
    if (rc == 0)
        rc = el_rotation_init(&t->checkpoints, t->o->out, t->recipe.save_total_limit, err);
    if (rc < 0)
        return rc;
    t->data_path = el_path_join(t->o->out, "data.db");
    t->model_dir = el_rl_folder(t, t->recipe.model);
    t->tokenizer_path = t->model_dir ? el_path_join(t->model_dir, "tokenizer.json") : NULL;
    return t->data_path && t->tokenizer_path
               ? 0
               : el_error_set(err, EL_ENOMEM, "out of memory for paths");
}

static int take_lock(struct el_rl_run *t, struct el_error *err)
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

static int nothing_to_export(const struct el_rl_run *t, struct el_error *err)
{
    return el_error_set(err, EL_ENOTFOUND, "%s: there is no checkpoint to export",
                        t->checkpoints.path);
}

static int find_checkpoint(struct el_rl_run *t, struct el_error *err)
{
    int rc = el_rotation_has(t->o->out, err);
    t->goes_on = rc > 0;
    if (rc == 0 && t->o->export_only)
        return nothing_to_export(t, err);
    return rc < 0 ? rc : 0;
}

/* ---- Models ---- */

static int load_judge(struct el_rl_run *t, struct el_error *err)
{
    if (t->recipe.oracle)
        return 0;
    if (!t->recipe.judge) {
        t->judge = t->start;
        return 0;
    }
    char *dir = el_rl_folder(t, t->recipe.judge);
    t->judge_tokenizer_path = dir ? el_path_join(dir, "tokenizer.json") : NULL;
    int rc = t->judge_tokenizer_path
                 ? el_weights_load(dir, el_device_host(), &t->judge, NULL, t->o->loading, err)
                 : el_error_set(err, EL_ENOMEM, "out of memory for paths");
    el_free(dir);
    return rc;
}

/* What of the start's checkpoint is not trained, and not in what is saved. */
static void say_what_is_left_out(const struct el_rl_run *t)
{
    struct el_inspection found;
    if (el_inspect(t->model_dir, &found, NULL) == 0 && found.text[0])
        el_rl_say(t, "%s: %s", t->model_dir, found.text);
}

/* No prompt would leave what the recipe promises to completions. What has been trained so by
 * earlier versions goes on and is given out. */
static int check_context(const struct el_rl_run *t, struct el_error *err)
{
    int context = el_local_context(&t->policy->config), length = t->recipe.sampling.max_tokens;
    if (length < context || t->o->export_only)
        return 0;
    if (t->goes_on) {
        el_rl_say(t,
                  "max_completion_length is %d, and %s takes %d tokens, prompt included: steps "
                  "from here on drop every prompt (drops/prompt)",
                  length, t->model_dir, context);
        return 0;
    }
    return el_error_set(err, EL_EREFUSED,
                        "%s: field 'max_completion_length' is %d: expected less than the %d tokens "
                        "that %s takes, prompt included",
                        t->o->recipe, length, context, t->model_dir);
}

static int load_models(struct el_rl_run *t, struct el_error *err)
{
    say_what_is_left_out(t);
    int rc = el_weights_load(t->model_dir, el_device_host(), &t->start, NULL, t->o->loading, err);
    if (rc == 0)
        rc = el_weights_load(t->model_dir, el_device_host(), &t->policy, NULL, t->o->loading, err);
    if (rc == 0)
        rc = load_judge(t, err);
    if (rc == 0 && t->start->config.index_topk < 1)
        rc = el_error_set(err, EL_EREFUSED, "%s: the model has no sparse attention to train with",
                          t->model_dir);
    return rc == 0 ? check_context(t, err) : rc;
}

static int open_trainer(struct el_rl_run *t, struct el_error *err)
{
    const struct el_rl_recipe *r = &t->recipe;
    t->ops = t->o->isa ? el_ops_find(t->o->isa) : el_ops_cpu();
    if (!t->ops)
        return el_error_set(err, EL_EINVAL,
                            "instruction set '%s': this machine has none of that name", t->o->isa);
    el_stream_init(&t->stream, t->policy->device, t->ops, t->o->threads);
    int longest = t->policy->rope_positions; /* as long as the sampler lets sequences get */
    longest = longest > EL_LOCAL_CONTEXT ? EL_LOCAL_CONTEXT : longest;
    const struct el_trainer_options o = {.max_rows =
                                             r->batch_rows > longest ? r->batch_rows : longest,
                                         .max_sequences = 1024,
                                         .head_chunk = 512,
                                         .adamw = r->adamw};
    return el_trainer_init(&t->trainer, t->policy, &t->stream, &o, err);
}

static int open_backends(struct el_rl_run *t, struct el_error *err)
{
    int selected = t->recipe.selected_sets == EL_RL_SELECTED_UNRECORDED ? 0 : EL_TRACE_SELECTED;
    struct el_local_options o = {.attention = EL_ATTENTION_MQA,
                                 .batch = 128,
                                 .threads = t->o->threads,
                                 .trace = EL_TRACE_ROUTED | selected,
                                 .isa = t->o->isa};
    int rc = el_local_wrap(&o, t->policy, t->tokenizer_path, &t->sampler, err);
    o.trace = 0;
    const char *tokenizer = t->judge_tokenizer_path ? t->judge_tokenizer_path : t->tokenizer_path;
    if (rc == 0 && t->judge)
        rc = el_local_wrap(&o, t->judge, tokenizer, &t->judge_backend, err);
    return rc;
}

/* ---- The run ---- */

/* Everything that decides what the run does. (What rejection sampling kept is a file of the run.)
 */
static void take_owner(struct el_rl_run *t)
{
    struct el_digest d;
    el_digest_init(&d);
    el_digest_str(&d, t->recipe.digest);
    el_digest_str(&d, t->start->digest);
    el_digest_str(&d, t->judge ? t->judge->digest : "oracle");
    el_digest_str(&d, t->tasks.digest);
    el_digest_hex(&d, t->owner);
}

static int open_prompts(struct el_rl_run *t, struct el_error *err)
{
    char *dir = el_rl_folder(t, t->recipe.prompts);
    int rc = dir ? el_prompt_set_load(dir, &t->prompts, err)
                 : el_error_set(err, EL_ENOMEM, "out of memory for paths");
    el_free(dir);
    return rc == 0 ? el_reply_parser_create(&t->parser, err) : rc;
}

static int open_run(struct el_rl_run *t, struct el_error *err)
{
    static int (*const parts[])(struct el_rl_run *, struct el_error *) = {
        open_paths,  take_lock,    find_checkpoint, open_prompts,
        load_models, open_trainer, open_backends,   el_rl_open_tasks};
    int rc = el_rl_recipe_load(t->o->recipe, &t->o->over, &t->recipe, err);
    for (size_t i = 0; i < sizeof parts / sizeof *parts && rc == 0; i++)
        rc = parts[i](t, err);
    if (rc == 0)
        take_owner(t);
    return rc;
}

void el_rl_run_close(struct el_rl_run *t)
{
    el_metrics_log_close(&t->log);
    el_rl_tasks_release(&t->tasks);
    el_rl_kept_release(&t->kept);
    el_backend_free(t->sampler);
    el_backend_free(t->judge_backend);
    if (t->trainer.w)
        el_trainer_release(&t->trainer);
    if (t->stream.device)
        el_stream_release(&t->stream);
    if (t->judge != t->start)
        el_weights_free(t->judge);
    el_weights_free(t->start);
    el_weights_free(t->policy);
    el_reply_parser_free(t->parser);
    el_prompt_set_free(t->prompts);
    el_rl_recipe_release(&t->recipe);
    el_free(t->model_dir);
    el_free(t->tokenizer_path);
    el_free(t->judge_tokenizer_path);
    el_rotation_release(&t->checkpoints);
    el_free(t->data_path);
    if (t->lock >= 0)
        close(t->lock);
}

/* ---- Steps ---- */

static int save(struct el_rl_run *t, struct el_error *err)
{
    const struct el_state_owner owner = {t->owner, 1};
    int rc = el_metrics_log_sync(&t->log, err);
    if (rc == 0)
        rc = el_rotation_save(&t->checkpoints, &t->state, &t->trainer, &owner, err);
    return rc == 0 ? el_rl_record(t, err) : rc;
}

static int load_checkpoint(struct el_rl_run *t, struct el_error *err)
{
    const struct el_state_owner owner = {t->owner, 1};
    struct el_buf notice;
    el_buf_init(&notice);
    int rc = el_rotation_load(&t->checkpoints, &t->state, &t->trainer, &owner, &notice, err);
    if (rc == 1 && notice.len)
        el_rl_say(t, "%s", notice.data);
    if (rc == 1)
        el_rl_say(t, "resuming at step %" PRId64 " of %" PRId64, t->state.step,
                  t->recipe.schedule.steps);
    el_buf_release(&notice);
    return rc == 1 ? el_weights_digest(t->policy, err) : rc;
}

static int resume(struct el_rl_run *t, struct el_error *err)
{
    int rc = load_checkpoint(t, err);
    if (rc < 0 || t->o->export_only)
        return rc;
    el_rotation_prune(&t->checkpoints);
    char *path = el_path_join(t->o->out, "metrics.jsonl");
    rc = path ? el_metrics_log_open(&t->log, path, t->state.step, NULL, err)
              : el_error_set(err, EL_ENOMEM, "out of memory for paths");
    el_free(path);
    return rc;
}

/* All of take_owner but what follows from the seed. */
static int write_note(const struct el_rl_run *t, struct el_error *err)
{
    struct el_digest d;
    el_digest_init(&d);
    el_digest_str(&d, t->start->digest);
    el_digest_str(&d, t->judge ? t->judge->digest : "oracle");
    el_digest_str(&d, t->recipe.store ? t->tasks.digest : "");
    int rc = el_run_note_recipe(&d, t->o->recipe, err);
    return rc < 0 ? rc : el_run_note_write(t->o->out, t->o->recipe, &d, t->recipe.seed, err);
}

/* Says where a run came to numbers that are not finite, and what it can go back to. */
static int stopped_at(const struct el_rl_run *t, struct el_error *err)
{
    const char *good = t->checkpoints.good ? t->checkpoints.good : "none yet";
    el_error_prefix(err, "step %" PRId64 " (last good checkpoint: %s)", t->state.step + 1, good);
    return EL_ENUMERIC;
}

/* A stop in the middle of a step finds the weights as the step before left them. */
static int interrupted(struct el_rl_run *t, struct el_error *err)
{
    int rc = save(t, err);
    if (rc < 0)
        return rc;
    return el_error_set(err, EL_EINTR, "interrupted after step %" PRId64 ", saved in %s",
                        t->state.step, t->checkpoints.path);
}

/* A run that has all its steps may have been stopped between its checkpoint and its record. */
static int run_steps(struct el_rl_run *t, struct el_error *err)
{
    int rc = t->state.step < t->recipe.schedule.steps ? 0 : el_rl_record(t, err);
    while (rc == 0 && t->state.step < t->recipe.schedule.steps) {
        if (el_stop_requested)
            return interrupted(t, err);
        rc = t->recipe.rejection.steps ? el_rl_sft_step(t, err) : el_rl_step(t, err);
        if (rc == EL_EINTR)
            return interrupted(t, err);
        if (rc == EL_ENUMERIC)
            return stopped_at(t, err);
        int last = t->state.step == t->recipe.schedule.steps;
        if (rc == 0 && (last || t->state.step % t->recipe.save_steps == 0))
            rc = save(t, err);
    }
    return rc == 0 ? el_rl_export(t, err) : rc;
}

static int export_checkpoint(struct el_rl_run *t, struct el_error *err)
{
    return t->checkpoints.good ? el_rl_export(t, err) : nothing_to_export(t, err);
}

int el_rl_run_open(struct el_rl_run *t, const struct el_rl_options *o, struct el_error *err)
{
    *t = (struct el_rl_run){.o = o, .lock = -1};
    int rc = open_run(t, err);
    return rc == 0 ? resume(t, err) : rc;
}

int el_rl_train(const struct el_rl_options *o, struct el_error *err)
{
    struct el_rl_run t;
    int rc = el_rl_run_open(&t, o, err);
    if (rc == 0 && !o->export_only)
        rc = write_note(&t, err);
    if (rc == 0 && t.recipe.rejection.steps && !o->export_only)
        rc = el_rl_reject(&t, err);
    if (rc == 0)
        rc = o->export_only ? export_checkpoint(&t, err) : run_steps(&t, err);
    el_rl_run_close(&t);
    return rc;
}
