#include "training/state.h"

#include "core/base/alloc.h"
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

/* Position and counters as decimal text: JSON numbers are too short for 64 bits. */
static void print_position(const struct el_run_state *s, int64_t updates, char *out, size_t n)
{
    snprintf(out, n, "%d %" PRId64 " %" PRId64 " %" PRId64 " %" PRIu64 " %" PRIu64 " %" PRId64,
             s->stage, s->stage_step, s->step, s->tokens, s->next, s->fingerprint, updates);
}

/* Only the very text that print_position makes is taken. */
static int scan_position(const char *text, struct el_run_state *s, int64_t *updates)
{
    char again[200];
    if (!text ||
        sscanf(text, "%d %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNu64 " %" SCNu64 " %" SCNd64,
               &s->stage, &s->stage_step, &s->step, &s->tokens, &s->next, &s->fingerprint,
               updates) != 7)
        return 0;
    print_position(s, *updates, again, sizeof again);
    return strcmp(text, again) == 0 && s->stage_step >= 0 && s->step >= 0 && s->tokens >= 0 &&
           *updates >= 0;
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

static int write_blocks(struct el_st_writer *w, const struct el_trainer *t, float *host,
                        const char *path, struct el_error *err)
{
    struct el_device *d = t->w->device;
    size_t bytes = (size_t)t->w->layout.total * sizeof(float);
    float *block[3];
    blocks_of(t, block);
    for (int i = 0; i < 3; i++) {
        d->copy_out(d, host, block[i], bytes);
        int rc = check_finite(&t->w->layout, block_names[i], host, path, err);
        if (rc == 0)
            rc = el_st_writer_add(w, host, bytes, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int el_state_save(const struct el_run_state *s, const struct el_trainer *t,
                  const struct el_state_owner *o, const char *path, struct el_error *err)
{
    char position[200];
    struct el_st_tensor tensor[3];
    print_position(s, t->opt.step, position, sizeof position);
    for (int i = 0; i < 3; i++)
        tensor[i] = (struct el_st_tensor){
            .name = block_names[i], .dtype = EL_F32, .dims = 1, .shape = {t->w->layout.total}};
    const struct el_st_meta meta[] = {{"recipe", o->digest}, {"position", position}};
    float *host = el_alloc((size_t)t->w->layout.total * sizeof *host);
    if (!host)
        return el_error_set(err, EL_ENOMEM, "%s: out of memory for a checkpoint", path);
    struct el_st_writer w;
    int rc = el_st_writer_begin(&w, path, tensor, 3, meta, 2, err);
    if (rc == 0) {
        rc = write_blocks(&w, t, host, path, err);
        if (rc == 0)
            rc = el_st_writer_commit(&w, err);
        else
            el_st_writer_discard(&w);
    }
    el_free(host);
    return rc;
}

static int check_owner(const struct el_safetensors *st, const struct el_state_owner *o,
                       const char *path, struct el_error *err)
{
    const char *owner = el_safetensors_metadata(st, "recipe");
    if (!owner || strcmp(owner, o->digest) != 0)
        return el_error_set(err, EL_EREFUSED,
                            "%s: belongs to another recipe (or the recipe, its prompts or the "
                            "model it starts from were changed); use another --out folder",
                            path);
    return 0;
}

static int read_blocks(const struct el_safetensors *st, struct el_trainer *t, struct el_error *err)
{
    struct el_device *d = t->w->device;
    float *block[3];
    blocks_of(t, block);
    for (int i = 0; i < 3; i++) {
        const struct el_st_tensor *tensor;
        int rc =
            el_safetensors_need(st, block_names[i], EL_F32, 1, &t->w->layout.total, &tensor, err);
        if (rc < 0)
            return rc;
        d->copy_in(d, block[i], tensor->data, tensor->bytes);
    }
    return 0;
}

int el_state_load(struct el_run_state *s, struct el_trainer *t, const struct el_state_owner *o,
                  const char *path, struct el_error *err)
{
    struct el_safetensors st;
    struct el_run_state found = {0};
    int64_t updates = 0;
    int rc = el_safetensors_open(&st, path, err);
    if (rc < 0)
        return rc;
    rc = check_owner(&st, o, path, err);
    if (rc == 0 && !scan_position(el_safetensors_metadata(&st, "position"), &found, &updates))
        rc = el_error_set(err, EL_EFORMAT, "%s: metadata 'position' is missing or damaged", path);
    if (rc == 0 && (found.stage < 0 || found.stage > o->n_stages))
        rc = el_error_set(err, EL_EFORMAT, "%s: stage %d of %d", path, found.stage, o->n_stages);
    if (rc == 0)
        rc = read_blocks(&st, t, err);
    el_safetensors_release(&st);
    if (rc < 0)
        return rc;
    *s = found;
    t->opt.step = updates;
    return 0;
}
