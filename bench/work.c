#include "bench/work.h"

#include "core/ops/attention_mha.h"
#include "core/ops/fp8_round.h"
#include "core/ops/fp8_row.h"
#include "core/ops/gemm.h"
#include "core/ops/gemm_bf16.h"
#include "core/ops/indexer.h"
#include "core/ops/loss.h"
#include "core/ops/moe.h"
#include "core/ops/norm.h"
#include "core/ops/optim.h"
#include "core/ops/pointwise.h"
#include "core/ops/rope.h"

#include <string.h>

static struct el_bench_work values(double n)
{
    return (struct el_bench_work){.bytes = 4 * n};
}

static struct el_bench_work gemm(const void *args)
{
    const struct el_gemm *g = args;
    double m = g->m, n = g->n, k = g->k, products = g->batch > 1 ? g->batch : 1;
    double each = g->group == EL_GROUP_NONE ? products : 1; /* m or k is the total of all groups */
    double a = each * m * k, b = each * n * k, c = each * m * n;
    if (g->group == EL_GROUP_ROWS)
        b = products * n * k;
    else if (g->group == EL_GROUP_K)
        c = products * m * n;
    return (struct el_bench_work){2 * each * m * n * k, 4 * (a + b + (g->accumulate ? 2 : 1) * c)};
}

static struct el_bench_work gemm_pack(const void *args)
{
    const struct el_gemm_pack *g = args;
    return values(2.0 * g->n * g->k * (g->batch > 1 ? g->batch : 1));
}

static struct el_bench_work gemm_bf16(const void *args)
{
    const struct el_gemm_bf16 *g = args;
    double m = g->m, n = g->n, k = g->k, products = g->batch > 1 ? g->batch : 1;
    double each = g->group == EL_GROUP_NONE ? products : 1;
    double c = each * m * n * (g->accumulate ? 2 : 1);
    return (struct el_bench_work){2 * each * m * n * k,
                                  4 * (each * m * k + c) + 2 * products * n * k};
}

static struct el_bench_work gemm_bf16_pack(const void *args)
{
    const struct el_gemm_bf16_pack *g = args;
    return values(1.5 * g->n * g->k * (g->batch > 1 ? g->batch : 1));
}

/* Over the rows of a batch: (row, key) pairs, and how many keys are read when each sequence's are
 * read once. most: keys of a row at most, 0: all visible ones. Rows that see no more than `free`
 * keys are left out. */
struct keys {
    double rows, pairs, distinct;
};

static struct keys keys_of(const struct el_rows *at, int most, int free)
{
    struct keys k = {0};
    double pairs = 0, longest = 0;
    for (int i = 0; i < at->rows; i++) {
        double visible = at->pos[i] + 1.0, n = most && visible > most ? most : visible;
        if (visible > free) {
            k.rows++;
            pairs += n;
            longest = visible > longest ? visible : longest;
        }
        if (i + 1 == at->rows || at->seq[i + 1] != at->seq[i]) {
            k.pairs += pairs;
            k.distinct += pairs < longest ? pairs : longest;
            pairs = longest = 0;
        }
    }
    return k;
}

/* Of a cache row of so many values and a tail: fp32, or packed. */
static double key_bytes(const uint8_t *fp8, int width, int tail)
{
    const struct el_fp8_row form = {width, tail};
    return fp8 ? (double)el_fp8_row_bytes(&form) : 4.0 * (width + tail);
}

static struct el_bench_work attn(const void *args)
{
    const struct el_attn *a = args;
    double rows = a->at.rows, h = a->heads, r = a->latent, width = r + a->rope;
    struct keys k = keys_of(&a->at, a->selected ? a->topk : 0, 0);
    return (struct el_bench_work){2 * k.pairs * h * (width + r),
                                  4 * rows * h * (width + r) +
                                      k.distinct * key_bytes(a->kv_fp8, a->latent, a->rope)};
}

/* With the raising of every sequence's keys. */
static struct el_bench_work attn_mha(const void *args)
{
    const struct el_attn_mha *a = args;
    double rows = a->at.rows, h = a->heads, r = a->latent, dk = a->nope + a->rope;
    struct keys k = keys_of(&a->at, a->selected ? a->topk : 0, 0);
    struct keys seen = a->selected ? keys_of(&a->at, 0, 0) : k;
    double up = h * (a->nope + a->value) * r;
    return (struct el_bench_work){2 * (k.pairs * h * (dk + a->value) + seen.distinct * up),
                                  4 * (rows * h * (dk + a->value) + up) +
                                      seen.distinct * key_bytes(a->kv_fp8, a->latent, a->rope)};
}

static struct el_bench_work attn_bwd(const void *args)
{
    const struct el_attn_bwd *a = args;
    double rows = a->at.rows, h = a->heads, r = a->latent, width = r + a->rope;
    struct keys k = keys_of(&a->at, a->selected ? a->topk : 0, 0);
    return (struct el_bench_work){2 * k.pairs * h * (3 * width + 2 * r),
                                  4 * (rows * h * 2 * (width + r) + 3 * k.distinct * width)};
}

static struct el_bench_work index_select(const void *args)
{
    const struct el_index_select *a = args;
    double rows = a->at.rows, h = a->heads, d = a->dim;
    struct keys k = keys_of(&a->at, 0, a->topk); /* the others take all they see, unscored */
    return (struct el_bench_work){2 * k.pairs * h * d,
                                  4 * (k.rows * (h * d + h) + rows * a->topk) +
                                      k.distinct * key_bytes(a->k_fp8, a->dim, 0)};
}

static struct el_bench_work index_loss(const void *args)
{
    const struct el_index_loss *a = args;
    double rows = a->at.rows, width = a->latent + a->rope, index = a->index_heads * a->index_dim;
    struct keys k = keys_of(&a->at, a->selected ? a->topk : 0, 0);
    double main = a->mass ? 0 : a->heads * width, products = main + (a->dqi ? 3 : 1) * index;
    double kept = a->mass ? a->topk : 0;
    if (a->mass)
        width = 0;
    return (struct el_bench_work){
        2 * k.pairs * products,
        4 * (rows * (main + kept + 2 * index) + k.distinct * (width + 3.0 * a->index_dim))};
}

static struct el_bench_work rmsnorm(const void *args)
{
    const struct el_rmsnorm *a = args;
    return values(2.0 * a->rows * a->width);
}

static struct el_bench_work rmsnorm_bwd(const void *args)
{
    const struct el_rmsnorm_bwd *a = args;
    return values((3.0 + (a->accumulate != 0)) * a->rows * a->width);
}

static struct el_bench_work layernorm(const void *args)
{
    const struct el_layernorm *a = args;
    return values(2.0 * a->rows * a->width);
}

static struct el_bench_work layernorm_bwd(const void *args)
{
    const struct el_layernorm_bwd *a = args;
    return values(3.0 * a->rows * a->width);
}

static struct el_bench_work rope(const void *args)
{
    const struct el_rope *a = args;
    return values(2.0 * a->rows * a->heads * a->dim);
}

static struct el_bench_work fp8_round(const void *args)
{
    const struct el_fp8_round *a = args;
    return values(2.0 * a->rows * a->slices * (a->width + a->tail));
}

static struct el_bench_work fp8_pack(const void *args)
{
    const struct el_fp8_pack *a = args;
    double row = 4.0 * (a->form.width + a->form.tail) + (double)el_fp8_row_bytes(&a->form);
    return (struct el_bench_work){.bytes = a->rows * row};
}

static struct el_bench_work moe_route(const void *args)
{
    const struct el_moe_route *a = args;
    return values((double)a->rows * (a->experts + 2.0 * a->topk));
}

static struct el_bench_work moe_route_bwd(const void *args)
{
    const struct el_moe_route_bwd *a = args;
    return values((double)a->rows * (2.0 * a->experts + 2.0 * a->topk));
}

static struct el_bench_work moe_plan(const void *args)
{
    const struct el_moe_plan *a = args;
    return values(3.0 * a->rows * a->topk);
}

static struct el_bench_work moe_gather(const void *args)
{
    const struct el_moe_gather *a = args;
    return values(2.0 * a->n * a->width);
}

static struct el_bench_work moe_gather_bwd(const void *args)
{
    const struct el_moe_gather_bwd *a = args;
    return values((2.0 + a->topk) * a->rows * a->width);
}

static struct el_bench_work moe_combine(const void *args)
{
    const struct el_moe_combine *a = args;
    return values((2.0 + a->topk) * a->rows * a->width);
}

static struct el_bench_work moe_combine_bwd(const void *args)
{
    const struct el_moe_combine_bwd *a = args;
    return values((1.0 + 2.0 * a->topk) * a->rows * a->width);
}

static struct el_bench_work swiglu(const void *args)
{
    const struct el_swiglu *a = args;
    return values(3.0 * a->rows * a->width);
}

static struct el_bench_work swiglu_bwd(const void *args)
{
    const struct el_swiglu_bwd *a = args;
    return values(5.0 * a->rows * a->width);
}

static struct el_bench_work embed(const void *args)
{
    const struct el_embed *a = args;
    return values(2.0 * a->rows * a->width);
}

static struct el_bench_work embed_bwd(const void *args)
{
    const struct el_embed_bwd *a = args;
    return values(3.0 * a->rows * a->width);
}

static struct el_bench_work logprob(const void *args)
{
    const struct el_logprob *a = args;
    return values((double)a->rows * a->vocab);
}

static struct el_bench_work logprob_bwd(const void *args)
{
    const struct el_logprob_bwd *a = args;
    return values(2.0 * a->rows * a->vocab);
}

static struct el_bench_work copy_rows(const void *args)
{
    const struct el_copy_rows *a = args;
    return values((2.0 + (a->accumulate != 0)) * a->rows * a->width);
}

static struct el_bench_work copy_bytes(const void *args)
{
    const struct el_copy_bytes *a = args;
    return (struct el_bench_work){.bytes = 2.0 * a->rows * (double)a->bytes};
}

static struct el_bench_work add(const void *args)
{
    const struct el_add *a = args;
    return values(3.0 * (double)a->n);
}

static struct el_bench_work fill(const void *args)
{
    const struct el_fill *a = args;
    return values((double)a->n);
}

static struct el_bench_work sumsq(const void *args)
{
    const struct el_sumsq *a = args;
    return values((double)a->n);
}

static struct el_bench_work adamw(const void *args)
{
    const struct el_adamw *a = args;
    return values(7.0 * (double)a->n);
}

static struct el_bench_work (*const formulas[EL_OP_COUNT])(const void *args) = {
#define X(name) [EL_OP_##name] = name,
    EL_OP_LIST(X)
#undef X
};

struct el_bench_work el_bench_work_of(enum el_op op, const void *args)
{
    return formulas[op](args);
}

static void watch(void *user, enum el_op op, const void *args)
{
    struct el_bench_tally *t = user;
    struct el_bench_work w = el_bench_work_of(op, args);
    t->runs[op]++;
    t->work[op].flop += w.flop;
    t->work[op].bytes += w.bytes;
}

void el_bench_tally_start(struct el_bench_tally *t, struct el_stream *s)
{
    memset(t, 0, sizeof *t);
    s->seconds = t->seconds;
    s->watch = watch;
    s->watch_user = t;
}

void el_bench_tally_stop(struct el_stream *s)
{
    s->seconds = NULL;
    s->watch = NULL;
    s->watch_user = NULL;
}

struct el_bench_work el_bench_tally_sum(const struct el_bench_tally *t)
{
    struct el_bench_work sum = {0};
    for (int op = 0; op < EL_OP_COUNT; op++) {
        sum.flop += t->work[op].flop;
        sum.bytes += t->work[op].bytes;
    }
    return sum;
}
