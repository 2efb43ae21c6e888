#include "core/model/layout.h"

#include "core/base/alloc.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { pad_floats = 16 };

/* One pass of the walk below either counts (tensors is NULL) or fills. */
struct walk {
    const struct el_config *c;
    struct el_tensor_info *tensors;
    int n;
    int64_t offset, parameters;
    int layer;  /* of the view, -1 outside the layers */
    int number; /* of the layer in names */
};

static void put(struct walk *w, int flags, int dims, int64_t rows, int64_t columns,
                const char *suffix)
{
    int64_t count = rows * columns;
    if (w->tensors) {
        struct el_tensor_info *t = &w->tensors[w->n];
        *t = (struct el_tensor_info){.dims = dims,
                                     .shape = {rows, dims == 2 ? columns : 0},
                                     .offset = w->offset,
                                     .count = count,
                                     .flags = flags | (dims == 2 ? EL_TENSOR_DECAY : 0),
                                     .layer = w->layer};
        if (w->layer < 0)
            snprintf(t->name, sizeof t->name, "%s", suffix);
        else
            snprintf(t->name, sizeof t->name, "model.layers.%d.%s", w->number, suffix);
    }
    w->n++;
    w->offset += count;
    w->parameters += count;
}

static void pad(struct walk *w)
{
    w->offset = (w->offset + pad_floats - 1) / pad_floats * pad_floats;
}

static void matrix(struct walk *w, int flags, int64_t rows, int64_t columns, const char *suffix)
{
    put(w, flags, 2, rows, columns, suffix);
    pad(w);
}

static void vector(struct walk *w, int flags, int64_t n, const char *suffix)
{
    put(w, flags, 1, n, 1, suffix);
    pad(w);
}

/* The experts of one projection follow each other without padding: together they are the stack
 * that grouped matrix products read. */
static void expert_stack(struct walk *w, int flags, int64_t rows, int64_t columns,
                         const char *projection)
{
    char suffix[64];
    for (int e = 0; e < w->c->n_routed_experts; e++) {
        snprintf(suffix, sizeof suffix, "mlp.experts.%d.%s.weight", e, projection);
        put(w, flags, 2, rows, columns, suffix);
    }
    pad(w);
}

static void walk_attention(struct walk *w)
{
    const struct el_config *c = w->c;
    int64_t C = c->hidden_size, H = c->num_attention_heads;
    vector(w, EL_TENSOR_ONES, C, "input_layernorm.weight");
    matrix(w, 0, c->q_lora_rank, C, "self_attn.q_a_proj.weight");
    vector(w, EL_TENSOR_ONES, c->q_lora_rank, "self_attn.q_a_layernorm.weight");
    matrix(w, 0, H * (c->qk_nope_head_dim + c->qk_rope_head_dim), c->q_lora_rank,
           "self_attn.q_b_proj.weight");
    matrix(w, 0, c->kv_lora_rank + c->qk_rope_head_dim, C, "self_attn.kv_a_proj_with_mqa.weight");
    vector(w, EL_TENSOR_ONES, c->kv_lora_rank, "self_attn.kv_a_layernorm.weight");
    matrix(w, 0, H * (c->qk_nope_head_dim + c->v_head_dim), c->kv_lora_rank,
           "self_attn.kv_b_proj.weight");
    matrix(w, EL_TENSOR_OUT, C, H * c->v_head_dim, "self_attn.o_proj.weight");
}

static void walk_indexer(struct walk *w)
{
    const struct el_config *c = w->c;
    int64_t D = c->index_head_dim;
    int f = EL_TENSOR_INDEXER;
    matrix(w, f, c->index_n_heads * D, c->q_lora_rank, "self_attn.indexer.wq_b.weight");
    matrix(w, f, D, c->hidden_size, "self_attn.indexer.wk.weight");
    vector(w, f | EL_TENSOR_ONES, D, "self_attn.indexer.k_norm.weight");
    vector(w, f | EL_TENSOR_ZEROS, D, "self_attn.indexer.k_norm.bias");
    matrix(w, f, c->index_n_heads, c->hidden_size, "self_attn.indexer.weights_proj.weight");
}

static void walk_dense_ffn(struct walk *w)
{
    int64_t C = w->c->hidden_size, I = w->c->intermediate_size;
    matrix(w, 0, I, C, "mlp.gate_proj.weight");
    matrix(w, 0, I, C, "mlp.up_proj.weight");
    matrix(w, EL_TENSOR_OUT, C, I, "mlp.down_proj.weight");
}

static void walk_moe(struct walk *w)
{
    const struct el_config *c = w->c;
    int64_t C = c->hidden_size, I = c->moe_intermediate_size, S = I * c->n_shared_experts;
    matrix(w, 0, c->n_routed_experts, C, "mlp.gate.weight");
    vector(w, EL_TENSOR_NO_GRAD | EL_TENSOR_F32 | EL_TENSOR_ZEROS, c->n_routed_experts,
           "mlp.gate.e_score_correction_bias");
    expert_stack(w, 0, I, C, "gate_proj");
    expert_stack(w, 0, I, C, "up_proj");
    expert_stack(w, EL_TENSOR_OUT, C, I, "down_proj");
    if (S == 0)
        return;
    matrix(w, 0, S, C, "mlp.shared_experts.gate_proj.weight");
    matrix(w, 0, S, C, "mlp.shared_experts.up_proj.weight");
    matrix(w, EL_TENSOR_OUT, C, S, "mlp.shared_experts.down_proj.weight");
}

static void walk_layer(struct walk *w)
{
    walk_attention(w);
    walk_indexer(w);
    vector(w, EL_TENSOR_ONES, w->c->hidden_size, "post_attention_layernorm.weight");
    if (el_config_layer_is_moe(w->c, w->number))
        walk_moe(w);
    else
        walk_dense_ffn(w);
}

static void walk_model(struct walk *w)
{
    const struct el_config *c = w->c;
    w->layer = -1;
    matrix(w, 0, c->vocab_size, c->hidden_size, "model.embed_tokens.weight");
    for (w->layer = 0; w->layer < c->num_hidden_layers; w->layer++) {
        w->number = w->layer;
        walk_layer(w);
    }
    w->layer = -1;
    vector(w, EL_TENSOR_ONES, c->hidden_size, "model.norm.weight");
    if (!c->tie_word_embeddings)
        matrix(w, 0, c->vocab_size, c->hidden_size, "lm_head.weight");
}

static void walk_mtp(struct walk *w)
{
    int64_t C = w->c->hidden_size, V = w->c->vocab_size;
    matrix(w, 0, V, C, "embed_tokens.weight");
    vector(w, EL_TENSOR_ONES, C, "enorm.weight");
    vector(w, EL_TENSOR_ONES, C, "hnorm.weight");
    matrix(w, 0, C, 2 * C, "eh_proj.weight");
    walk_layer(w);
    vector(w, EL_TENSOR_ONES, C, "shared_head.norm.weight");
    matrix(w, 0, V, C, "shared_head.head.weight");
}

static int fill_layout(struct el_layout *l, struct walk w, void (*walk)(struct walk *),
                       struct el_error *err)
{
    struct walk start = w;
    walk(&w);
    l->tensors = el_alloc_array((size_t)w.n, sizeof *l->tensors);
    if (!l->tensors)
        return el_error_set(err, EL_ENOMEM, "out of memory for the list of %d tensors", w.n);
    w = start;
    w.tensors = l->tensors;
    walk(&w);
    l->n = w.n;
    l->total = w.offset;
    l->parameters = w.parameters;
    return 0;
}

int el_layout_init(struct el_layout *l, const struct el_config *c, struct el_error *err)
{
    *l = (struct el_layout){0};
    int rc = el_config_validate(c, "model configuration", err);
    return rc < 0 ? rc : fill_layout(l, (struct walk){.c = c}, walk_model, err);
}

int el_layout_init_mtp(struct el_layout *l, const struct el_config *c, int index,
                       struct el_error *err)
{
    struct walk w = {.c = c, .number = c->num_hidden_layers + index};
    *l = (struct el_layout){0};
    int rc = el_config_validate(c, "model configuration", err);
    return rc < 0 ? rc : fill_layout(l, w, walk_mtp, err);
}

void el_layout_release(struct el_layout *l)
{
    el_free(l->tensors);
    *l = (struct el_layout){0};
}

int el_layout_find(const struct el_layout *l, const char *name)
{
    for (int i = 0; i < l->n; i++)
        if (strcmp(l->tensors[i].name, name) == 0)
            return i;
    return EL_ENOTFOUND;
}

/* Which pointer of a view a tensor of a layer fills. Of a stack, expert 0 gives the pointer. */
static const struct slot {
    const char *suffix;
    size_t field;
} layer_slots[] = {
    {"input_layernorm.weight", offsetof(struct el_layer_view, input_norm)},
    {"post_attention_layernorm.weight", offsetof(struct el_layer_view, post_norm)},
    {"self_attn.q_a_proj.weight", offsetof(struct el_layer_view, q_a)},
    {"self_attn.q_a_layernorm.weight", offsetof(struct el_layer_view, q_a_norm)},
    {"self_attn.q_b_proj.weight", offsetof(struct el_layer_view, q_b)},
    {"self_attn.kv_a_proj_with_mqa.weight", offsetof(struct el_layer_view, kv_a)},
    {"self_attn.kv_a_layernorm.weight", offsetof(struct el_layer_view, kv_a_norm)},
    {"self_attn.kv_b_proj.weight", offsetof(struct el_layer_view, kv_b)},
    {"self_attn.o_proj.weight", offsetof(struct el_layer_view, o)},
    {"self_attn.indexer.wq_b.weight", offsetof(struct el_layer_view, ix_q)},
    {"self_attn.indexer.wk.weight", offsetof(struct el_layer_view, ix_k)},
    {"self_attn.indexer.k_norm.weight", offsetof(struct el_layer_view, ix_k_norm_w)},
    {"self_attn.indexer.k_norm.bias", offsetof(struct el_layer_view, ix_k_norm_b)},
    {"self_attn.indexer.weights_proj.weight", offsetof(struct el_layer_view, ix_w)},
    {"mlp.gate_proj.weight", offsetof(struct el_layer_view, gate)},
    {"mlp.up_proj.weight", offsetof(struct el_layer_view, up)},
    {"mlp.down_proj.weight", offsetof(struct el_layer_view, down)},
    {"mlp.shared_experts.gate_proj.weight", offsetof(struct el_layer_view, gate)},
    {"mlp.shared_experts.up_proj.weight", offsetof(struct el_layer_view, up)},
    {"mlp.shared_experts.down_proj.weight", offsetof(struct el_layer_view, down)},
    {"mlp.gate.weight", offsetof(struct el_layer_view, router)},
    {"mlp.gate.e_score_correction_bias", offsetof(struct el_layer_view, router_bias)},
    {"mlp.experts.0.gate_proj.weight", offsetof(struct el_layer_view, ex_gate)},
    {"mlp.experts.0.up_proj.weight", offsetof(struct el_layer_view, ex_up)},
    {"mlp.experts.0.down_proj.weight", offsetof(struct el_layer_view, ex_down)},
};

/* The name without "model.layers.N.". */
static const char *suffix_of(const struct el_tensor_info *t)
{
    return strchr(t->name + strlen("model.layers."), '.') + 1;
}

static void set_layer_pointer(struct el_layer_view *v, const struct el_tensor_info *t, float *at)
{
    for (size_t i = 0; i < sizeof layer_slots / sizeof *layer_slots; i++)
        if (strcmp(suffix_of(t), layer_slots[i].suffix) == 0)
            memcpy((char *)v + layer_slots[i].field, &at, sizeof at);
}

/* The tensors that only MTP layers have. */
static int set_mtp_pointer(struct el_view *v, const struct el_tensor_info *t, float *at)
{
    const struct {
        const char *suffix;
        float **field;
    } slots[] = {
        {"embed_tokens.weight", &v->embed},    {"enorm.weight", &v->enorm},
        {"hnorm.weight", &v->hnorm},           {"eh_proj.weight", &v->eh_proj},
        {"shared_head.norm.weight", &v->norm}, {"shared_head.head.weight", &v->lm_head},
    };
    for (size_t i = 0; i < sizeof slots / sizeof *slots; i++)
        if (strcmp(suffix_of(t), slots[i].suffix) == 0) {
            *slots[i].field = at;
            return 1;
        }
    return 0;
}

static void set_pointer(struct el_view *v, const struct el_tensor_info *t, float *at)
{
    if (t->layer >= 0 && set_mtp_pointer(v, t, at))
        return;
    if (t->layer >= 0)
        set_layer_pointer(&v->layers[t->layer], t, at);
    else if (strcmp(t->name, "model.embed_tokens.weight") == 0)
        v->embed = at;
    else if (strcmp(t->name, "model.norm.weight") == 0)
        v->norm = at;
    else
        v->lm_head = at;
}

int el_view_init(struct el_view *v, const struct el_layout *l, const struct el_config *c,
                 float *base, struct el_error *err)
{
    *v = (struct el_view){0};
    v->layers = el_alloc_array((size_t)c->num_hidden_layers, sizeof *v->layers);
    if (!v->layers)
        return el_error_set(err, EL_ENOMEM, "out of memory for the view of %d layers",
                            c->num_hidden_layers);
    for (int i = 0; i < l->n; i++)
        set_pointer(v, &l->tensors[i], base + l->tensors[i].offset);
    if (c->tie_word_embeddings)
        v->lm_head = v->embed;
    return 0;
}

void el_view_release(struct el_view *v)
{
    el_free(v->layers);
    *v = (struct el_view){0};
}
