#include "core/model/packed.h"

#include "core/base/alloc.h"
#include "core/ops/gemm_bf16.h"
#include "core/tensor/carve.h"

#include <stdlib.h>
#include <string.h>

enum { LAYER_MATRICES = 16, OTHERS = 1 /* lm_head */ };

static const char *const compute_names[] = {"fp32", "bf16"};

const char *el_compute_name(enum el_compute compute)
{
    return compute_names[compute];
}

int el_compute_parse(const char *name, enum el_compute *compute, struct el_error *err)
{
    for (int i = 0; i < 2; i++)
        if (strcmp(name, compute_names[i]) == 0) {
            *compute = (enum el_compute)i;
            return 0;
        }
    return el_error_set(err, EL_EINVAL, "'%.40s': expected fp32 or bf16", name);
}

static void put(struct el_packed *p, const struct el_gemm_pack *m, enum el_compute form)
{
    p->matrix[p->n++] = (struct el_packed_matrix){*m, form, NULL};
}

/* W (out, in) of y = x W^T, or `batch` of them one behind the other. */
static void add(struct el_packed *p, enum el_compute form, float *w, int out, int in, int batch)
{
    struct el_gemm_pack m = {.n = out,
                             .k = in,
                             .b = w,
                             .b_row = 1,
                             .b_col = in,
                             .batch = batch,
                             .b_batch = (int64_t)out * in};
    if (w)
        put(p, &m, form);
}

/* kv_b holds two matrices a head: W_UK, which queries meet transposed, and W_UV. */
static void add_kv_b(struct el_packed *p, enum el_compute form, const struct el_config *c,
                     const float *w)
{
    int nope = c->qk_nope_head_dim, value = c->v_head_dim, latent = c->kv_lora_rank;
    struct el_gemm_pack m = {.batch = c->num_attention_heads,
                             .b_batch = (int64_t)(nope + value) * latent};
    m.n = latent, m.k = nope, m.b = w, m.b_row = latent, m.b_col = 1;
    put(p, &m, form);
    m.n = value, m.k = latent, m.b = w + (int64_t)nope * latent, m.b_row = 1, m.b_col = latent;
    put(p, &m, form);
}

static void add_layer(struct el_packed *p, enum el_compute form, const struct el_config *c,
                      int layer, const struct el_layer_view *w)
{
    int hidden = c->hidden_size, heads = c->num_attention_heads, rq = c->q_lora_rank;
    int moe = el_config_layer_is_moe(c, layer), expert = c->moe_intermediate_size;
    int width = moe ? c->n_shared_experts * expert : c->intermediate_size;
    add(p, form, w->q_a, rq, hidden, 1);
    add(p, form, w->q_b, heads * (c->qk_nope_head_dim + c->qk_rope_head_dim), rq, 1);
    add(p, form, w->kv_a, c->kv_lora_rank + c->qk_rope_head_dim, hidden, 1);
    add_kv_b(p, form, c, w->kv_b);
    add(p, form, w->o, hidden, heads * c->v_head_dim, 1);
    add(p, form, w->ix_q, c->index_n_heads * c->index_head_dim, rq, 1);
    add(p, form, w->ix_k, c->index_head_dim, hidden, 1);
    add(p, EL_COMPUTE_FP32, w->ix_w, c->index_n_heads, hidden, 1);
    add(p, form, w->gate, width, hidden, 1);
    add(p, form, w->up, width, hidden, 1);
    add(p, form, w->down, hidden, width, 1);
    if (!moe)
        return;
    add(p, EL_COMPUTE_FP32, w->router, c->n_routed_experts, hidden, 1);
    add(p, form, w->ex_gate, expert, hidden, c->n_routed_experts);
    add(p, form, w->ex_up, expert, hidden, c->n_routed_experts);
    add(p, form, w->ex_down, hidden, expert, c->n_routed_experts);
}

static int by_operand(const void *a, const void *b)
{
    const float *x = ((const struct el_packed_matrix *)a)->operand.b;
    const float *y = ((const struct el_packed_matrix *)b)->operand.b;
    return (x > y) - (x < y);
}

/* Everything but the room: EL_ENOMEM when there is no memory for the list. */
static int list(struct el_packed *p, const struct el_weights *w, enum el_compute form,
                struct el_error *err)
{
    const struct el_config *c = &w->config;
    *p = (struct el_packed){.device = w->device};
    p->matrix =
        el_alloc_array((size_t)c->num_hidden_layers * LAYER_MATRICES + OTHERS, sizeof *p->matrix);
    if (!p->matrix)
        return el_error_set(err, EL_ENOMEM, "out of memory for a list of packed weights");
    for (int l = 0; l < c->num_hidden_layers; l++)
        add_layer(p, form, c, l, &w->view.layers[l]);
    add(p, form, w->view.lm_head, c->vocab_size, c->hidden_size, 1);
    qsort(p->matrix, (size_t)p->n, sizeof *p->matrix, by_operand);
    return 0;
}

static void place(struct el_carve *v, struct el_packed *p)
{
    for (int i = 0; i < p->n; i++) {
        struct el_packed_matrix *m = &p->matrix[i];
        const struct el_gemm_pack *o = &m->operand;
        if (m->form == EL_COMPUTE_BF16)
            m->bf16 = el_carve(v, (size_t)o->batch,
                               (size_t)el_gemm_bf16_packed(o->n, o->k) * sizeof *m->bf16);
        else
            m->operand.packed = el_carve_floats(v, o->batch, el_gemm_packed_floats(o->n, o->k));
    }
}

static int init(struct el_packed *p, const struct el_weights *w, enum el_compute form, size_t most,
                struct el_error *err)
{
    struct el_carve v = {0};
    int rc = list(p, w, form, err);
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

int el_packed_init(struct el_packed *p, const struct el_weights *w, size_t most,
                   struct el_error *err)
{
    return init(p, w, EL_COMPUTE_FP32, most, err);
}

int el_packed_init_bf16(struct el_packed *p, const struct el_weights *w, struct el_error *err)
{
    return init(p, w, EL_COMPUTE_BF16, SIZE_MAX, err);
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
    for (int i = 0; i < p->n; i++) {
        const struct el_packed_matrix *m = &p->matrix[i];
        const struct el_gemm_pack *o = &m->operand;
        if (m->form == EL_COMPUTE_FP32)
            el_gemm_pack(s, o);
        else
            el_gemm_bf16_pack(s, &(struct el_gemm_bf16_pack){.n = o->n,
                                                             .k = o->k,
                                                             .b = o->b,
                                                             .b_row = o->b_row,
                                                             .b_col = o->b_col,
                                                             .batch = o->batch,
                                                             .b_batch = o->b_batch,
                                                             .packed = m->bf16});
    }
}

static const struct el_packed_matrix *find(const struct el_packed *p, const float *b)
{
    int lo = 0, hi = p ? p->n : 0;
    while (lo < hi) {
        int mid = lo + (hi - lo) / 2;
        const float *at = p->matrix[mid].operand.b;
        if (at == b)
            return &p->matrix[mid];
        if (at < b)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

const float *el_packed_find(const struct el_packed *p, const float *b)
{
    const struct el_packed_matrix *m = find(p, b);
    return m ? m->operand.packed : NULL;
}

void el_packed_multiply(const struct el_packed *p, struct el_stream *s, const struct el_gemm *g)
{
    const struct el_packed_matrix *m = find(p, g->b);
    struct el_gemm plain = *g;
    if (!m || m->form == EL_COMPUTE_FP32) {
        plain.packed = m ? m->operand.packed : NULL;
        el_gemm(s, &plain);
        return;
    }
    el_gemm_bf16(s, &(struct el_gemm_bf16){.m = g->m,
                                           .n = g->n,
                                           .k = g->k,
                                           .a = g->a,
                                           .a_row = g->a_row,
                                           .packed = m->bf16,
                                           .c = g->c,
                                           .c_row = g->c_row,
                                           .accumulate = g->accumulate,
                                           .batch = g->batch,
                                           .a_batch = g->a_batch,
                                           .c_batch = g->c_batch,
                                           .group = g->group,
                                           .offsets = g->offsets});
}
