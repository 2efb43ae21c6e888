#include "core/model/inspect.h"

#include "core/base/alloc.h"
#include "core/base/io.h"
#include "core/model/checkpoint.h"

#include <stdio.h>
#include <string.h>

enum { max_layers = 64 };

/* What was found of one MTP layer. */
struct finding {
    int layer; /* its number */
    int there; /* tensors, scales included */
    int missing;
    char first_missing[120];
    char problem[400]; /* the first one; empty: none */
};

static void find_tensor(const struct el_checkpoint *k, const struct el_config *c,
                        const struct el_tensor_info *t, struct finding *f)
{
    struct el_error err = {0};
    struct el_stored s;
    if (!el_shards_find(&k->shards, t->name)) {
        if (!el_checkpoint_mtp_alias(c, t->name) && f->missing++ == 0)
            snprintf(f->first_missing, sizeof f->first_missing, "%s", t->name);
        return;
    }
    int rc = el_stored_find(&s, &k->shards, t->name, t->dims, t->shape,
                            c->fp8 ? &c->fp8_format : NULL, &err);
    if (rc < 0 && !f->problem[0])
        snprintf(f->problem, sizeof f->problem, "%.399s", err.msg);
}

static int is_part(const struct el_layout *l, const char *name)
{
    char base[120];
    size_t n = strlen(name), m = strlen(EL_SCALES_SUFFIX);
    if (el_layout_find(l, name) >= 0)
        return 1;
    if (n <= m || n - m >= sizeof base || strcmp(name + n - m, EL_SCALES_SUFFIX) != 0)
        return 0;
    snprintf(base, sizeof base, "%.*s", (int)(n - m), name);
    return el_layout_find(l, base) >= 0;
}

/* Tensors of the layer's number that no MTP layer has. */
static void find_strangers(const struct el_checkpoint *k, const struct el_layout *l,
                           struct finding *f)
{
    char prefix[40];
    int n = snprintf(prefix, sizeof prefix, "model.layers.%d.", f->layer);
    for (int i = 0; i < k->shards.n; i++) {
        const char *name = k->shards.tensors[i].t->name;
        if (strncmp(name, prefix, (size_t)n) != 0 || el_checkpoint_is_computed(name))
            continue;
        f->there++;
        if (!f->problem[0] && !is_part(l, name))
            snprintf(f->problem, sizeof f->problem,
                     "tensor '%.120s' belongs to no part of an MTP layer", name);
    }
}

static int look_at(const struct el_checkpoint *k, const struct el_config *c, int index,
                   struct finding *f, struct el_error *err)
{
    struct el_layout l;
    int rc = el_layout_init_mtp(&l, c, index, err);
    if (rc < 0)
        return rc;
    *f = (struct finding){.layer = c->num_hidden_layers + index};
    for (int i = 0; i < l.n; i++)
        find_tensor(k, c, &l.tensors[i], f);
    find_strangers(k, &l, f);
    el_layout_release(&l);
    return 0;
}

static void say_broken(struct el_inspection *out, const struct finding *f)
{
    char why[420];
    if (!f->there)
        snprintf(why, sizeof why, "none of its tensors is there");
    else if (f->problem[0])
        snprintf(why, sizeof why, "%s", f->problem);
    else if (f->missing == 1)
        snprintf(why, sizeof why, "tensor '%s' is missing", f->first_missing);
    else
        snprintf(why, sizeof why, "%d tensors are missing, the first is '%s'", f->missing,
                 f->first_missing);
    snprintf(out->text, sizeof out->text, "MTP layer %d is not used: %s", f->layer, why);
}

/* Layers 0..n-1 of the findings: all there, all absent, or the first one that is neither. */
static void judge(struct el_inspection *out, const struct finding *f, int n, int first)
{
    int whole = 0;
    const struct finding *bad = NULL;
    for (int i = 0; i < n; i++) {
        int ok = f[i].there && !f[i].missing && !f[i].problem[0];
        out->mtp_tensors += f[i].there;
        whole += ok;
        if (!ok && !bad)
            bad = &f[i];
    }
    if (whole == n) {
        out->mtp = EL_MTP_COMPLETE;
        snprintf(out->text, sizeof out->text,
                 "%d MTP layer%s from layer %d on, complete: %d tensors, for drafts of tokens only",
                 n, n == 1 ? "" : "s", first, out->mtp_tensors);
    } else if (out->mtp_tensors == 0) {
        out->mtp = EL_MTP_ABSENT;
        snprintf(
            out->text, sizeof out->text,
            "config.json announces %d MTP layer%s, of which the checkpoint holds no tensor: the "
            "model runs without",
            n, n == 1 ? "" : "s");
    } else {
        out->mtp = EL_MTP_BROKEN;
        say_broken(out, bad);
    }
}

static int look_at_mtp(const struct el_checkpoint *k, const struct el_config *c,
                       struct el_inspection *out, struct el_error *err)
{
    int n = c->num_nextn_predict_layers, rc = 0;
    if (n == 0)
        return 0;
    if (n > max_layers) {
        out->mtp = EL_MTP_BROKEN;
        snprintf(out->text, sizeof out->text,
                 "config.json announces %d MTP layers, expected at most %d: none is used", n,
                 max_layers);
        return 0;
    }
    struct finding *f = el_alloc_array((size_t)n, sizeof *f);
    if (!f)
        return el_error_set(err, EL_ENOMEM, "out of memory for %d MTP layers", n);
    for (int i = 0; i < n && rc == 0; i++)
        rc = look_at(k, c, i, &f[i], err);
    if (rc == 0)
        judge(out, f, n, c->num_hidden_layers);
    el_free(f);
    return rc;
}

static int open_and_look(const char *dir, const struct el_config *c, struct el_inspection *out,
                         struct el_error *err)
{
    struct el_layout l;
    struct el_checkpoint k;
    int rc = el_layout_init(&l, c, err);
    if (rc < 0)
        return rc;
    rc = el_checkpoint_open(&k, dir, c, &l, err);
    if (rc == 0) {
        out->skipped = k.skipped;
        rc = look_at_mtp(&k, c, out, err);
        el_checkpoint_release(&k);
    }
    el_layout_release(&l);
    return rc;
}

int el_inspect(const char *dir, struct el_inspection *out, struct el_error *err)
{
    struct el_config c;
    struct el_inspection found = {0};
    char *path = el_path_join(dir, "config.json");
    int rc = path ? el_config_load(path, &c, err)
                  : el_error_set(err, EL_ENOMEM, "%s: out of memory", dir);
    el_free(path);
    if (rc == 0)
        rc = open_and_look(dir, &c, &found, err);
    if (rc == 0)
        *out = found;
    return rc;
}
