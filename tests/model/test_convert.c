/* Checkpoints in other number formats and other files: what they hold is what the formats promise,
 * and whatever goes wrong leaves nothing behind. */
#include "core/base/alloc.h"
#include "core/base/io.h"
#include "core/base/json.h"
#include "core/model/convert.h"
#include "core/tensor/shards.h"
#include "tests/model/checkpoint.h"
#include "tests/model/config_fixture.h"

#include <math.h>
#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

/* Sides of 130 to 300, so that blocks of 128 leave ragged rests. */
static const char wide_json[] =
    "{\"vocab_size\":30,\"hidden_size\":200,\"intermediate_size\":300,"
    "\"moe_intermediate_size\":140,\"num_hidden_layers\":2,\"first_k_dense_replace\":1,"
    "\"num_attention_heads\":3,\"q_lora_rank\":130,\"kv_lora_rank\":134,"
    "\"qk_nope_head_dim\":60,\"qk_rope_head_dim\":4,\"v_head_dim\":50,\"n_routed_experts\":2,"
    "\"n_shared_experts\":1,\"num_experts_per_tok\":1,\"index_n_heads\":2,\"index_head_dim\":129,"
    "\"index_topk\":4,\"max_position_embeddings\":16,\"torch_dtype\":\"float32\"}";

static const struct el_convert_options to_f32 = {.form = EL_FORM_F32};
static const struct el_convert_options to_bf16 = {.form = EL_FORM_BF16};
static const struct el_convert_options to_fp8 = {.form = EL_FORM_FP8, .fp8 = {128, 128, 1}};
static const struct el_convert_options to_float = {.form = EL_FORM_FP8, .fp8 = {128, 128, 0}};

/* Folders of this program, apart from that of the fixture. */
static char out[] = "/tmp/el_convert_XXXXXX";

static const char *out_path(const char *name)
{
    static char path[4][300];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s/%s", out, name);
    return path[turn];
}

static int make_folders(void **state)
{
    return checkpoint_make_folder(state) < 0 || !mkdtemp(out) ? -1 : 0;
}

static int remove_folders(void **state)
{
    return checkpoint_remove_folder(state) | rmdir(out);
}

static int clear(void **state)
{
    (void)state;
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s/*", out);
    return system(command);
}

static int entries(const char *path, const char *pattern)
{
    char command[600];
    int n = -1;
    snprintf(command, sizeof command, "cd '%s' && ls -A -d %s 2>/dev/null | wc -l", path, pattern);
    FILE *p = popen(command, "r");
    assert_int_equal(fscanf(p, "%d", &n), 1);
    pclose(p);
    return n;
}

static struct el_convert_report convert(const char *from, const char *to,
                                        const struct el_convert_options *o)
{
    struct el_convert_report report;
    struct el_error err = {0};
    if (el_convert(from, out_path(to), o, &report, NULL, &err) < 0)
        fail_msg("%s", err.msg);
    return report;
}

static struct el_weights *load_out(const char *name)
{
    struct el_weights *w;
    struct el_error err = {0};
    if (el_weights_load(out_path(name), el_device_host(), &w, NULL, NULL, &err) < 0)
        fail_msg("%s", err.msg);
    return w;
}

static struct el_config wide_config(void)
{
    struct el_config c = {0};
    assert_int_equal(el_config_parse("wide", wide_json, sizeof wide_json - 1, &c, NULL), 0);
    return c;
}

/* A model on the disk in the fixture's folder, as F32. Embedding values of every size; and in one
 * matrix a block of zeros and one of tiny values. */
static struct el_weights *make_model(const struct el_config *c)
{
    struct el_weights *w = create(c, 17);
    int64_t n;
    float *v = (float *)values(w, "model.embed_tokens.weight", &n);
    for (int64_t i = 0; i < n; i++)
        v[i] = ldexpf(v[i], (int)(i % 60) - 30);
    v = (float *)values(w, "model.layers.0.self_attn.q_a_proj.weight", &n); /* (130, 200) */
    for (int64_t r = 0; r < 128 && c->hidden_size == 200; r++)
        for (int64_t i = 0; i < 200; i++)
            v[r * 200 + i] = i < 128 ? 0 : v[r * 200 + i] * 0x1p-40f;
    assert_int_equal(el_weights_digest(w, NULL), 0);
    save(w);
    return w;
}

static void same_values(const struct el_weights *a, const struct el_weights *b)
{
    assert_int_equal(a->layout.total, b->layout.total);
    assert_memory_equal(a->data, b->data, (size_t)a->layout.total * sizeof *a->data);
}

static void f32_is_exact(void **state)
{
    (void)state;
    struct el_config c = wide_config();
    struct el_weights *w = make_model(&c);
    struct el_convert_report r = convert(folder, "f32", &to_f32);
    struct el_weights *back = load_out("f32");
    assert_string_equal(back->digest, w->digest);
    same_values(w, back);
    assert_int_equal(r.files, 1);
    assert_int_equal(r.tensors, w->layout.n);
    assert_int_equal(r.bytes, w->layout.parameters * 4);
    el_weights_free(back);
    el_weights_free(w);
}

static void bf16_rounds_once(void **state)
{
    (void)state;
    struct el_config c = wide_config();
    struct el_weights *w = make_model(&c);
    int64_t n;
    float *bias = (float *)values(w, "model.layers.1.mlp.gate.e_score_correction_bias", &n);
    bias[0] = 0.1f; /* no BF16 value; this tensor stays F32 */
    save(w);
    convert(folder, "bf16", &to_bf16);
    convert(out_path("bf16"), "f32", &to_f32);
    struct el_weights *back = load_out("bf16"), *wide = load_out("f32");
    assert_string_equal(back->config.dtype, "bfloat16");
    assert_string_equal(wide->config.dtype, "float32");
    snprintf(w->config.dtype, sizeof w->config.dtype, "bfloat16");
    assert_int_equal(el_weights_round(w, NULL), 0);
    assert_true(bias[0] == 0.1f);
    same_values(w, back);
    same_values(w, wide);
    el_weights_free(wide);
    el_weights_free(back);
    el_weights_free(w);
}

/* The largest magnitude of the block of (r, c), by looking at all of it. */
static float block_max(const float *v, int64_t rows, int64_t columns, int64_t r, int64_t c)
{
    float max = 0;
    for (int64_t i = r / 128 * 128; i < rows && i < r / 128 * 128 + 128; i++)
        for (int64_t j = c / 128 * 128; j < columns && j < c / 128 * 128 + 128; j++)
            max = fmaxf(max, fabsf(v[i * columns + j]));
    return max;
}

/* The smallest power of two that is not below amax / 448, found by trying. */
static float power_of_two(float amax)
{
    float s = 0x1p-126f;
    while (s * 448 < amax)
        s *= 2;
    return s;
}

/* What a stored value x = code * scale owes to its original v: no other code is nearer. */
static void check_nearest(float v, float x, float scale)
{
    double error = fabs((double)v - (double)x);
    for (int code = 0; code < 256; code++) {
        double other = (double)el_e4m3_widen((uint8_t)code) * (double)scale;
        if (!isnan(other)) /* v / scale was rounded once more */
            assert_true(error <= fabs((double)v - other) + fabs((double)v) * 0x1p-23);
    }
}

static void check_matrix(const struct el_shards *s, const struct el_tensor_info *t, const float *v,
                         int ue8m0)
{
    char name[160];
    snprintf(name, sizeof name, "%s_scale_inv", t->name);
    const struct el_shard_tensor *codes = el_shards_find(s, t->name);
    const struct el_shard_tensor *scales = el_shards_find(s, name);
    assert_int_equal(codes->t->dtype, EL_F8_E4M3);
    assert_int_equal(scales->t->dtype, EL_F32);
    assert_int_equal(scales->t->shape[0], (t->shape[0] + 127) / 128);
    assert_int_equal(scales->t->shape[1], (t->shape[1] + 127) / 128);
    for (int64_t r = 0; r < t->shape[0]; r += 19)
        for (int64_t c = 0; c < t->shape[1]; c += 37) {
            float scale, amax = block_max(v, t->shape[0], t->shape[1], r, c);
            const char *at = scales->t->data;
            memcpy(&scale, at + 4 * (r / 128 * scales->t->shape[1] + c / 128), sizeof scale);
            assert_true(scale == (amax == 0 ? 1 : ue8m0 ? power_of_two(amax) : amax / 448));
            uint8_t code = ((const uint8_t *)codes->t->data)[r * t->shape[1] + c];
            check_nearest(v[r * t->shape[1] + c], el_e4m3_widen(code) * scale, scale);
        }
}

static int check_fp8(const struct el_weights *w, const char *name, int ue8m0)
{
    struct el_shards s;
    int matrices = 0;
    assert_int_equal(el_shards_open(&s, out_path(name), NULL), 0);
    for (int i = 0; i < w->layout.n; i++) {
        const struct el_tensor_info *t = &w->layout.tensors[i];
        if (el_form_dtype(EL_FORM_FP8, t->name, t->dims) != EL_F8_E4M3)
            continue;
        check_matrix(&s, t, w->data + t->offset, ue8m0);
        matrices++;
    }
    el_shards_release(&s);
    return matrices;
}

static void fp8_codes_are_the_nearest(void **state)
{
    (void)state;
    struct el_config c = wide_config();
    struct el_weights *w = make_model(&c);
    convert(folder, "ue8m0", &to_fp8);
    struct el_convert_report r = convert(folder, "float", &to_float);
    assert_int_equal(check_fp8(w, "ue8m0", 1), 2 * 7 + 3 + 3 + 2 * 3);
    assert_int_equal(check_fp8(w, "float", 0), 2 * 7 + 3 + 3 + 2 * 3);
    assert_int_equal(r.tensors, w->layout.n + 26);
    assert_int_equal(r.taken_over, 0);
    for (int ue8m0 = 0; ue8m0 < 2; ue8m0++) {
        struct el_weights *back = load_out(ue8m0 ? "ue8m0" : "float");
        assert_int_equal(back->config.fp8, 1);
        assert_int_equal(back->config.fp8_format.ue8m0, ue8m0);
        assert_int_equal(back->config.fp8_format.block_rows, 128);
        el_weights_free(back);
    }
    el_weights_free(w);
}

/* Values of FP8 checkpoints survive every way out and back. */
static void fp8_values_survive(void **state)
{
    (void)state;
    struct el_config c = wide_config();
    el_weights_free(make_model(&c));
    convert(folder, "fp8", &to_fp8);
    struct el_weights *w = load_out("fp8");
    convert(out_path("fp8"), "f32", &to_f32);
    convert(out_path("fp8"), "bf16", &to_bf16); /* scales are powers of two: exact */
    struct el_convert_report again = convert(out_path("fp8"), "again", &to_fp8);
    assert_int_equal(again.taken_over, 26);
    assert_int_equal(convert(out_path("bf16"), "back", &to_fp8).taken_over, 0);
    static const char *const names[] = {"f32", "bf16", "again", "back"};
    for (int i = 0; i < 4; i++) {
        struct el_weights *x = load_out(names[i]);
        same_values(w, x);
        el_weights_free(x);
    }
    el_weights_free(w);
}

static void same_file(const char *a, const char *b)
{
    struct el_buf x, y;
    el_buf_init(&x);
    el_buf_init(&y);
    assert_int_equal(el_file_read(a, 0, &x, NULL) | el_file_read(b, 0, &y, NULL), 0);
    assert_int_equal(x.len, y.len);
    assert_memory_equal(x.data, y.data, x.len);
    el_buf_release(&x);
    el_buf_release(&y);
}

/* Scales of any value fit a format that allows any; one that asks for powers of two is made anew
 * where it has to be, and blocks of another size always. */
static void what_fits_is_taken_over(void **state)
{
    (void)state;
    struct el_config c = wide_config();
    struct el_convert_options small = to_float;
    small.fp8.block_rows = 64;
    el_weights_free(make_model(&c));
    convert(folder, "float", &to_float);
    convert(folder, "ue8m0", &to_fp8);
    convert(folder, "small", &small);
    assert_int_equal(convert(out_path("float"), "a", &to_float).taken_over, 26);
    same_file(out_path("a/model.safetensors"), out_path("float/model.safetensors"));
    assert_int_equal(convert(out_path("ue8m0"), "b", &to_float).taken_over, 26);
    same_file(out_path("b/model.safetensors"), out_path("ue8m0/model.safetensors"));
    assert_int_equal(convert(out_path("float"), "c", &to_fp8).taken_over, 0);
    assert_int_equal(convert(out_path("small"), "d", &to_float).taken_over, 0);
    assert_int_equal(convert(out_path("small"), "e", &small).taken_over, 26);
    same_file(out_path("e/model.safetensors"), out_path("small/model.safetensors"));
}

/* Folder `from` again as `to`, its scales as powers of two in a byte. */
static void with_e8m0_scales(const char *from, const char *to)
{
    struct el_shards s;
    struct el_st_tensor t[256];
    char command[700];
    assert_int_equal(el_shards_open(&s, out_path(from), NULL), 0);
    assert_in_range(s.n, 1, 256);
    for (int i = 0; i < s.n; i++) {
        t[i] = *s.tensors[i].t;
        if (!strstr(t[i].name, "_scale_inv"))
            continue;
        uint8_t *codes = el_alloc(t[i].bytes / 4);
        for (size_t j = 0; j < t[i].bytes / 4; j++) {
            float scale;
            int exponent;
            memcpy(&scale, (const char *)t[i].data + 4 * j, sizeof scale);
            assert_true(frexpf(scale, &exponent) == 0.5f);
            codes[j] = (uint8_t)(exponent + 126);
        }
        t[i].dtype = EL_F8_E8M0, t[i].data = codes;
    }
    snprintf(command, sizeof command, "mkdir %s && cp %s/config.json %s", out_path(to),
             out_path(from), out_path(to));
    assert_int_equal(system(command), 0);
    snprintf(command, sizeof command, "%s/model.safetensors", out_path(to));
    assert_int_equal(el_safetensors_write(command, t, s.n, NULL, 0, NULL), 0);
    for (int i = 0; i < s.n; i++)
        if (t[i].dtype == EL_F8_E8M0)
            el_free((void *)t[i].data);
    el_shards_release(&s);
}

static void e8m0_scales_are_taken_over_as_f32(void **state)
{
    (void)state;
    struct el_config c = wide_config();
    el_weights_free(make_model(&c));
    convert(folder, "ue8m0", &to_fp8);
    with_e8m0_scales("ue8m0", "bytes");
    assert_int_equal(convert(out_path("bytes"), "a", &to_fp8).taken_over, 26);
    same_file(out_path("a/model.safetensors"), out_path("ue8m0/model.safetensors"));
    assert_int_equal(convert(out_path("bytes"), "b", &to_float).taken_over, 26);
    same_file(out_path("b/model.safetensors"), out_path("ue8m0/model.safetensors"));
    convert(out_path("bytes"), "c", &to_f32);
    convert(out_path("ue8m0"), "d", &to_f32);
    same_file(out_path("c/model.safetensors"), out_path("d/model.safetensors"));
}

static int64_t largest_tensor(const struct el_weights *w)
{
    int64_t max = 0;
    for (int i = 0; i < w->layout.n; i++)
        max = w->layout.tensors[i].count > max ? w->layout.tensors[i].count : max;
    return max * 4;
}

static int64_t file_size(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_size;
}

static int tensors_in(const char *path)
{
    struct el_safetensors st;
    assert_int_equal(el_safetensors_open(&st, path, NULL), 0);
    int n = st.n;
    el_safetensors_release(&st);
    return n;
}

static void shards_hold_the_same(void **state)
{
    (void)state;
    static const int64_t sizes[] = {1, 100000, 400000, 1 << 30};
    struct el_config c = wide_config();
    struct el_weights *w = make_model(&c);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char name[64];
        struct el_convert_options o = to_f32;
        o.shard_bytes = sizes[i];
        int files = convert(folder, "s", &o).files;
        struct el_weights *back = load_out("s");
        assert_string_equal(back->digest, w->digest);
        el_weights_free(back);
        assert_int_equal(entries(out_path("s"), "*.safetensors"), files);
        assert_int_equal(entries(out_path("s"), "*.index.json"), files > 1);
        assert_int_equal(sizes[i] == 1, files == w->layout.n);
        assert_int_equal(sizes[i] == 1 << 30, files == 1);
        for (int f = 1; f <= files && files > 1; f++) {
            snprintf(name, sizeof name, "s/model-%05d-of-%05d.safetensors", f, files);
            int64_t limit = sizes[i] > largest_tensor(w) ? sizes[i] : largest_tensor(w);
            assert_in_range(file_size(out_path(name)), 1, limit + 20000);
            if (tensors_in(out_path(name)) > 1)
                assert_in_range(file_size(out_path(name)), 1, sizes[i]);
        }
        clear(NULL);
    }
    el_weights_free(w);
}

/* What could not be read back is not written: 9 * 512 experts' matrices, each its own file. */
static void no_more_files_than_can_be_read(void **state)
{
    (void)state;
    static const char json[] =
        "{\"vocab_size\":8,\"hidden_size\":4,\"intermediate_size\":4,"
        "\"moe_intermediate_size\":2,\"num_hidden_layers\":3,\"first_k_dense_replace\":0,"
        "\"num_attention_heads\":1,\"q_lora_rank\":2,\"kv_lora_rank\":2,"
        "\"qk_nope_head_dim\":2,\"qk_rope_head_dim\":2,\"v_head_dim\":2,\"n_routed_experts\":512,"
        "\"n_shared_experts\":1,\"num_experts_per_tok\":1,\"index_n_heads\":1,"
        "\"index_head_dim\":4,\"index_topk\":4,\"max_position_embeddings\":16,"
        "\"torch_dtype\":\"float32\"}";
    struct el_config c;
    struct el_convert_options o = to_f32;
    struct el_error err = {0};
    assert_int_equal(el_config_parse("many", json, sizeof json - 1, &c, &err), 0);
    el_weights_free(make_model(&c));
    o.shard_bytes = 1;
    assert_int_equal(el_convert(folder, out_path("x"), &o, NULL, NULL, &err), EL_ELIMIT);
    assert_non_null(strstr(err.msg, "more than the 4096 that a model can be read from"));
    assert_int_equal(entries(out, "*"), 0);
}

static void headers_count(void **state)
{
    (void)state;
    struct el_config c = wide_config();
    struct el_convert_options o = to_fp8;
    el_weights_free(make_model(&c));
    o.shard_bytes = convert(folder, "one", &o).bytes;
    assert_int_equal(convert(folder, "data", &o).files, 2);
    o.shard_bytes = file_size(out_path("one/model.safetensors"));
    assert_int_equal(convert(folder, "whole", &o).files, 1);
    o.shard_bytes--;
    assert_int_equal(convert(folder, "less", &o).files, 2);
}

static void shards_of_fp8_keep_scales_beside_codes(void **state)
{
    (void)state;
    struct el_config c = wide_config();
    struct el_convert_options o = to_fp8;
    o.shard_bytes = 1;
    el_weights_free(make_model(&c));
    convert(folder, "one", &to_fp8);
    int files = convert(folder, "many", &o).files;
    struct el_weights *one = load_out("one"), *many = load_out("many");
    struct el_shards s;
    same_values(one, many);
    assert_int_equal(el_shards_open(&s, out_path("many"), NULL), 0);
    assert_int_equal(files, one->layout.n);
    for (int i = 0; i < s.n; i++)
        if (s.tensors[i].t->dtype == EL_F8_E4M3)
            assert_ptr_equal(s.tensors[i].file, s.tensors[i + 1].file);
    assert_int_equal(convert(out_path("many"), "joined", &to_fp8).files, 1);
    same_file(out_path("joined/model.safetensors"), out_path("one/model.safetensors"));
    el_shards_release(&s);
    el_weights_free(one);
    el_weights_free(many);
}

static void threads_change_no_byte(void **state)
{
    (void)state;
    struct el_config c = wide_config();
    int threads = omp_get_max_threads();
    el_weights_free(make_model(&c));
    omp_set_num_threads(1);
    convert(folder, "one", &to_float);
    omp_set_num_threads(5);
    convert(folder, "five", &to_float);
    omp_set_num_threads(threads);
    same_file(out_path("one/model.safetensors"), out_path("five/model.safetensors"));
}

static void mtp_layers_go_along(void **state)
{
    (void)state;
    struct el_config c = small_config(); /* announces one MTP layer: layer 3 */
    struct list l = list_of(&c);
    static float values_of_matrix[6] = {1, 2, 3, 4, 5, 6};
    list_add(&l, "model.layers.3.enorm.weight");
    list_add(&l, "model.layers.3.self_attn.o_proj.weight");
    struct el_st_tensor *t = &l.t[l.n - 1];
    t->dims = 2, t->shape[0] = 2, t->shape[1] = 3, t->data = values_of_matrix;
    list_add(&l, "model.layers.0.self_attn.rotary_emb.inv_freq");
    list_write(&l, "model.safetensors", 0, l.n);
    struct el_convert_report r = convert(folder, "fp8", &to_fp8);
    assert_int_equal(r.left_out, 1);
    struct el_shards s;
    assert_int_equal(el_shards_open(&s, out_path("fp8"), NULL), 0);
    assert_int_equal(el_shards_find(&s, "model.layers.3.enorm.weight")->t->dtype, EL_BF16);
    const struct el_st_tensor *o = el_shards_find(&s, "model.layers.3.self_attn.o_proj.weight")->t;
    assert_int_equal(o->dtype, EL_F8_E4M3);
    float scale;
    memcpy(&scale, el_shards_find(&s, "model.layers.3.self_attn.o_proj.weight_scale_inv")->t->data,
           sizeof scale);
    for (int i = 0; i < 6; i++)
        assert_true(el_e4m3_widen(((const uint8_t *)o->data)[i]) * scale == values_of_matrix[i]);
    el_shards_release(&s);
    r = convert(out_path("fp8"), "again", &to_fp8);
    assert_int_equal(r.left_out, 0);
    same_file(out_path("again/model.safetensors"), out_path("fp8/model.safetensors"));
    list_free(&l);
}

static void write_config(const char *extra)
{
    struct el_buf b;
    el_buf_init(&b);
    el_buf_add(&b, wide_json, sizeof wide_json - 2); /* without its last brace */
    el_buf_printf(&b, "%s}", extra);
    assert_int_equal(el_file_write(path_in("config.json"), b.data, b.len, NULL), 0);
    el_buf_release(&b);
}

static void the_configuration_is_kept(void **state)
{
    (void)state;
    struct el_config c = wide_config();
    el_weights_free(make_model(&c));
    write_config(",\"auto_map\":{\"a\":[1,2.5,\"x\"]},\"dtype\":\"float32\",\"big\":123456789012,"
                 "\"quantization_config\":{\"quant_method\":\"fp8\",\"fmt\":\"e4m3\","
                 "\"weight_block_size\":[7,7]}");
    convert(folder, "bf16", &to_bf16);
    convert(folder, "fp8", &to_fp8);
    cJSON *o, *q;
    assert_int_equal(el_json_load(out_path("bf16/config.json"), &o, NULL), 0);
    assert_null(cJSON_GetObjectItemCaseSensitive(o, "quantization_config"));
    char *map = cJSON_PrintUnformatted(cJSON_GetObjectItemCaseSensitive(o, "auto_map"));
    assert_string_equal(map, "{\"a\":[1,2.5,\"x\"]}");
    cJSON_free(map);
    assert_true(cJSON_GetObjectItemCaseSensitive(o, "big")->valuedouble == 123456789012.0);
    static const char *const keys[] = {"dtype", "torch_dtype"};
    for (int i = 0; i < 2; i++)
        assert_string_equal(cJSON_GetObjectItemCaseSensitive(o, keys[i])->valuestring, "bfloat16");
    cJSON_Delete(o);
    assert_int_equal(el_json_load(out_path("fp8/config.json"), &o, NULL), 0);
    q = cJSON_GetObjectItemCaseSensitive(o, "quantization_config");
    assert_string_equal(cJSON_GetObjectItemCaseSensitive(q, "scale_fmt")->valuestring, "ue8m0");
    cJSON_Delete(o);
}

static void other_files_are_copied_on_request(void **state)
{
    (void)state;
    struct el_config c = wide_config();
    static const char *const names[] = {"nowhere.json", "config.txt", NULL};
    struct el_convert_options o = to_f32;
    o.keep = names;
    el_weights_free(make_model(&c));
    assert_int_equal(el_file_write(path_in("config.txt"), "text", 4, NULL), 0);
    convert(folder, "a", &o);
    same_file(path_in("config.txt"), out_path("a/config.txt"));
    assert_int_equal(entries(out_path("a"), "*"), 3);
    unlink(path_in("config.txt"));
}

static void expect_failure(const struct el_convert_options *o, const char *to, int code,
                           const char *says)
{
    struct el_error err = {0};
    int rc = el_convert(folder, out_path(to), o, NULL, NULL, &err);
    if (rc != code || !strstr(err.msg, says))
        fail_msg("code %d, '%s', expected %d, '%s'", rc, err.msg, code, says);
}

static void failures_leave_nothing(void **state)
{
    (void)state;
    struct el_config c = wide_config();
    struct list l = list_of(&c);
    struct el_convert_options bad = to_fp8, negative = to_f32;
    bad.fp8.block_rows = 0;
    negative.shard_bytes = -1;
    list_write(&l, "model.safetensors", 0, l.n);
    expect_failure(&bad, "x", EL_EINVAL, "blocks of 0 x 128");
    expect_failure(&negative, "x", EL_EINVAL, "files of -1 bytes");
    el_stop_requested = 1;
    expect_failure(&to_f32, "x", EL_EINTR, "stopped: nothing was replaced");
    el_stop_requested = 0;
    float *v = (float *)list_find(&l, "model.layers.1.mlp.experts.1.down_proj.weight")->data;
    v[7] = NAN;
    list_write(&l, "model.safetensors", 0, l.n);
    expect_failure(&to_f32, "x", EL_ENUMERIC, "experts.1.down_proj.weight' holds nan at index 7");
    expect_failure(&to_fp8, "x", EL_ENUMERIC, "experts.1.down_proj.weight' holds nan at index 7");
    v[7] = 3.4e38f;
    list_write(&l, "model.safetensors", 0, l.n);
    expect_failure(&to_bf16, "x", EL_ENUMERIC, "at index 7, which is out of the range of BF16");
    list_write(&l, "model.safetensors", 0, l.n - 1);
    expect_failure(&to_f32, "x", EL_EFORMAT, "is missing");
    assert_int_equal(entries(out, "*"), 0);
    v[7] = 0;
    list_write(&l, "model.safetensors", 0, l.n);
    convert(folder, "x", &to_f32);
    expect_failure(&to_f32, "x", EL_EINVAL, "is there already");
    assert_int_equal(entries(out, "*"), 1);
    list_free(&l);
}

/* In the plan, in the buffers, while writing: nothing leaks, nothing stays. */
static void allocation_failures(void **state)
{
    (void)state;
    struct el_config c = small_config();
    struct el_convert_options o = to_fp8;
    static const char *const names[] = {"config.json", NULL};
    int rc = EL_ENOMEM;
    o.shard_bytes = 20000;
    o.keep = names;
    el_weights_free(make_model(&c));
    for (int n = 1; rc == EL_ENOMEM; n += n < 200 ? 1 : 7) {
        struct el_error err = {0};
        el_alloc_fail_after(n);
        rc = el_convert(folder, out_path("x"), &o, NULL, NULL, &err);
        el_alloc_fail_after(0);
        assert_true(rc == 0 || (rc == EL_ENOMEM && err.msg[0]));
        assert_int_equal(entries(out, "*"), rc == 0);
        assert_in_range(n, 1, 10000);
    }
}

#define CONVERT_TEST(f) cmocka_unit_test_teardown(f, clear)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONVERT_TEST(f32_is_exact),
        CONVERT_TEST(bf16_rounds_once),
        CONVERT_TEST(fp8_codes_are_the_nearest),
        CONVERT_TEST(fp8_values_survive),
        CONVERT_TEST(what_fits_is_taken_over),
        CONVERT_TEST(e8m0_scales_are_taken_over_as_f32),
        CONVERT_TEST(shards_hold_the_same),
        CONVERT_TEST(no_more_files_than_can_be_read),
        CONVERT_TEST(headers_count),
        CONVERT_TEST(shards_of_fp8_keep_scales_beside_codes),
        CONVERT_TEST(threads_change_no_byte),
        CONVERT_TEST(mtp_layers_go_along),
        CONVERT_TEST(the_configuration_is_kept),
        CONVERT_TEST(other_files_are_copied_on_request),
        CONVERT_TEST(failures_leave_nothing),
        CONVERT_TEST(allocation_failures),
    };
    return cmocka_run_group_tests(tests, make_folders, remove_folders);
}
