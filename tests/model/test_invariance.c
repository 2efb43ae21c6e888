/* A row's logits depend on its sequence's tokens up to it and on nothing else: not on other
 * sequences, their order, later tokens or the number of threads, bit for bit. */
#include "tests/model/golden_case.h"

#include "core/base/rng.h"

enum { SEQUENCES = 5, LONGEST = 60, MAX_ROWS = SEQUENCES * LONGEST };

struct text {
    int32_t tokens[LONGEST];
    int n;
};

static void make_texts(struct text *texts, int vocab)
{
    struct el_rng r;
    el_rng_init(&r, 77);
    for (int i = 0; i < SEQUENCES; i++) {
        texts[i].n = i == 0 ? 1 : el_rng_range(&r, 5, LONGEST);
        for (int k = 0; k < LONGEST; k++)
            texts[i].tokens[k] = (int32_t)el_rng_below(&r, (uint32_t)vocab);
    }
}

/* Logits of texts order[0..n) packed in this order: (rows, V), to be freed. With `routing`, the
 * experts of that pass are used instead of live ones; `keep` receives them (MoE layers, rows, k).
 */
static float *logits_of(const struct el_weights *w, const struct el_ops *ops, int threads,
                        enum el_attention mode, const struct text *texts, const int *order, int n,
                        const int32_t *routing, int32_t *keep)
{
    struct el_stream s;
    struct el_pack pack;
    struct el_acts acts;
    struct el_device *d = el_device_host();
    const struct el_config *c = &w->config;
    el_stream_init(&s, d, ops, threads);
    golden_must(el_pack_init(&pack, d, MAX_ROWS, SEQUENCES, &err));
    golden_must(el_acts_init(&acts, c, d, MAX_ROWS, 0, &err));
    for (int i = 0; i < n; i++)
        golden_must(el_pack_add(&pack, texts[order[i]].tokens, NULL, texts[order[i]].n,
                                c->vocab_size, &err));
    struct el_pass pass = {.w = w, .s = &s, .mode = mode, .routing = routing};
    el_pack_upload(&pack, &pass);
    float *logits = el_alloc_array((size_t)pack.rows * (size_t)c->vocab_size, sizeof *logits);
    assert_non_null(logits);
    el_transformer_forward(&pass, &acts);
    el_transformer_logits(&pass, pack.rows, acts.final, logits);
    golden_must(el_stream_check(&s, &err));
    int64_t per_layer = (int64_t)pack.rows * c->num_experts_per_tok;
    for (int l = c->first_k_dense_replace; keep && l < c->num_hidden_layers; l++)
        memcpy(keep + (l - c->first_k_dense_replace) * per_layer, acts.layer[l].chosen,
               (size_t)per_layer * sizeof *keep);
    el_acts_release(&acts);
    el_pack_release(&pack);
    el_stream_release(&s);
    return logits;
}

static void check_orders(const struct el_weights *w, const struct el_ops *ops,
                         enum el_attention mode)
{
    static const int orders[][SEQUENCES] = {{0, 1, 2, 3, 4}, {4, 2, 0, 3, 1}, {3, 3, 3, 1, 0}};
    struct text texts[SEQUENCES];
    float *alone[SEQUENCES];
    size_t row = (size_t)w->config.vocab_size * sizeof(float);
    make_texts(texts, w->config.vocab_size);
    for (int i = 0; i < SEQUENCES; i++)
        alone[i] = logits_of(w, ops, 1, mode, texts, &i, 1, NULL, NULL);
    for (int k = 0; k < 3; k++) {
        float *all = logits_of(w, ops, 1 + k, mode, texts, orders[k], SEQUENCES, NULL, NULL);
        const char *at = (const char *)all;
        for (int i = 0; i < SEQUENCES; i++) {
            size_t bytes = row * (size_t)texts[orders[k][i]].n;
            assert_memory_equal(at, alone[orders[k][i]], bytes);
            at += bytes;
        }
        el_free(all);
    }
    for (int i = 0; i < SEQUENCES; i++) { /* the beginning of a text alone */
        struct text half = texts[i];
        half.n = (half.n + 1) / 2;
        int first = 0;
        float *begun = logits_of(w, ops, 1, mode, &half, &first, 1, NULL, NULL);
        assert_memory_equal(begun, alone[i], row * (size_t)half.n);
        el_free(begun);
    }
    for (int i = 0; i < SEQUENCES; i++)
        el_free(alone[i]);
}

static void test_golden_model(void **state)
{
    (void)state;
    struct golden_case g;
    golden_open(&g, "base", el_device_host());
    for (int i = 0; i < GOLDEN_ISAS; i++) {
        const struct el_ops *ops = el_ops_find(golden_isas[i]);
        for (int mode = 0; ops && mode < 2; mode++)
            check_orders(g.w, ops, (enum el_attention)mode);
    }
    golden_close(&g);
}

/* Widths that no tile divides, and enough work for several threads. */
static struct el_weights *odd_model(void)
{
    struct el_config c;
    struct el_weights *w = NULL;
    golden_must(el_config_load(GOLDEN_DIR "tiny_norms/config.json", &c, &err));
    c.vocab_size = 211;
    c.hidden_size = 150;
    c.intermediate_size = 190;
    c.moe_intermediate_size = 41;
    c.q_lora_rank = 47;
    c.kv_lora_rank = 53;
    c.num_attention_heads = 3;
    c.index_topk = 9;
    c.initializer_range = 0.2;
    golden_must(el_weights_create(&c, el_device_host(), 2, &w, &err));
    return w;
}

static void test_odd_model(void **state)
{
    (void)state;
    struct el_weights *w = odd_model();
    for (int i = 1; i < GOLDEN_ISAS; i++) {
        const struct el_ops *ops = el_ops_find(golden_isas[i]);
        for (int mode = 0; ops && mode < 2; mode++)
            check_orders(w, ops, (enum el_attention)mode);
    }
    el_weights_free(w);
}

/* Replaying the experts that were chosen changes nothing; replaying others changes the logits. */
static void test_routing_replay(void **state)
{
    (void)state;
    static const int order[] = {1, 2, 3};
    struct text texts[SEQUENCES];
    struct el_weights *w = odd_model();
    const struct el_config *c = &w->config;
    int layers = c->num_hidden_layers - c->first_k_dense_replace, k = c->num_experts_per_tok;
    make_texts(texts, c->vocab_size);
    int rows = texts[1].n + texts[2].n + texts[3].n;
    size_t bytes = (size_t)rows * (size_t)c->vocab_size * sizeof(float);
    int32_t *chosen = el_alloc_array((size_t)(layers * rows * k), sizeof *chosen);
    float *live = logits_of(w, el_ops_cpu(), 1, EL_ATTENTION_MQA, texts, order, 3, NULL, chosen);
    float *replayed =
        logits_of(w, el_ops_cpu(), 1, EL_ATTENTION_MQA, texts, order, 3, chosen, NULL);
    assert_memory_equal(live, replayed, bytes);
    for (int i = 0; i < k; i++)
        chosen[((layers - 1) * rows) * k + i] = i; /* other experts for the very first row */
    float *other = logits_of(w, el_ops_cpu(), 1, EL_ATTENTION_MQA, texts, order, 3, chosen, NULL);
    size_t row = (size_t)c->vocab_size;
    assert_memory_not_equal(live, other, row * sizeof(float));
    assert_memory_equal(live + row, other + row, bytes - row * sizeof(float));
    el_free(chosen);
    el_free(live);
    el_free(replayed);
    el_free(other);
    el_weights_free(w);
}

static void test_pack_limits(void **state)
{
    (void)state;
    struct el_pack p;
    struct el_error err = {0};
    const int32_t good[] = {1, 2, 3, 4}, high[] = {1, 64}, low[] = {-1, 2};
    const float weight[] = {9, 1, 0, 0.5f};
    assert_int_equal(el_pack_init(&p, el_device_host(), 10, 3, &err), 0);
    assert_int_equal(el_pack_add(&p, good, NULL, 0, 64, &err), EL_ELIMIT);
    assert_int_equal(el_pack_add(&p, high, NULL, 2, 64, &err), EL_EINVAL);
    assert_int_equal(el_pack_add(&p, low, NULL, 2, 64, &err), EL_EINVAL);
    assert_int_equal(p.rows, 0);
    assert_int_equal(el_pack_add(&p, good, weight, 4, 64, &err), 0);
    assert_memory_equal(p.target, ((int32_t[]){2, -1, 4, -1}), sizeof(int32_t[4]));
    assert_memory_equal(p.weight, ((float[]){1, 0, 0.5f, 0}), sizeof(float[4]));
    assert_int_equal(el_pack_add(&p, good, NULL, 4, 64, &err), 0);
    assert_int_equal(p.target[4], -1);
    assert_int_equal(el_pack_add(&p, good, NULL, 3, 64, &err), EL_ELIMIT);
    assert_int_equal(p.rows, 8);
    assert_int_equal(el_pack_add(&p, good, NULL, 1, 64, &err), 0);
    assert_int_equal(el_pack_add(&p, good, NULL, 1, 64, &err), EL_ELIMIT); /* sequences */
    assert_int_equal(p.max_pos, 3);
    el_pack_clear(&p);
    assert_int_equal(el_pack_add(&p, good, NULL, 4, 64, &err), 0);
    el_pack_release(&p);
    for (int n = 1; n <= 15; n++) {
        el_alloc_fail_after(n);
        assert_int_equal(el_pack_init(&p, el_device_host(), 10, 3, &err), EL_ENOMEM);
        el_alloc_fail_after(0);
    }
}

/* "1 2 3 4" with the branches "1 2 5" and "1 2 3 6 7", then "8 9". */
static void test_pack_branches(void **state)
{
    (void)state;
    struct el_pack p;
    struct el_error err = {0};
    struct el_pass pass = {0};
    const int32_t whole[] = {1, 2, 3, 4}, one[] = {1, 2, 5}, two[] = {1, 2, 3, 6, 7},
                  rest[] = {8, 9};
    const float weight[] = {0, 0, 0, 1, 0.5f};
    assert_int_equal(el_pack_init(&p, el_device_host(), 12, 4, &err), 0);
    assert_int_equal(el_pack_branch(&p, 2, one, NULL, 3, 64, &err), EL_EINVAL); /* of what? */
    assert_int_equal(el_pack_add(&p, whole, weight, 4, 64, &err), 0);
    assert_int_equal(el_pack_branch(&p, 3, one, NULL, 3, 64, &err), EL_EINVAL); /* no row left */
    assert_int_equal(el_pack_branch(&p, -1, one, NULL, 3, 64, &err), EL_EINVAL);
    assert_int_equal(el_pack_branch(&p, 4, two, NULL, 5, 64, &err), EL_EINVAL); /* 4 is not 6 */
    el_alloc_fail_after(1);
    assert_int_equal(el_pack_branch(&p, 2, one, NULL, 3, 64, &err), EL_ENOMEM);
    el_alloc_fail_after(2);
    assert_int_equal(el_pack_branch(&p, 2, one, NULL, 3, 64, &err), EL_ENOMEM);
    el_alloc_fail_after(0);
    assert_int_equal(p.rows, 4);
    el_pack_upload(&p, &pass);
    assert_true(pass.at.block_shift == 30 && !pass.at.shared && !pass.times);
    assert_int_equal(el_pack_branch(&p, 2, one, NULL, 3, 64, &err), 0);
    assert_int_equal(el_pack_branch(&p, 3, two, weight, 5, 64, &err), 0);
    assert_int_equal(el_pack_add(&p, rest, NULL, 2, 64, &err), 0);
    assert_true(p.rows == 9 && p.sequences == 4 && p.families == 2 && p.max_pos == 4);
    assert_memory_equal(p.token, ((int32_t[]){1, 2, 3, 4, 5, 6, 7, 8, 9}), sizeof(int32_t[9]));
    assert_memory_equal(p.pos, ((int32_t[]){0, 1, 2, 3, 2, 3, 4, 0, 1}), sizeof(int32_t[9]));
    assert_memory_equal(p.seq, ((int32_t[]){0, 0, 0, 0, 1, 2, 2, 3, 3}), sizeof(int32_t[9]));
    assert_memory_equal(p.times, ((float[]){3, 3, 2, 1, 1, 1, 1, 1, 1}), sizeof(float[9]));
    assert_memory_equal(p.target, ((int32_t[]){-1, -1, 4, -1, -1, 7, -1, -1, -1}),
                        sizeof(int32_t[9]));
    el_pack_upload(&p, &pass);
    assert_true(pass.at.table_stride == 5 && pass.at.block_shift == 0 && pass.at.shared_keys == 5);
    assert_memory_equal(pass.at.shared, ((int32_t[]){0, 2, 3, 0}), sizeof(int32_t[4]));
    assert_memory_equal(pass.at.tables + 5, ((int32_t[]){0, 1, 4}), sizeof(int32_t[3]));
    assert_memory_equal(pass.at.tables + 10, ((int32_t[]){0, 1, 2, 5, 6}), sizeof(int32_t[5]));
    assert_memory_equal(pass.at.tables + 15, ((int32_t[]){7, 8}), sizeof(int32_t[2]));
    assert_memory_equal(pass.times, p.times, sizeof(float[9]));
    assert_int_equal(el_pack_add(&p, rest, NULL, 2, 64, &err), EL_ELIMIT); /* sequences */
    el_pack_clear(&p);
    assert_int_equal(el_pack_branch(&p, 1, one, NULL, 3, 64, &err), EL_EINVAL);
    assert_int_equal(el_pack_add(&p, rest, NULL, 2, 64, &err), 0);
    el_pack_upload(&p, &pass);
    assert_true(pass.at.block_shift == 30 && !pass.at.shared && !pass.times);
    el_pack_release(&p);
}

static void test_attention_names(void **state)
{
    (void)state;
    enum el_attention mode = EL_ATTENTION_DENSE;
    struct el_error err = {0};
    assert_int_equal(el_attention_parse("mqa", &mode, &err), 0);
    assert_int_equal(mode, EL_ATTENTION_MQA);
    assert_string_equal(el_attention_name(mode), "mqa");
    assert_int_equal(el_attention_parse("mha", &mode, &err), 0);
    assert_int_equal(mode, EL_ATTENTION_MHA);
    assert_int_equal(el_attention_parse("gqa", &mode, &err), EL_EINVAL);
    assert_non_null(strstr(err.msg, "dense, mqa or mha"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_model),   cmocka_unit_test(test_odd_model),
        cmocka_unit_test(test_routing_replay), cmocka_unit_test(test_pack_limits),
        cmocka_unit_test(test_pack_branches),  cmocka_unit_test(test_attention_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
