/* Ops that stream rows: what counts is bytes moved. Each array an op reads or writes is counted
 * once. */
#include "bench/bench.h"
#include "core/ops/loss.h"
#include "core/ops/moe.h"
#include "core/ops/norm.h"
#include "core/ops/optim.h"
#include "core/ops/pointwise.h"
#include "core/ops/rope.h"

#include <stdio.h>

enum { ROWS = 8192, WIDTH = 96, FFN = 256, VOCAB = 640, TOPK = 2, EXPERTS = 8 };
static const double F = sizeof(float);

static void norms(struct el_stream *s)
{
    size_t n = (size_t)ROWS * WIDTH;
    float *x = bench_noise(n), *y = bench_noise(n), *w = bench_noise(WIDTH), *dx = bench_noise(n);
    float *rstd = bench_noise(ROWS), *dw = bench_noise(WIDTH);
    struct el_rmsnorm a = {ROWS, WIDTH, 1e-6f, x, WIDTH, w, y, WIDTH, rstd};
    struct el_rmsnorm_bwd d = {ROWS, WIDTH, x, WIDTH, w, rstd, y, WIDTH, dx, WIDTH, 0, dw};
    bench_report(s, EL_OP_rmsnorm, &a, "8192 x 96", 0, 2 * F * (double)n);
    bench_report(s, EL_OP_rmsnorm_bwd, &d, "8192 x 96", 0, 3 * F * (double)n);
    const float *all[] = {x, y, w, dx, rstd, dw};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        bench_drop(all[i]);
}

static void swiglus(struct el_stream *s)
{
    size_t n = (size_t)ROWS * FFN;
    float *g = bench_noise(n), *u = bench_noise(n), *y = bench_noise(n), *dg = bench_noise(n);
    float *du = bench_noise(n);
    struct el_swiglu a = {ROWS, FFN, g, u, y};
    struct el_swiglu_bwd d = {ROWS, FFN, g, u, y, dg, du};
    bench_report(s, EL_OP_swiglu, &a, "8192 x 256", 0, 3 * F * (double)n);
    bench_report(s, EL_OP_swiglu_bwd, &d, "8192 x 256", 0, 5 * F * (double)n);
    const float *all[] = {g, u, y, dg, du};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        bench_drop(all[i]);
}

static void losses(struct el_stream *s)
{
    static int32_t target[ROWS];
    size_t n = (size_t)ROWS * VOCAB;
    float *z = bench_noise(n), *dz = bench_noise(n), *logp = bench_noise(ROWS);
    float *lse = bench_noise(ROWS), *coef = bench_noise(ROWS), *entropy = bench_noise(ROWS);
    for (int i = 0; i < ROWS; i++)
        target[i] = i % VOCAB;
    struct el_logprob a = {.rows = ROWS,
                           .vocab = VOCAB,
                           .inv_temperature = 1,
                           .logits = z,
                           .target = target,
                           .logp = logp,
                           .lse = lse,
                           .entropy = entropy};
    struct el_logprob_bwd d = {.rows = ROWS,
                               .vocab = VOCAB,
                               .inv_temperature = 1,
                               .logits = z,
                               .target = target,
                               .lse = lse,
                               .coef = coef,
                               .dlogits = dz};
    bench_report(s, EL_OP_logprob, &a, "8192 x 640", 0, F * (double)n);
    bench_report(s, EL_OP_logprob_bwd, &d, "8192 x 640", 0, 2 * F * (double)n);
    const float *all[] = {z, dz, logp, lse, coef, entropy};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        bench_drop(all[i]);
}

static void experts(struct el_stream *s)
{
    static int32_t chosen[ROWS * TOPK], place[ROWS * TOPK], source[ROWS * TOPK];
    static int32_t offsets[EXPERTS + 1];
    size_t n = (size_t)ROWS * WIDTH, wide = n * TOPK;
    float *logits = bench_noise((size_t)ROWS * EXPERTS), *bias = bench_noise(EXPERTS);
    float *weight = bench_noise((size_t)ROWS * TOPK), *x = bench_noise(n), *y = bench_noise(wide);
    float *dy = bench_noise(wide), *dweight = bench_noise((size_t)ROWS * TOPK);
    struct el_moe_route route = {.rows = ROWS,
                                 .experts = EXPERTS,
                                 .topk = TOPK,
                                 .n_group = 1,
                                 .topk_group = 1,
                                 .normalise = 1,
                                 .scale = 1,
                                 .logits = logits,
                                 .bias = bias,
                                 .chosen = chosen,
                                 .weight = weight};
    struct el_moe_plan plan = {ROWS, EXPERTS, TOPK, chosen, offsets, place, source};
    struct el_moe_gather gather = {ROWS * TOPK, WIDTH, x, source, y};
    struct el_moe_gather_bwd gather_bwd = {ROWS, WIDTH, TOPK, y, place, x};
    struct el_moe_combine combine = {ROWS, WIDTH, TOPK, y, place, weight, x};
    struct el_moe_combine_bwd combine_bwd = {ROWS, WIDTH, TOPK, y, place, weight, x, dy, dweight};
    bench_report(s, EL_OP_moe_route, &route, "8192 x 8, top 2", 0, 0);
    bench_report(s, EL_OP_moe_plan, &plan, "8192 x 8, top 2", 0, 0);
    double bytes = F * (double)(n + wide);
    bench_report(s, EL_OP_moe_gather, &gather, "8192 x 96, top 2", 0, bytes);
    bench_report(s, EL_OP_moe_gather_bwd, &gather_bwd, "8192 x 96, top 2", 0, bytes);
    bench_report(s, EL_OP_moe_combine, &combine, "8192 x 96, top 2", 0, bytes);
    bench_report(s, EL_OP_moe_combine_bwd, &combine_bwd, "8192 x 96, top 2", 0,
                 bytes + F * (double)wide);
    const float *all[] = {logits, bias, weight, x, y, dy, dweight};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        bench_drop(all[i]);
}

static void tables(struct el_stream *s)
{
    enum { HEADS = 8, DIM = 16, POSITIONS = 320 };
    static int32_t token[ROWS];
    size_t n = (size_t)ROWS * WIDTH, turned = (size_t)ROWS * HEADS * DIM;
    for (int i = 0; i < ROWS; i++)
        token[i] = i * 7 % POSITIONS;
    float *table = bench_noise((size_t)VOCAB * WIDTH), *x = bench_noise(n),
          *q = bench_noise(turned);
    float *cos = bench_noise(POSITIONS * DIM / 2), *sin = bench_noise(POSITIONS * DIM / 2);
    struct el_embed embed = {ROWS, WIDTH, token, table, x};
    struct el_embed_bwd embed_bwd = {ROWS, WIDTH, VOCAB, token, x, table};
    struct el_rope rope = {.rows = ROWS,
                           .heads = HEADS,
                           .dim = DIM,
                           .x = q,
                           .x_row = HEADS * DIM,
                           .x_head = DIM,
                           .y = q,
                           .y_row = HEADS * DIM,
                           .y_head = DIM,
                           .pos = token,
                           .cos = cos,
                           .sin = sin,
                           .interleaved = 1};
    bench_report(s, EL_OP_embed, &embed, "8192 x 96", 0, 2 * F * (double)n);
    bench_report(s, EL_OP_embed_bwd, &embed_bwd, "8192 x 96", 0, 2 * F * (double)n);
    bench_report(s, EL_OP_rope, &rope, "8192 x 8 x 16 interleaved", 0, 2 * F * (double)turned);
    rope.interleaved = 0;
    bench_report(s, EL_OP_rope, &rope, "8192 x 8 x 16 halves", 0, 2 * F * (double)turned);
    const float *all[] = {table, x, q, cos, sin};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        bench_drop(all[i]);
}

static void optimiser(struct el_stream *s)
{
    size_t n = 2000000;
    double out;
    float *x = bench_noise(n), *g = bench_noise(n), *m = bench_noise(n), *v = bench_noise(n);
    for (size_t i = 0; i < n; i++)
        v[i] *= v[i];
    struct el_adamw a = {.n = (int64_t)n,
                         .x = x,
                         .grad = g,
                         .m = m,
                         .v = v,
                         .lr = 1e-4f,
                         .beta1 = 0.9f,
                         .beta2 = 0.95f,
                         .eps = 1e-8f,
                         .decay = 0.1f,
                         .grad_scale = 1,
                         .step = 10};
    struct el_sumsq q = {(int64_t)n, g, &out};
    bench_report(s, EL_OP_adamw, &a, "2,000,000", 0, 7 * F * (double)n);
    bench_report(s, EL_OP_sumsq, &q, "2,000,000", 0, F * (double)n);
    const float *all[] = {x, g, m, v};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        bench_drop(all[i]);
}

void bench_rows(struct el_stream *s)
{
    norms(s);
    swiglus(s);
    losses(s);
    experts(s);
    tables(s);
    optimiser(s);
}
