/* Weights packed ahead: every table, the same forward pass to the last bit; stale until they are
 * filled again; empty when they would take too much. */
#include "tests/model/golden_case.h"

#include "core/base/rng.h"
#include "core/model/packed.h"

enum { ROWS = 37 };

/* Logits (ROWS, V) of one text, to be freed. */
static float *logits_of(const struct el_weights *w, const struct el_packed *packed,
                        const struct el_ops *ops)
{
    struct el_device *d = el_device_host();
    struct el_stream s;
    struct el_pack rows;
    struct el_acts acts;
    struct el_rng r;
    int32_t token[ROWS];
    int vocab = w->config.vocab_size;
    el_rng_init(&r, 5);
    for (int i = 0; i < ROWS; i++)
        token[i] = (int32_t)el_rng_below(&r, (uint32_t)vocab);
    el_stream_init(&s, d, ops, 2);
    golden_must(el_pack_init(&rows, d, ROWS, 1, &err));
    golden_must(el_acts_init(&acts, &w->config, d, ROWS, 0, &err));
    golden_must(el_pack_add(&rows, token, NULL, ROWS, vocab, &err));
    struct el_pass pass = {.w = w, .packed = packed, .s = &s, .mode = EL_ATTENTION_MQA};
    el_pack_upload(&rows, &pass);
    float *logits = el_alloc_array((size_t)ROWS * (size_t)vocab, sizeof *logits);
    assert_non_null(logits);
    el_transformer_forward(&pass, &acts);
    el_transformer_logits(&pass, ROWS, acts.final, logits);
    golden_must(el_stream_check(&s, &err));
    el_acts_release(&acts);
    el_pack_release(&rows);
    el_stream_release(&s);
    return logits;
}

static void fill(struct el_packed *p, const struct el_ops *ops)
{
    struct el_stream s;
    el_stream_init(&s, el_device_host(), ops, 2);
    el_packed_fill(p, &s);
    golden_must(el_stream_check(&s, &err));
    el_stream_release(&s);
}

static void compare(const struct el_weights *w, const struct el_packed *packed,
                    const struct el_ops *ops, int same)
{
    size_t bytes = (size_t)ROWS * (size_t)w->config.vocab_size * sizeof(float);
    float *plain = logits_of(w, NULL, ops), *fast = logits_of(w, packed, ops);
    assert_int_equal(memcmp(plain, fast, bytes) == 0, same);
    el_free(plain);
    el_free(fast);
}

/* Every packed matrix is read: with other signs, it shows. */
static void every_matrix_is_used(const struct el_weights *w, struct el_packed *p,
                                 const struct el_ops *ops)
{
    for (int i = 0; i < p->n; i++) {
        const struct el_gemm_pack *m = &p->matrix[i];
        int64_t n = (m->batch > 1 ? m->batch : 1) * el_gemm_packed_floats(m->n, m->k);
        for (int64_t j = 0; j < n; j++)
            m->packed[j] = -m->packed[j];
        compare(w, p, ops, 0);
        fill(p, ops);
    }
}

static void test_bits(void **state)
{
    (void)state;
    struct golden_case g;
    struct el_packed p;
    golden_open(&g, "base", el_device_host());
    golden_must(el_packed_init(&p, g.w, SIZE_MAX, &err));
    for (int i = 0; i < GOLDEN_ISAS; i++) {
        const struct el_ops *ops = el_ops_find(golden_isas[i]);
        if (!ops)
            continue;
        fill(&p, ops);
        compare(g.w, &p, ops, 1);
        every_matrix_is_used(g.w, &p, ops);
        compare(g.w, &p, ops, 1);
    }
    el_packed_release(&p);
    golden_close(&g);
}

static void test_new_weights(void **state)
{
    (void)state;
    struct golden_case g;
    struct el_packed p;
    golden_open(&g, "base", el_device_host());
    golden_must(el_packed_init(&p, g.w, SIZE_MAX, &err));
    fill(&p, el_ops_cpu());
    g.w->view.layers[0].o[3] += 0.5f;
    compare(g.w, &p, el_ops_cpu(), 0);
    fill(&p, el_ops_cpu());
    compare(g.w, &p, el_ops_cpu(), 1);
    el_packed_release(&p);
    golden_close(&g);
}

static void test_too_large(void **state)
{
    (void)state;
    struct golden_case g;
    struct el_packed p;
    golden_open(&g, "base", el_device_host());
    golden_must(el_packed_init(&p, g.w, 1000, &err));
    assert_int_equal(p.n, 0);
    fill(&p, el_ops_cpu());
    compare(g.w, &p, el_ops_cpu(), 1);
    el_packed_release(&p);
    golden_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bits),
        cmocka_unit_test(test_new_weights),
        cmocka_unit_test(test_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
