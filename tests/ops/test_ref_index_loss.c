#include "core/ops/indexer.h"
#include "tests/ops/batch.h"
#include "tests/ops/gradient.h"

#include <string.h>

enum { HEADS = 2, LATENT = 2, ROPE = 1, WIDTH = LATENT + ROPE, IHEADS = 2, IDIM = 3 };

struct indexer {
    struct el_stream s;
    struct el_attn attn;
    struct el_index_loss f;
    float q[BATCH_ROWS * HEADS * WIDTH], kv[BATCH_CACHE * WIDTH];
    float out[BATCH_ROWS * HEADS * LATENT], lse[BATCH_ROWS * HEADS];
    float qi[BATCH_ROWS * IHEADS * IDIM], w[BATCH_ROWS * IHEADS], k[BATCH_CACHE * IDIM];
    float loss[BATCH_ROWS];
};

/* The smallest |q . k| of all heads and visible keys: how far the inputs are from a kink. */
static double distance_from_kinks(const struct indexer *c)
{
    double least = INFINITY;
    for (int i = 0; i < BATCH_ROWS; i++)
        for (int p = 0; p <= batch_pos[i]; p++)
            for (int h = 0; h < IHEADS; h++) {
                const float *k = c->k + batch_cache_row(batch_seq[i], p) * IDIM;
                double dot = weighted_sum(c->qi + (i * IHEADS + h) * IDIM, k, IDIM);
                least = fmin(least, fabs(dot));
            }
    return least;
}

static void setup(struct indexer *c, const int32_t *selected, int topk)
{
    memset(c, 0, sizeof *c);
    c->s = reference_stream();
    fill_normal(c->q, COUNT(c->q), 1);
    fill_normal(c->kv, COUNT(c->kv), 2);
    fill_normal(c->w, COUNT(c->w), 3);
    uint64_t key = 10;
    do { /* differences across a kink of relu say nothing */
        fill_normal(c->qi, COUNT(c->qi), key++);
        fill_normal(c->k, COUNT(c->k), key++);
    } while (distance_from_kinks(c) < 0.12 && key < 100000);
    assert_true(key < 100000);
    c->attn = (struct el_attn){.at = batch_rows(),
                               .heads = HEADS,
                               .latent = LATENT,
                               .rope = ROPE,
                               .scale = 0.7f,
                               .q = c->q,
                               .kv = c->kv,
                               .selected = selected,
                               .topk = topk,
                               .out = c->out,
                               .lse = c->lse};
    c->f = (struct el_index_loss){.at = batch_rows(),
                                  .heads = HEADS,
                                  .latent = LATENT,
                                  .rope = ROPE,
                                  .scale = 0.7f,
                                  .q = c->q,
                                  .kv = c->kv,
                                  .lse = c->lse,
                                  .selected = selected,
                                  .topk = topk,
                                  .index_heads = IHEADS,
                                  .index_dim = IDIM,
                                  .qi = c->qi,
                                  .w = c->w,
                                  .k = c->k,
                                  .coef = 0.5f,
                                  .loss = c->loss};
    el_attn(&c->s, &c->attn);
}

static double loss(void *ctx)
{
    struct indexer *c = ctx;
    el_index_loss(&c->s, &c->f);
    double sum = 0;
    for (int i = 0; i < BATCH_ROWS; i++)
        sum += (double)c->loss[i];
    return (double)c->f.coef * sum;
}

static void gradients(const int32_t *selected, int topk)
{
    struct indexer c;
    setup(&c, selected, topk);
    float dqi[COUNT(c.qi)], dw[COUNT(c.w)], dk[COUNT(c.k)], base[COUNT(c.k)];
    fill_normal(dqi, COUNT(dqi), 4); /* overwritten */
    fill_normal(dw, COUNT(dw), 5);
    fill_normal(base, COUNT(base), 6);
    memcpy(dk, base, sizeof dk);
    struct el_index_loss with = c.f;
    with.dqi = dqi;
    with.dw = dw;
    with.dk = dk;
    el_index_loss(&c.s, &with);
    check_gradient(loss, &c, c.qi, dqi, NULL, COUNT(dqi), 2e-4);
    check_gradient(loss, &c, c.w, dw, NULL, COUNT(dw), 2e-4);
    check_gradient(loss, &c, c.k, dk, base, COUNT(dk), 2e-4);
    el_stream_release(&c.s);
}

static void dense_gradients(void **state)
{
    (void)state;
    gradients(NULL, 0);
}

static void selected_gradients(void **state)
{
    (void)state;
    gradients(batch_selected, BATCH_TOPK);
}

static void all_selected_equals_dense(void **state)
{
    (void)state;
    struct indexer dense, sparse;
    setup(&dense, NULL, 0);
    setup(&sparse, batch_everything, 6);
    loss(&dense);
    loss(&sparse);
    assert_memory_equal(dense.loss, sparse.loss, sizeof dense.loss);
    for (int i = 0; i < BATCH_ROWS; i++)
        assert_true(dense.loss[i] >= 0);
    assert_close(dense.loss + 3, (float[]){0}, 1, 1e-6); /* one visible key: nothing to learn */
    el_stream_release(&dense.s);
    el_stream_release(&sparse.s);
}

/* One row, three keys, one head and dimension everywhere. */
struct small {
    float q, kv[3], lse, qi, w, k[3];
    float loss, dqi, dw, dk[3];
};

static void run_small(struct small *c, int pos)
{
    struct el_stream s = reference_stream();
    const int32_t zero = 0, position = pos;
    struct el_index_loss a = {.at = {.rows = 1,
                                     .sequences = 1,
                                     .seq = &zero,
                                     .pos = &position,
                                     .tables = &zero,
                                     .table_stride = 1,
                                     .block_shift = 30,
                                     .max_pos = pos},
                              .heads = 1,
                              .latent = 1,
                              .scale = 1,
                              .q = &c->q,
                              .kv = c->kv,
                              .lse = &c->lse,
                              .index_heads = 1,
                              .index_dim = 1,
                              .qi = &c->qi,
                              .w = &c->w,
                              .k = c->k,
                              .coef = 2,
                              .loss = &c->loss,
                              .dqi = &c->dqi,
                              .dw = &c->dw,
                              .dk = c->dk};
    el_index_loss(&s, &a);
    el_stream_release(&s);
}

static void by_hand(void **state)
{
    (void)state;
    /* p = (1/2, 1/2), I = (ln 3, 0), softmax (3/4, 1/4): KL = ln(2/3)/2 + ln(2)/2, and
     * dI = 2 * (1/4, -1/4). Key 1 has q . k = 0, where the derivative of relu is 0. */
    struct small c = {.lse = logf(2), .qi = 2, .w = logf(3) / 4, .k = {2, 0, 50}};
    run_small(&c, 1);
    assert_close(&c.loss, (float[]){(logf(2.0f / 3) + logf(2)) / 2}, 1, 1e-6);
    assert_close(&c.dw, (float[]){0.5f * 4}, 1, 1e-6);
    assert_close(&c.dqi, (float[]){0.5f * c.w * 2}, 1, 1e-6);
    assert_close(c.dk, (float[]){0.5f * c.w * 2, 0, 0}, 3, 1e-6);
}

/* A key whose probability underflows to 0 adds nothing to the loss, not NaN. */
static void zero_probability(void **state)
{
    (void)state;
    struct small c = {.q = 1, .kv = {0, -2000, 0}, .qi = 1, .w = 1, .k = {1, 1, 0}};
    run_small(&c, 1);
    assert_close(&c.loss, (float[]){logf(2)}, 1, 1e-6);
    assert_close(c.dk, (float[]){-1, 1, 0}, 3, 1e-6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_hand),
        cmocka_unit_test(zero_probability),
        cmocka_unit_test(all_selected_equals_dense),
        cmocka_unit_test(dense_gradients),
        cmocka_unit_test(selected_gradients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
