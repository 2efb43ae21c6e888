#include "core/base/alloc.h"
#include "core/tensor/safetensors.h"
#include "tests/model/config_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void real_keys_are_read(void **state)
{
    (void)state;
    struct el_config c = big_config();
    assert_int_equal(c.vocab_size, 129280);
    assert_int_equal(c.hidden_size, 7168);
    assert_int_equal(c.intermediate_size, 18432);
    assert_int_equal(c.moe_intermediate_size, 2048);
    assert_int_equal(c.first_k_dense_replace, 3);
    assert_int_equal(c.topk_group, 4);
    assert_int_equal(c.norm_topk_prob, 1);
    assert_true(c.routed_scaling_factor == 2.5);
    assert_int_equal(c.index_topk, 2048);
    assert_int_equal(c.num_nextn_predict_layers, 1);
    assert_true(c.yarn.present && c.yarn.factor == 40 && c.yarn.beta_fast == 32);
    assert_int_equal(c.yarn.original_max_position_embeddings, 4096);
    assert_string_equal(c.dtype, "bfloat16");
    assert_false(el_config_layer_is_moe(&c, 2));
    assert_true(el_config_layer_is_moe(&c, 3));
}

static void defaults(void **state)
{
    (void)state;
    struct el_config c;
    assert_int_equal(parse_with(small_json, "torch_dtype", NULL, &c, NULL), 0);
    assert_int_equal(c.rope_interleave, 1);
    assert_int_equal(c.indexer_rope_interleave, 0);
    assert_true(c.q_a_norm_eps == 1e-6 && c.kv_a_norm_eps == 1e-6 && c.index_k_norm_eps == 1e-6);
    assert_true(c.initializer_range == 0.02);
    assert_int_equal(c.norm_topk_prob, 1);
    assert_int_equal(c.tie_word_embeddings, 0);
    assert_false(c.yarn.present);
    assert_string_equal(c.dtype, "float32");
    assert_int_equal(parse_with(small_json, "dtype", "\"bfloat16\"", &c, NULL), 0);
    assert_string_equal(c.dtype, "float32"); /* torch_dtype goes first */
    assert_int_equal(parse_with(small_json, "torch_dtype", "\"float16\"", &c, NULL), 0);
    assert_string_equal(c.dtype, "float32");
    assert_int_equal(parse_with(small_json, "eos_token_id", "[5,6]", &c, NULL), 0);
    assert_int_equal(c.eos_token_id, 5);
    assert_int_equal(parse_with(small_json, "rms_norm_eps", "1e-5", &c, NULL), 0);
    assert_true(c.rms_norm_eps == 1e-5 && c.q_a_norm_eps == 1e-6);
}

static void a_dense_model_needs_no_expert_keys(void **state)
{
    (void)state;
    struct el_config c;
    assert_int_equal(parse_with(small_json, "first_k_dense_replace", "3", &c, NULL), 0);
    const char *dense = "{\"vocab_size\":30,\"hidden_size\":14,\"intermediate_size\":22,"
                        "\"num_hidden_layers\":3,\"num_attention_heads\":3,\"q_lora_rank\":11,"
                        "\"kv_lora_rank\":7,\"qk_nope_head_dim\":6,\"qk_rope_head_dim\":4,"
                        "\"v_head_dim\":5,\"index_n_heads\":2,\"index_head_dim\":8,"
                        "\"index_topk\":4,\"max_position_embeddings\":64}";
    assert_int_equal(el_config_parse("c", dense, strlen(dense), &c, NULL), 0);
    assert_int_equal(c.first_k_dense_replace, 3);
    assert_false(el_config_layer_is_moe(&c, 2));
}

#define Q(size) "{\"quant_method\":\"fp8\",\"fmt\":\"e4m3\",\"weight_block_size\":" size "}"

static void the_file_of_the_671b_model(void **state)
{
    (void)state;
    struct el_config c, big = big_config();
    struct el_error err = {0};
    if (el_config_load(EL_SOURCE_DIR "/tests/model/config_671b.json", &c, &err) < 0)
        fail_msg("%s", err.msg);
    char *one = el_config_print(&c), *two = el_config_print(&big);
    assert_string_equal(one, two);
    assert_memory_equal(&c.fp8_format, &big.fp8_format, sizeof c.fp8_format);
    assert_true(c.fp8);
    el_free(one);
    el_free(two);
}

static void the_format_of_fp8_scales(void **state)
{
    (void)state;
    struct el_config c = big_config(), back;
    assert_true(c.fp8 && c.fp8_format.ue8m0);
    assert_int_equal(c.fp8_format.block_rows, 128);
    assert_int_equal(c.fp8_format.block_columns, 128);
    char *text = el_config_print(&c);
    assert_null(strstr(text, "quant"));
    assert_int_equal(el_config_parse("printed", text, strlen(text), &back, NULL), 0);
    assert_false(back.fp8);
    el_free(text);
    assert_int_equal(parse_with(small_json, "quantization_config", Q("[64,1048576]"), &c, NULL), 0);
    assert_true(c.fp8 && !c.fp8_format.ue8m0);
    assert_int_equal(c.fp8_format.block_rows, 64);
    assert_int_equal(c.fp8_format.block_columns, 1 << 20);
    assert_int_equal(parse_with(small_json, "quantization_config", "null", &c, NULL), 0);
    assert_false(c.fp8);
}

static const struct {
    const char *key, *value;
    int code;
    const char *says;
} wrong[] = {
    {"hidden_size", NULL, EL_EFORMAT, "missing field 'hidden_size'"},
    {"index_topk", NULL, EL_EFORMAT, "missing field 'index_topk'"},
    {"n_routed_experts", "0", EL_EFORMAT, "'n_routed_experts' is 0, expected 1 to 1048576"},
    {"num_experts_per_tok", NULL, EL_EFORMAT, "missing field 'num_experts_per_tok'"},
    {"hidden_size", "0", EL_EFORMAT, "'hidden_size' is 0, expected 1 to 1048576"},
    {"hidden_size", "-3", EL_EFORMAT, "'hidden_size' is -3"},
    {"hidden_size", "1048577", EL_EFORMAT, "expected 1 to 1048576"},
    {"hidden_size", "14.5", EL_EFORMAT, "must be an integer"},
    {"hidden_size", "1e20", EL_EFORMAT, "must be an integer"},
    {"hidden_size", "\"14\"", EL_EFORMAT, "must be an integer"},
    {"vocab_size", "1048577", EL_EFORMAT, "'vocab_size' is 1048577"},
    {"norm_topk_prob", "1", EL_EFORMAT, "must be true or false"},
    {"rms_norm_eps", "0", EL_EFORMAT, "'rms_norm_eps' is 0"},
    {"rms_norm_eps", "\"x\"", EL_EFORMAT, "must be a finite number"},
    {"rope_theta", "1", EL_EFORMAT, "'rope_theta' must be above 1"},
    {"first_k_dense_replace", "4", EL_EFORMAT, "'first_k_dense_replace' is above"},
    {"qk_rope_head_dim", "5", EL_EFORMAT, "must be even"},
    {"index_head_dim", "3", EL_EFORMAT, "'index_head_dim' is below 'qk_rope_head_dim'"},
    {"num_experts_per_tok", "5", EL_EFORMAT, "above 'n_routed_experts'"},
    {"num_experts_per_tok", "3", EL_EFORMAT, "'topk_group' groups hold fewer"},
    {"n_group", "3", EL_EFORMAT, "must divide"},
    {"n_group", "4", EL_EFORMAT, "fewer than 2 experts"},
    {"topk_group", "3", EL_EFORMAT, "'topk_group' is above 'n_group'"},
    {"bos_token_id", "30", EL_EFORMAT, "'bos_token_id' is not below"},
    {"eos_token_id", "30", EL_EFORMAT, "'eos_token_id' is not below"},
    {"eos_token_id", "-1", EL_EFORMAT, "'eos_token_id' must be 0 or more"},
    {"eos_token_id", "[]", EL_EFORMAT, "'eos_token_id' must be"},
    {"num_hidden_layers", "1048576", EL_EFORMAT, "too large"},
    {"q_lora_rank", "null", EL_EREFUSED, "q_lora_rank"},
    {"attention_bias", "true", EL_EREFUSED, "attention_bias"},
    {"scoring_func", "\"softmax\"", EL_EREFUSED, "only \"sigmoid\""},
    {"topk_method", "\"greedy\"", EL_EREFUSED, "only \"noaux_tc\""},
    {"hidden_act", "\"gelu\"", EL_EREFUSED, "only \"silu\""},
    {"moe_layer_freq", "2", EL_EREFUSED, "moe_layer_freq"},
    {"model_type", "\"llama\"", EL_EREFUSED, "expected \"deepseek_v32\""},
    {"torch_dtype", "\"int8\"", EL_EREFUSED, "torch_dtype"},
    {"quantization_config", "3", EL_EFORMAT, "'quantization_config' must be an object or null"},
    {"quantization_config", "{}", EL_EFORMAT, "'weight_block_size' must be two integers"},
    {"quantization_config", Q("[128]"), EL_EFORMAT, "must be two integers from 1 to 1048576"},
    {"quantization_config", Q("[128,0]"), EL_EFORMAT, "must be two integers"},
    {"quantization_config", Q("[1.5,128]"), EL_EFORMAT, "must be two integers"},
    {"quantization_config", Q("[128,1048577]"), EL_EFORMAT, "must be two integers"},
    {"quantization_config", Q("[128,\"128\"]"), EL_EFORMAT, "must be two integers"},
    {"quantization_config", Q("[128,128,128]"), EL_EFORMAT, "must be two integers"},
    {"quantization_config", Q("null"), EL_EFORMAT, "must be two integers"},
    {"quantization_config", "{\"quant_method\":\"awq\"}", EL_EREFUSED,
     "quantization_config: 'quant_method' is \"awq\", only \"fp8\" is supported"},
    {"quantization_config", "{\"fmt\":\"e5m2\"}", EL_EREFUSED, "'fmt' is \"e5m2\""},
    {"quantization_config", "{\"activation_scheme\":\"static\"}", EL_EREFUSED, "only \"dynamic\""},
    {"quantization_config", "{\"weight_block_size\":[1,1],\"scale_fmt\":\"ue4m3\"}", EL_EREFUSED,
     "'scale_fmt' is \"ue4m3\", expected \"ue8m0\" or \"float\""},
    {"rope_scaling", "{\"type\":\"linear\",\"factor\":2}", EL_EREFUSED, "only \"yarn\""},
    {"rope_scaling", "3", EL_EFORMAT, "must be an object or null"},
    {"rope_scaling", "{\"factor\":2}", EL_EFORMAT, "missing field 'type'"},
    {"rope_scaling", "{\"type\":\"yarn\"}", EL_EFORMAT, "rope_scaling: missing field 'factor'"},
    {"rope_scaling", "{\"type\":\"yarn\",\"factor\":4}", EL_EFORMAT, "original_max_position"},
    {"rope_scaling", "{\"type\":\"yarn\",\"factor\":0.5,\"original_max_position_embeddings\":16}",
     EL_EFORMAT, "'factor' must be"},
    {"rope_scaling",
     "{\"type\":\"yarn\",\"factor\":4,\"original_max_position_embeddings\":16,\"beta_slow\":64}",
     EL_EFORMAT, "'beta_slow' must be"},
    {"rope_scaling",
     "{\"type\":\"yarn\",\"factor\":4,\"original_max_position_embeddings\":16,"
     "\"attention_factor\":2}",
     EL_EREFUSED, "attention_factor"},
};

static void wrong_values_are_refused_by_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct el_config c;
        struct el_error err = {0};
        int rc = parse_with(small_json, wrong[i].key, wrong[i].value, &c, &err);
        if (rc != wrong[i].code || (wrong[i].says && !strstr(err.msg, wrong[i].says)) ||
            (rc < 0 && !strstr(err.msg, "config.json")))
            fail_msg("%s = %s: code %d, '%s'", wrong[i].key,
                     wrong[i].value ? wrong[i].value : "(absent)", rc, err.msg);
    }
}

static int validate(struct el_config c, const char *says)
{
    struct el_error err = {0};
    int rc = el_config_validate(&c, "c", &err);
    return rc == EL_EFORMAT && strstr(err.msg, says) != NULL;
}

static void products_that_overflow_are_refused(void **state)
{
    (void)state;
    enum { top = 1 << 20 };
    struct el_config ok = small_config(), c;
    assert_int_equal(el_config_validate(&ok, "c", NULL), 0);
    c = ok, c.num_attention_heads = top, c.v_head_dim = top;
    assert_true(validate(c, "'num_attention_heads' times"));
    c = ok, c.num_attention_heads = top, c.kv_lora_rank = top;
    assert_true(validate(c, "'num_attention_heads' times"));
    c = ok, c.index_n_heads = top, c.index_head_dim = top;
    assert_true(validate(c, "'index_n_heads' times"));
    c = ok, c.n_shared_experts = top, c.moe_intermediate_size = top;
    assert_true(validate(c, "'n_shared_experts' times"));
    c = ok, c.max_position_embeddings = top, c.qk_rope_head_dim = c.index_head_dim = 1024;
    assert_true(validate(c, "'max_position_embeddings' times"));
    c = ok, c.n_routed_experts = top;
    assert_true(validate(c, "'n_routed_experts' is too large"));
    c = ok, c.hidden_size = c.vocab_size = c.intermediate_size = top, c.num_hidden_layers = 1 << 15;
    assert_true(validate(c, "2^56 parameters"));
}

static void not_a_configuration(void **state)
{
    (void)state;
    struct el_config c;
    struct el_error err = {0};
    assert_int_equal(el_config_parse("c", "[]", 2, &c, &err), EL_EFORMAT);
    assert_int_equal(el_config_parse("c", "", 0, &c, &err), EL_EFORMAT);
    assert_int_equal(el_config_parse("c", "{\"a\":", 5, &c, &err), EL_EFORMAT);
    assert_int_equal(el_config_load("/nonexistent/config.json", &c, &err), EL_EIO);
    assert_non_null(strstr(err.msg, "/nonexistent/config.json"));
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    struct el_config c;
    for (size_t n = 0; n + 1 < sizeof big_json - 1; n++)
        assert_int_equal(el_config_parse("c", big_json, n, &c, NULL), EL_EFORMAT);
}

static void printing_reads_back(void **state)
{
    (void)state;
    struct el_config configs[2] = {big_config(), small_config()}, back;
    configs[1].q_a_norm_eps = 1.0 / 3;
    configs[1].indexer_rope_interleave = 1;
    configs[1].rope_interleave = 0;
    for (int i = 0; i < 2; i++) {
        char *text = el_config_print(&configs[i]), *again;
        assert_non_null(text);
        assert_int_equal(el_config_parse("printed", text, strlen(text), &back, NULL), 0);
        assert_true(back.q_a_norm_eps == configs[i].q_a_norm_eps);
        again = el_config_print(&back);
        assert_string_equal(text, again);
        el_free(text);
        el_free(again);
    }
}

static void rope_parameters_is_the_same_thing(void **state)
{
    (void)state;
    struct el_config c;
    assert_int_equal(parse_with(small_json, "rope_parameters",
                                "{\"rope_type\":\"default\",\"rope_theta\":5000}", &c, NULL),
                     0);
    assert_false(c.yarn.present);
    assert_true(c.rope_theta == 5000);
    assert_int_equal(parse_with(small_json, "rope_parameters",
                                "{\"rope_type\":\"yarn\",\"rope_theta\":70,\"factor\":3,"
                                "\"original_max_position_embeddings\":16}",
                                &c, NULL),
                     0);
    assert_true(c.yarn.present && c.yarn.factor == 3 && c.rope_theta == 70);
}

static void softmax_scale(void **state)
{
    (void)state;
    struct el_config c = big_config();
    double mscale = 0.1 * log(40) + 1;
    assert_true(fabs(mscale - 1.36889) < 5e-6);
    assert_true(fabs(el_config_softmax_scale(&c) - 0.135234) < 5e-7);
    assert_true(fabs(el_config_softmax_scale(&c) - mscale * mscale / sqrt(192)) < 1e-15);
    c.yarn.mscale_all_dim = 0; /* cos and sin carry the scale instead */
    assert_true(fabs(el_config_softmax_scale(&c) - 1 / sqrt(192)) < 1e-15);
    c.yarn.present = 0;
    assert_true(fabs(el_config_softmax_scale(&c) - 1 / sqrt(192)) < 1e-15);
}

/* Angles per position of every pair, out of the table's rows 0 and 1. */
static void frequencies(const struct el_config *c, double *out)
{
    float cosine[2 * 64], sine[2 * 64];
    int half = c->qk_rope_head_dim / 2;
    el_config_rope_table(c, 2, cosine, sine);
    for (int i = 0; i < half; i++)
        out[i] = atan2((double)sine[half + i], (double)cosine[half + i]);
}

static void yarn_ramp_of_the_671b_model(void **state)
{
    (void)state;
    struct el_config c = big_config(), plain = big_config();
    double yarn[64], base[64];
    plain.yarn.present = 0;
    frequencies(&c, yarn);
    frequencies(&plain, base);
    for (int i = 0; i < 32; i++) {
        double ramp = i <= 10 ? 0 : i >= 23 ? 1 : (i - 10) / 13.0;
        double expected = base[i] * (1 - ramp) + base[i] / 40 * ramp;
        assert_true(fabs(base[i] / pow(10000, -i / 32.0) - 1) < 3e-7);
        assert_true(fabs(yarn[i] / expected - 1) < 1e-6);
    }
}

static void yarn_agrees_with_the_golden_file(void **state)
{
    (void)state;
    struct el_safetensors st;
    struct el_config c = big_config();
    struct el_error err = {0};
    const struct el_st_tensor *t;
    double yarn[64];
    float expected;
    if (el_safetensors_open(&st, EL_SOURCE_DIR "/tests/golden/yarn_671b/golden.safetensors", &err))
        fail_msg("%s", err.msg);
    frequencies(&c, yarn);
    assert_int_equal(
        el_safetensors_need(&st, "inverse_frequency", EL_F32, 1, (int64_t[]){32}, &t, &err), 0);
    for (int i = 0; i < 32; i++) {
        memcpy(&expected, (const char *)t->data + 4 * i, 4);
        assert_true(fabs(yarn[i] / (double)expected - 1) < 1e-6);
    }
    assert_int_equal(el_safetensors_need(&st, "softmax_scale", EL_F32, 1, (int64_t[]){1}, &t, &err),
                     0);
    memcpy(&expected, t->data, 4);
    assert_true(fabs(el_config_softmax_scale(&c) - (double)expected) < 1e-7);
    el_safetensors_release(&st);
}

static void rope_table_holds_angles_of_positions(void **state)
{
    (void)state;
    struct el_config c = small_config();
    float cosine[64 * 2], sine[64 * 2];
    el_config_rope_table(&c, 64, cosine, sine);
    for (int t = 0; t < 64; t++) {
        assert_true(cosine[2 * t] == (float)cos(t));
        assert_true(sine[2 * t + 1] == (float)sin(t * 0.01));
    }
    c.yarn = (struct el_yarn){1, 4, 32, 1, 2, 0.5, 16};
    el_config_rope_table(&c, 1, cosine, sine);
    double ratio = (0.2 * log(4) + 1) / (0.05 * log(4) + 1);
    assert_true(fabs((double)cosine[0] - ratio) < 1e-7);
    assert_true(sine[0] == 0);
}

static void printing_survives_allocation_failures(void **state)
{
    (void)state;
    struct el_config c = big_config();
    char *text = NULL;
    for (long n = 1; !text; n++) {
        el_alloc_fail_after(n);
        text = el_config_print(&c);
        el_alloc_fail_after(0);
        assert_in_range(n, 1, 50);
    }
    el_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(real_keys_are_read),
        cmocka_unit_test(defaults),
        cmocka_unit_test(the_file_of_the_671b_model),
        cmocka_unit_test(the_format_of_fp8_scales),
        cmocka_unit_test(a_dense_model_needs_no_expert_keys),
        cmocka_unit_test(wrong_values_are_refused_by_name),
        cmocka_unit_test(products_that_overflow_are_refused),
        cmocka_unit_test(not_a_configuration),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(printing_reads_back),
        cmocka_unit_test(rope_parameters_is_the_same_thing),
        cmocka_unit_test(softmax_scale),
        cmocka_unit_test(yarn_ramp_of_the_671b_model),
        cmocka_unit_test(yarn_agrees_with_the_golden_file),
        cmocka_unit_test(rope_table_holds_angles_of_positions),
        cmocka_unit_test(printing_survives_allocation_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
