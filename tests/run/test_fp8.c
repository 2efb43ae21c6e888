/* Serving with FP8 indexer and latents: the packed cache takes the bytes that are counted for it,
 * gives the logits that the rounded values give as fp32, and completions depend as little on
 * batches and pieces as without. */
#include "core/base/rng.h"
#include "core/model/estimate.h"
#include "core/model/pack.h"
#include "core/run/engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PROMPT = 300, TOKENS = 8, VOCAB = 50, TOTAL = PROMPT + TOKENS, LAYERS = 2 };

static const char small[] =
    "{\"vocab_size\": 50, \"hidden_size\": 16, \"intermediate_size\": 16, \"num_hidden_layers\": 2,"
    "\"first_k_dense_replace\": 2, \"moe_intermediate_size\": 4, \"n_routed_experts\": 0,"
    "\"num_experts_per_tok\": 1, \"n_shared_experts\": 1, \"n_group\": 1, \"topk_group\": 1,"
    "\"num_attention_heads\": 2, \"q_lora_rank\": 8, \"kv_lora_rank\": 160, \"qk_nope_head_dim\": "
    "8,"
    "\"qk_rope_head_dim\": 4, \"v_head_dim\": 8, \"index_n_heads\": 2, \"index_head_dim\": 16,"
    "\"index_topk\": 40, \"max_position_embeddings\": 512, \"rms_norm_eps\": 1e-6,"
    "\"rope_theta\": 10000, \"norm_topk_prob\": true, \"routed_scaling_factor\": 1,"
    "\"tie_word_embeddings\": false, \"scoring_func\": \"sigmoid\", \"topk_method\": \"noaux_tc\","
    "\"hidden_act\": \"silu\", \"bos_token_id\": 0, \"eos_token_id\": 1, \"initializer_range\": "
    "0.3}";

static struct el_error err;
static struct el_config config;
static struct el_weights *weights;
static int32_t prompt[PROMPT];

static int setup(void **state)
{
    struct el_rng r;
    (void)state;
    el_rng_init(&r, 9);
    for (int i = 0; i < PROMPT; i++)
        prompt[i] = (int32_t)el_rng_below(&r, VOCAB);
    if (el_config_parse("small", small, strlen(small), &config, &err) < 0)
        return -1;
    return el_weights_create(&config, el_device_host(), 3, &weights, &err);
}

static int teardown(void **state)
{
    (void)state;
    el_weights_free(weights);
    return 0;
}

static void must(int rc)
{
    if (rc < 0)
        fail_msg("%s", err.msg);
}

struct server {
    struct el_stream s;
    struct el_engine e;
};

static void start(struct server *v, enum el_attention mode, int rows, int threads, int fp8)
{
    struct el_engine_options o = {.attention = mode,
                                  .max_sequences = 1,
                                  .max_rows = rows,
                                  .context = TOTAL,
                                  .cache_tokens = TOTAL,
                                  .fp8 = fp8,
                                  .logits = 1};
    el_stream_init(&v->s, el_device_host(), el_ops_cpu(), threads);
    must(el_engine_init(&v->e, weights, &v->s, &o, &err));
    v->e.eos = -1;
}

static void stop(struct server *v)
{
    el_engine_release(&v->e);
    el_stream_release(&v->s);
}

static struct el_sequence *complete(struct server *v)
{
    const struct el_sampling greedy = {.top_p = 1, .max_tokens = TOKENS};
    int left = 1;
    must(el_engine_add(&v->e, prompt, PROMPT, &greedy, 5, 0, NULL, NULL, &err));
    while (left > 0)
        must(left = el_engine_step(&v->e, &err));
    struct el_sequence *q = el_engine_take(&v->e);
    assert_non_null(q);
    assert_int_equal(q->n, TOTAL);
    return q;
}

static void pieces_do_not_matter(void **state)
{
    static const int rows[] = {PROMPT, 40, 7};
    (void)state;
    for (int mode = EL_ATTENTION_DENSE; mode <= EL_ATTENTION_MQA; mode++) {
        struct el_sequence *q[3];
        for (int i = 0; i < 3; i++) {
            struct server v;
            start(&v, (enum el_attention)mode, rows[i], 1 + i, 1);
            q[i] = complete(&v);
            stop(&v);
            assert_memory_equal(q[i]->tokens, q[0]->tokens, TOTAL * sizeof(int32_t));
            assert_memory_equal(q[i]->logits, q[0]->logits, TOKENS * VOCAB * sizeof(float));
        }
        for (int i = 0; i < 3; i++)
            el_sequence_free(q[i]);
    }
}

/* Logits of the first completed token: others, but of the same model. */
static void fp8_is_another_arithmetic(void **state)
{
    (void)state;
    struct server v;
    struct el_sequence *q[2];
    double apart = 0, size = 0;
    for (int fp8 = 0; fp8 <= 1; fp8++) {
        start(&v, EL_ATTENTION_DENSE, PROMPT, 1, fp8);
        q[fp8] = complete(&v);
        stop(&v);
    }
    for (int i = 0; i < VOCAB; i++) {
        double x = (double)q[0]->logits[i], y = (double)q[1]->logits[i];
        apart += (x - y) * (x - y);
        size += x * x;
    }
    assert_true(apart > 0);
    assert_true(apart < 0.05 * size);
    el_sequence_free(q[0]);
    el_sequence_free(q[1]);
}

/* Logits of the whole text in one pass without a cache, where keys are rounded fp32 values. */
static void check_without_cache(struct el_stream *s, enum el_attention mode,
                                const struct el_sequence *q)
{
    struct el_pack pack;
    struct el_acts acts;
    struct el_pass pass = {.w = weights, .s = s, .mode = mode, .fp8 = 1};
    float logits[VOCAB];
    must(el_pack_init(&pack, el_device_host(), TOTAL, 1, &err));
    must(el_acts_init(&acts, &config, el_device_host(), TOTAL, EL_ACTS_SHARE, &err));
    must(el_pack_add(&pack, q->tokens, NULL, TOTAL, VOCAB, &err));
    el_pack_upload(&pack, &pass);
    el_transformer_forward(&pass, &acts);
    for (int i = 0; i < TOKENS; i++) {
        int row = PROMPT + i - 1;
        el_transformer_logits(&pass, 1, acts.final + (int64_t)row * config.hidden_size, logits);
        assert_memory_equal(logits, q->logits + (int64_t)i * VOCAB, sizeof logits);
    }
    must(el_stream_check(s, &err));
    el_pack_release(&pack);
    el_acts_release(&acts);
}

static void packed_keys_are_the_rounded_ones(void **state)
{
    (void)state;
    static const char *const isas[] = {"ref", "generic", "avx2", "avx512"};
    for (size_t i = 0; i < sizeof isas / sizeof *isas; i++)
        for (int mode = EL_ATTENTION_DENSE; mode <= EL_ATTENTION_MQA; mode++) {
            struct server v;
            if (!el_ops_find(isas[i]))
                continue;
            start(&v, (enum el_attention)mode, 50, 2, 1);
            v.s.ops = el_ops_find(isas[i]);
            struct el_sequence *q = complete(&v);
            check_without_cache(&v.s, (enum el_attention)mode, q);
            el_sequence_free(q);
            stop(&v);
        }
}

static void the_cache_takes_what_is_counted(void **state)
{
    (void)state;
    struct el_estimate e;
    must(el_estimate_init(&e, &config, TOTAL, 1, &err));
    assert_int_equal(e.kv_bytes[EL_FORM_FP8], 160 + 2 * 4 + 2 * 4); /* 128 and 32 codes */
    assert_int_equal(e.index_bytes[EL_FORM_FP8], 16 + 4);
    for (int fp8 = 0; fp8 <= 1; fp8++) {
        struct server v;
        enum el_form form = fp8 ? EL_FORM_FP8 : EL_FORM_F32;
        start(&v, EL_ATTENTION_MQA, PROMPT, 1, fp8);
        int64_t rows = (int64_t)v.e.pool.n_blocks * v.e.pool.block_size;
        const struct el_layer_cache *k = v.e.cache;
        assert_int_equal(k->kv == NULL, fp8);
        assert_int_equal(k->ki == NULL, fp8);
        assert_int_equal(k->kv_fp8 != NULL, fp8);
        assert_int_equal(k->ki_fp8 != NULL, fp8);
        int64_t layer = fp8 ? k[1].kv_fp8 - k[0].kv_fp8 : 4 * (k[1].kv - k[0].kv);
        assert_int_equal(LAYERS * layer, rows * e.token_bytes[form]);
        stop(&v);
    }
}

static void other_head_widths_are_refused(void **state)
{
    (void)state;
    struct el_weights odd = *weights;
    struct server v;
    struct el_engine_options o = {
        .max_sequences = 1, .max_rows = 1, .context = 16, .cache_tokens = 16, .fp8 = 1};
    odd.config.index_head_dim = 12;
    el_stream_init(&v.s, el_device_host(), el_ops_cpu(), 1);
    assert_int_equal(el_engine_init(&v.e, &odd, &v.s, &o, &err), EL_EREFUSED);
    assert_non_null(strstr(err.msg, "index_head_dim"));
    el_stream_release(&v.s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_do_not_matter),
        cmocka_unit_test(fp8_is_another_arithmetic),
        cmocka_unit_test(packed_keys_are_the_rounded_ones),
        cmocka_unit_test(the_cache_takes_what_is_counted),
        cmocka_unit_test(other_head_widths_are_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
