#include "training/state.h"

#include "core/base/alloc.h"
#include "core/base/digest.h"
#include "core/base/json.h"
#include "core/tensor/safetensors.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const block_names[3] = {"weights", "adam.m", "adam.v"};

static void blocks_of(const struct el_trainer *t, float *block[3])
{
    block[0] = t->w->data;
    block[1] = t->opt.m;
    block[2] = t->opt.v;
}

/* Position and counters as decimal text: JSON numbers are too short for 64 bits. The indexer's
 * updates stand behind those of the other weights where they differ: checkpoints of before the
 * optimiser counted by group have one number for both, and go on with it. */
static void print_position(const struct el_run_state *s, const int64_t updates[EL_PARAMS],
                           char *out, size_t n)
{
    int64_t main = updates[EL_PARAMS_MAIN], indexer = updates[EL_PARAMS_INDEXER];
    int end =
        snprintf(out, n, "%d %" PRId64 " %" PRId64 " %" PRId64 " %" PRIu64 " %" PRIu64 " %" PRId64,
                 s->stage, s->stage_step, s->step, s->tokens, s->next, s->fingerprint, main);
    if (indexer != main)
        snprintf(out + end, n - (size_t)end, " %" PRId64, indexer);
}

/* Only the very text that print_position makes is taken. */
static int scan_position(const char *text, struct el_run_state *s, int64_t updates[EL_PARAMS])
{
    char again[200];
    int64_t *main = &updates[EL_PARAMS_MAIN], *indexer = &updates[EL_PARAMS_INDEXER];
    int n = text ? sscanf(text,
                          "%d %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNu64 " %" SCNu64 " %" SCNd64
                          " %" SCNd64,
                          &s->stage, &s->stage_step, &s->step, &s->tokens, &s->next,
                          &s->fingerprint, main, indexer)
                 : 0;
    if (n < 7)
        return 0;
    if (n == 7)
        *indexer = *main;
    print_position(s, updates, again, sizeof again);
    return strcmp(text, again) == 0 && s->stage_step >= 0 && s->step >= 0 && s->tokens >= 0 &&
           *main >= 0 && *indexer >= 0;
}

/* A checkpoint that holds NaN or Inf would replace a good one. */
static int check_finite(const struct el_layout *l, const char *block, const float *host,
                        const char *path, struct el_error *err)
{
    for (int i = 0; i < l->n; i++)
        for (int64_t k = 0; k < l->tensors[i].count; k++)
            if (!isfinite(host[l->tensors[i].offset + k]))
                return el_error_set(err, EL_ENUMERIC,
                                    "%s of %s are not finite; %s is left as it was", block,
                                    l->tensors[i].name, path);
    return 0;
}

/* A block that may lie on a device, in host memory. */
static const float *fetch(const struct el_trainer *t, int i, float *host)
{
    float *block[3];
    blocks_of(t, block);
    t->w->device->copy_out(t->w->device, host, block[i], (size_t)t->w->layout.total * sizeof *host);
    return host;
}

static void digest_begin(struct el_digest *d, const char *owner, const char *position)
{
    el_digest_init(d);
    el_digest_str(d, owner);
    el_digest_str(d, position);
}

/* Before anything is written: the digest stands in front of what it is of. */
static int check_blocks(const struct el_trainer *t, float *host, const char *path,
                        struct el_digest *d, struct el_error *err)
{
    for (int i = 0; i < 3; i++) {
        int rc = check_finite(&t->w->layout, block_names[i], fetch(t, i, host), path, err);
        if (rc < 0)
            return rc;
        el_digest_bytes(d, host, (size_t)t->w->layout.total * sizeof *host);
    }
    return 0;
}

static int write_file(const struct el_trainer *t, const struct el_st_meta *meta, int n_meta,
                      float *host, const char *path, const char *keep, struct el_error *err)
{
    struct el_st_tensor tensor[3];
    struct el_st_writer w;
    for (int i = 0; i < 3; i++)
        tensor[i] = (struct el_st_tensor){
            .name = block_names[i], .dtype = EL_F32, .dims = 1, .shape = {t->w->layout.total}};
    int rc = el_st_writer_begin(&w, path, tensor, 3, meta, n_meta, err);
    if (rc < 0)
        return rc;
    w.file.keep = keep;
    for (int i = 0; i < 3 && rc == 0; i++)
        rc =
            el_st_writer_add(&w, fetch(t, i, host), (size_t)t->w->layout.total * sizeof *host, err);
    if (rc == 0)
        return el_st_writer_commit(&w, err);
    el_st_writer_discard(&w);
    return rc;
}

int el_state_save(const struct el_run_state *s, const struct el_trainer *t,
                  const struct el_state_owner *o, const char *path, const char *keep,
                  struct el_error *err)
{
    char position[200], digest[EL_DIGEST_HEX];
    struct el_digest d;
    float *host = el_alloc((size_t)t->w->layout.total * sizeof *host);
    if (!host)
        return el_error_set(err, EL_ENOMEM, "%s: out of memory for a checkpoint", path);
    print_position(s, t->opt.step, position, sizeof position);
    digest_begin(&d, o->digest, position);
    int rc = check_blocks(t, host, path, &d, err);
    el_digest_hex(&d, digest);
    const struct el_st_meta meta[] = {
        {"recipe", o->digest}, {"position", position}, {"digest", digest}};
    if (rc == 0)
        rc = write_file(t, meta, 3, host, path, keep, err);
    el_free(host);
    return rc;
}

static int find_blocks(const struct el_safetensors *st, const struct el_trainer *t,
                       const struct el_st_tensor *block[3], struct el_error *err)
{
    int rc = 0;
    for (int i = 0; i < 3 && rc == 0; i++)
        rc =
            el_safetensors_need(st, block_names[i], EL_F32, 1, &t->w->layout.total, &block[i], err);
    return rc;
}

/* Checkpoints of before there was a digest have none. */
static int check_digest(const struct el_safetensors *st, const struct el_st_tensor *const block[3],
                        const char *path, struct el_error *err)
{
    const char *expected = el_safetensors_metadata(st, "digest");
    char found[EL_DIGEST_HEX];
    struct el_digest d;
    if (!expected)
        return 0;
    const char *owner = el_safetensors_metadata(st, "recipe");
    const char *position = el_safetensors_metadata(st, "position");
    digest_begin(&d, owner ? owner : "", position ? position : "");
    for (int i = 0; i < 3; i++)
        el_digest_bytes(&d, block[i]->data, block[i]->bytes);
    el_digest_hex(&d, found);
    if (strcmp(found, expected) == 0)
        return 0;
    return el_error_set(err, EL_EFORMAT, "%s: damaged: its content has the digest %s, expected %s",
                        path, found, expected);
}

/* An owner's name that is not the expected one may be a damaged one, which the digest tells. */
static int check_owner(const struct el_safetensors *st, const struct el_trainer *t,
                       const struct el_state_owner *o, const char *path, struct el_error *err)
{
    const char *owner = el_safetensors_metadata(st, "recipe");
    const struct el_st_tensor *block[3];
    if (owner && strcmp(owner, o->digest) == 0)
        return 0;
    if (find_blocks(st, t, block, NULL) == 0 && check_digest(st, block, path, err) < 0)
        return EL_EFORMAT;
    return el_error_set(err, EL_EREFUSED,
                        "%s: belongs to another recipe (or the recipe, its prompts, data or judge, "
                        "or the model it starts from were changed); use another --out folder",
                        path);
}

/* All or nothing. */
static int read_blocks(const struct el_safetensors *st, struct el_trainer *t, const char *path,
                       struct el_error *err)
{
    struct el_device *d = t->w->device;
    const struct el_st_tensor *from[3];
    float *to[3];
    blocks_of(t, to);
    int rc = find_blocks(st, t, from, err);
    if (rc == 0)
        rc = check_digest(st, from, path, err);
    for (int i = 0; i < 3 && rc == 0; i++)
        d->copy_in(d, to[i], from[i]->data, from[i]->bytes);
    return rc;
}

int el_state_load(struct el_run_state *s, struct el_trainer *t, const struct el_state_owner *o,
                  const char *path, struct el_error *err)
{
    struct el_safetensors st;
    struct el_run_state found = {0};
    int64_t updates[EL_PARAMS] = {0};
    int rc = el_safetensors_open(&st, path, err);
    if (rc < 0)
        return rc;
    rc = check_owner(&st, t, o, path, err);
    if (rc == 0 && !scan_position(el_safetensors_metadata(&st, "position"), &found, updates))
        rc = el_error_set(err, EL_EFORMAT, "%s: metadata 'position' is missing or damaged", path);
    if (rc == 0 && (found.stage < 0 || found.stage > o->n_stages))
        rc = el_error_set(err, EL_EFORMAT, "%s: stage %d of %d", path, found.stage, o->n_stages);
    if (rc == 0)
        rc = read_blocks(&st, t, path, err);
    el_safetensors_release(&st);
    if (rc < 0)
        return rc;
    *s = found;
    memcpy(t->opt.step, updates, sizeof updates);
    return 0;
}
