#include "core/model/blocks.h"

#include "core/tensor/carve.h"

#include <string.h>

static int larger(int a, int b)
{
    return a > b ? a : b;
}

static void place_attention(struct el_carve *v, struct el_back *b, const struct el_config *c,
                            int rows)
{
    int heads = c->num_attention_heads, key = c->kv_lora_rank + c->qk_rope_head_dim;
    b->dx = el_carve_floats(v, rows, c->hidden_size);
    b->dh = el_carve_floats(v, rows, c->hidden_size);
    b->dqa = el_carve_floats(v, rows, c->q_lora_rank);
    b->dqn = el_carve_floats(v, rows, c->q_lora_rank);
    b->dq = el_carve_floats(v, rows, heads * (c->qk_nope_head_dim + c->qk_rope_head_dim));
    b->dql = el_carve_floats(v, rows, heads * key);
    b->dkva = el_carve_floats(v, rows, key);
    b->dkv = el_carve_floats(v, rows, key);
    b->dol = el_carve_floats(v, rows, heads * c->kv_lora_rank);
    b->d_o = el_carve_floats(v, rows, heads * c->v_head_dim);
    b->dqi = el_carve_floats(v, rows, c->index_n_heads * c->index_head_dim);
    b->dki = el_carve_floats(v, rows, c->index_head_dim);
    b->dwi = el_carve_floats(v, rows, c->index_n_heads);
    b->dwi_raw = el_carve_floats(v, rows, c->index_n_heads);
    b->kl = el_carve_floats(v, rows, c->num_hidden_layers);
}

static void place_ffn(struct el_carve *v, struct el_back *b, const struct el_config *c, int rows)
{
    int topk = c->num_experts_per_tok, width = c->moe_intermediate_size;
    int plain =
        larger(c->first_k_dense_replace ? c->intermediate_size : 0, c->n_shared_experts * width);
    b->dgate = el_carve_floats(v, rows, plain);
    b->dup = el_carve_floats(v, rows, plain);
    b->dact = el_carve_floats(v, rows, plain);
    b->dweight = el_carve_floats(v, rows, topk);
    b->drouter = el_carve_floats(v, rows, c->n_routed_experts);
    b->dex_y = el_carve_floats(v, rows, (int64_t)topk * c->hidden_size);
    b->dex_x = el_carve_floats(v, rows, (int64_t)topk * c->hidden_size);
    b->dex_gate = el_carve_floats(v, rows, (int64_t)topk * width);
    b->dex_up = el_carve_floats(v, rows, (int64_t)topk * width);
    b->dex_act = el_carve_floats(v, rows, (int64_t)topk * width);
}

static void place(struct el_carve *v, struct el_back *b, const struct el_config *c, int rows)
{
    place_attention(v, b, c, rows);
    place_ffn(v, b, c, rows);
}

int el_back_init(struct el_back *b, const struct el_config *c, struct el_device *d, int max_rows,
                 struct el_error *err)
{
    *b = (struct el_back){.device = d};
    struct el_carve v = {0};
    place(&v, b, c, max_rows);
    b->block = el_device_alloc(d, v.used);
    if (!b->block)
        return el_error_set(err, EL_ENOMEM,
                            "out of memory for the gradients of %d rows (%zu bytes)", max_rows,
                            v.used);
    v = (struct el_carve){.base = b->block};
    place(&v, b, c, max_rows);
    return 0;
}

void el_back_release(struct el_back *b)
{
    if (b->block)
        el_device_release(b->device, b->block);
    memset(b, 0, sizeof *b);
}
