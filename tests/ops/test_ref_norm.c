#include "core/ops/norm.h"
#include "tests/ops/gradient.h"

#include <string.h>

enum { ROWS = 3, WIDTH = 5, STRIDE = 7, SPACE = ROWS * STRIDE };

struct rms {
    struct el_stream s;
    struct el_rmsnorm f;
    float x[SPACE], w[WIDTH], y[SPACE], rstd[ROWS], dy[SPACE];
};

static double rms_loss(void *ctx)
{
    struct rms *c = ctx;
    el_rmsnorm(&c->s, &c->f);
    double sum = 0;
    for (int i = 0; i < ROWS; i++)
        sum += weighted_sum(c->y + i * STRIDE, c->dy + i * STRIDE, WIDTH);
    return sum;
}

static void rms_setup(struct rms *c)
{
    memset(c, 0, sizeof *c);
    c->s = reference_stream();
    fill_normal(c->x, SPACE, 1);
    fill_normal(c->w, WIDTH, 2);
    fill_normal(c->dy, SPACE, 3);
    c->f = (struct el_rmsnorm){.rows = ROWS,
                               .width = WIDTH,
                               .eps = 1e-3f,
                               .x = c->x,
                               .x_row = STRIDE,
                               .w = c->w,
                               .y = c->y,
                               .y_row = STRIDE,
                               .rstd = c->rstd};
}

static struct el_rmsnorm_bwd rms_backward(struct rms *c, float *dx, float *dw)
{
    return (struct el_rmsnorm_bwd){.rows = ROWS,
                                   .width = WIDTH,
                                   .x = c->x,
                                   .x_row = STRIDE,
                                   .w = c->w,
                                   .rstd = c->rstd,
                                   .dy = c->dy,
                                   .dy_row = STRIDE,
                                   .dx = dx,
                                   .dx_row = WIDTH,
                                   .dw = dw};
}

static void rmsnorm_by_hand(void **state)
{
    (void)state;
    struct el_stream s = reference_stream();
    float x[4] = {3, 4, 0, 0}, w[2] = {1, 2}, rstd[2];
    struct el_rmsnorm a = {.rows = 2,
                           .width = 2,
                           .eps = 12.5f, /* mean square + eps = 25, so eps is inside the root */
                           .x = x,
                           .x_row = 2,
                           .w = w,
                           .y = x, /* in place */
                           .y_row = 2,
                           .rstd = rstd};
    el_rmsnorm(&s, &a);
    assert_close(x, (float[]){0.6f, 1.6f, 0, 0}, 4, 1e-6);
    assert_close(rstd, (float[]){0.2f, 1 / sqrtf(12.5f)}, 2, 1e-6);
    el_stream_release(&s);
}

static void rmsnorm_gradients(void **state)
{
    (void)state;
    struct rms c;
    rms_setup(&c);
    rms_loss(&c);
    float dx[ROWS * WIDTH], dw[WIDTH], base[WIDTH], again[ROWS * WIDTH];
    fill_normal(base, WIDTH, 4);
    memcpy(dw, base, sizeof dw);
    struct el_rmsnorm_bwd b = rms_backward(&c, dx, dw);
    el_rmsnorm_bwd(&c.s, &b);
    for (int i = 0; i < ROWS; i++)
        check_gradient(rms_loss, &c, c.x + i * STRIDE, dx + i * WIDTH, NULL, WIDTH, 1e-4);
    check_gradient(rms_loss, &c, c.w, dw, base, WIDTH, 1e-4);

    memcpy(again, dx, sizeof dx);
    b.accumulate = 1;
    b.dx = again;
    b.dw = NULL;
    el_rmsnorm_bwd(&c.s, &b);
    for (int i = 0; i < ROWS * WIDTH; i++)
        assert_true(again[i] == 2 * dx[i]);

    b.accumulate = 0; /* dx in the place of dy */
    b.dx = c.dy;
    b.dx_row = STRIDE;
    el_rmsnorm_bwd(&c.s, &b);
    for (int i = 0; i < ROWS; i++)
        assert_memory_equal(c.dy + i * STRIDE, dx + i * WIDTH, WIDTH * sizeof(float));
    el_stream_release(&c.s);
}

struct layer {
    struct el_stream s;
    struct el_layernorm f;
    float x[ROWS * WIDTH], w[WIDTH], b[WIDTH], y[ROWS * WIDTH], dy[ROWS * WIDTH];
    float mean[ROWS], rstd[ROWS];
};

static double layer_loss(void *ctx)
{
    struct layer *c = ctx;
    el_layernorm(&c->s, &c->f);
    return weighted_sum(c->y, c->dy, ROWS * WIDTH);
}

static void layernorm_by_hand(void **state)
{
    (void)state;
    struct el_stream s = reference_stream();
    float x[4] = {7, 1, 2, 2}, w[2] = {1, 2}, b[2] = {10, 20}, mean[2], rstd[2];
    struct el_layernorm a = {.rows = 2,
                             .width = 2,
                             .eps = 16, /* variance + eps = 25 in row 0 */
                             .x = x,
                             .w = w,
                             .b = b,
                             .y = x,
                             .mean = mean,
                             .rstd = rstd};
    el_layernorm(&s, &a);
    assert_close(x, (float[]){10.6f, 18.8f, 10, 20}, 4, 1e-5);
    assert_close(mean, (float[]){4, 2}, 2, 0);
    assert_close(rstd, (float[]){0.2f, 0.25f}, 2, 1e-7);
    el_stream_release(&s);
}

static void layernorm_gradients(void **state)
{
    (void)state;
    struct layer c = {.s = reference_stream()};
    fill_normal(c.x, ROWS * WIDTH, 11);
    fill_normal(c.w, WIDTH, 12);
    fill_normal(c.b, WIDTH, 13);
    fill_normal(c.dy, ROWS * WIDTH, 14);
    c.f = (struct el_layernorm){.rows = ROWS,
                                .width = WIDTH,
                                .eps = 1e-3f,
                                .x = c.x,
                                .w = c.w,
                                .b = c.b,
                                .y = c.y,
                                .mean = c.mean,
                                .rstd = c.rstd};
    layer_loss(&c);
    float dx[ROWS * WIDTH], dw[WIDTH], db[WIDTH], base[WIDTH];
    fill_normal(base, WIDTH, 15);
    memcpy(dw, base, sizeof dw);
    memcpy(db, base, sizeof db);
    struct el_layernorm_bwd b = {.rows = ROWS,
                                 .width = WIDTH,
                                 .x = c.x,
                                 .w = c.w,
                                 .mean = c.mean,
                                 .rstd = c.rstd,
                                 .dy = c.dy,
                                 .dx = dx,
                                 .dw = dw,
                                 .db = db};
    el_layernorm_bwd(&c.s, &b);
    check_gradient(layer_loss, &c, c.x, dx, NULL, ROWS * WIDTH, 1e-4);
    check_gradient(layer_loss, &c, c.w, dw, base, WIDTH, 1e-4);
    check_gradient(layer_loss, &c, c.b, db, base, WIDTH, 1e-4);
    b.dx = c.dy;
    b.dw = b.db = NULL;
    el_layernorm_bwd(&c.s, &b);
    assert_memory_equal(c.dy, dx, sizeof dx);
    el_stream_release(&c.s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rmsnorm_by_hand),
        cmocka_unit_test(rmsnorm_gradients),
        cmocka_unit_test(layernorm_by_hand),
        cmocka_unit_test(layernorm_gradients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
