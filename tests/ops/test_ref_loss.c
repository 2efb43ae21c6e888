#include "core/ops/loss.h"
#include "tests/ops/gradient.h"

#include <string.h>

enum { ROWS = 4, VOCAB = 5 };

struct loss {
    struct el_stream s;
    struct el_logprob f;
    float logits[ROWS * VOCAB], logp[ROWS], lse[ROWS], entropy[ROWS], coef[ROWS];
};

static const int32_t targets[ROWS] = {2, 4, -1, 0};

/* Row 2 has no target and keeps nothing. */
static const int32_t kept_start[ROWS + 1] = {0, 3, 4, 4, 6};
static const int32_t kept[6] = {0, 2, 3, 4, 0, 1};

static void setup(struct loss *c, const int32_t *start)
{
    memset(c, 0, sizeof *c);
    c->s = reference_stream();
    fill_normal(c->logits, COUNT(c->logits), 1);
    fill_normal(c->coef, COUNT(c->coef), 2);
    c->f = (struct el_logprob){.rows = ROWS,
                               .vocab = VOCAB,
                               .inv_temperature = 1.25f,
                               .logits = c->logits,
                               .target = targets,
                               .kept_start = start,
                               .kept = kept,
                               .logp = c->logp,
                               .lse = c->lse,
                               .entropy = c->entropy};
}

static double logprob_loss(void *ctx)
{
    struct loss *c = ctx;
    el_logprob(&c->s, &c->f);
    return weighted_sum(c->logp, c->coef, ROWS);
}

static void by_hand(void **state)
{
    (void)state;
    struct el_stream s = reference_stream();
    /* At temperature 1/2, z = 2 * logits = ln(1, 4, 9, 2). */
    const float logits[4] = {0, logf(2), logf(3), logf(2) / 2};
    const int32_t target = 1, start[2] = {0, 2}, ids[2] = {1, 3};
    float logp, lse, entropy;
    struct el_logprob a = {.rows = 1,
                           .vocab = 4,
                           .inv_temperature = 2,
                           .logits = logits,
                           .target = &target,
                           .logp = &logp,
                           .lse = &lse,
                           .entropy = &entropy};
    el_logprob(&s, &a);
    assert_close(&logp, (float[]){logf(4.0f / 16)}, 1, 1e-6);
    assert_close(&lse, (float[]){logf(16)}, 1, 1e-6);
    double h = 0, p[4] = {1 / 16., 4 / 16., 9 / 16., 2 / 16.};
    for (int j = 0; j < 4; j++)
        h -= p[j] * log(p[j]);
    assert_close(&entropy, (float[]){(float)h}, 1, 1e-6);

    a.kept_start = start; /* ids 1 and 3 only: 4 of 4 + 2 */
    a.kept = ids;
    el_logprob(&s, &a);
    assert_close(&logp, (float[]){logf(4.0f / 6)}, 1, 1e-6);
    assert_close(&lse, (float[]){logf(6)}, 1, 1e-6);
    a.lse = a.entropy = NULL;
    el_logprob(&s, &a);
    assert_close(&logp, (float[]){logf(4.0f / 6)}, 1, 1e-6);
    el_stream_release(&s);
}

static void large_and_missing_logits(void **state)
{
    (void)state;
    struct el_stream s = reference_stream();
    const float logits[3] = {30000, 30000, -INFINITY};
    const int32_t target = 0;
    float logp, entropy;
    struct el_logprob a = {.rows = 1,
                           .vocab = 3,
                           .inv_temperature = 1,
                           .logits = logits,
                           .target = &target,
                           .logp = &logp,
                           .entropy = &entropy};
    el_logprob(&s, &a);
    assert_close(&logp, (float[]){-logf(2)}, 1, 1e-6);
    assert_close(&entropy, (float[]){logf(2)}, 1, 1e-6);
    el_stream_release(&s);
}

static struct el_logprob_bwd backward(struct loss *c, float *dlogits)
{
    return (struct el_logprob_bwd){.rows = ROWS,
                                   .vocab = VOCAB,
                                   .inv_temperature = c->f.inv_temperature,
                                   .logits = c->logits,
                                   .target = targets,
                                   .kept_start = c->f.kept_start,
                                   .kept = kept,
                                   .lse = c->lse,
                                   .coef = c->coef,
                                   .dlogits = dlogits};
}

static void gradients(const int32_t *start)
{
    struct loss c;
    setup(&c, start);
    logprob_loss(&c);
    assert_true(c.logp[2] == 0);
    float dlogits[ROWS * VOCAB];
    fill_normal(dlogits, COUNT(dlogits), 3); /* overwritten */
    struct el_logprob_bwd b = backward(&c, dlogits);
    el_logprob_bwd(&c.s, &b);
    check_gradient(logprob_loss, &c, c.logits, dlogits, NULL, COUNT(dlogits), 1e-4);
    for (int j = 0; j < VOCAB; j++)
        assert_true(dlogits[2 * VOCAB + j] == 0);
    logprob_loss(&c);
    b.dlogits = c.logits; /* in place */
    el_logprob_bwd(&c.s, &b);
    assert_memory_equal(c.logits, dlogits, sizeof dlogits);
    el_stream_release(&c.s);
}

static void whole_vocabulary_gradients(void **state)
{
    (void)state;
    gradients(NULL);
}

static void kept_set_gradients(void **state)
{
    (void)state;
    gradients(kept_start);
}

static void keeping_everything_changes_no_bit(void **state)
{
    (void)state;
    struct loss all, listed;
    static const int32_t start[ROWS + 1] = {0, 5, 10, 15, 20};
    static const int32_t ids[ROWS * VOCAB] = {0, 1, 2, 3, 4, 0, 1, 2, 3, 4,
                                              0, 1, 2, 3, 4, 0, 1, 2, 3, 4};
    setup(&all, NULL);
    setup(&listed, start);
    listed.f.kept = ids;
    logprob_loss(&all);
    logprob_loss(&listed);
    assert_memory_equal(all.logp, listed.logp, sizeof all.logp);
    assert_memory_equal(all.lse, listed.lse, sizeof all.lse);
    assert_memory_equal(all.entropy, listed.entropy, sizeof all.entropy);
    el_stream_release(&all.s);
    el_stream_release(&listed.s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_hand),
        cmocka_unit_test(large_and_missing_logits),
        cmocka_unit_test(whole_vocabulary_gradients),
        cmocka_unit_test(kept_set_gradients),
        cmocka_unit_test(keeping_everything_changes_no_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
