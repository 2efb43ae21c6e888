#include "core/model/acts.h"

#include "core/base/alloc.h"
#include "core/tensor/carve.h"

#include <limits.h>
#include <string.h>

static void place_attention(struct el_carve *v, struct el_layer_acts *a, const struct el_config *c,
                            int rows)
{
    int heads = c->num_attention_heads, latent = c->kv_lora_rank, rope = c->qk_rope_head_dim;
    a->h = el_carve_floats(v, rows, c->hidden_size);
    a->h_rstd = el_carve_floats(v, rows, 1);
    a->qa = el_carve_floats(v, rows, c->q_lora_rank);
    a->qa_rstd = el_carve_floats(v, rows, 1);
    a->qn = el_carve_floats(v, rows, c->q_lora_rank);
    a->q = el_carve_floats(v, rows, heads * (c->qk_nope_head_dim + rope));
    a->ql = el_carve_floats(v, rows, heads * (latent + rope));
    a->kva = el_carve_floats(v, rows, latent + rope);
    a->kv_rstd = el_carve_floats(v, rows, 1);
    a->kv = el_carve_floats(v, rows, latent + rope);
    a->ol = el_carve_floats(v, rows, heads * latent);
    a->lse = el_carve_floats(v, rows, heads);
    a->o = el_carve_floats(v, rows, heads * c->v_head_dim);
    a->x_mid = el_carve_floats(v, rows, c->hidden_size);
}

static void place_indexer(struct el_carve *v, struct el_layer_acts *a, const struct el_config *c,
                          int rows)
{
    a->qi = el_carve_floats(v, rows, c->index_n_heads * c->index_head_dim);
    a->wi = el_carve_floats(v, rows, c->index_n_heads);
    a->ki_raw = el_carve_floats(v, rows, c->index_head_dim);
    a->ki_mean = el_carve_floats(v, rows, 1);
    a->ki_rstd = el_carve_floats(v, rows, 1);
    a->ki = el_carve_floats(v, rows, c->index_head_dim);
    a->selected = el_carve_ints(v, rows, c->index_topk);
}

static void place_ffn(struct el_carve *v, struct el_layer_acts *a, const struct el_config *c,
                      int rows, int moe)
{
    int width = moe ? c->n_shared_experts * c->moe_intermediate_size : c->intermediate_size;
    a->h2 = el_carve_floats(v, rows, c->hidden_size);
    a->h2_rstd = el_carve_floats(v, rows, 1);
    a->gate = el_carve_floats(v, rows, width);
    a->up = el_carve_floats(v, rows, width);
    a->act = el_carve_floats(v, rows, width);
}

static void place_experts(struct el_carve *v, struct el_layer_acts *a, const struct el_config *c,
                          int rows)
{
    int pairs = rows * c->num_experts_per_tok; /* fits: el_acts_init has looked */
    int width = c->moe_intermediate_size;
    a->router = el_carve_floats(v, rows, c->n_routed_experts);
    a->chosen = el_carve_ints(v, rows, c->num_experts_per_tok);
    a->weight = el_carve_floats(v, rows, c->num_experts_per_tok);
    a->offsets = el_carve_ints(v, c->n_routed_experts + 1, 1);
    a->place = el_carve_ints(v, rows, c->num_experts_per_tok);
    a->source = el_carve_ints(v, pairs, 1);
    a->ex_x = el_carve_floats(v, pairs, c->hidden_size);
    a->ex_gate = el_carve_floats(v, pairs, width);
    a->ex_up = el_carve_floats(v, pairs, width);
    a->ex_act = el_carve_floats(v, pairs, width);
    a->ex_y = el_carve_floats(v, pairs, c->hidden_size);
}

/* A layer's own buffers, dense or MoE. `x` is placed apart since it is shared with the layer
 * before. */
static void place_layer(struct el_carve *v, struct el_layer_acts *a, const struct el_config *c,
                        int rows, int layer)
{
    int moe = el_config_layer_is_moe(c, layer);
    place_attention(v, a, c, rows);
    place_indexer(v, a, c, rows);
    place_ffn(v, a, c, rows, moe);
    if (moe)
        place_experts(v, a, c, rows);
}

/* When layers share buffers, dense layers share with dense ones and MoE with MoE ones: their FFN
 * widths differ. */
static void place_all(struct el_carve *v, struct el_acts *a, const struct el_config *c)
{
    int rows = a->max_rows, first[2] = {-1, -1};
    int keep = a->keep == EL_ACTS_KEEP;
    float *shared_x = keep ? NULL : el_carve_floats(v, rows, c->hidden_size);
    for (int l = 0; l < a->layers; l++) {
        struct el_layer_acts *la = &a->layer[l];
        int moe = el_config_layer_is_moe(c, l);
        if (keep || first[moe] < 0) {
            place_layer(v, la, c, rows, l);
            first[moe] = l;
        } else {
            *la = a->layer[first[moe]];
            if (moe) /* routing traces read every layer's choice after the pass */
                la->chosen = el_carve_ints(v, rows, c->num_experts_per_tok);
            if (a->keep == EL_ACTS_SHARE_SELECT)
                la->selected = el_carve_ints(v, rows, c->index_topk);
        }
        la->mass = keep ? el_carve_floats(v, rows, c->index_topk) : NULL;
        la->x = keep ? el_carve_floats(v, rows, c->hidden_size) : shared_x;
    }
    a->x_out = keep ? el_carve_floats(v, rows, c->hidden_size) : shared_x;
    a->final = el_carve_floats(v, rows, c->hidden_size);
    a->final_rstd = el_carve_floats(v, rows, 1);
    a->scratch = el_carve_floats(v, rows, c->index_n_heads > 0 ? c->index_n_heads : 1);
}

int el_acts_init(struct el_acts *a, const struct el_config *c, struct el_device *d, int max_rows,
                 int keep, struct el_error *err)
{
    *a = (struct el_acts){
        .device = d, .max_rows = max_rows, .layers = c->num_hidden_layers, .keep = keep};
    if ((int64_t)max_rows * c->num_experts_per_tok > INT_MAX)
        return el_error_set(err, EL_ELIMIT,
                            "%d rows of %d experts each: at most 2^31 - 1 pairs can be counted",
                            max_rows, c->num_experts_per_tok);
    a->layer = el_alloc_array((size_t)a->layers, sizeof *a->layer);
    if (!a->layer)
        return el_error_set(err, EL_ENOMEM, "out of memory for activations");
    struct el_carve v = {0};
    place_all(&v, a, c);
    a->bytes = v.used;
    a->block = el_device_alloc(d, a->bytes);
    if (!a->block) {
        size_t bytes = a->bytes;
        el_acts_release(a);
        return el_error_set(err, EL_ENOMEM,
                            "out of memory for the activations of %d rows (%zu bytes)", max_rows,
                            bytes);
    }
    v = (struct el_carve){.base = a->block};
    place_all(&v, a, c);
    return 0;
}

void el_acts_release(struct el_acts *a)
{
    if (a->block)
        el_device_release(a->device, a->block);
    el_free(a->layer);
    memset(a, 0, sizeof *a);
}
