/* Ops that stream rows: what counts is bytes moved. Each array an op reads or writes is counted
 * once. */
#include "bench/cases.h"
#include "core/ops/fp8_round.h"
#include "core/ops/fp8_row.h"
#include "core/ops/loss.h"
#include "core/ops/moe.h"
#include "core/ops/norm.h"
#include "core/ops/optim.h"
#include "core/ops/pointwise.h"
#include "core/ops/rope.h"

#include <stdio.h>

enum { ROWS = 8192, WIDTH = 96, FFN = 256, VOCAB = 640, TOPK = 2, EXPERTS = 8 };

static void norms(struct el_bench *b)
{
    size_t n = (size_t)ROWS * WIDTH;
    float *x = el_bench_noise(b, n), *y = el_bench_noise(b, n), *w = el_bench_noise(b, WIDTH),
          *dx = el_bench_noise(b, n);
    float *rstd = el_bench_noise(b, ROWS), *dw = el_bench_noise(b, WIDTH);
    struct el_rmsnorm a = {ROWS, WIDTH, 1e-6f, x, WIDTH, w, y, WIDTH, rstd};
    struct el_rmsnorm_bwd d = {ROWS, WIDTH, x, WIDTH, w, rstd, y, WIDTH, dx, WIDTH, 0, dw};
    el_bench_op(b, EL_OP_rmsnorm, &a, "8192 x 96");
    el_bench_op(b, EL_OP_rmsnorm_bwd, &d, "8192 x 96");
}

static void swiglus(struct el_bench *b)
{
    size_t n = (size_t)ROWS * FFN;
    float *g = el_bench_noise(b, n), *u = el_bench_noise(b, n), *y = el_bench_noise(b, n),
          *dg = el_bench_noise(b, n);
    float *du = el_bench_noise(b, n);
    struct el_swiglu a = {ROWS, FFN, g, u, y};
    struct el_swiglu_bwd d = {ROWS, FFN, g, u, y, dg, du};
    el_bench_op(b, EL_OP_swiglu, &a, "8192 x 256");
    el_bench_op(b, EL_OP_swiglu_bwd, &d, "8192 x 256");
}

static void losses(struct el_bench *b)
{
    static int32_t target[ROWS];
    size_t n = (size_t)ROWS * VOCAB;
    float *z = el_bench_noise(b, n), *dz = el_bench_noise(b, n), *logp = el_bench_noise(b, ROWS);
    float *lse = el_bench_noise(b, ROWS), *coef = el_bench_noise(b, ROWS),
          *entropy = el_bench_noise(b, ROWS);
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
    el_bench_op(b, EL_OP_logprob, &a, "8192 x 640");
    el_bench_op(b, EL_OP_logprob_bwd, &d, "8192 x 640");
}

static void experts(struct el_bench *b)
{
    static int32_t chosen[ROWS * TOPK], place[ROWS * TOPK], source[ROWS * TOPK];
    static int32_t offsets[EXPERTS + 1];
    size_t n = (size_t)ROWS * WIDTH, wide = n * TOPK;
    float *logits = el_bench_noise(b, (size_t)ROWS * EXPERTS), *bias = el_bench_noise(b, EXPERTS);
    float *weight = el_bench_noise(b, (size_t)ROWS * TOPK), *x = el_bench_noise(b, n),
          *y = el_bench_noise(b, wide);
    float *dy = el_bench_noise(b, wide), *dweight = el_bench_noise(b, (size_t)ROWS * TOPK);
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
    el_bench_op(b, EL_OP_moe_route, &route, "8192 x 8, top 2");
    el_bench_op(b, EL_OP_moe_plan, &plan, "8192 x 8, top 2");
    el_bench_op(b, EL_OP_moe_gather, &gather, "8192 x 96, top 2");
    el_bench_op(b, EL_OP_moe_gather_bwd, &gather_bwd, "8192 x 96, top 2");
    el_bench_op(b, EL_OP_moe_combine, &combine, "8192 x 96, top 2");
    el_bench_op(b, EL_OP_moe_combine_bwd, &combine_bwd, "8192 x 96, top 2");
}

/* Latents of 512 values and RoPE keys of 64; a row of 656 bytes is 164 floats. */
static void packed_rows(struct el_bench *b)
{
    const struct el_fp8_row form = {512, 64};
    size_t n = (size_t)el_fp8_row_bytes(&form) / sizeof(float) * ROWS;
    uint8_t *from = (uint8_t *)el_bench_noise(b, n), *to = (uint8_t *)el_bench_noise(b, n);
    struct el_fp8_pack pack = {.rows = ROWS,
                               .form = form,
                               .x = el_bench_noise(b, (size_t)ROWS * 576),
                               .x_row = 576,
                               .packed = to};
    struct el_copy_bytes copy = {
        .rows = ROWS, .bytes = el_fp8_row_bytes(&form), .src = from, .dst = to};
    el_bench_op(b, EL_OP_fp8_pack, &pack, "8192 x (512 + 64)");
    el_bench_op(b, EL_OP_copy_bytes, &copy, "8192 x 656");
}

static void tables(struct el_bench *b)
{
    enum { HEADS = 8, DIM = 16, POSITIONS = 320 };
    static int32_t token[ROWS];
    size_t n = (size_t)ROWS * WIDTH, turned = (size_t)ROWS * HEADS * DIM;
    for (int i = 0; i < ROWS; i++)
        token[i] = i * 7 % POSITIONS;
    float *table = el_bench_noise(b, (size_t)VOCAB * WIDTH), *x = el_bench_noise(b, n),
          *q = el_bench_noise(b, turned);
    float *cos = el_bench_noise(b, POSITIONS * DIM / 2),
          *sin = el_bench_noise(b, POSITIONS * DIM / 2);
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
    el_bench_op(b, EL_OP_embed, &embed, "8192 x 96");
    el_bench_op(b, EL_OP_embed_bwd, &embed_bwd, "8192 x 96");
    el_bench_op(b, EL_OP_rope, &rope, "8192 x 8 x 16 interleaved");
    rope.interleaved = 0;
    el_bench_op(b, EL_OP_rope, &rope, "8192 x 8 x 16 halves");
    struct el_fp8_round fp8 = {.rows = ROWS,
                               .slices = 1,
                               .width = HEADS * DIM,
                               .group = 128,
                               .rotate = 1,
                               .x = q,
                               .x_row = HEADS * DIM};
    el_bench_op(b, EL_OP_fp8_round, &fp8, "8192 x 128, rotated");
    packed_rows(b);
}

static void optimiser(struct el_bench *b)
{
    size_t n = 2000000;
    double out;
    float *x = el_bench_noise(b, n), *g = el_bench_noise(b, n), *m = el_bench_noise(b, n),
          *v = el_bench_noise(b, n);
    for (size_t i = 0; v && i < n; i++)
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
    el_bench_op(b, EL_OP_adamw, &a, "2,000,000");
    el_bench_op(b, EL_OP_sumsq, &q, "2,000,000");
}

int el_bench_rows(struct el_bench *b, struct el_error *err)
{
    void (*const groups[])(struct el_bench *) = {norms,   swiglus, losses,
                                                 experts, tables,  optimiser};
    int rc = 0;
    for (size_t i = 0; i < sizeof groups / sizeof *groups && rc == 0; i++) {
        groups[i](b);
        rc = el_bench_drop(b, err);
    }
    return rc;
}
