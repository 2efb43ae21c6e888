#include "core/train/lm_head.h"

#include "core/base/alloc.h"
#include "core/model/linear.h"
#include "core/ops/loss.h"
#include "core/ops/pointwise.h"
#include "core/tensor/carve.h"

#include <string.h>

static void place(struct el_carve *v, struct el_lm_head *h)
{
    h->hidden_rows = el_carve_floats(v, h->chunk, h->hidden);
    h->dhidden = el_carve_floats(v, h->chunk, h->hidden);
    h->logits = el_carve_floats(v, h->chunk, h->vocab);
    h->logp = el_carve_floats(v, h->chunk, 1);
    h->lse = el_carve_floats(v, h->chunk, 1);
    h->entropy = el_carve_floats(v, h->chunk, 1);
    h->coef = el_carve_floats(v, h->chunk, 1);
    h->row = el_carve_ints(v, h->chunk, 1);
    h->token = el_carve_ints(v, h->chunk, 1);
    h->kept_start = el_carve_ints(v, h->chunk + 1, 1);
    h->dfinal = el_carve_floats(v, h->max_rows, h->hidden);
}

int el_lm_head_init(struct el_lm_head *h, const struct el_config *c, struct el_device *d,
                    int max_rows, int chunk, struct el_error *err)
{
    *h = (struct el_lm_head){.device = d,
                             .chunk = chunk,
                             .vocab = c->vocab_size,
                             .hidden = c->hidden_size,
                             .max_rows = max_rows};
    struct el_carve v = {0};
    place(&v, h);
    h->block = el_device_alloc(d, v.used);
    h->host_start = el_alloc_array((size_t)chunk + 1, sizeof *h->host_start);
    if (!h->block || !h->host_start) {
        el_lm_head_release(h);
        return el_error_set(err, EL_ENOMEM, "out of memory for the head (%zu bytes)", v.used);
    }
    v = (struct el_carve){.base = h->block};
    place(&v, h);
    return 0;
}

void el_lm_head_release(struct el_lm_head *h)
{
    if (h->block)
        el_device_release(h->device, h->block);
    if (h->kept)
        el_device_release(h->device, h->kept);
    el_free(h->host_start);
    memset(h, 0, sizeof *h);
}

static void upload(struct el_lm_head *h, void *to, const void *from, int n, size_t size)
{
    h->device->copy_in(h->device, to, from, (size_t)n * size);
}

/* The kept sets of targets at..at+n-1, re-based to start at 0. */
static int upload_kept(struct el_lm_head *h, const struct el_targets *t, int at, int n,
                       struct el_error *err)
{
    int32_t base = t->kept_start[at];
    size_t ids = (size_t)(t->kept_start[at + n] - base);
    for (int i = 0; i <= n; i++)
        h->host_start[i] = t->kept_start[at + i] - base;
    if (ids > h->kept_room) {
        int32_t *more = el_device_alloc(h->device, ids * sizeof *more);
        if (!more)
            return el_error_set(err, EL_ENOMEM, "out of memory for %zu kept tokens", ids);
        if (h->kept)
            el_device_release(h->device, h->kept);
        h->kept = more;
        h->kept_room = ids;
    }
    upload(h, h->kept_start, h->host_start, n + 1, sizeof(int32_t));
    if (ids)
        upload(h, h->kept, t->kept + base, (int)ids, sizeof(int32_t));
    return 0;
}

/* Logits and log-probabilities of targets at..at+n-1 in the chunk's buffers. */
static int chunk_forward(struct el_lm_head *h, const struct el_pass *p, const struct el_acts *acts,
                         const struct el_targets *t, int at, int n, struct el_error *err)
{
    if (t->kept_start && upload_kept(h, t, at, n, err) < 0)
        return EL_ENOMEM;
    upload(h, h->row, t->row + at, n, sizeof(int32_t));
    upload(h, h->token, t->token + at, n, sizeof(int32_t));
    el_copy_rows(p->s, &(struct el_copy_rows){.rows = n,
                                              .width = h->hidden,
                                              .src = acts->final,
                                              .src_row = h->hidden,
                                              .from = h->row,
                                              .dst = h->hidden_rows,
                                              .dst_row = h->hidden});
    el_transformer_logits(p, n, h->hidden_rows, h->logits);
    el_logprob(p->s, &(struct el_logprob){.rows = n,
                                          .vocab = h->vocab,
                                          .inv_temperature = t->inv_temperature,
                                          .logits = h->logits,
                                          .target = h->token,
                                          .kept_start = t->kept_start ? h->kept_start : NULL,
                                          .kept = h->kept,
                                          .logp = h->logp,
                                          .lse = h->lse,
                                          .entropy = h->entropy});
    return 0;
}

static void chunk_backward(struct el_lm_head *h, const struct el_pass *p,
                           const struct el_targets *t, const struct el_view *g, int n)
{
    el_logprob_bwd(p->s,
                   &(struct el_logprob_bwd){.rows = n,
                                            .vocab = h->vocab,
                                            .inv_temperature = t->inv_temperature,
                                            .logits = h->logits,
                                            .target = h->token,
                                            .kept_start = t->kept_start ? h->kept_start : NULL,
                                            .kept = h->kept,
                                            .lse = h->lse,
                                            .coef = h->coef,
                                            .dlogits = h->logits});
    el_linear_dw(p->s, n, h->vocab, h->hidden, h->logits, h->hidden_rows, g->lm_head);
    el_linear_dx(p->s, n, h->vocab, h->hidden, h->logits, p->w->view.lm_head, h->dhidden, 0);
    el_copy_rows(p->s, &(struct el_copy_rows){.rows = n,
                                              .width = h->hidden,
                                              .src = h->dhidden,
                                              .src_row = h->hidden,
                                              .dst = h->dfinal,
                                              .dst_row = h->hidden,
                                              .to = h->row});
}

int el_lm_head_logprobs(struct el_lm_head *h, const struct el_pass *p, const struct el_acts *acts,
                        const struct el_targets *t, float *logp, float *entropy,
                        struct el_error *err)
{
    for (int at = 0; at < t->n; at += h->chunk) {
        int n = t->n - at < h->chunk ? t->n - at : h->chunk;
        if (chunk_forward(h, p, acts, t, at, n, err) < 0)
            return EL_ENOMEM;
        h->device->copy_out(h->device, logp + at, h->logp, (size_t)n * sizeof(float));
        if (entropy)
            h->device->copy_out(h->device, entropy + at, h->entropy, (size_t)n * sizeof(float));
    }
    return el_stream_check(p->s, err);
}

int el_lm_head_backward(struct el_lm_head *h, const struct el_pass *p, const struct el_acts *acts,
                        const struct el_targets *t, const float *coef, const struct el_view *g,
                        float *logp, struct el_error *err)
{
    el_fill(p->s, &(struct el_fill){.n = (int64_t)p->at.rows * h->hidden, .x = h->dfinal});
    for (int at = 0; at < t->n; at += h->chunk) {
        int n = t->n - at < h->chunk ? t->n - at : h->chunk;
        if (chunk_forward(h, p, acts, t, at, n, err) < 0)
            return EL_ENOMEM;
        h->device->copy_out(h->device, logp + at, h->logp, (size_t)n * sizeof(float));
        upload(h, h->coef, coef + at, n, sizeof(float));
        chunk_backward(h, p, t, g, n);
    }
    return el_stream_check(p->s, err);
}
