/* Long prompts: passed through the model in pieces of any size they become the same completions,
 * and the memory for 131,072 tokens in the attention shape of the 671B model is counted. */
#include "core/base/io.h"
#include "core/base/rng.h"
#include "core/ops/indexer.h"
#include "core/run/engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

enum { PROMPT = 3000, TOKENS = 6 };

static const char small[] =
    "{\"vocab_size\": 50, \"hidden_size\": 16, \"intermediate_size\": 16, \"num_hidden_layers\": 2,"
    "\"first_k_dense_replace\": 2, \"moe_intermediate_size\": 4, \"n_routed_experts\": 0,"
    "\"num_experts_per_tok\": 1, \"n_shared_experts\": 1, \"n_group\": 1, \"topk_group\": 1,"
    "\"num_attention_heads\": 2, \"q_lora_rank\": 8, \"kv_lora_rank\": 16, \"qk_nope_head_dim\": 8,"
    "\"qk_rope_head_dim\": 4, \"v_head_dim\": 8, \"index_n_heads\": 2, \"index_head_dim\": 8,"
    "\"index_topk\": 100, \"max_position_embeddings\": 4096, \"rms_norm_eps\": 1e-6,"
    "\"rope_theta\": 10000, \"norm_topk_prob\": true, \"routed_scaling_factor\": 1,"
    "\"tie_word_embeddings\": false, \"scoring_func\": \"sigmoid\", \"topk_method\": \"noaux_tc\","
    "\"hidden_act\": \"silu\", \"bos_token_id\": 0, \"eos_token_id\": 1, \"initializer_range\": "
    "0.3}";

static struct el_error err;

static void must(int rc)
{
    if (rc < 0)
        fail_msg("%s", err.msg);
}

/* One prompt to its end; returns the passes it took. */
static int64_t complete(struct el_engine *e, const int32_t *prompt, struct el_sequence **out)
{
    const struct el_sampling sampling = {.temperature = 1, .top_p = 1, .max_tokens = TOKENS};
    int64_t passes = e->stats.passes;
    int left = 1;
    must(el_engine_add(e, prompt, PROMPT, &sampling, 5, 0, NULL, NULL, &err));
    while (left > 0)
        must(left = el_engine_step(e, &err));
    *out = el_engine_take(e);
    assert_non_null(*out);
    assert_int_equal((*out)->n, PROMPT + TOKENS);
    return e->stats.passes - passes;
}

static void same_completion(const struct el_sequence *x, const struct el_sequence *y)
{
    assert_memory_equal(x->tokens, y->tokens, (PROMPT + TOKENS) * sizeof *x->tokens);
    assert_memory_equal(x->logps, y->logps, TOKENS * sizeof *x->logps);
}

/* In one pass, in pieces of 448, 100 and 17 rows, and from the cache. */
static void check_pieces(enum el_attention mode, const struct el_weights *w, const int32_t *prompt)
{
    static const int rows[] = {PROMPT, 448, 100, 17};
    struct el_sequence *first = NULL, *q;
    for (int i = 0; i < 4; i++) {
        struct el_stream s;
        struct el_engine e;
        struct el_engine_options o = {.attention = mode,
                                      .max_sequences = 1,
                                      .max_rows = rows[i],
                                      .context = PROMPT + 64,
                                      .cache_tokens = PROMPT + 64};
        el_stream_init(&s, el_device_host(), el_ops_cpu(), 1 + i % 3);
        must(el_engine_init(&e, w, &s, &o, &err));
        e.eos = -1;
        int64_t passes = complete(&e, prompt, &q);
        assert_int_equal(passes, (PROMPT + rows[i] - 1) / rows[i] + TOKENS - 1);
        if (first)
            same_completion(q, first);
        struct el_sequence *again;
        assert_true(complete(&e, prompt, &again) <= TOKENS + 1);
        assert_true(again->cached > PROMPT - 32);
        same_completion(again, q);
        el_sequence_free(again);
        if (first)
            el_sequence_free(q);
        else
            first = q;
        el_engine_release(&e);
        el_stream_release(&s);
    }
    el_sequence_free(first);
}

static void pieces_of_a_prompt_are_the_prompt(void **state)
{
    (void)state;
    struct el_config c;
    struct el_weights *w;
    struct el_rng r;
    int32_t prompt[PROMPT];
    must(el_config_parse("small", small, strlen(small), &c, &err));
    must(el_weights_create(&c, el_device_host(), 3, &w, &err));
    el_rng_init(&r, 9);
    for (int i = 0; i < PROMPT; i++)
        prompt[i] = (int32_t)el_rng_below(&r, 50);
    check_pieces(EL_ATTENTION_MQA, w, prompt);
    check_pieces(EL_ATTENTION_DENSE, w, prompt);
    el_weights_free(w);
}

/* A device that counts what it hands out; nothing is touched. */
enum { BLOCKS = 16 };
static struct {
    size_t held, size[BLOCKS];
    void *block[BLOCKS];
} counter;

static void *count_alloc(struct el_device *d, size_t bytes)
{
    (void)d;
    void *p = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    for (int i = 0; i < BLOCKS && p != MAP_FAILED; i++)
        if (!counter.block[i]) {
            counter.block[i] = p;
            counter.size[i] = bytes;
            counter.held += bytes;
            return p;
        }
    return NULL;
}

static void count_release(struct el_device *d, void *p)
{
    (void)d;
    for (int i = 0; i < BLOCKS && p; i++)
        if (counter.block[i] == p) {
            counter.held -= counter.size[i];
            munmap(p, counter.size[i]);
            counter.block[i] = NULL;
        }
}

/* The largest workspace of the attention ops in a pass of `rows` rows that ends the context. */
static size_t attention_workspace(const struct el_config *c, const struct el_stream *s, int rows,
                                  int context, int fp8)
{
    static const int32_t any = 0;
    static const uint8_t packed = 0;
    struct el_rows at = {.rows = rows, .sequences = 1, .max_pos = context - 1};
    struct el_index_select select = {
        .at = at, .heads = c->index_n_heads, .dim = c->index_head_dim, .topk = c->index_topk};
    struct el_attn attn = {.at = at,
                           .heads = c->num_attention_heads,
                           .latent = c->kv_lora_rank,
                           .rope = c->qk_rope_head_dim,
                           .selected = &any,
                           .topk = c->index_topk};
    select.k_fp8 = attn.kv_fp8 = fp8 ? &packed : NULL;
    size_t x = s->ops->workspace[EL_OP_index_select](s, &select);
    size_t y = s->ops->workspace[EL_OP_attn](s, &attn);
    return x > y ? x : y;
}

static size_t engine_bytes(const struct el_config *c, int context, int fp8)
{
    enum { ROWS = 512 };
    struct el_device device = {"count", count_alloc, count_release, NULL, NULL, NULL, NULL, NULL};
    /* no values: the engine only looks at the shape until its first step */
    struct el_weights w = {.config = *c, .device = &device};
    float *nowhere = (float *)(uintptr_t)4096;
    w.rope_positions = c->max_position_embeddings;
    must(el_layout_init(&w.layout, c, &err));
    must(el_view_init(&w.view, &w.layout, c, nowhere, &err));
    struct el_stream s;
    struct el_engine e;
    struct el_engine_options o = {.attention = EL_ATTENTION_MQA,
                                  .max_sequences = 1,
                                  .max_rows = ROWS,
                                  .context = context,
                                  .cache_tokens = context,
                                  .fp8 = fp8};
    el_stream_init(&s, &device, el_ops_cpu(), 16);
    must(el_engine_init(&e, &w, &s, &o, &err));
    size_t bytes = counter.held, most = 0;
    for (int rows = 1; rows <= ROWS; rows *= 2) {
        size_t n = attention_workspace(c, &s, rows, context, fp8);
        most = n > most ? n : most;
    }
    el_engine_release(&e);
    el_stream_release(&s);
    el_view_release(&w.view);
    el_layout_release(&w.layout);
    assert_int_equal(counter.held, 0);
    return bytes + most;
}

/* Linear: 64K more tokens add what 32K more add twice, little more than their keys. */
static void a_long_context_fits(void **state)
{
    (void)state;
    struct el_config c;
    must(el_config_load(EL_SOURCE_DIR "/configs/models/671b-attention.json", &c, &err));
    size_t quarter = engine_bytes(&c, 32768, 0), half = engine_bytes(&c, 65536, 0);
    size_t whole = engine_bytes(&c, 131072, 0);
    assert_true(whole < (size_t)4 << 30);
    assert_true(whole - half <= 2 * (half - quarter) + 4096);
    assert_true(whole - half < (size_t)65536 * (576 + 128) * 4 * 2);
}

/* What an FP8 cache saves of 64K tokens is the difference of the rows' sizes, to the byte: nothing
 * of the cache exists as fp32 beside it. */
static void a_packed_context_is_as_much_smaller(void **state)
{
    (void)state;
    struct el_config c;
    must(el_config_load(EL_SOURCE_DIR "/configs/models/671b-attention.json", &c, &err));
    size_t plain = engine_bytes(&c, 131072, 0) - engine_bytes(&c, 65536, 0);
    size_t packed = engine_bytes(&c, 131072, 1) - engine_bytes(&c, 65536, 1);
    assert_int_equal(plain - packed,
                     (size_t)c.num_hidden_layers * 65536 * ((576 + 128) * 4 - (656 + 132)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_of_a_prompt_are_the_prompt),
        cmocka_unit_test(a_long_context_fits),
        cmocka_unit_test(a_packed_context_is_as_much_smaller),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
