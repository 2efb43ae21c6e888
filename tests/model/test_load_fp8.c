/* FP8 checkpoints: codes and scales become fp32 as their definition says, and whatever is wrong
 * with either is named. */
#include "core/base/alloc.h"
#include "core/base/io.h"
#include "core/model/form.h"
#include "tests/model/checkpoint.h"
#include "tests/model/config_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

/* Sides of 130 to 300, so that blocks of 128 leave ragged rests. */
static const char wide_json[] =
    "{\"vocab_size\":30,\"hidden_size\":200,\"intermediate_size\":300,"
    "\"moe_intermediate_size\":140,\"num_hidden_layers\":2,\"first_k_dense_replace\":1,"
    "\"num_attention_heads\":3,\"q_lora_rank\":130,\"kv_lora_rank\":134,"
    "\"qk_nope_head_dim\":60,\"qk_rope_head_dim\":4,\"v_head_dim\":50,\"n_routed_experts\":2,"
    "\"n_shared_experts\":1,\"num_experts_per_tok\":1,\"index_n_heads\":2,\"index_head_dim\":129,"
    "\"index_topk\":4,\"max_position_embeddings\":16,\"torch_dtype\":\"bfloat16\"}";

/* A model whose projections are FP8: each of them has a tensor of scales behind it. */
struct fp8 {
    struct list base;
    struct el_fp8_format format;
    struct el_st_tensor *t;
    int n;
    char (*names)[160]; /* of the scales */
    void **memory;      /* of codes and scales */
    int blocks;
};

static unsigned next_random(unsigned *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void *fp8_memory(struct fp8 *f, size_t bytes)
{
    return f->memory[f->blocks++] = el_alloc(bytes);
}

static void add_codes(struct fp8 *f, struct el_st_tensor plain, unsigned *random)
{
    size_t n = (size_t)(plain.shape[0] * plain.shape[1]);
    uint8_t *codes = fp8_memory(f, n);
    for (size_t i = 0; i < n; i++) {
        codes[i] = (uint8_t)next_random(random);
        if ((codes[i] & 0x7F) == 0x7F)
            codes[i] ^= 0x40;
    }
    plain.dtype = EL_F8_E4M3;
    plain.data = codes;
    f->t[f->n++] = plain;
}

static void add_scales(struct fp8 *f, unsigned *random)
{
    const struct el_st_tensor *codes = &f->t[f->n - 1];
    struct el_st_tensor s = {
        .name = f->names[f->n],
        .dtype = EL_F32,
        .dims = 2,
        .shape = {(codes->shape[0] + f->format.block_rows - 1) / f->format.block_rows,
                  (codes->shape[1] + f->format.block_columns - 1) / f->format.block_columns}};
    size_t n = (size_t)(s.shape[0] * s.shape[1]);
    float *scales = fp8_memory(f, n * sizeof *scales);
    for (size_t i = 0; i < n; i++)
        scales[i] = f->format.ue8m0 ? ldexpf(1, (int)(next_random(random) % 20) - 15)
                                    : (float)(1 + next_random(random) % 100000) * 1.7e-7f;
    snprintf(f->names[f->n], sizeof *f->names, "%s_scale_inv", codes->name);
    s.data = scales;
    f->t[f->n++] = s;
}

static struct fp8 fp8_of(const char *json, int block_rows, int block_columns, int ue8m0)
{
    struct el_config c;
    struct fp8 f = {.format = {block_rows, block_columns, ue8m0}};
    unsigned random = 7;
    assert_int_equal(el_config_parse("c", json, strlen(json), &c, NULL), 0);
    f.base = list_of(&c);
    f.t = el_alloc_array(2 * (size_t)f.base.n + 4, sizeof *f.t);
    f.names = el_alloc_array(2 * (size_t)f.base.n + 4, sizeof *f.names);
    f.memory = el_alloc_array(2 * (size_t)f.base.n, sizeof *f.memory);
    for (int i = 0; i < f.base.n; i++) {
        const struct el_st_tensor *t = &f.base.t[i];
        if (el_form_dtype(EL_FORM_FP8, t->name, t->dims) == EL_F8_E4M3) {
            add_codes(&f, *t, &random);
            add_scales(&f, &random);
        } else {
            f.t[f.n++] = *t;
        }
    }
    return f;
}

static void fp8_free(struct fp8 *f)
{
    for (int i = 0; i < f->blocks; i++)
        el_free(f->memory[i]);
    el_free(f->memory);
    el_free(f->names);
    el_free(f->t);
    list_free(&f->base);
}

static struct el_st_tensor *fp8_find(struct fp8 *f, const char *name)
{
    struct list l = {.t = f->t, .n = f->n};
    return list_find(&l, name);
}

static void fp8_write_config(const struct fp8 *f)
{
    char *plain = el_config_print(&f->base.w->config);
    struct el_buf b;
    el_buf_init(&b);
    plain[strlen(plain) - 2] = 0; /* without its last brace */
    el_buf_printf(&b,
                  "%s,\"quantization_config\":{\"quant_method\":\"fp8\",\"fmt\":\"e4m3\","
                  "\"weight_block_size\":[%d,%d]%s}}",
                  plain, f->format.block_rows, f->format.block_columns,
                  f->format.ue8m0 ? ",\"scale_fmt\":\"ue8m0\"" : "");
    assert_int_equal(el_file_write(path_in("config.json"), b.data, b.len, NULL), 0);
    el_buf_release(&b);
    el_free(plain);
}

static void fp8_write(const struct fp8 *f)
{
    fp8_write_config(f);
    assert_int_equal(el_safetensors_write(path_in("model.safetensors"), f->t, f->n, NULL, 0, NULL),
                     0);
}

/* The definition of a value: the code's bit fields times the scale of its block. */
static float value_of(const struct fp8 *f, const struct el_st_tensor *codes, int64_t r, int64_t c)
{
    uint8_t code = ((const uint8_t *)codes->data)[r * codes->shape[1] + c];
    const struct el_st_tensor *scales = codes + 1;
    float scale =
        ((const float *)scales
             ->data)[r / f->format.block_rows * scales->shape[1] + c / f->format.block_columns];
    int exponent = code >> 3 & 15, mantissa = code & 7;
    float x = exponent ? ldexpf(8 + (float)mantissa, exponent - 10) : ldexpf((float)mantissa, -9);
    return (code & 0x80 ? -x : x) * scale;
}

static int compare(const struct fp8 *f, const struct el_weights *w)
{
    int matrices = 0;
    for (int i = 0; i < f->n; i++) {
        const struct el_st_tensor *t = &f->t[i];
        int64_t n;
        if (strstr(t->name, "_scale_inv"))
            continue;
        const float *v = values(w, t->name, &n);
        if (t->dtype == EL_F32)
            assert_memory_equal(v, t->data, (size_t)n * sizeof *v);
        for (int64_t j = 0; t->dtype == EL_F8_E4M3 && j < n; j++)
            assert_true(v[j] == value_of(f, t, j / t->shape[1], j % t->shape[1]));
        matrices += t->dtype == EL_F8_E4M3;
    }
    return matrices;
}

static void codes_times_scales(void **state)
{
    (void)state;
    static const int blocks[][2] = {{128, 128}, {128, 1}, {1, 128}, {1, 1}, {7, 33}, {1000, 1000}};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        for (int ue8m0 = 0; ue8m0 < 2; ue8m0++) {
            struct fp8 f = fp8_of(wide_json, blocks[i][0], blocks[i][1], ue8m0);
            int skipped = -1;
            fp8_write(&f);
            struct el_weights *w = load(&skipped);
            assert_int_equal(skipped, 0);
            assert_int_equal(compare(&f, w), 2 * 7 + 3 + 3 + 2 * 3);
            assert_int_equal(w->config.fp8_format.block_columns, blocks[i][1]);
            el_weights_free(w);
            fp8_free(&f);
        }
    }
}

/* All 254 codes that are numbers, at every place of a row. */
static void every_code_is_decoded(void **state)
{
    (void)state;
    struct fp8 f = fp8_of(wide_json, 128, 128, 0);
    struct el_st_tensor *t = fp8_find(&f, "model.layers.0.self_attn.o_proj.weight");
    uint8_t *codes = (uint8_t *)t->data;
    for (int64_t i = 0; i < t->shape[0] * t->shape[1]; i++) {
        codes[i] = (uint8_t)(i % 255);
        if (codes[i] == 0x7F)
            codes[i] = 0;
    }
    fp8_write(&f);
    struct el_weights *w = load(NULL);
    compare(&f, w);
    el_weights_free(w);
    fp8_free(&f);
}

static void codes_that_are_no_number_are_named(void **state)
{
    (void)state;
    struct fp8 f = fp8_of(wide_json, 128, 128, 1);
    uint8_t *codes = (uint8_t *)fp8_find(&f, "model.layers.1.mlp.experts.1.up_proj.weight")->data;
    for (int sign = 0; sign < 2; sign++) {
        uint8_t old = codes[27999]; /* the last one of (140, 200) */
        codes[27999] = sign ? 0xFF : 0x7F;
        fp8_write(&f);
        expect_refusal(EL_ENUMERIC, "experts.1.up_proj.weight' holds");
        expect_refusal(EL_ENUMERIC, "nan at index 27999");
        codes[27999] = old;
    }
    fp8_write(&f);
    el_weights_free(load(NULL));
    fp8_free(&f);
}

/* 2^exponent, from -24 on, as it is stored. */
static void put_power(void *at, enum el_dtype type, int64_t i, int exponent)
{
    if (type == EL_F8_E8M0)
        ((uint8_t *)at)[i] = (uint8_t)(exponent + 127);
    else if (type == EL_BF16)
        ((uint16_t *)at)[i] = (uint16_t)((exponent + 127) << 7);
    else
        ((uint16_t *)at)[i] = (uint16_t)(exponent < -14 ? 1 << (exponent + 24) /* no leading 1 */
                                                        : (exponent + 15) << 10);
}

/* The scales of f in a narrower dtype, which holds them exactly, beside the old ones. */
static void narrow_scales(struct fp8 *f, enum el_dtype type, void **old)
{
    for (int i = 0; i < f->n; i++) {
        struct el_st_tensor *t = &f->t[i];
        int exponent;
        if (!strstr(t->name, "_scale_inv"))
            continue;
        old[i] = (void *)t->data;
        t->dtype = type;
        t->data = el_alloc_array((size_t)(t->shape[0] * t->shape[1]), sizeof(uint16_t));
        for (int64_t j = 0; j < t->shape[0] * t->shape[1]; j++) {
            assert_true(frexpf(((float *)old[i])[j], &exponent) == 0.5f);
            put_power((void *)t->data, type, j, exponent - 1);
        }
    }
}

static void widen_scales(struct fp8 *f, void **old)
{
    for (int i = 0; i < f->n; i++) {
        if (!strstr(f->t[i].name, "_scale_inv"))
            continue;
        el_free((void *)f->t[i].data);
        f->t[i].dtype = EL_F32;
        f->t[i].data = old[i];
    }
}

static void narrow_scales_are_widened(void **state)
{
    (void)state;
    static const enum el_dtype types[] = {EL_BF16, EL_F16, EL_F8_E8M0};
    static const int blocks[][2] = {{128, 128}, {7, 33}, {1, 1}};
    for (size_t i = 0; i < 9; i++) {
        struct fp8 f = fp8_of(wide_json, blocks[i / 3][0], blocks[i / 3][1], 1);
        void **old = el_alloc_array((size_t)f.n, sizeof *old);
        narrow_scales(&f, types[i % 3], old);
        fp8_write(&f);
        widen_scales(&f, old);
        struct el_weights *w = load(NULL);
        assert_int_equal(compare(&f, w), 2 * 7 + 3 + 3 + 2 * 3);
        el_weights_free(w);
        el_free(old);
        fp8_free(&f);
    }
}

#define Q_B "model.layers.1.self_attn.q_b_proj.weight" /* (192, 130): scales (2, 2) */

static void scales_must_be_numbers(void **state)
{
    (void)state;
    static const struct {
        float value;
        const char *says;
    } bad[] = {{NAN, "nan"}, {INFINITY, "inf at"}, {-INFINITY, "-inf"}, {-1, "-1 at"}};
    struct fp8 f = fp8_of(wide_json, 128, 128, 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        for (int at = 0; at < 4; at++) {
            float *scales = (float *)fp8_find(&f, Q_B "_scale_inv")->data, old = scales[at];
            char says[160];
            scales[at] = bad[i].value;
            fp8_write(&f);
            snprintf(says, sizeof says, "'" Q_B "_scale_inv' holds ");
            expect_refusal(EL_ENUMERIC, says);
            expect_refusal(EL_ENUMERIC, bad[i].says);
            snprintf(says, sizeof says, "at index %d, expected finite scales of 0 or more", at);
            expect_refusal(EL_ENUMERIC, says);
            scales[at] = old;
        }
    }
    float *scales = (float *)fp8_find(&f, Q_B "_scale_inv")->data;
    scales[3] = 3e38f;
    fp8_write(&f);
    expect_refusal(EL_ENUMERIC, "'" Q_B "' holds ");
    scales[3] = 0;
    fp8_write(&f);
    struct el_weights *w = load(NULL);
    compare(&f, w);
    el_weights_free(w);
    fp8_free(&f);
}

/* Writes the checkpoint with one tensor changed, and expects this message. */
static void expect_with(struct fp8 *f, struct el_st_tensor *t, struct el_st_tensor changed,
                        const char *says)
{
    struct el_st_tensor old = *t;
    *t = changed;
    fp8_write(f);
    *t = old;
    expect_refusal(EL_EFORMAT, says);
}

static void narrow_scales_must_be_numbers(void **state)
{
    (void)state;
    static const struct {
        enum el_dtype type;
        uint16_t bits;
        const char *says;
    } bad[] = {{EL_F8_E8M0, 255, "nan at index 1"},
               {EL_F16, 0x7C00, "inf at index 1"},
               {EL_BF16, 0xBF80, "-1 at index 1"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct fp8 f = fp8_of(wide_json, 128, 128, 1);
        void **old = el_alloc_array((size_t)f.n, sizeof *old);
        narrow_scales(&f, bad[i].type, old);
        void *at = (void *)fp8_find(&f, Q_B "_scale_inv")->data;
        if (bad[i].type == EL_F8_E8M0)
            ((uint8_t *)at)[1] = (uint8_t)bad[i].bits;
        else
            ((uint16_t *)at)[1] = bad[i].bits;
        fp8_write(&f);
        expect_refusal(EL_ENUMERIC, "'" Q_B "_scale_inv' holds ");
        expect_refusal(EL_ENUMERIC, bad[i].says);
        widen_scales(&f, old);
        el_free(old);
        fp8_free(&f);
    }
}

static void scales_must_fit_their_matrix(void **state)
{
    (void)state;
    struct fp8 f = fp8_of(wide_json, 128, 128, 0);
    struct el_st_tensor *t = fp8_find(&f, Q_B "_scale_inv"), changed = *t;
    changed.shape[0] = 1;
    expect_with(&f, t, changed, "'" Q_B "_scale_inv' has the shape [1,2], expected [2,2]");
    changed = *t, changed.shape[1] = 1;
    expect_with(&f, t, changed, "has the shape [2,1], expected [2,2]");
    changed = *t, changed.dims = 1, changed.shape[0] = 4;
    expect_with(&f, t, changed, "has the shape [4], expected [2,2]");
    changed = *t, changed.dtype = EL_U8;
    expect_with(&f, t, changed,
                "'" Q_B "_scale_inv' has the dtype U8, scales must be F32, BF16, F16 or F8_E8M0");
    changed = *t, changed.name = Q_B "_scale";
    expect_with(&f, t, changed, "'" Q_B "_scale_inv' is missing, expected shape [2, 2]");
    f.format.block_rows = 200; /* other blocks than the scales were made for */
    fp8_write(&f);
    expect_refusal(EL_EFORMAT, "expected [");
    f.format.block_rows = 128;

    t = fp8_find(&f, "model.norm.weight"), changed = *t;
    changed.dtype = EL_F8_E4M3;
    expect_with(&f, t, changed, "'model.norm.weight' is stored as F8_E4M3 and has 1 dimensions");
    fp8_free(&f);
}

static void scales_that_belong_to_nothing_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *name, *says;
    } cases[] = {
        {"model.embed_tokens.weight_scale_inv",
         "are scales, but 'model.embed_tokens.weight' is stored as F32"},
        {"model.norm.weight_scale_inv", "are scales, but 'model.norm.weight' is stored as F32"},
        {"model.layers.7.mlp.gate_proj.weight_scale_inv", "are scales of a tensor that is missing"},
        {"_scale_inv", "'_scale_inv' does not belong to the model"},
        {Q_B "_scale_inv_scale_inv", "are scales, but '" Q_B "_scale_inv' is stored as F32"},
    };
    struct fp8 f = fp8_of(wide_json, 128, 128, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        f.t[f.n++] = (struct el_st_tensor){.name = cases[i].name,
                                           .dtype = EL_F32,
                                           .dims = 2,
                                           .shape = {1, 1},
                                           .data = f.base.w->data};
        fp8_write(&f);
        f.n--;
        expect_refusal(EL_EFORMAT, cases[i].says);
        expect_refusal(EL_EFORMAT, cases[i].name);
    }
    fp8_free(&f);
}

static void fp8_needs_a_block_size(void **state)
{
    (void)state;
    struct fp8 f = fp8_of(wide_json, 128, 128, 0);
    fp8_write(&f);
    char *plain = el_config_print(&f.base.w->config);
    assert_int_equal(el_file_write(path_in("config.json"), plain, strlen(plain), NULL), 0);
    el_free(plain);
    expect_refusal(EL_EFORMAT, "q_a_proj.weight' is stored as F8_E4M3, but no quantization_config");
    fp8_free(&f);
}

/* MTP layers are passed over with their scales, in whatever state. */
static void scales_of_mtp_layers_are_passed_over(void **state)
{
    (void)state;
    struct fp8 f = fp8_of(small_json, 4, 5, 0); /* announces one MTP layer: layer 3 */
    int skipped;
    static const char *const names[] = {"model.layers.3.self_attn.o_proj.weight",
                                        "model.layers.3.self_attn.o_proj.weight_scale_inv"};
    for (int i = 0; i < 2; i++)
        f.t[f.n++] = (struct el_st_tensor){.name = names[i],
                                           .dtype = i ? EL_F32 : EL_F8_E4M3,
                                           .dims = 2,
                                           .shape = {1, 1},
                                           .data = f.base.w->data};
    fp8_write(&f);
    struct el_weights *w = load(&skipped);
    assert_int_equal(skipped, 2);
    f.n -= 2;
    compare(&f, w);
    el_weights_free(w);
    fp8_free(&f);
}

/* Scales may lie in another file than their codes. */
static void codes_and_scales_in_different_shards(void **state)
{
    (void)state;
    struct fp8 f = fp8_of(wide_json, 128, 128, 1);
    unlink(path_in("model.safetensors"));
    fp8_write_config(&f);
    for (int cut = 1; cut < f.n; cut += 7) {
        struct list l = {.t = f.t, .n = f.n};
        list_write_index(&l, cut, "a.safetensors", "b.safetensors");
        el_safetensors_write(path_in("a.safetensors"), f.t, cut, NULL, 0, NULL);
        el_safetensors_write(path_in("b.safetensors"), f.t + cut, f.n - cut, NULL, 0, NULL);
        struct el_weights *w = load(NULL);
        compare(&f, w);
        el_weights_free(w);
    }
    unlink(path_in("model.safetensors.index.json"));
    unlink(path_in("a.safetensors"));
    unlink(path_in("b.safetensors"));
    fp8_free(&f);
}

/* Cut anywhere: in the length, the header, every tensor's codes and scales. */
static void every_truncation_is_refused(void **state)
{
    (void)state;
    struct fp8 f = fp8_of(small_json, 4, 5, 0);
    struct el_buf b;
    el_buf_init(&b);
    fp8_write(&f);
    assert_int_equal(el_file_read(path_in("model.safetensors"), 0, &b, NULL), 0);
    for (size_t n = 0; n < b.len; n += n < 64 || n + 64 > b.len ? 1 : 53) {
        assert_int_equal(truncate(path_in("model.safetensors"), (off_t)n), 0);
        expect_refusal(EL_EFORMAT, "model.safetensors");
        assert_int_equal(el_file_write(path_in("model.safetensors"), b.data, b.len, NULL), 0);
    }
    el_weights_free(load(NULL));
    el_buf_release(&b);
    fp8_free(&f);
}

static void allocation_failures(void **state)
{
    (void)state;
    struct fp8 f = fp8_of(small_json, 4, 5, 0);
    int rc = EL_ENOMEM;
    fp8_write(&f);
    for (long n = 1; rc != 0; n++) {
        struct el_weights *w;
        struct el_error err = {0};
        el_alloc_fail_after(n);
        rc = el_weights_load(folder, el_device_host(), &w, NULL, NULL, &err);
        el_alloc_fail_after(0);
        if (rc == 0)
            el_weights_free(w);
        else
            assert_true(rc == EL_ENOMEM && err.msg[0]);
        assert_in_range(n, 1, 10000);
    }
    fp8_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_times_scales),
        cmocka_unit_test(every_code_is_decoded),
        cmocka_unit_test(codes_that_are_no_number_are_named),
        cmocka_unit_test(scales_must_be_numbers),
        cmocka_unit_test(narrow_scales_are_widened),
        cmocka_unit_test(narrow_scales_must_be_numbers),
        cmocka_unit_test(scales_must_fit_their_matrix),
        cmocka_unit_test(scales_that_belong_to_nothing_are_named),
        cmocka_unit_test(fp8_needs_a_block_size),
        cmocka_unit_test(scales_of_mtp_layers_are_passed_over),
        cmocka_unit_test(codes_and_scales_in_different_shards),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(allocation_failures),
    };
    return cmocka_run_group_tests(tests, checkpoint_make_folder, checkpoint_remove_folder);
}
