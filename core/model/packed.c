#include "core/model/packed.h"

#include "core/base/alloc.h"
#include "core/tensor/carve.h"

#include <stdlib.h>

enum { LAYER_MATRICES = 16, OTHERS = 1 /* lm_head */ };

/* W (out, in) of y = x W^T, or `batch` of them one behind the other. */
static void add(struct el_packed *p, float *w, int out, int in, int batch)
{
    if (w)
        p->matrix[p->n++] = (struct el_gemm_pack){.n = out,
                                                  .k = in,
                                                  .b = w,
                                                  .b_row = 1,
                                                  .b_col = in,
                                                  .batch = batch,
                                                  .b_batch = (int64_t)out * in};
}

/* kv_b holds two matrices a head: W_UK, which queries meet transposed, and W_UV. */
static void add_kv_b(struct el_packed *p, const struct el_config *c, const float *w)
{
    int nope = c->qk_nope_head_dim, value = c->v_head_dim, latent = c->kv_lora_rank;
    struct el_gemm_pack m = {.batch = c->num_attention_heads,
                             .b_batch = (int64_t)(nope + value) * latent};
    m.n = latent, m.k = nope, m.b = w, m.b_row = latent, m.b_col = 1;
    p->matrix[p->n++] = m;
    m.n = value, m.k = latent, m.b = w + (int64_t)nope * latent, m.b_row = 1, m.b_col = latent;
    p->matrix[p->n++] = m;
}

static void add_layer(struct el_packed *p, const struct el_config *c, int layer,
                      const struct el_layer_view *w)
{
    int hidden = c->hidden_size, heads = c->num_attention_heads, rq = c->q_lora_rank;
    int moe = el_config_layer_is_moe(c, layer), expert = c->moe_intermediate_size;
    int width = moe ? c->n_shared_experts * expert : c->intermediate_size;
    add(p, w->q_a, rq, hidden, 1);
    add(p, w->q_b, heads * (c->qk_nope_head_dim + c->qk_rope_head_dim), rq, 1);
    add(p, w->kv_a, c->kv_lora_rank + c->qk_rope_head_dim, hidden, 1);
    add_kv_b(p, c, w->kv_b);
    add(p, w->o, hidden, heads * c->v_head_dim, 1);
    add(p, w->ix_q, c->index_n_heads * c->index_head_dim, rq, 1);
    add(p, w->ix_k, c->index_head_dim, hidden, 1);
    add(p, w->ix_w, c->index_n_heads, hidden, 1);
    add(p, w->gate, width, hidden, 1);
    add(p, w->up, width, hidden, 1);
    add(p, w->down, hidden, width, 1);
    if (!moe)
        return;
    add(p, w->router, c->n_routed_experts, hidden, 1);
    add(p, w->ex_gate, expert, hidden, c->n_routed_experts);
    add(p, w->ex_up, expert, hidden, c->n_routed_experts);
    add(p, w->ex_down, hidden, expert, c->n_routed_experts);
}

static int by_operand(const void *a, const void *b)
{
    const float *x = ((const struct el_gemm_pack *)a)->b, *y = ((const struct el_gemm_pack *)b)->b;
    return (x > y) - (x < y);
}

/* Everything but the room: EL_ENOMEM when there is no memory for the list. */
static int list(struct el_packed *p, const struct el_weights *w, struct el_error *err)
{
    const struct el_config *c = &w->config;
    *p = (struct el_packed){.device = w->device};
    p->matrix =
        el_alloc_array((size_t)c->num_hidden_layers * LAYER_MATRICES + OTHERS, sizeof *p->matrix);
    if (!p->matrix)
        return el_error_set(err, EL_ENOMEM, "out of memory for a list of packed weights");
    for (int l = 0; l < c->num_hidden_layers; l++)
        add_layer(p, c, l, &w->view.layers[l]);
    add(p, w->view.lm_head, c->vocab_size, c->hidden_size, 1);
    qsort(p->matrix, (size_t)p->n, sizeof *p->matrix, by_operand);
    return 0;
}

static void place(struct el_carve *v, struct el_packed *p)
{
    for (int i = 0; i < p->n; i++) {
        struct el_gemm_pack *m = &p->matrix[i];
        m->packed = el_carve_floats(v, m->batch, el_gemm_packed_floats(m->n, m->k));
    }
}

int el_packed_init(struct el_packed *p, const struct el_weights *w, size_t most,
                   struct el_error *err)
{
    struct el_carve v = {0};
    int rc = list(p, w, err);
    if (rc < 0)
        return rc;
    place(&v, p);
    if (v.used > most) {
        p->n = 0;
        return 0;
    }
    p->block = el_device_alloc(p->device, v.used);
    if (!p->block)
        return el_error_set(err, EL_ENOMEM, "out of memory for packed weights: %zu bytes", v.used);
    v = (struct el_carve){.base = p->block};
    place(&v, p);
    return 0;
}

void el_packed_release(struct el_packed *p)
{
    if (p->block)
        el_device_release(p->device, p->block);
    el_free(p->matrix);
    *p = (struct el_packed){0};
}

void el_packed_fill(struct el_packed *p, struct el_stream *s)
{
    for (int i = 0; i < p->n; i++)
        el_gemm_pack(s, &p->matrix[i]);
}

const float *el_packed_find(const struct el_packed *p, const float *b)
{
    int lo = 0, hi = p ? p->n : 0;
    while (lo < hi) {
        int mid = lo + (hi - lo) / 2;
        if (p->matrix[mid].b == b)
            return p->matrix[mid].packed;
        if (p->matrix[mid].b < b)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}
