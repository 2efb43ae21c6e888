#include "core/base/alloc.h"
#include "core/model/estimate.h"
#include "core/model/layout.h"
#include "tests/model/config_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static const struct el_tensor_info *tensor(const struct el_layout *l, const char *name)
{
    int i = el_layout_find(l, name);
    if (i < 0)
        fail_msg("no tensor %s", name);
    return &l->tensors[i];
}

static void expect(const struct el_layout *l, const char *name, int64_t rows, int64_t columns,
                   int flags)
{
    const struct el_tensor_info *t = tensor(l, name);
    assert_int_equal(t->dims, columns ? 2 : 1);
    assert_int_equal(t->shape[0], rows);
    assert_int_equal(t->shape[1], columns);
    assert_int_equal(t->count, rows * (columns ? columns : 1));
    assert_int_equal(t->flags, flags | (columns ? EL_TENSOR_DECAY : 0));
}

static void shapes_of_the_671b_model(void **state)
{
    (void)state;
    struct el_config c = big_config();
    struct el_layout l;
    assert_int_equal(el_layout_init(&l, &c, NULL), 0);
#define A "model.layers.7.self_attn."
#define M "model.layers.7.mlp."
    expect(&l, "model.embed_tokens.weight", 129280, 7168, 0);
    expect(&l, "lm_head.weight", 129280, 7168, 0);
    expect(&l, "model.norm.weight", 7168, 0, EL_TENSOR_ONES);
    expect(&l, "model.layers.7.input_layernorm.weight", 7168, 0, EL_TENSOR_ONES);
    expect(&l, "model.layers.7.post_attention_layernorm.weight", 7168, 0, EL_TENSOR_ONES);
    expect(&l, A "q_a_proj.weight", 1536, 7168, 0);
    expect(&l, A "q_a_layernorm.weight", 1536, 0, EL_TENSOR_ONES);
    expect(&l, A "q_b_proj.weight", 24576, 1536, 0);
    expect(&l, A "kv_a_proj_with_mqa.weight", 576, 7168, 0);
    expect(&l, A "kv_a_layernorm.weight", 512, 0, EL_TENSOR_ONES);
    expect(&l, A "kv_b_proj.weight", 32768, 512, 0);
    expect(&l, A "o_proj.weight", 7168, 16384, EL_TENSOR_OUT);
    expect(&l, A "indexer.wq_b.weight", 8192, 1536, EL_TENSOR_INDEXER);
    expect(&l, A "indexer.wk.weight", 128, 7168, EL_TENSOR_INDEXER);
    expect(&l, A "indexer.k_norm.weight", 128, 0, EL_TENSOR_INDEXER | EL_TENSOR_ONES);
    expect(&l, A "indexer.k_norm.bias", 128, 0, EL_TENSOR_INDEXER | EL_TENSOR_ZEROS);
    expect(&l, A "indexer.weights_proj.weight", 64, 7168, EL_TENSOR_INDEXER);
    expect(&l, M "gate.weight", 256, 7168, 0);
    expect(&l, M "gate.e_score_correction_bias", 256, 0,
           EL_TENSOR_NO_GRAD | EL_TENSOR_F32 | EL_TENSOR_ZEROS);
    expect(&l, M "experts.255.gate_proj.weight", 2048, 7168, 0);
    expect(&l, M "experts.255.up_proj.weight", 2048, 7168, 0);
    expect(&l, M "experts.0.down_proj.weight", 7168, 2048, EL_TENSOR_OUT);
    expect(&l, M "shared_experts.up_proj.weight", 2048, 7168, 0);
    expect(&l, "model.layers.2.mlp.gate_proj.weight", 18432, 7168, 0);
    expect(&l, "model.layers.2.mlp.down_proj.weight", 7168, 18432, EL_TENSOR_OUT);
    assert_int_equal(el_layout_find(&l, "model.layers.2.mlp.gate.weight"), EL_ENOTFOUND);
    assert_int_equal(el_layout_find(&l, "model.layers.61.mlp.gate.weight"), EL_ENOTFOUND);
    el_layout_release(&l);
}

static void offsets_are_packed(void **state)
{
    (void)state;
    struct el_config c = small_config();
    struct el_layout l;
    assert_int_equal(el_layout_init(&l, &c, NULL), 0);
    int64_t end = 0, parameters = 0;
    for (int i = 0; i < l.n; i++) {
        const struct el_tensor_info *t = &l.tensors[i];
        int stacked = strstr(t->name, ".experts.") && !strstr(t->name, ".experts.0.");
        assert_true(t->offset >= end && t->offset - end < 16);
        assert_true(stacked ? t->offset == end : t->offset % 16 == 0);
        assert_int_equal(el_layout_find(&l, t->name), i);
        end = t->offset + t->count;
        parameters += t->count;
    }
    assert_int_equal(l.total, (end + 15) / 16 * 16);
    assert_int_equal(l.parameters, parameters);
    el_layout_release(&l);
}

static void experts_are_one_stack(void **state)
{
    (void)state;
    struct el_config c = small_config();
    struct el_layout l;
    assert_int_equal(el_layout_init(&l, &c, NULL), 0);
    const struct el_tensor_info *first = tensor(&l, "model.layers.1.mlp.experts.0.up_proj.weight");
    const struct el_tensor_info *third = tensor(&l, "model.layers.1.mlp.experts.3.up_proj.weight");
    assert_int_equal(third->offset - first->offset, 3 * 9 * 14);
    el_layout_release(&l);
}

static float *at(float *base, const struct el_layout *l, const char *name)
{
    return base + tensor(l, name)->offset;
}

static void views_point_at_their_tensors(void **state)
{
    (void)state;
    struct el_config c = small_config();
    struct el_layout l;
    struct el_view v;
    assert_int_equal(el_layout_init(&l, &c, NULL), 0);
    float *base = el_alloc_array((size_t)l.total, sizeof *base);
    assert_int_equal(el_view_init(&v, &l, &c, base, NULL), 0);
    const struct el_layer_view *d = &v.layers[0], *m = &v.layers[2];
#define P0 "model.layers.0."
#define P2 "model.layers.2."
    assert_ptr_equal(v.embed, at(base, &l, "model.embed_tokens.weight"));
    assert_ptr_equal(v.norm, at(base, &l, "model.norm.weight"));
    assert_ptr_equal(v.lm_head, at(base, &l, "lm_head.weight"));
    assert_ptr_equal(d->input_norm, at(base, &l, P0 "input_layernorm.weight"));
    assert_ptr_equal(d->post_norm, at(base, &l, P0 "post_attention_layernorm.weight"));
    assert_ptr_equal(d->gate, at(base, &l, P0 "mlp.gate_proj.weight"));
    assert_ptr_equal(d->up, at(base, &l, P0 "mlp.up_proj.weight"));
    assert_ptr_equal(d->down, at(base, &l, P0 "mlp.down_proj.weight"));
    assert_null(d->router);
    assert_null(d->ex_gate);
    assert_ptr_equal(m->q_a, at(base, &l, P2 "self_attn.q_a_proj.weight"));
    assert_ptr_equal(m->q_a_norm, at(base, &l, P2 "self_attn.q_a_layernorm.weight"));
    assert_ptr_equal(m->q_b, at(base, &l, P2 "self_attn.q_b_proj.weight"));
    assert_ptr_equal(m->kv_a, at(base, &l, P2 "self_attn.kv_a_proj_with_mqa.weight"));
    assert_ptr_equal(m->kv_a_norm, at(base, &l, P2 "self_attn.kv_a_layernorm.weight"));
    assert_ptr_equal(m->kv_b, at(base, &l, P2 "self_attn.kv_b_proj.weight"));
    assert_ptr_equal(m->o, at(base, &l, P2 "self_attn.o_proj.weight"));
    assert_ptr_equal(m->ix_q, at(base, &l, P2 "self_attn.indexer.wq_b.weight"));
    assert_ptr_equal(m->ix_k, at(base, &l, P2 "self_attn.indexer.wk.weight"));
    assert_ptr_equal(m->ix_k_norm_w, at(base, &l, P2 "self_attn.indexer.k_norm.weight"));
    assert_ptr_equal(m->ix_k_norm_b, at(base, &l, P2 "self_attn.indexer.k_norm.bias"));
    assert_ptr_equal(m->ix_w, at(base, &l, P2 "self_attn.indexer.weights_proj.weight"));
    assert_ptr_equal(m->router, at(base, &l, P2 "mlp.gate.weight"));
    assert_ptr_equal(m->router_bias, at(base, &l, P2 "mlp.gate.e_score_correction_bias"));
    assert_ptr_equal(m->gate, at(base, &l, P2 "mlp.shared_experts.gate_proj.weight"));
    assert_ptr_equal(m->up, at(base, &l, P2 "mlp.shared_experts.up_proj.weight"));
    assert_ptr_equal(m->down, at(base, &l, P2 "mlp.shared_experts.down_proj.weight"));
    assert_ptr_equal(m->ex_gate, at(base, &l, P2 "mlp.experts.0.gate_proj.weight"));
    assert_ptr_equal(m->ex_up, at(base, &l, P2 "mlp.experts.0.up_proj.weight"));
    assert_ptr_equal(m->ex_down, at(base, &l, P2 "mlp.experts.0.down_proj.weight"));
    el_view_release(&v);
    el_free(base);
    el_layout_release(&l);
}

static void tied_embeddings_and_no_shared_experts(void **state)
{
    (void)state;
    struct el_config c = small_config();
    struct el_layout l;
    struct el_view v;
    float base[1];
    c.tie_word_embeddings = 1;
    c.n_shared_experts = 0;
    assert_int_equal(el_layout_init(&l, &c, NULL), 0);
    assert_int_equal(el_layout_find(&l, "lm_head.weight"), EL_ENOTFOUND);
    assert_int_equal(el_view_init(&v, &l, &c, base, NULL), 0);
    assert_ptr_equal(v.lm_head, v.embed);
    assert_null(v.layers[2].gate);
    assert_non_null(v.layers[0].gate);
    el_view_release(&v);
    el_layout_release(&l);
}

static void an_impossible_configuration_is_refused(void **state)
{
    (void)state;
    struct el_config c = small_config();
    struct el_layout l;
    struct el_error err = {0};
    c.n_group = 3;
    assert_int_equal(el_layout_init(&l, &c, &err), EL_EFORMAT);
    assert_non_null(strstr(err.msg, "n_group"));
}

static void allocation_failures(void **state)
{
    (void)state;
    struct el_config c = small_config();
    struct el_layout l;
    struct el_view v;
    el_alloc_fail_after(1);
    assert_int_equal(el_layout_init(&l, &c, NULL), EL_ENOMEM);
    el_alloc_fail_after(2);
    assert_int_equal(el_layout_init(&l, &c, NULL), 0);
    assert_int_equal(el_view_init(&v, &l, &c, NULL, NULL), EL_ENOMEM);
    el_alloc_fail_after(0);
    el_layout_release(&l);
}

static void parameters_of_the_671b_model(void **state)
{
    (void)state;
    struct el_config c = big_config();
    struct el_estimate e;
    assert_int_equal(el_estimate_init(&e, &c, 163840, 1, NULL), 0);
    assert_int_equal((e.parameters + 5000000) / 10000000, 67188); /* 671.88e9 */
    assert_int_equal((e.parameters - e.indexer_parameters + 5000000) / 10000000, 67103);
    assert_int_equal((e.parameters + e.mtp_parameters + 5000000) / 10000000, 68536);
    /* 248 of the 256 routed experts of 58 layers are left out for one token */
    assert_int_equal(e.parameters - e.active_parameters, 58LL * 248 * 3 * 2048 * 7168);
    assert_int_equal(e.dense, 0);
}

/* Blocks of the scales: 576 rows are 5 of them. */
enum {
    attention_blocks = 12 * 56 + 192 * 12 + 5 * 56 + 256 * 4 + 56 * 128,
    indexer_blocks = 64 * 12 + 1 * 56,
    dense_blocks = 3 * 144 * 56,
    moe_blocks = 257 * 3 * 16 * 56,
};

static void weights_of_the_671b_model(void **state)
{
    (void)state;
    struct el_config c = big_config();
    struct el_estimate e;
    assert_int_equal(el_estimate_init(&e, &c, 163840, 1, NULL), 0);
    int64_t C = 7168, V = 129280, bias = 58 * 256;
    int64_t layer = 1536 * C + 24576 * 1536 + 576 * C + 32768 * 512 + C * 16384 + 8192 * 1536 +
                    128 * C; /* the matrices of attention and indexer that are FP8 */
    int64_t expert = 3 * 2048 * C, dense = 3 * 18432 * C;
    int64_t fp8 = 61 * layer + 3 * dense + 58 * 257 * expert;
    int64_t scales = 61 * (attention_blocks + indexer_blocks) + 3 * dense_blocks + 58 * moe_blocks;
    assert_true(e.weight_bytes[EL_FORM_F32] >= e.parameters * 4);
    assert_true(e.weight_bytes[EL_FORM_F32] < e.parameters * 4 + 61 * 1000);
    assert_int_equal(e.weight_bytes[EL_FORM_BF16], e.parameters * 2 + bias * 2);
    assert_int_equal(e.weight_bytes[EL_FORM_FP8],
                     fp8 + 4 * scales + 2 * (e.parameters - fp8) + bias * 2);
    int64_t mtp = layer + 257 * expert; /* FP8 in the MTP layer */
    assert_int_equal(e.mtp_bytes[EL_FORM_F32], e.mtp_parameters * 4);
    assert_int_equal(e.mtp_bytes[EL_FORM_BF16], e.mtp_parameters * 2 + 256 * 2);
    assert_int_equal(e.mtp_bytes[EL_FORM_FP8],
                     mtp + 4 * (attention_blocks + indexer_blocks + moe_blocks) +
                         2 * (e.mtp_parameters - mtp) + 256 * 2);
    assert_true(e.mtp_parameters - mtp > 2 * V * C);
}

static void cache_of_the_671b_model(void **state)
{
    (void)state;
    static const int64_t kv[EL_FORMS] = {2304, 1152, 656}, index[EL_FORMS] = {512, 256, 132};
    struct el_config c = big_config();
    struct el_estimate e;
    assert_int_equal(el_estimate_init(&e, &c, 131072, 2, NULL), 0);
    assert_int_equal(e.layers, 61);
    assert_int_equal(e.rope_bytes, 163840LL * 64 * 4);
    for (int form = 0; form < EL_FORMS; form++) {
        assert_int_equal(e.kv_bytes[form], kv[form]);
        assert_int_equal(e.index_bytes[form], index[form]);
        assert_int_equal(e.token_bytes[form], 61 * (kv[form] + index[form]));
        assert_int_equal(e.cache_bytes[form], 2 * 131072 * e.token_bytes[form]);
        assert_int_equal(e.total_bytes[form],
                         e.weight_bytes[form] + e.cache_bytes[form] + e.rope_bytes);
    }
}

/* The configuration's own blocks count, and ragged sides round up. */
static void blocks_of_the_scales(void **state)
{
    (void)state;
    struct el_config c = small_config(), other = c;
    struct el_estimate plain, fp8;
    other.fp8 = 1;
    other.fp8_format = (struct el_fp8_format){.block_rows = 4, .block_columns = 1 << 20};
    assert_int_equal(el_estimate_init(&plain, &c, 8, 1, NULL), 0);
    assert_int_equal(el_estimate_init(&fp8, &other, 8, 1, NULL), 0);
    /* rows of the FP8 matrices divided by 4; with 128 x 128 each of them is one block */
    int64_t attention = 3 + 8 + 3 + 9 + 4, indexer = 4 + 2, dense = 6 + 6 + 4;
    int64_t moe = 4 * (3 + 3 + 4) + 5 + 5 + 4;
    int64_t blocks = 3 * (attention + indexer) + dense + 2 * moe;
    int64_t matrices = 3 * (5 + 2) + 3 + 2 * (4 * 3 + 3);
    assert_int_equal(fp8.weight_bytes[EL_FORM_FP8] - plain.weight_bytes[EL_FORM_FP8],
                     4 * (blocks - matrices));
    assert_int_equal(fp8.weight_bytes[EL_FORM_BF16], plain.weight_bytes[EL_FORM_BF16]);
}

static void the_mode_depends_on_the_context(void **state)
{
    (void)state;
    struct el_config c = big_config();
    struct el_estimate e;
    assert_int_equal(el_estimate_init(&e, &c, 2048, 3, NULL), 0);
    assert_int_equal(e.dense, 1);
    assert_string_equal(el_estimate_attention(&e), "dense");
    assert_int_equal(e.cache_bytes[EL_FORM_F32], 3LL * 2048 * 61 * 704 * 4);
    assert_int_equal(el_estimate_init(&e, &c, 2049, 1, NULL), 0);
    assert_int_equal(e.dense, 0);
}

static void estimates_of_nonsense_are_refused(void **state)
{
    (void)state;
    struct el_config c = big_config();
    struct el_estimate e;
    assert_int_equal(el_estimate_init(&e, &c, 0, 1, NULL), EL_EINVAL);
    assert_int_equal(el_estimate_init(&e, &c, 163841, 1, NULL), EL_EINVAL);
    assert_int_equal(el_estimate_init(&e, &c, 1, 0, NULL), EL_EINVAL);
    struct el_error err = {0};
    c = small_config();
    c.hidden_size = c.vocab_size = c.num_nextn_predict_layers = 1 << 20;
    assert_int_equal(el_estimate_init(&e, &c, 1, 1, &err), EL_ELIMIT);
    assert_non_null(strstr(err.msg, "MTP layers"));
    c = small_config();
    c.max_position_embeddings = 1 << 20;
    c.kv_lora_rank = 1 << 20;
    assert_int_equal(el_estimate_init(&e, &c, 1 << 20, 1 << 20, NULL), EL_ELIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes_of_the_671b_model),
        cmocka_unit_test(offsets_are_packed),
        cmocka_unit_test(experts_are_one_stack),
        cmocka_unit_test(views_point_at_their_tensors),
        cmocka_unit_test(tied_embeddings_and_no_shared_experts),
        cmocka_unit_test(an_impossible_configuration_is_refused),
        cmocka_unit_test(allocation_failures),
        cmocka_unit_test(parameters_of_the_671b_model),
        cmocka_unit_test(weights_of_the_671b_model),
        cmocka_unit_test(cache_of_the_671b_model),
        cmocka_unit_test(blocks_of_the_scales),
        cmocka_unit_test(the_mode_depends_on_the_context),
        cmocka_unit_test(estimates_of_nonsense_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
