/* Ops that work row by row or element by element: norms, SwiGLU, losses, optimiser. */
#include "core/ops/loss.h"
#include "core/ops/norm.h"
#include "core/ops/optim.h"
#include "core/ops/pointwise.h"
#include "tests/ops/backend.h"

enum { CASES = 12 };

struct shape {
    int rows, width;
    int64_t n;
};

static struct shape random_shape(struct bench *b)
{
    struct shape h = {bench_size(b, 1, 400), bench_size(b, 1, 200), 0};
    h.n = (int64_t)h.rows * h.width;
    return h;
}

static void check_rmsnorm(struct bench *b)
{
    struct shape h = random_shape(b);
    struct el_rmsnorm a = {.rows = h.rows,
                           .width = h.width,
                           .eps = 1e-6f,
                           .x_row = h.width + bench_below(b, 5),
                           .y_row = h.width};
    a.x = bench_normal(b, (h.rows - 1) * a.x_row + h.width);
    a.w = bench_normal(b, h.width);
    a.y = bench_output(b, h.n);
    a.rstd = bench_output(b, h.rows);
    struct el_rmsnorm expected = a;
    expected.y = bench_output(b, h.n);
    expected.rstd = bench_output(b, h.rows);
    bench_run(b, el_ops_ref(), 1, EL_OP_rmsnorm, &expected);
    bench_run(b, b->ops, 3, EL_OP_rmsnorm, &a);
    close_to(a.y, expected.y, h.n, 2e-6, "rmsnorm");
    close_to(a.rstd, expected.rstd, h.rows, 2e-6, "rmsnorm rstd");
    for (int i = 0; i < 3; i++) {
        struct el_rmsnorm one = a;
        int row = bench_below(b, h.rows);
        one.rows = 1;
        one.x += row * a.x_row;
        one.y = bench_output(b, h.width);
        one.rstd = bench_output(b, 1);
        bench_run(b, b->ops, 1, EL_OP_rmsnorm, &one);
        same_bits(one.y, a.y + row * a.y_row, h.width, "rmsnorm of one row");
        same_bits(one.rstd, a.rstd + row, 1, "rmsnorm rstd of one row");
    }
}

static void rmsnorm(void **state)
{
    (void)state;
    for_every_backend(check_rmsnorm, CASES);
}

static void check_rmsnorm_bwd(struct bench *b)
{
    struct shape h = random_shape(b);
    struct el_rmsnorm_bwd a = {.rows = h.rows,
                               .width = h.width,
                               .x_row = h.width + 3,
                               .dy_row = h.width,
                               .dx_row = h.width + bench_below(b, 3),
                               .accumulate = bench_below(b, 2)};
    int64_t dx_size = (h.rows - 1) * a.dx_row + h.width;
    a.x = bench_normal(b, h.rows * a.x_row);
    a.w = bench_normal(b, h.width);
    a.rstd = bench_normal(b, h.rows);
    a.dy = bench_normal(b, h.n);
    a.dx = bench_output(b, dx_size);
    a.dw = bench_output(b, h.width);
    struct el_rmsnorm_bwd expected = a, again = a, one = a;
    expected.dx = bench_twin(b, a.dx, dx_size);
    expected.dw = bench_twin(b, a.dw, h.width);
    again.dx = bench_twin(b, a.dx, dx_size);
    again.dw = bench_twin(b, a.dw, h.width);
    int row = bench_below(b, h.rows);
    one.dx = bench_twin(b, a.dx + row * a.dx_row, h.width);
    bench_run(b, el_ops_ref(), 1, EL_OP_rmsnorm_bwd, &expected);
    bench_run(b, b->ops, 1, EL_OP_rmsnorm_bwd, &a);
    close_to(a.dx, expected.dx, dx_size, 1e-4, "rmsnorm dx");
    close_to(a.dw, expected.dw, h.width, 3e-4, "rmsnorm dw");
    bench_run(b, b->ops, 3, EL_OP_rmsnorm_bwd, &again);
    same_bits(again.dx, a.dx, dx_size, "rmsnorm dx with other threads");
    same_bits(again.dw, a.dw, h.width, "rmsnorm dw with other threads");
    one.rows = 1, one.dw = NULL;
    one.x += row * a.x_row, one.dy += row * a.dy_row, one.rstd += row;
    bench_run(b, b->ops, 1, EL_OP_rmsnorm_bwd, &one);
    same_bits(one.dx, a.dx + row * a.dx_row, h.width, "rmsnorm dx of one row");
}

static void rmsnorm_bwd(void **state)
{
    (void)state;
    for_every_backend(check_rmsnorm_bwd, CASES);
}

static void check_layernorm(struct bench *b)
{
    struct shape h = random_shape(b);
    if (h.width < 4)
        return; /* a variance of next to nothing compares roundings */
    struct el_layernorm a = {.rows = h.rows,
                             .width = h.width,
                             .eps = 1e-6f,
                             .x = bench_normal(b, h.n),
                             .w = bench_normal(b, h.width),
                             .b = bench_normal(b, h.width),
                             .y = bench_output(b, h.n),
                             .mean = bench_output(b, h.rows),
                             .rstd = bench_output(b, h.rows)};
    struct el_layernorm expected = a, one = a;
    expected.y = bench_output(b, h.n);
    expected.mean = bench_output(b, h.rows);
    expected.rstd = bench_output(b, h.rows);
    bench_run(b, el_ops_ref(), 1, EL_OP_layernorm, &expected);
    bench_run(b, b->ops, 3, EL_OP_layernorm, &a);
    close_to(a.y, expected.y, h.n, 1e-5, "layernorm");
    close_to(a.mean, expected.mean, h.rows, 1e-6, "layernorm mean");
    close_to(a.rstd, expected.rstd, h.rows, 5e-6, "layernorm rstd");
    int64_t row = bench_below(b, h.rows);
    one.rows = 1, one.x += row * h.width, one.mean = one.rstd = NULL;
    one.y = bench_output(b, h.width);
    bench_run(b, b->ops, 1, EL_OP_layernorm, &one);
    same_bits(one.y, a.y + row * h.width, h.width, "layernorm of one row");
}

static void layernorm(void **state)
{
    (void)state;
    for_every_backend(check_layernorm, CASES);
}

static void check_layernorm_bwd(struct bench *b)
{
    struct shape h = random_shape(b);
    struct el_layernorm_bwd a = {.rows = h.rows,
                                 .width = h.width,
                                 .x = bench_normal(b, h.n),
                                 .w = bench_normal(b, h.width),
                                 .mean = bench_normal(b, h.rows),
                                 .rstd = bench_normal(b, h.rows),
                                 .dy = bench_normal(b, h.n),
                                 .dx = bench_output(b, h.n),
                                 .dw = bench_output(b, h.width),
                                 .db = bench_output(b, h.width)};
    struct el_layernorm_bwd expected = a, again = a, one = a;
    expected.dx = bench_output(b, h.n);
    expected.dw = bench_twin(b, a.dw, h.width);
    expected.db = bench_twin(b, a.db, h.width);
    again.dx = bench_output(b, h.n);
    again.dw = bench_twin(b, a.dw, h.width);
    again.db = bench_twin(b, a.db, h.width);
    bench_run(b, el_ops_ref(), 1, EL_OP_layernorm_bwd, &expected);
    bench_run(b, b->ops, 1, EL_OP_layernorm_bwd, &a);
    close_to(a.dx, expected.dx, h.n, 2e-4, "layernorm dx");
    close_to(a.dw, expected.dw, h.width, 1e-3, "layernorm dw");
    close_to(a.db, expected.db, h.width, 3e-4, "layernorm db");
    bench_run(b, b->ops, 3, EL_OP_layernorm_bwd, &again);
    same_bits(again.dx, a.dx, h.n, "layernorm dx with other threads");
    same_bits(again.dw, a.dw, h.width, "layernorm dw with other threads");
    same_bits(again.db, a.db, h.width, "layernorm db with other threads");
    int64_t row = bench_below(b, h.rows);
    one.rows = 1, one.x += row * h.width, one.dy += row * h.width;
    one.mean += row, one.rstd += row, one.dw = one.db = NULL;
    one.dx = bench_output(b, h.width);
    bench_run(b, b->ops, 1, EL_OP_layernorm_bwd, &one);
    same_bits(one.dx, a.dx + row * h.width, h.width, "layernorm dx of one row");
}

static void layernorm_bwd(void **state)
{
    (void)state;
    for_every_backend(check_layernorm_bwd, CASES);
}

static void check_swiglu(struct bench *b)
{
    struct shape h = random_shape(b);
    float *gate = bench_normal(b, h.n);
    static const float special[] = {NAN, INFINITY, 200, -200, 88.5f, -88.5f, 0, -0.0f};
    for (int i = 0; i < 8 && i < h.n; i++)
        gate[bench_below(b, (int)h.n)] = special[i];
    struct el_swiglu a = {h.rows, h.width, gate, bench_normal(b, h.n), bench_output(b, h.n)};
    struct el_swiglu expected = a, one = a;
    expected.y = bench_output(b, h.n);
    bench_run(b, el_ops_ref(), 1, EL_OP_swiglu, &expected);
    bench_run(b, b->ops, 3, EL_OP_swiglu, &a);
    close_to(a.y, expected.y, h.n, 1e-6, "swiglu");
    int64_t row = bench_below(b, h.rows);
    one.rows = 1, one.gate += row * h.width, one.up += row * h.width;
    one.y = bench_output(b, h.width);
    bench_run(b, b->ops, 1, EL_OP_swiglu, &one);
    same_bits(one.y, a.y + row * h.width, h.width, "swiglu of one row");
}

static void swiglu(void **state)
{
    (void)state;
    for_every_backend(check_swiglu, CASES);
}

static void check_swiglu_bwd(struct bench *b)
{
    struct shape h = random_shape(b);
    struct el_swiglu_bwd a = {.rows = h.rows,
                              .width = h.width,
                              .gate = bench_normal(b, h.n),
                              .up = bench_normal(b, h.n),
                              .dy = bench_normal(b, h.n),
                              .dgate = bench_output(b, h.n),
                              .dup = bench_output(b, h.n)};
    struct el_swiglu_bwd expected = a, inplace = a;
    expected.dgate = bench_output(b, h.n);
    expected.dup = bench_output(b, h.n);
    inplace.dgate = bench_output(b, h.n);
    inplace.dy = inplace.dup = bench_twin(b, a.dy, h.n);
    bench_run(b, el_ops_ref(), 1, EL_OP_swiglu_bwd, &expected);
    bench_run(b, b->ops, 3, EL_OP_swiglu_bwd, &a);
    close_to(a.dgate, expected.dgate, h.n, 2e-6, "swiglu dgate");
    close_to(a.dup, expected.dup, h.n, 2e-6, "swiglu dup");
    bench_run(b, b->ops, 1, EL_OP_swiglu_bwd, &inplace);
    same_bits(inplace.dgate, a.dgate, h.n, "swiglu dgate, dup in place of dy");
    same_bits(inplace.dup, a.dup, h.n, "swiglu dup in place of dy");
}

static void swiglu_bwd(void **state)
{
    (void)state;
    for_every_backend(check_swiglu_bwd, CASES);
}

struct loss_case {
    struct el_logprob a;
    int64_t n;
};

/* Logits of ordinary and of extreme size; half of the cases with kept sets. */
static struct loss_case random_loss(struct bench *b)
{
    struct loss_case c = {.n = 0};
    int rows = bench_size(b, 1, 120), vocab = bench_size(b, 2, 900);
    c.n = (int64_t)rows * vocab;
    float *logits = bench_normal(b, c.n);
    int32_t *target = bench_input(b, rows, sizeof *target), *start = NULL, *kept = NULL;
    if (bench_below(b, 2)) {
        start = bench_input(b, rows + 1, sizeof *start);
        kept = bench_input(b, c.n, sizeof *kept);
        start[0] = 0;
    }
    for (int i = 0; i < rows; i++) {
        float size = bench_below(b, 3) ? 3.0f : 300.0f;
        target[i] = bench_below(b, 8) ? bench_below(b, vocab) : -1;
        for (int j = 0; j < vocab; j++)
            logits[(int64_t)i * vocab + j] *= size;
        if (start)
            start[i + 1] = start[i];
        for (int j = 0; start && j < vocab; j++)
            if (j == target[i] || j == 0 || bench_below(b, 3) == 0)
                kept[start[i + 1]++] = j;
    }
    c.a = (struct el_logprob){.rows = rows,
                              .vocab = vocab,
                              .inv_temperature = 0.7f,
                              .logits = logits,
                              .target = target,
                              .kept_start = start,
                              .kept = kept,
                              .logp = bench_output(b, rows),
                              .lse = bench_output(b, rows),
                              .entropy = bench_output(b, rows)};
    return c;
}

static void check_logprob(struct bench *b)
{
    struct el_logprob a = random_loss(b).a, expected = a, one = a;
    expected.logp = bench_output(b, a.rows);
    expected.lse = bench_output(b, a.rows);
    expected.entropy = bench_output(b, a.rows);
    bench_run(b, el_ops_ref(), 1, EL_OP_logprob, &expected);
    bench_run(b, b->ops, 3, EL_OP_logprob, &a);
    close_to(a.logp, expected.logp, a.rows, 2e-6, "logprob");
    close_to(a.lse, expected.lse, a.rows, 1e-6, "logprob lse");
    close_to(a.entropy, expected.entropy, a.rows, 5e-6, "logprob entropy");
    for (int i = 0; i < 3; i++) {
        int64_t row = bench_below(b, a.rows);
        one = a;
        one.rows = 1, one.logits += row * a.vocab, one.target += row;
        one.kept_start = a.kept_start ? a.kept_start + row : NULL;
        one.logp = bench_output(b, 1);
        one.lse = bench_output(b, 1);
        one.entropy = NULL;
        bench_run(b, b->ops, 1, EL_OP_logprob, &one);
        same_bits(one.logp, a.logp + row, 1, "logprob of one row");
        same_bits(one.lse, a.lse + row, 1, "logprob lse of one row");
    }
}

static void logprob(void **state)
{
    (void)state;
    for_every_backend(check_logprob, CASES);
}

static void check_logprob_bwd(struct bench *b)
{
    struct loss_case c = random_loss(b);
    bench_run(b, el_ops_ref(), 1, EL_OP_logprob, &c.a);
    struct el_logprob_bwd a = {.rows = c.a.rows,
                               .vocab = c.a.vocab,
                               .inv_temperature = 0.7f,
                               .logits = c.a.logits,
                               .target = c.a.target,
                               .kept_start = c.a.kept_start,
                               .kept = c.a.kept,
                               .lse = c.a.lse,
                               .coef = bench_normal(b, c.a.rows),
                               .dlogits = bench_output(b, c.n)};
    struct el_logprob_bwd expected = a, inplace = a;
    expected.dlogits = bench_output(b, c.n);
    inplace.logits = inplace.dlogits = bench_twin(b, a.logits, c.n);
    bench_run(b, el_ops_ref(), 1, EL_OP_logprob_bwd, &expected);
    bench_run(b, b->ops, 3, EL_OP_logprob_bwd, &a);
    /* z - lse of size 1000 is known to 6e-5 only. */
    close_to(a.dlogits, expected.dlogits, c.n, 2e-4, "dlogits");
    bench_run(b, b->ops, 1, EL_OP_logprob_bwd, &inplace);
    same_bits(inplace.dlogits, a.dlogits, c.n, "dlogits in place");
}

static void logprob_bwd(void **state)
{
    (void)state;
    for_every_backend(check_logprob_bwd, CASES);
}

/* coef -1, no temperature and lse 0 make dlogits the exponential itself. */
static void check_exponential(struct bench *b)
{
    enum { N = 20000 };
    float *x = bench_input(b, N, sizeof *x), *y = bench_output(b, N);
    int32_t *target = bench_input(b, 1, sizeof *target);
    float *lse = bench_input(b, 1, sizeof *lse), *coef = bench_input(b, 1, sizeof *coef);
    for (int i = 0; i < N; i++)
        x[i] = -110.0f + 199.0f * (float)el_rng_uniform(&b->rng);
    static const float special[] = {-INFINITY, NAN,     INFINITY, 0,      88.7f,  88.8f,
                                    -87.3f,    -103.9f, -104.5f,  1e-30f, -1e30f, 1e30f};
    memcpy(x + 1, special, sizeof special);
    *target = 0, *lse = 0, *coef = -1;
    struct el_logprob_bwd a = {.rows = 1,
                               .vocab = N,
                               .inv_temperature = 1,
                               .logits = x,
                               .target = target,
                               .lse = lse,
                               .coef = coef,
                               .dlogits = y};
    bench_run(b, b->ops, 1, EL_OP_logprob_bwd, &a);
    for (int i = 1; i < N; i++) {
        double exact = exp((double)x[i]);
        if (isnan(x[i]))
            assert_true(isnan(y[i]));
        else if (exact > 3.4028235e38)
            assert_true(isinf(y[i]));
        else if (fabs((double)y[i] - exact) > 2e-7 * exact + 7.1e-46)
            fail_msg("exp(%.9g) is %.9g, not %.9g", (double)x[i], (double)y[i], exact);
    }
}

static void exponential(void **state)
{
    (void)state;
    for_every_backend(check_exponential, 3);
}

static void check_optimiser(struct bench *b)
{
    int64_t n = bench_size(b, 1, 20000);
    struct el_adamw a = {.n = n,
                         .x = bench_output(b, n),
                         .grad = bench_normal(b, n),
                         .m = bench_output(b, n),
                         .v = bench_output(b, n),
                         .lr = 0.01f,
                         .beta1 = 0.9f,
                         .beta2 = 0.999f,
                         .eps = 1e-8f,
                         .decay = 0.1f,
                         .grad_scale = 0.5f,
                         .step = 1 + bench_below(b, 100)};
    for (int64_t i = 0; i < n; i++)
        a.v[i] *= a.v[i];
    struct el_adamw expected = a, again = a;
    expected.x = bench_twin(b, a.x, n), again.x = bench_twin(b, a.x, n);
    expected.m = bench_twin(b, a.m, n), again.m = bench_twin(b, a.m, n);
    expected.v = bench_twin(b, a.v, n), again.v = bench_twin(b, a.v, n);
    bench_run(b, el_ops_ref(), 1, EL_OP_adamw, &expected);
    bench_run(b, b->ops, 1, EL_OP_adamw, &a);
    bench_run(b, b->ops, 3, EL_OP_adamw, &again);
    close_to(a.x, expected.x, n, 2e-6, "adamw x");
    close_to(a.m, expected.m, n, 1e-6, "adamw m");
    close_to(a.v, expected.v, n, 1e-6, "adamw v");
    same_bits(again.x, a.x, n, "adamw x with other threads");
    same_bits(again.m, a.m, n, "adamw m with other threads");
    same_bits(again.v, a.v, n, "adamw v with other threads");
}

static void adamw(void **state)
{
    (void)state;
    for_every_backend(check_optimiser, CASES);
}

static void check_sumsq(struct bench *b)
{
    int64_t n = bench_size(b, 0, 200000);
    float *x = bench_normal(b, n);
    double *out = bench_input(b, 1, sizeof *out), first, expected;
    struct el_sumsq a = {n, x, out};
    bench_run(b, el_ops_ref(), 1, EL_OP_sumsq, &a);
    expected = *out;
    bench_run(b, b->ops, 1, EL_OP_sumsq, &a);
    first = *out;
    assert_true(fabs(first - expected) <= 1e-12 * (1 + expected));
    bench_run(b, b->ops, 3, EL_OP_sumsq, &a);
    assert_memory_equal(out, &first, sizeof first);
    if (n > 0) {
        x[bench_below(b, (int)n)] = NAN;
        bench_run(b, b->ops, 2, EL_OP_sumsq, &a);
        assert_true(isnan(*out));
    }
}

static void sumsq(void **state)
{
    (void)state;
    for_every_backend(check_sumsq, CASES);
}

static void check_add_and_fill(struct bench *b)
{
    int64_t n = bench_size(b, 1, 100000);
    struct el_add a = {n, 0.3f, bench_normal(b, n), bench_output(b, n)}, expected = a;
    expected.y = bench_twin(b, a.y, n);
    bench_run(b, el_ops_ref(), 1, EL_OP_add, &expected);
    bench_run(b, b->ops, 3, EL_OP_add, &a);
    close_to(a.y, expected.y, n, 1e-6, "add");
    struct el_fill f = {n, -0.0f, a.y};
    bench_run(b, b->ops, 2, EL_OP_fill, &f);
    for (int64_t i = 0; i < n; i++)
        same_bits(a.y + i, &f.value, 1, "fill");
}

static void add_and_fill(void **state)
{
    (void)state;
    for_every_backend(check_add_and_fill, CASES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rmsnorm),     cmocka_unit_test(rmsnorm_bwd),
        cmocka_unit_test(layernorm),   cmocka_unit_test(layernorm_bwd),
        cmocka_unit_test(swiglu),      cmocka_unit_test(swiglu_bwd),
        cmocka_unit_test(logprob),     cmocka_unit_test(logprob_bwd),
        cmocka_unit_test(exponential), cmocka_unit_test(adamw),
        cmocka_unit_test(sumsq),       cmocka_unit_test(add_and_fill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
