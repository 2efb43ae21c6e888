/* The finished model as a Hugging Face folder that carries its domain and its history. */
#include "training/run.h"

#include "core/base/alloc.h"
#include "core/base/io.h"
#include "core/base/json.h"
#include "data/world_tokenizer.h"

#include <inttypes.h>
#include <string.h>

static const char domain_json[] = "{\"domain\": \"small-proof-world\"}\n";

static int write_in(const char *dir, const char *name, const char *text, size_t n,
                    struct el_error *err)
{
    char *path = el_path_join(dir, name);
    int rc = path ? el_file_write(path, text, n, err)
                  : el_error_set(err, EL_ENOMEM, "%s: out of memory", dir);
    el_free(path);
    return rc;
}

static int print_field(struct el_buf *out, const char *name, const char *before, const char *value)
{
    struct el_buf text;
    el_buf_init(&text);
    int rc = el_buf_printf(&text, "%s%s", before, value);
    if (rc == 0)
        rc = el_buf_printf(out, "  \"%s\": ", name);
    if (rc == 0)
        rc = el_json_quote(out, text.data, text.len);
    el_buf_release(&text);
    return rc == 0 ? el_buf_puts(out, ",\n") : rc;
}

static int print_history(const struct el_train_run *t, struct el_buf *out)
{
    const struct el_run_state *s = &t->state;
    int rc = el_buf_puts(out, "{\n");
    if (rc == 0)
        rc = print_field(out, "recipe", "", t->o->recipe);
    if (rc == 0)
        rc = print_field(out, "recipe_digest", "", t->recipe.digest);
    if (rc == 0)
        rc = print_field(out, "command", "elenchus train ", t->o->recipe);
    if (rc == 0 && t->start_digest[0])
        rc = print_field(out, "start_weights_digest", "", t->start_digest);
    if (rc == 0)
        rc = el_buf_printf(out,
                           "  \"steps\": %" PRId64 ",\n  \"tokens\": %" PRId64
                           ",\n  \"examples\": %" PRIu64 ",\n  \"data_fingerprint\": \"%016" PRIx64
                           "\",\n  \"weights_digest\": \"%s\",\n  \"ops\": \"%s\"\n}\n",
                           s->step, s->tokens, s->next, s->fingerprint, t->w->digest,
                           t->stream.ops->name);
    return rc;
}

static int write_texts(const struct el_train_run *t, const char *dir, struct el_error *err)
{
    struct el_buf text;
    el_buf_init(&text);
    int rc = el_world_tokenizer_json(&text);
    rc = rc < 0 ? el_error_set(err, rc, "out of memory for the tokenizer")
                : write_in(dir, "tokenizer.json", text.data, text.len, err);
    if (rc == 0)
        rc = write_in(dir, "domain.json", domain_json, sizeof domain_json - 1, err);
    el_buf_clear(&text);
    if (rc == 0 && print_history(t, &text) < 0)
        rc = el_error_set(err, EL_ENOMEM, "out of memory for training.json");
    if (rc == 0)
        rc = write_in(dir, "training.json", text.data, text.len, err);
    el_buf_release(&text);
    return rc;
}

int el_train_export(struct el_train_run *t, struct el_error *err)
{
    char *dir = el_path_join(t->o->out, "model");
    if (!dir)
        return el_error_set(err, EL_ENOMEM, "out of memory for a path");
    int rc = el_dir_make(dir, err);
    if (rc == 0)
        rc = el_weights_round(t->w, err);
    if (rc == 0)
        rc = el_weights_digest(t->w, err);
    if (rc == 0)
        rc = el_weights_save(t->w, dir, err);
    if (rc == 0)
        rc = write_texts(t, dir, err);
    if (rc == 0)
        el_train_say(t, "model written to %s", dir);
    el_free(dir);
    return rc;
}
