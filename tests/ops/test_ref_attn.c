#include "core/ops/attention.h"
#include "tests/ops/batch.h"
#include "tests/ops/gradient.h"

#include <string.h>

enum { HEADS = 2, LATENT = 3, ROPE = 2, WIDTH = LATENT + ROPE };

struct attention {
    struct el_stream s;
    struct el_attn f;
    float q[BATCH_ROWS * HEADS * WIDTH], kv[BATCH_CACHE * WIDTH];
    float out[BATCH_ROWS * HEADS * LATENT], lse[BATCH_ROWS * HEADS];
    float dout[BATCH_ROWS * HEADS * LATENT];
};

static void setup(struct attention *c, const int32_t *selected, int topk)
{
    memset(c, 0, sizeof *c);
    c->s = reference_stream();
    fill_normal(c->q, COUNT(c->q), 1);
    fill_normal(c->kv, COUNT(c->kv), 2);
    fill_normal(c->dout, COUNT(c->dout), 3);
    c->f = (struct el_attn){.at = batch_rows(),
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
}

static double loss(void *ctx)
{
    struct attention *c = ctx;
    el_attn(&c->s, &c->f);
    return weighted_sum(c->out, c->dout, COUNT(c->out));
}

/* One sequence of consecutive cache rows, the last row of it as the query. */
static struct el_rows single(const int32_t *zero, const int32_t *pos)
{
    return (struct el_rows){.rows = 1,
                            .sequences = 1,
                            .seq = zero,
                            .pos = pos,
                            .tables = zero,
                            .table_stride = 1,
                            .block_shift = 30,
                            .max_pos = *pos};
}

static void by_hand(void **state)
{
    (void)state;
    struct el_stream s = reference_stream();
    int32_t zero = 0, pos = 1;
    /* The rope part decides: scores 2 * (0, ln 3 / 2), weights 1/4 and 3/4. Row 2 is invisible. */
    float q[2] = {0, 1}, kv[6] = {4, 0, 8, logf(3) / 2, 1000, 50}, out, lse;
    struct el_attn a = {.at = single(&zero, &pos),
                        .heads = 1,
                        .latent = 1,
                        .rope = 1,
                        .scale = 2,
                        .q = q,
                        .kv = kv,
                        .out = &out,
                        .lse = &lse};
    el_attn(&s, &a);
    assert_close(&out, (float[]){7}, 1, 1e-5);
    assert_close(&lse, (float[]){logf(4)}, 1, 1e-6);
    q[0] = 500; /* scores 4000 and 8000 + ln 3: no overflow */
    a.lse = NULL;
    el_attn(&s, &a);
    assert_close(&out, (float[]){8}, 1, 1e-5);
    el_stream_release(&s);
}

static void all_selected_equals_dense(void **state)
{
    (void)state;
    struct attention dense, sparse;
    setup(&dense, NULL, 0);
    setup(&sparse, batch_everything, 6);
    loss(&dense);
    loss(&sparse);
    assert_memory_equal(dense.out, sparse.out, sizeof dense.out);
    assert_memory_equal(dense.lse, sparse.lse, sizeof dense.lse);
    el_stream_release(&dense.s);
    el_stream_release(&sparse.s);
}

/* The same keys laid out in order, one block per sequence, give the same bits. */
static void block_tables_only_move_keys(void **state)
{
    (void)state;
    struct attention scattered, straight;
    static const int32_t tables[2] = {0, 5};
    setup(&scattered, batch_selected, BATCH_TOPK);
    setup(&straight, batch_selected, BATCH_TOPK);
    straight.f.at.tables = tables;
    straight.f.at.table_stride = 1;
    straight.f.at.block_shift = 30;
    for (int seq = 0; seq < 2; seq++)
        for (int p = 0; p < 5 - 2 * seq; p++)
            memcpy(straight.kv + (tables[seq] + p) * WIDTH,
                   scattered.kv + batch_cache_row(seq, p) * WIDTH, WIDTH * sizeof(float));
    loss(&scattered);
    loss(&straight);
    assert_memory_equal(scattered.out, straight.out, sizeof scattered.out);
    el_stream_release(&scattered.s);
    el_stream_release(&straight.s);
}

/* What a row gets does not depend on the rows beside it. */
static void rows_are_independent(void **state)
{
    (void)state;
    struct attention all, one;
    setup(&all, batch_selected, BATCH_TOPK);
    loss(&all);
    for (int i = 0; i < BATCH_ROWS; i++) {
        setup(&one, batch_selected + i * BATCH_TOPK, BATCH_TOPK);
        one.f.at.rows = 1;
        one.f.at.seq += i;
        one.f.at.pos += i;
        one.f.q += i * HEADS * WIDTH;
        el_attn(&one.s, &one.f);
        assert_memory_equal(one.out, all.out + i * HEADS * LATENT, HEADS * LATENT * sizeof(float));
        el_stream_release(&one.s);
    }
    el_stream_release(&all.s);
}

static void gradients(const int32_t *selected, int topk)
{
    struct attention c;
    setup(&c, selected, topk);
    loss(&c);
    float dq[COUNT(c.q)], dkv[COUNT(c.kv)], base[COUNT(c.kv)];
    fill_normal(base, COUNT(base), 4);
    memcpy(dkv, base, sizeof dkv);
    struct el_attn_bwd b = {.at = batch_rows(),
                            .heads = HEADS,
                            .latent = LATENT,
                            .rope = ROPE,
                            .scale = c.f.scale,
                            .q = c.q,
                            .kv = c.kv,
                            .selected = selected,
                            .topk = topk,
                            .out = c.out,
                            .lse = c.lse,
                            .dout = c.dout,
                            .dq = dq,
                            .dkv = dkv};
    el_attn_bwd(&c.s, &b);
    check_gradient(loss, &c, c.q, dq, NULL, COUNT(dq), 1e-4);
    check_gradient(loss, &c, c.kv, dkv, base, COUNT(dkv), 1e-4);
    for (int i = 10 * WIDTH; i < BATCH_CACHE * WIDTH; i++)
        assert_true(dkv[i] == base[i]);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_hand),
        cmocka_unit_test(all_selected_equals_dense),
        cmocka_unit_test(block_tables_only_move_keys),
        cmocka_unit_test(rows_are_independent),
        cmocka_unit_test(dense_gradients),
        cmocka_unit_test(selected_gradients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
