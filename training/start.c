/* The model that a recipe starts from (`start`): one of the small world, read by its tokenizer. */
#include "training/run.h"

#include "core/base/alloc.h"
#include "core/base/io.h"
#include "data/world_tokenizer.h"

#include <string.h>

enum { longest_tokenizer = 1 << 20 };

static int check_vocabulary(const struct el_train_run *t, struct el_error *err)
{
    int n = t->w->config.vocab_size;
    if (n == el_world_tokenizer_size())
        return 0;
    return el_error_set(err, EL_EREFUSED,
                        "%s: start: %s has a vocabulary of %d tokens; the tokenizer of the "
                        "small world, which recipes train with, has %d",
                        t->o->recipe, t->recipe.start, n, el_world_tokenizer_size());
}

static int compare(const struct el_train_run *t, const char *path, struct el_buf *theirs,
                   struct el_buf *ours, struct el_error *err)
{
    int rc = el_file_read(path, longest_tokenizer, theirs, err);
    if (rc < 0)
        return el_error_prefix(err, "%s: start", t->o->recipe);
    if (el_world_tokenizer_json(ours) < 0)
        return el_error_set(err, EL_ENOMEM, "out of memory for the tokenizer");
    if (theirs->len == ours->len && memcmp(theirs->data, ours->data, ours->len) == 0)
        return 0;
    return el_error_set(err, EL_EREFUSED,
                        "%s: start: %s differs from the tokenizer of the small world, which "
                        "recipes train with",
                        t->o->recipe, path);
}

static int check_tokenizer(const struct el_train_run *t, struct el_error *err)
{
    char *path = el_path_join(t->recipe.start, "tokenizer.json");
    struct el_buf theirs, ours;
    el_buf_init(&theirs);
    el_buf_init(&ours);
    int rc = path ? compare(t, path, &theirs, &ours, err)
                  : el_error_set(err, EL_ENOMEM, "out of memory for paths");
    el_buf_release(&theirs);
    el_buf_release(&ours);
    el_free(path);
    return rc;
}

/* MTP layers are not trained, and would not fit the trained model any more. */
static void leave_mtp_out(struct el_train_run *t)
{
    int n = t->w->config.num_nextn_predict_layers;
    if (n > 0)
        el_train_say(t, "%s: %d MTP layer%s not trained and left out", t->recipe.start, n,
                     n == 1 ? " is" : "s are");
    t->w->config.num_nextn_predict_layers = 0;
}

int el_train_open_start(struct el_train_run *t, struct el_error *err)
{
    int rc = el_weights_load(t->recipe.start, el_device_host(), &t->w, NULL, t->o->loading, err);
    if (rc < 0)
        return el_error_prefix(err, "%s: start", t->o->recipe);
    rc = check_vocabulary(t, err);
    if (rc == 0)
        rc = check_tokenizer(t, err);
    if (rc < 0)
        return rc;
    leave_mtp_out(t);
    memcpy(t->start_digest, t->w->digest, sizeof t->start_digest);
    return 0;
}
