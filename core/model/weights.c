#include "core/model/weights.h"

#include "core/base/alloc.h"
#include "core/base/rng.h"

#include <math.h>
#include <string.h>

#include "core/model/weights_internal.h"

int el_weights_new(const struct el_config *c, struct el_device *d, struct el_weights **out,
                   struct el_error *err)
{
    struct el_weights *w = el_alloc_array(1, sizeof *w);
    if (!w)
        return el_error_set(err, EL_ENOMEM, "out of memory for weights");
    w->config = *c;
    w->device = d;
    int rc = el_layout_init(&w->layout, c, err);
    if (rc < 0)
        el_weights_free(w);
    else
        *out = w;
    return rc;
}

static int make_rope(struct el_weights *w, struct el_error *err)
{
    const struct el_config *c = &w->config;
    size_t n = (size_t)c->max_position_embeddings * (size_t)(c->qk_rope_head_dim / 2);
    float *host = el_alloc_array(n, 2 * sizeof *host);
    w->rope_cos = el_device_alloc(w->device, n * sizeof *host);
    w->rope_sin = el_device_alloc(w->device, n * sizeof *host);
    w->rope_positions = c->max_position_embeddings;
    int ok = host && w->rope_cos && w->rope_sin;
    if (ok) {
        el_config_rope_table(c, w->rope_positions, host, host + n);
        w->device->copy_in(w->device, w->rope_cos, host, n * sizeof *host);
        w->device->copy_in(w->device, w->rope_sin, host + n, n * sizeof *host);
    }
    el_free(host);
    return ok ? 0
              : el_error_set(err, EL_ENOMEM, "out of memory for RoPE tables of %d positions",
                             w->rope_positions);
}

int el_weights_allocate(struct el_weights *w, struct el_error *err)
{
    size_t bytes = (size_t)w->layout.total * sizeof *w->data;
    w->data = el_device_alloc(w->device, bytes);
    if (!w->data)
        return el_error_set(err, EL_ENOMEM, "out of memory for weights: %zu bytes on device %s",
                            bytes, w->device->name);
    w->softmax_scale = (float)el_config_softmax_scale(&w->config);
    int rc = el_view_init(&w->view, &w->layout, &w->config, w->data, err);
    return rc < 0 ? rc : make_rope(w, err);
}

void el_weights_free(struct el_weights *w)
{
    if (!w)
        return;
    el_device_release(w->device, w->data);
    el_device_release(w->device, w->rope_cos);
    el_device_release(w->device, w->rope_sin);
    el_view_release(&w->view);
    el_layout_release(&w->layout);
    el_free(w);
}

enum el_dtype el_weights_dtype(const struct el_weights *w, const struct el_tensor_info *t)
{
    int half = strcmp(w->config.dtype, "bfloat16") == 0;
    return half && !(t->flags & EL_TENSOR_F32) ? EL_BF16 : EL_F32;
}

static int each_piece(struct el_weights *w, int tensor, float *host, int write, el_weights_visit *f,
                      void *user, struct el_error *err)
{
    const struct el_tensor_info *t = &w->layout.tensors[tensor];
    for (int64_t at = 0; at < t->count; at += EL_WEIGHTS_CHUNK) {
        int64_t left = t->count - at;
        size_t n = left < EL_WEIGHTS_CHUNK ? (size_t)left : EL_WEIGHTS_CHUNK;
        float *values = w->data + t->offset + at;
        struct el_weights_piece p = {tensor, t, at, host, n};
        w->device->copy_out(w->device, host, values, n * sizeof *host);
        int rc = f(user, &p, err);
        if (rc < 0)
            return rc;
        if (write)
            w->device->copy_in(w->device, values, host, n * sizeof *host);
    }
    return 0;
}

int el_weights_each(struct el_weights *w, int write, el_weights_visit *f, void *user,
                    struct el_error *err)
{
    float *host = el_alloc_array(EL_WEIGHTS_CHUNK, sizeof *host);
    int rc = 0;
    if (!host)
        return el_error_set(err, EL_ENOMEM, "out of memory for a copy of a piece of the weights");
    for (int i = 0; i < w->layout.n && rc == 0; i++)
        rc = each_piece(w, i, host, write, f, user, err);
    el_free(host);
    return rc;
}

int el_weights_check_finite(const char *name, const struct el_weights_piece *p,
                            struct el_error *err)
{
    for (size_t i = 0; i < p->n; i++)
        if (!isfinite(p->values[i]))
            return el_error_set(
                err, EL_ENUMERIC, "%s: tensor '%s' holds %g at index %lld, expected finite values",
                name, p->info->name, (double)p->values[i], (long long)(p->start + (int64_t)i));
    return 0;
}

/* Each tensor has a stream of its own, so that adding a tensor changes no other one. */
struct init {
    const struct el_config *config;
    uint64_t seed;
    struct el_rng rng;
};

static int init_piece(void *user, const struct el_weights_piece *p, struct el_error *err)
{
    struct init *s = user;
    struct el_digest key;
    (void)err;
    if (p->start == 0) {
        el_digest_init(&key);
        el_digest_str(&key, "initial weights");
        el_digest_u64(&key, s->seed);
        el_digest_str(&key, p->info->name);
        el_rng_init(&s->rng, el_digest_key(&key));
    }
    double deviation = s->config->initializer_range;
    if (p->info->flags & EL_TENSOR_OUT)
        deviation /= sqrt(2.0 * s->config->num_hidden_layers);
    for (size_t i = 0; i < p->n; i++) {
        if (p->info->flags & (EL_TENSOR_ONES | EL_TENSOR_ZEROS))
            p->values[i] = p->info->flags & EL_TENSOR_ONES ? 1 : 0;
        else
            p->values[i] = (float)(deviation * el_rng_normal(&s->rng));
    }
    return 0;
}

int el_weights_create(const struct el_config *c, struct el_device *d, uint64_t seed,
                      struct el_weights **out, struct el_error *err)
{
    struct el_weights *w = NULL;
    struct init init = {.config = c, .seed = seed};
    int rc = el_weights_new(c, d, &w, err);
    if (rc < 0)
        return rc;
    rc = el_weights_allocate(w, err);
    if (rc == 0)
        rc = el_weights_each(w, 1, init_piece, &init, err);
    if (rc == 0)
        rc = el_weights_digest(w, err);
    if (rc < 0)
        el_weights_free(w);
    else
        *out = w;
    return rc;
}

int el_weights_digest_begin(struct el_digest *d, const struct el_weights *w, struct el_error *err)
{
    char *text = el_config_print(&w->config);
    if (!text)
        return el_error_set(err, EL_ENOMEM, "out of memory for the model's digest");
    el_digest_init(d);
    el_digest_str(d, text);
    el_free(text);
    return 0;
}

void el_weights_digest_piece(struct el_digest *d, const struct el_weights_piece *p)
{
    if (p->start == 0)
        el_digest_str(d, p->info->name);
    el_digest_bytes(d, p->values, p->n * sizeof *p->values);
}

static int digest_piece(void *user, const struct el_weights_piece *p, struct el_error *err)
{
    (void)err;
    el_weights_digest_piece(user, p);
    return 0;
}

int el_weights_digest(struct el_weights *w, struct el_error *err)
{
    struct el_digest d;
    int rc = el_weights_digest_begin(&d, w, err);
    if (rc == 0)
        rc = el_weights_each(w, 0, digest_piece, &d, err);
    if (rc == 0)
        el_digest_hex(&d, w->digest);
    return rc;
}

static int round_piece(void *user, const struct el_weights_piece *p, struct el_error *err)
{
    (void)err;
    if (el_weights_dtype(user, p->info) == EL_BF16)
        for (size_t i = 0; i < p->n; i++)
            p->values[i] = el_bf16_widen(el_bf16_round(p->values[i]));
    return 0;
}

int el_weights_round(struct el_weights *w, struct el_error *err)
{
    return el_weights_each(w, 1, round_piece, w, err);
}
