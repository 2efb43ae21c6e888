/* Moving rows to their experts and back. */
#include "core/ops/moe.h"
#include "tests/ops/gradient.h"

#include <string.h>

enum { ROWS = 4, TOPK = 2, EXPERTS = 5, WIDTH = 3, PAIRS = ROWS * TOPK };

/* Experts 1 and 4 have no rows. */
static const int32_t chosen[PAIRS] = {0, 3, 2, 3, 0, 2, 2, 3};

struct plan {
    int32_t offsets[EXPERTS + 1], place[PAIRS], source[PAIRS];
};

static void make_plan(struct el_stream *s, struct plan *p)
{
    struct el_moe_plan a = {.rows = ROWS,
                            .experts = EXPERTS,
                            .topk = TOPK,
                            .chosen = chosen,
                            .offsets = p->offsets,
                            .place = p->place,
                            .source = p->source};
    el_moe_plan(s, &a);
}

static void plan_sorts_by_expert_then_row(void **state)
{
    (void)state;
    struct el_stream s = reference_stream();
    struct plan p;
    make_plan(&s, &p);
    assert_memory_equal(p.offsets, ((int32_t[]){0, 2, 2, 5, 8, 8}), sizeof p.offsets);
    assert_memory_equal(p.source, ((int32_t[]){0, 2, 1, 2, 3, 0, 1, 3}), sizeof p.source);
    assert_memory_equal(p.place, ((int32_t[]){0, 5, 2, 6, 1, 3, 4, 7}), sizeof p.place);
    struct el_moe_plan none = {.rows = 0, .experts = EXPERTS, .topk = TOPK, .offsets = p.offsets};
    el_moe_plan(&s, &none);
    assert_memory_equal(p.offsets, ((int32_t[EXPERTS + 1]){0}), sizeof p.offsets);
    el_stream_release(&s);
}

struct moe {
    struct el_stream s;
    struct plan p;
    struct el_moe_gather gather;
    struct el_moe_combine combine;
    float x[ROWS * WIDTH], y[PAIRS * WIDTH], dy[PAIRS * WIDTH];
    float weight[PAIRS], out[ROWS * WIDTH], dout[ROWS * WIDTH];
};

static void setup(struct moe *c)
{
    memset(c, 0, sizeof *c);
    c->s = reference_stream();
    make_plan(&c->s, &c->p);
    fill_normal(c->x, COUNT(c->x), 1);
    fill_normal(c->y, COUNT(c->y), 2);
    fill_normal(c->dy, COUNT(c->dy), 3);
    fill_normal(c->weight, COUNT(c->weight), 4);
    fill_normal(c->dout, COUNT(c->dout), 5);
    c->gather = (struct el_moe_gather){
        .n = PAIRS, .width = WIDTH, .x = c->x, .source = c->p.source, .y = c->y};
    c->combine = (struct el_moe_combine){.rows = ROWS,
                                         .width = WIDTH,
                                         .topk = TOPK,
                                         .y = c->y,
                                         .place = c->p.place,
                                         .weight = c->weight,
                                         .out = c->out};
}

static double gather_loss(void *ctx)
{
    struct moe *c = ctx;
    el_moe_gather(&c->s, &c->gather);
    return weighted_sum(c->y, c->dy, PAIRS * WIDTH);
}

static double combine_loss(void *ctx)
{
    struct moe *c = ctx;
    memset(c->out, 0, sizeof c->out);
    el_moe_combine(&c->s, &c->combine);
    return weighted_sum(c->out, c->dout, ROWS * WIDTH);
}

static void gather_and_its_gradient(void **state)
{
    (void)state;
    struct moe c;
    setup(&c);
    gather_loss(&c);
    for (int p = 0; p < PAIRS; p++)
        assert_memory_equal(c.y + p * WIDTH, c.x + c.p.source[p] * WIDTH, WIDTH * sizeof(float));
    float dx[ROWS * WIDTH], base[ROWS * WIDTH];
    fill_normal(base, COUNT(base), 6);
    memcpy(dx, base, sizeof dx);
    struct el_moe_gather_bwd b = {
        .rows = ROWS, .width = WIDTH, .topk = TOPK, .dy = c.dy, .place = c.p.place, .dx = dx};
    el_moe_gather_bwd(&c.s, &b);
    check_gradient(gather_loss, &c, c.x, dx, base, COUNT(dx), 1e-4);
    el_stream_release(&c.s);
}

static void combine_and_its_gradient(void **state)
{
    (void)state;
    struct moe c;
    setup(&c);
    fill_normal(c.out, COUNT(c.out), 7);
    float expected = c.out[2 * WIDTH + 1] +
                     (c.weight[4] * c.y[1 * WIDTH + 1] + c.weight[5] * c.y[3 * WIDTH + 1]);
    el_moe_combine(&c.s, &c.combine);
    assert_close(c.out + 2 * WIDTH + 1, &expected, 1, 1e-6);

    float dy[PAIRS * WIDTH], dweight[PAIRS];
    struct el_moe_combine_bwd b = {.rows = ROWS,
                                   .width = WIDTH,
                                   .topk = TOPK,
                                   .y = c.y,
                                   .place = c.p.place,
                                   .weight = c.weight,
                                   .dout = c.dout,
                                   .dy = dy,
                                   .dweight = dweight};
    el_moe_combine_bwd(&c.s, &b);
    check_gradient(combine_loss, &c, c.y, dy, NULL, COUNT(dy), 1e-4);
    check_gradient(combine_loss, &c, c.weight, dweight, NULL, COUNT(dweight), 1e-4);
    el_stream_release(&c.s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plan_sorts_by_expert_then_row),
        cmocka_unit_test(gather_and_its_gradient),
        cmocka_unit_test(combine_and_its_gradient),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
