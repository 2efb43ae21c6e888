/* Serving with FP8 indexer and latents: what the cache holds are values that FP8 can hold, and
 * completions depend as little on batches and pieces as without. */
#include "core/base/rng.h"
#include "core/ops/fp8_round.h"
#include "core/ops/fp8_row.h"
#include "core/run/engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PROMPT = 300, TOKENS = 8, VOCAB = 50, TOTAL = PROMPT + TOKENS, LAYERS = 2 };
enum { LATENT = 160, ROPE = 4, INDEX_DIM = 16 };

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

/* Rounding what the cache holds changes nothing; without fp8 it does. */
static int cache_changes(struct server *v, int layer)
{
    int rows = v->e.pool.n_blocks * v->e.pool.block_size, width = LATENT + ROPE, changed = 0;
    float *kv = malloc((size_t)rows * (size_t)width * sizeof *kv);
    float *ki = malloc((size_t)rows * INDEX_DIM * sizeof *ki);
    assert_true(kv && ki);
    memcpy(kv, v->e.cache[layer].kv, (size_t)rows * (size_t)width * sizeof *kv);
    memcpy(ki, v->e.cache[layer].ki, (size_t)rows * INDEX_DIM * sizeof *ki);
    el_fp8_round(&v->s, &(struct el_fp8_round){.rows = rows,
                                               .slices = 1,
                                               .width = LATENT,
                                               .group = EL_FP8_GROUP,
                                               .tail = ROPE,
                                               .x = kv,
                                               .x_row = width});
    el_fp8_round(&v->s, &(struct el_fp8_round){.rows = rows,
                                               .slices = 1,
                                               .width = INDEX_DIM,
                                               .group = EL_FP8_GROUP,
                                               .x = ki,
                                               .x_row = INDEX_DIM});
    changed |= memcmp(kv, v->e.cache[layer].kv, (size_t)rows * (size_t)width * sizeof *kv) != 0;
    changed |= (memcmp(ki, v->e.cache[layer].ki, (size_t)rows * INDEX_DIM * sizeof *ki) != 0) << 1;
    free(kv);
    free(ki);
    return changed;
}

static void the_cache_holds_fp8_values(void **state)
{
    (void)state;
    for (int fp8 = 0; fp8 <= 1; fp8++) {
        struct server v;
        start(&v, EL_ATTENTION_MQA, PROMPT, 1, fp8);
        el_sequence_free(complete(&v));
        for (int l = 0; l < LAYERS; l++)
            assert_int_equal(cache_changes(&v, l), fp8 ? 0 : 3);
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
        cmocka_unit_test(the_cache_holds_fp8_values),
        cmocka_unit_test(other_head_widths_are_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
