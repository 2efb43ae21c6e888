/* The trained model as a Hugging Face folder: the start's tokenizer and domain, the policy's
 * weights, and where they came from. */
#include "training/rl/run.h"

#include "core/base/alloc.h"
#include "core/base/io.h"
#include "core/base/json.h"

#include <inttypes.h>
#include <string.h>

/* The start's; a start without a domain is of any. */
static int copy_texts(const struct el_rl_run *t, const char *dir, struct el_error *err)
{
    int rc = el_file_copy(t->model_dir, dir, "tokenizer.json", err);
    if (rc == 0)
        return el_error_set(err, EL_ENOTFOUND, "%s: there is no tokenizer.json", t->model_dir);
    if (rc > 0)
        rc = el_file_copy(t->model_dir, dir, "domain.json", err);
    return rc < 0 ? rc : 0;
}

static int print_history(const struct el_rl_run *t, struct el_buf *out)
{
    char prompts[EL_DIGEST_HEX];
    struct el_digest d;
    el_digest_init(&d);
    el_prompt_set_digest(t->prompts, &d);
    el_digest_hex(&d, prompts);
    int rc = el_buf_puts(out, "{\n  \"recipe\": ");
    if (rc == 0)
        rc = el_json_quote(out, t->o->recipe, strlen(t->o->recipe));
    if (rc == 0)
        rc = el_buf_printf(out,
                           ",\n  \"recipe_digest\": \"%s\",\n  \"run_digest\": \"%s\",\n"
                           "  \"start_digest\": \"%s\",\n  \"prompt_digest\": \"%s\",\n"
                           "  \"judge_digest\": \"%s\",\n"
                           "  \"data_fingerprint\": \"%s\",\n"
                           "  \"steps\": %" PRId64 ",\n  \"tokens\": %" PRId64
                           ",\n  \"weights_digest\": \"%s\",\n  \"ops\": \"%s\"\n}\n",
                           t->recipe.digest, t->owner, t->start->digest, prompts,
                           t->judge ? t->judge->digest : "oracle", t->tasks.digest, t->state.step,
                           t->state.tokens, t->policy->digest, t->ops->name);
    return rc;
}

static int write_history(const struct el_rl_run *t, const char *dir, struct el_error *err)
{
    struct el_buf text;
    char *path = el_path_join(dir, "training.json");
    el_buf_init(&text);
    int rc = path && print_history(t, &text) == 0
                 ? el_file_write(path, text.data, text.len, err)
                 : el_error_set(err, EL_ENOMEM, "out of memory for training.json");
    el_buf_release(&text);
    el_free(path);
    return rc;
}

int el_rl_export(struct el_rl_run *t, struct el_error *err)
{
    char *dir = el_path_join(t->o->out, "model");
    if (!dir)
        return el_error_set(err, EL_ENOMEM, "out of memory for a path");
    int rc = el_dir_make(dir, err);
    if (rc == 0)
        rc = el_weights_round(t->policy, err);
    if (rc == 0)
        rc = el_weights_digest(t->policy, err);
    if (rc == 0)
        rc = copy_texts(t, dir, err);
    if (rc == 0)
        rc = el_weights_save(t->policy, dir, err);
    if (rc == 0)
        rc = write_history(t, dir, err);
    if (rc == 0)
        el_rl_say(t, "model written to %s", dir);
    el_free(dir);
    return rc;
}
