/* The two layouts differ only in which values form a pair; mixing them up is the best known bug
 * of ports of this architecture, so each is pinned by an example computed by hand. */
#include "core/ops/rope.h"
#include "tests/ops/gradient.h"

#include <string.h>

/* Position 0 turns nothing; position 1 turns pair 0 by 90 degrees and pair 1 by 180 degrees. */
static const float cosines[4] = {1, 1, 0, -1}, sines[4] = {0, 0, 1, 0};

static void rotate(const float *x, float *y, int interleaved, int inverse)
{
    static const int32_t pos[2] = {1, 0};
    struct el_stream s = reference_stream();
    struct el_rope a = {.rows = 2,
                        .heads = 1,
                        .dim = 4,
                        .x = x,
                        .x_row = 4,
                        .y = y,
                        .y_row = 4,
                        .pos = pos,
                        .cos = cosines,
                        .sin = sines,
                        .interleaved = interleaved,
                        .inverse = inverse};
    el_rope(&s, &a);
    el_stream_release(&s);
}

static void layouts_by_hand(void **state)
{
    (void)state;
    const float x[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    float y[8];
    rotate(x, y, 1, 0);
    assert_close(y, (float[]){-2, 1, -3, -4, 5, 6, 7, 8}, 8, 0);
    rotate(y, y, 1, 1);
    assert_close(y, x, 8, 0);
    rotate(x, y, 0, 0);
    assert_close(y, (float[]){-3, -2, 1, -4, 5, 6, 7, 8}, 8, 0);
    rotate(y, y, 0, 1);
    assert_close(y, x, 8, 0);
}

/* Heads of 5 values whose rope part has 4: the fifth (nope) value stays, in front or behind. */
static void only_the_slice_is_turned(void **state)
{
    (void)state;
    struct el_stream s = reference_stream();
    float x[10] = {9, 1, 2, 3, 4, 9, 5, 6, 7, 8};
    int32_t pos = 1;
    struct el_rope a = {.rows = 1,
                        .heads = 2,
                        .dim = 4,
                        .x = x + 1,
                        .x_row = 10,
                        .x_head = 5,
                        .y = x + 1,
                        .y_row = 10,
                        .y_head = 5,
                        .pos = &pos,
                        .cos = cosines,
                        .sin = sines,
                        .interleaved = 1};
    el_rope(&s, &a);
    assert_close(x, (float[]){9, -2, 1, -3, -4, 9, -6, 5, -7, -8}, 10, 0);
    el_stream_release(&s);
}

enum { POSITIONS = 12, DIM = 6, ROWS = 3, HEADS = 2 };

struct turning {
    struct el_stream s;
    struct el_rope a;
    float x[ROWS * HEADS * DIM], y[ROWS * HEADS * DIM], dy[ROWS * HEADS * DIM];
    float cos[POSITIONS * DIM / 2], sin[POSITIONS * DIM / 2];
    int32_t pos[ROWS];
};

static void turning_setup(struct turning *c)
{
    memset(c, 0, sizeof *c);
    c->s = reference_stream();
    for (int p = 0; p < POSITIONS; p++)
        for (int f = 0; f < DIM / 2; f++) {
            double angle = p * pow(10, -f);
            c->cos[p * DIM / 2 + f] = (float)cos(angle);
            c->sin[p * DIM / 2 + f] = (float)sin(angle);
        }
    fill_normal(c->x, COUNT(c->x), 1);
    fill_normal(c->dy, COUNT(c->dy), 2);
    c->pos[0] = 7;
    c->pos[1] = 0;
    c->pos[2] = 11;
    c->a = (struct el_rope){.rows = ROWS,
                            .heads = HEADS,
                            .dim = DIM,
                            .x = c->x,
                            .x_row = HEADS * DIM,
                            .x_head = DIM,
                            .y = c->y,
                            .y_row = HEADS * DIM,
                            .y_head = DIM,
                            .pos = c->pos,
                            .cos = c->cos,
                            .sin = c->sin};
}

static double turning_loss(void *ctx)
{
    struct turning *c = ctx;
    el_rope(&c->s, &c->a);
    return weighted_sum(c->y, c->dy, COUNT(c->y));
}

static void inverse_is_the_gradient(void **state)
{
    (void)state;
    struct turning c;
    turning_setup(&c);
    for (int interleaved = 0; interleaved < 2; interleaved++) {
        c.a.interleaved = interleaved;
        float dx[ROWS * HEADS * DIM];
        struct el_rope back = c.a;
        back.x = c.dy;
        back.y = dx;
        back.inverse = 1;
        el_rope(&c.s, &back);
        check_gradient(turning_loss, &c, c.x, dx, NULL, COUNT(dx), 1e-4);
    }
    el_stream_release(&c.s);
}

/* q at position a, k at position b: the product depends on a - b only. */
static void products_depend_on_the_distance(void **state)
{
    (void)state;
    struct turning c;
    turning_setup(&c);
    c.a.heads = 1;
    c.a.rows = 2;
    double products[2];
    for (int shift = 0; shift < 2; shift++) {
        c.pos[0] = 8 + shift * 3;
        c.pos[1] = 5 + shift * 3;
        el_rope(&c.s, &c.a);
        products[shift] = weighted_sum(c.y, c.y + HEADS * DIM, DIM);
    }
    assert_true(fabs(products[0] - products[1]) < 1e-5);
    assert_true(fabs(products[0] - weighted_sum(c.x, c.x + HEADS * DIM, DIM)) > 1e-2);
    el_stream_release(&c.s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layouts_by_hand),
        cmocka_unit_test(only_the_slice_is_turned),
        cmocka_unit_test(inverse_is_the_gradient),
        cmocka_unit_test(products_depend_on_the_distance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
