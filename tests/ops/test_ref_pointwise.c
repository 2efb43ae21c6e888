#include "core/ops/pointwise.h"
#include "tests/ops/gradient.h"

#include <string.h>

enum { ROWS = 3, WIDTH = 4, N = ROWS * WIDTH };

struct glu {
    struct el_stream s;
    struct el_swiglu f;
    float gate[N], up[N], y[N], dy[N];
};

static double glu_loss(void *ctx)
{
    struct glu *c = ctx;
    el_swiglu(&c->s, &c->f);
    return weighted_sum(c->y, c->dy, N);
}

static void glu_setup(struct glu *c)
{
    memset(c, 0, sizeof *c);
    c->s = reference_stream();
    fill_normal(c->gate, N, 1);
    fill_normal(c->up, N, 2);
    fill_normal(c->dy, N, 3);
    c->f =
        (struct el_swiglu){.rows = ROWS, .width = WIDTH, .gate = c->gate, .up = c->up, .y = c->y};
}

static void swiglu_by_hand(void **state)
{
    (void)state;
    struct glu c;
    glu_setup(&c);
    memcpy(c.gate, (float[]){0, logf(3), -logf(3), -1000}, 4 * sizeof(float));
    memcpy(c.up, (float[]){5, 2, 4, 3}, 4 * sizeof(float));
    c.f.rows = 1;
    c.f.y = c.gate; /* in place */
    el_swiglu(&c.s, &c.f);
    assert_close(c.gate, (float[]){0, 1.5f * logf(3), -logf(3), 0}, 4, 1e-6);
    el_stream_release(&c.s);
}

static void swiglu_gradients(void **state)
{
    (void)state;
    struct glu c;
    glu_setup(&c);
    float dgate[N], dup[N];
    struct el_swiglu_bwd b = {.rows = ROWS,
                              .width = WIDTH,
                              .gate = c.gate,
                              .up = c.up,
                              .dy = c.dy,
                              .dgate = dgate,
                              .dup = dup};
    el_swiglu_bwd(&c.s, &b);
    check_gradient(glu_loss, &c, c.gate, dgate, NULL, N, 1e-4);
    check_gradient(glu_loss, &c, c.up, dup, NULL, N, 1e-4);
    float dy[N];
    memcpy(dy, c.dy, sizeof dy);
    b.dgate = c.dy; /* in the place of dy, either of them */
    el_swiglu_bwd(&c.s, &b);
    assert_memory_equal(c.dy, dgate, sizeof dgate);
    memcpy(c.dy, dy, sizeof dy);
    b.dgate = dgate;
    b.dup = c.dy;
    el_swiglu_bwd(&c.s, &b);
    assert_memory_equal(c.dy, dup, sizeof dup);
    el_stream_release(&c.s);
}

static const int32_t tokens[ROWS] = {4, 1, 4};

struct embedding {
    struct el_stream s;
    struct el_embed f;
    float table[5 * WIDTH], x[N], dx[N];
};

static double embed_loss(void *ctx)
{
    struct embedding *c = ctx;
    el_embed(&c->s, &c->f);
    return weighted_sum(c->x, c->dx, N);
}

static void embed_and_its_gradient(void **state)
{
    (void)state;
    struct embedding c = {.s = reference_stream()};
    fill_normal(c.table, COUNT(c.table), 1);
    fill_normal(c.dx, N, 2);
    c.f = (struct el_embed){
        .rows = ROWS, .width = WIDTH, .token = tokens, .table = c.table, .x = c.x};
    embed_loss(&c);
    for (int i = 0; i < ROWS; i++)
        assert_memory_equal(c.x + i * WIDTH, c.table + tokens[i] * WIDTH, WIDTH * sizeof(float));
    float dtable[5 * WIDTH], base[5 * WIDTH];
    fill_normal(base, COUNT(base), 3);
    memcpy(dtable, base, sizeof base);
    struct el_embed_bwd b = {
        .rows = ROWS, .width = WIDTH, .vocab = 5, .token = tokens, .dx = c.dx, .dtable = dtable};
    el_embed_bwd(&c.s, &b);
    check_gradient(embed_loss, &c, c.table, dtable, base, COUNT(dtable), 1e-4);
    el_stream_release(&c.s);
}

static void copy_rows(void **state)
{
    (void)state;
    struct el_stream s = reference_stream();
    const float src[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    const int32_t from[2] = {2, 2}, to[2] = {3, 0};
    float dst[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    struct el_copy_rows a = {
        .rows = 2, .width = 2, .src = src + 1, .src_row = 4, .dst = dst, .dst_row = 2};
    el_copy_rows(&s, &a); /* a strided slice */
    assert_close(dst, (float[]){2, 3, 6, 7, 0, 0, 0, 0}, 8, 0);
    a.to = to;
    el_copy_rows(&s, &a);
    assert_close(dst, (float[]){6, 7, 6, 7, 0, 0, 2, 3}, 8, 0);
    a.from = from;
    a.accumulate = 1;
    el_copy_rows(&s, &a);
    assert_close(dst, (float[]){16, 18, 6, 7, 0, 0, 12, 14}, 8, 0);
    a.to = NULL;
    a.accumulate = 0;
    el_copy_rows(&s, &a);
    assert_close(dst, (float[]){10, 11, 10, 11, 0, 0, 12, 14}, 8, 0);
    el_stream_release(&s);
}

static void add_and_fill(void **state)
{
    (void)state;
    struct el_stream s = reference_stream();
    float x[3] = {1, 2, 3}, y[4] = {10, 20, 30, 40};
    struct el_add add = {.n = 3, .alpha = -2, .x = x, .y = y};
    el_add(&s, &add);
    assert_close(y, (float[]){8, 16, 24, 40}, 4, 0);
    struct el_fill fill = {.n = 2, .value = 7, .x = y};
    el_fill(&s, &fill);
    assert_close(y, (float[]){7, 7, 24, 40}, 4, 0);
    el_stream_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(swiglu_by_hand),         cmocka_unit_test(swiglu_gradients),
        cmocka_unit_test(embed_and_its_gradient), cmocka_unit_test(copy_rows),
        cmocka_unit_test(add_and_fill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
