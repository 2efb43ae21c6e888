#include "core/model/checkpoint.h"

#include "core/base/alloc.h"

#include <stdlib.h>
#include <string.h>

/* Tensors of a checkpoint that the engine leaves out on purpose. */
static int is_skipped(const struct el_config *c, const char *name)
{
    static const char layers[] = "model.layers.", inv_freq[] = "rotary_emb.inv_freq";
    size_t n = strlen(name), tail = sizeof inv_freq - 1;
    if (n >= tail && strcmp(name + n - tail, inv_freq) == 0)
        return 1;
    if (strncmp(name, layers, sizeof layers - 1) != 0)
        return 0;
    char *end;
    long layer = strtol(name + sizeof layers - 1, &end, 10);
    return *end == '.' && layer >= c->num_hidden_layers &&
           layer < (long)c->num_hidden_layers + c->num_nextn_predict_layers;
}

/* A tensor that nobody asked for. Scales get a reason of their own. */
static int unknown(const struct el_checkpoint *k, const struct el_shard_tensor *x,
                   struct el_error *err)
{
    const char *name = x->t->name, *suffix = EL_SCALES_SUFFIX;
    size_t n = strlen(name), m = strlen(suffix);
    if (n <= m || strcmp(name + n - m, suffix) != 0)
        return el_error_set(err, EL_EFORMAT,
                            "%s: tensor '%.120s' does not belong to the model that config.json "
                            "describes",
                            x->file->name, name);
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
            return unknown(k, x, err);
        k->skipped++;
    }
    return 0;
}

static int match(struct el_checkpoint *k, const struct el_config *c, const struct el_layout *l,
                 struct el_error *err)
{
    k->found = el_alloc_array((size_t)l->n, sizeof *k->found);
    k->used = el_alloc_array((size_t)k->shards.n, 1);
    if (!k->found || !k->used)
        return el_error_set(err, EL_ENOMEM, "%s: out of memory while loading", k->shards.dir);
    for (int i = 0; i < l->n; i++) {
        const struct el_tensor_info *t = &l->tensors[i];
        struct el_stored *s = &k->found[i];
        int rc = el_stored_find(s, &k->shards, t->name, t->dims, t->shape,
                                c->fp8 ? &c->fp8_format : NULL, err);
        if (rc < 0)
            return rc;
        k->used[s->values - k->shards.tensors] = 1;
        if (s->scales)
            k->used[s->scales - k->shards.tensors] = 1;
    }
    return check_unknown(k, c, err);
}

int el_checkpoint_open(struct el_checkpoint *k, const char *dir, const struct el_config *c,
                       const struct el_layout *l, struct el_error *err)
{
    *k = (struct el_checkpoint){0};
    int rc = el_shards_open(&k->shards, dir, err);
    if (rc < 0)
        return rc;
    rc = match(k, c, l, err);
    if (rc < 0)
        el_checkpoint_release(k);
    return rc;
}

void el_checkpoint_release(struct el_checkpoint *k)
{
    el_shards_release(&k->shards);
    el_free(k->found);
    el_free(k->used);
    *k = (struct el_checkpoint){0};
}
