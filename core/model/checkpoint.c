#include "core/model/checkpoint.h"

#include "core/base/alloc.h"

#include <stdlib.h>
#include <string.h>

static int ends_with(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n >= m && strcmp(name + n - m, end) == 0;
}

int el_checkpoint_is_computed(const char *name)
{
    return ends_with(name, "rotary_emb.inv_freq");
}

const char *el_checkpoint_mtp_alias(const struct el_config *c, const char *name)
{
    if (ends_with(name, ".embed_tokens.weight"))
        return "model.embed_tokens.weight";
    if (ends_with(name, ".shared_head.head.weight"))
        return c->tie_word_embeddings ? "model.embed_tokens.weight" : "lm_head.weight";
    return NULL;
}

/* Tensors of a checkpoint that the engine leaves out on purpose. */
static int is_skipped(const struct el_config *c, const char *name)
{
    static const char layers[] = "model.layers.";
    if (el_checkpoint_is_computed(name))
        return 1;
    if (strncmp(name, layers, sizeof layers - 1) != 0)
        return 0;
    char *end;
    long layer = strtol(name + sizeof layers - 1, &end, 10);
    return *end == '.' && layer >= c->num_hidden_layers &&
           layer < (long)c->num_hidden_layers + c->num_nextn_predict_layers;
}

/* A tensor that nobody asked for. Scales get a reason of their own. */
static int unknown(const struct el_checkpoint *k, const struct el_config *c,
                   const struct el_shard_tensor *x, struct el_error *err)
{
    const char *name = x->t->name, *suffix = EL_SCALES_SUFFIX;
    size_t n = strlen(name), m = strlen(suffix);
    if (n <= m || strcmp(name + n - m, suffix) != 0)
        return el_error_set(err, EL_EFORMAT,
                            "%s: tensor '%.120s' does not belong to the model that config.json "
                            "describes (%d layers, then %d for multi-token prediction)",
                            x->file->name, name, c->num_hidden_layers, c->num_nextn_predict_layers);
    for (int i = 0; i < k->shards.n; i++) {
        const struct el_st_tensor *of = k->shards.tensors[i].t;
        if (strncmp(of->name, name, n - m) == 0 && strlen(of->name) == n - m)
            return el_error_set(err, EL_EFORMAT,
                                "%s: tensor '%.120s' are scales, but '%.120s' is stored as %s",
                                x->file->name, name, of->name, el_dtype_name(of->dtype));
    }
    return el_error_set(err, EL_EFORMAT,
                        "%s: tensor '%.120s' are scales of a tensor that is missing", x->file->name,
                        name);
}

static int check_unknown(struct el_checkpoint *k, const struct el_config *c, struct el_error *err)
{
    for (int i = 0; i < k->shards.n; i++) {
        const struct el_shard_tensor *x = &k->shards.tensors[i];
        if (k->used[i])
            continue;
        if (!is_skipped(c, x->t->name))
            return unknown(k, c, x, err);
        k->skipped++;
    }
    return 0;
}

static int find(struct el_checkpoint *k, const struct el_config *c, const struct el_tensor_info *t,
                int mtp, struct el_stored *s, struct el_error *err)
{
    const char *name = t->name;
    if (mtp && !el_shards_find(&k->shards, name) && el_checkpoint_mtp_alias(c, name))
        name = el_checkpoint_mtp_alias(c, name);
    int rc =
        el_stored_find(s, &k->shards, name, t->dims, t->shape, c->fp8 ? &c->fp8_format : NULL, err);
    if (rc < 0)
        return rc;
    k->used[s->values - k->shards.tensors] = 1;
    if (s->scales)
        k->used[s->scales - k->shards.tensors] = 1;
    return 0;
}

static int match(struct el_checkpoint *k, const struct el_config *c, const struct el_layout *l,
                 int mtp, struct el_error *err)
{
    int rc = 0;
    k->found = el_alloc_array((size_t)l->n, sizeof *k->found);
    k->used = el_alloc_array((size_t)k->shards.n, 1);
    if (!k->found || !k->used)
        return el_error_set(err, EL_ENOMEM, "%s: out of memory while loading", k->shards.dir);
    for (int i = 0; i < l->n && rc == 0; i++)
        rc = find(k, c, &l->tensors[i], mtp, &k->found[i], err);
    return rc == 0 && !mtp ? check_unknown(k, c, err) : rc;
}

static int open_and_match(struct el_checkpoint *k, const char *dir, const struct el_config *c,
                          const struct el_layout *l, int mtp, struct el_error *err)
{
    *k = (struct el_checkpoint){0};
    int rc = el_shards_open(&k->shards, dir, err);
    if (rc < 0)
        return rc;
    rc = match(k, c, l, mtp, err);
    if (rc < 0)
        el_checkpoint_release(k);
    return rc;
}

int el_checkpoint_open(struct el_checkpoint *k, const char *dir, const struct el_config *c,
                       const struct el_layout *l, struct el_error *err)
{
    return open_and_match(k, dir, c, l, 0, err);
}

int el_checkpoint_open_mtp(struct el_checkpoint *k, const char *dir, const struct el_config *c,
                           const struct el_layout *l, struct el_error *err)
{
    return open_and_match(k, dir, c, l, 1, err);
}

void el_checkpoint_release(struct el_checkpoint *k)
{
    el_shards_release(&k->shards);
    el_free(k->found);
    el_free(k->used);
    *k = (struct el_checkpoint){0};
}
