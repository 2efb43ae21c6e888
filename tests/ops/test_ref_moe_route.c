/* The traps of the router: dropped groups must be out of the race even when every biased score is
 * negative, a group counts by its two best, the bias must not reach the weights, ties. */
#include "core/ops/moe.h"
#include "tests/ops/gradient.h"

#include <string.h>

enum { EXPERTS = 6, MAX_TOPK = 4 };

struct route {
    struct el_moe_route a;
    float logits[EXPERTS], bias[EXPERTS], weight[MAX_TOPK];
    int32_t chosen[MAX_TOPK];
};

/* A logit whose sigmoid is g. */
static float logit(double g)
{
    return (float)log(g / (1 - g));
}

static void setup(struct route *c, int experts, int topk, int n_group, int topk_group)
{
    memset(c, 0, sizeof *c);
    c->a = (struct el_moe_route){.rows = 1,
                                 .experts = experts,
                                 .topk = topk,
                                 .n_group = n_group,
                                 .topk_group = topk_group,
                                 .scale = 1,
                                 .logits = c->logits,
                                 .bias = c->bias,
                                 .chosen = c->chosen,
                                 .weight = c->weight};
}

static void run(struct route *c)
{
    struct el_stream s = reference_stream();
    el_moe_route(&s, &c->a);
    assert_int_equal(el_stream_check(&s, NULL), 0);
    el_stream_release(&s);
}

static void assert_chosen(const struct route *c, const int32_t *expected)
{
    for (int k = 0; k < c->a.topk; k++)
        if (c->chosen[k] != expected[k])
            fail_msg("slot %d holds expert %d, expected %d", k, c->chosen[k], expected[k]);
}

static void bias_selects_but_does_not_weigh(void **state)
{
    (void)state;
    struct route c;
    setup(&c, 4, 2, 1, 1);
    const double g[4] = {0.9, 0.6, 0.5, 0.2};
    for (int e = 0; e < 4; e++)
        c.logits[e] = logit(g[e]);
    c.bias[0] = -10;
    c.bias[3] = 10;
    c.a.scale = 2.5f;
    run(&c);
    assert_chosen(&c, (int32_t[]){1, 3});
    assert_close(c.weight, (float[]){0.6f * 2.5f, 0.2f * 2.5f}, 2, 1e-6);
    c.a.normalise = 1;
    run(&c);
    assert_close(c.weight, (float[]){0.75f * 2.5f, 0.25f * 2.5f}, 2, 1e-6);
}

/* Group 1 wins with -0.1 and -0.2. Masked with 0, the dropped group would beat it. */
static void dropped_groups_are_out_when_scores_are_negative(void **state)
{
    (void)state;
    struct route c;
    setup(&c, 4, 2, 2, 1);
    memcpy(c.bias, (float[]){-0.9f, -0.8f, -0.6f, -0.7f}, 4 * sizeof(float));
    run(&c);
    assert_chosen(&c, (int32_t[]){2, 3});
}

static void a_group_counts_by_its_two_best(void **state)
{
    (void)state;
    struct route c;
    setup(&c, 6, 2, 2, 1);
    const double g[6] = {0.9, 0.1, 0.1, 0.6, 0.1, 0.6}; /* 1.0 against 1.2 */
    for (int e = 0; e < 6; e++)
        c.logits[e] = logit(g[e]);
    run(&c);
    assert_chosen(&c, (int32_t[]){3, 5});
    memcpy(c.logits, (float[]){logit(0.5), logit(0.5), logit(0.5), logit(0.7), logit(0.2), -20},
           sizeof c.logits); /* 1.0 (1.5 with three) against 0.9 */
    run(&c);
    assert_chosen(&c, (int32_t[]){0, 1});
    c.a.n_group = 1; /* no group step: topk_group is not looked at */
    run(&c);
    assert_chosen(&c, (int32_t[]){0, 3});
}

static void several_groups_stay(void **state)
{
    (void)state;
    struct route c;
    setup(&c, 6, 3, 3, 2);
    const double g[6] = {0.5, 0.5, 0.95, 0.01, 0.6, 0.55}; /* 1.0, 0.96, 1.15 */
    for (int e = 0; e < 6; e++)
        c.logits[e] = logit(g[e]);
    run(&c);
    assert_chosen(&c, (int32_t[]){0, 4, 5});
    setup(&c, 6, 1, 6, 3); /* groups of one expert */
    c.bias[4] = 1;
    run(&c);
    assert_chosen(&c, (int32_t[]){4});
}

static void ties_go_to_the_lowest_index(void **state)
{
    (void)state;
    struct route c;
    setup(&c, 6, 2, 3, 1);
    run(&c);
    assert_chosen(&c, (int32_t[]){0, 1});
    setup(&c, 6, 4, 1, 1);
    c.bias[5] = 1;
    run(&c);
    assert_chosen(&c, (int32_t[]){0, 1, 2, 5});
}

static void forced_choices_take_live_weights(void **state)
{
    (void)state;
    struct route c;
    setup(&c, 4, 2, 1, 1);
    const double g[4] = {0.9, 0.6, 0.5, 0.2};
    for (int e = 0; e < 4; e++)
        c.logits[e] = logit(g[e]);
    const int32_t forced[2] = {3, 1};
    c.a.forced = forced;
    c.a.normalise = 1;
    run(&c);
    assert_chosen(&c, (int32_t[]){1, 3});
    assert_close(c.weight, (float[]){0.75f, 0.25f}, 2, 1e-6);
}

/* Indices stay inside the table whatever the logits are. */
static void nan_logits(void **state)
{
    (void)state;
    struct route c;
    setup(&c, 6, 4, 2, 2);
    for (int e = 0; e < EXPERTS; e++)
        c.logits[e] = NAN;
    run(&c);
    for (int k = 0; k < 4; k++)
        assert_in_range(c.chosen[k], k, 5);
}

enum { ROWS = 3, TOPK = 2 };

struct gate {
    struct el_stream s;
    struct el_moe_route a;
    float logits[ROWS * EXPERTS], bias[EXPERTS], weight[ROWS * TOPK], dweight[ROWS * TOPK];
    int32_t forced[ROWS * TOPK], chosen[ROWS * TOPK];
};

static double gate_loss(void *ctx)
{
    struct gate *c = ctx;
    el_moe_route(&c->s, &c->a);
    return weighted_sum(c->weight, c->dweight, ROWS * TOPK);
}

static void gradients(void **state)
{
    (void)state;
    struct gate c = {.s = reference_stream(), .forced = {0, 5, 1, 2, 3, 4}};
    fill_normal(c.logits, COUNT(c.logits), 1);
    fill_normal(c.dweight, COUNT(c.dweight), 2);
    for (int normalise = 0; normalise < 2; normalise++) {
        c.a = (struct el_moe_route){.rows = ROWS,
                                    .experts = EXPERTS,
                                    .topk = TOPK,
                                    .n_group = 1,
                                    .normalise = normalise,
                                    .scale = 2.5f,
                                    .logits = c.logits,
                                    .bias = c.bias,
                                    .forced = c.forced,
                                    .chosen = c.chosen,
                                    .weight = c.weight};
        gate_loss(&c);
        float dlogits[ROWS * EXPERTS];
        fill_normal(dlogits, COUNT(dlogits), 3); /* overwritten */
        struct el_moe_route_bwd b = {.rows = ROWS,
                                     .experts = EXPERTS,
                                     .topk = TOPK,
                                     .normalise = normalise,
                                     .scale = 2.5f,
                                     .logits = c.logits,
                                     .chosen = c.chosen,
                                     .dweight = c.dweight,
                                     .dlogits = dlogits};
        el_moe_route_bwd(&c.s, &b);
        check_gradient(gate_loss, &c, c.logits, dlogits, NULL, COUNT(dlogits), 1e-4);
        assert_true(dlogits[1] == 0 && dlogits[EXPERTS] == 0);
    }
    el_stream_release(&c.s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bias_selects_but_does_not_weigh),
        cmocka_unit_test(dropped_groups_are_out_when_scores_are_negative),
        cmocka_unit_test(a_group_counts_by_its_two_best),
        cmocka_unit_test(several_groups_stay),
        cmocka_unit_test(ties_go_to_the_lowest_index),
        cmocka_unit_test(forced_choices_take_live_weights),
        cmocka_unit_test(nan_logits),
        cmocka_unit_test(gradients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
