/* Attention of one row at a time, all heads together, as three steps on the tile kernel:
 *
 *   scores (H x n) = q (H x (r+dr)) * keys^T     panel after panel of keys
 *   softmax over each head's n scores            lanes strided by key number, one fixed reduction
 *   out    (H x r) = weights (H x n) * keys      one chain over the keys in the set's order
 *
 * Selected and dense sets take the same steps, so equal sets give equal bits. Threads share the
 * rows; nothing larger than one row's scores is kept. */
#include "core/ops/attention.h"
#include "core/ops/cpu/cpu.h"
#include "core/ops/cpu/keys.h"
#include "core/ops/cpu/vec.h"

#include <string.h>

/* One row's scores (H x longest key set), and behind them one factor per head. */
static size_t score_bytes(const struct el_attn *a)
{
    int64_t n = EL_CPU(keys_longest)(&a->at, a->selected, a->topk);
    return el_cpu_round((size_t)(a->heads * (n + 1)) * sizeof(float));
}

static size_t thread_bytes(const struct el_attn *a)
{
    return score_bytes(a) + EL_CPU(keys_bytes)(&a->at, a->latent + a->rope, a->selected);
}

static size_t attn_workspace(const struct el_stream *s, const void *args)
{
    return (size_t)s->threads * thread_bytes(args);
}

/* score[0..n-1] -> exp(scale*score - max), zeros up to a whole vector; returns max and *sum. */
static float weigh(float *score, int n, float scale, float *sum)
{
    vf z = vset(scale), max = vset(-INFINITY);
    struct vacc total = {0};
    for (int j = n; j % VL; j++)
        score[j] = 0;
    for (int j = 0; j < n; j += VL) {
        vf v = vload(score + j) * z;
        if (n - j < VL)
            v = vkeep(v, n - j, -INFINITY);
        vstore(score + j, v);
        max = vmax(v, max);
    }
    float top = vmaximum(max);
    for (int j = 0; j < n; j += VL) {
        vf e = vexp(vload(score + j) - vset(top));
        vstore(score + j, e);
        vacc_add(&total, e);
    }
    *sum = vacc_sum(total);
    return top;
}

static void scores(const struct el_attn *a, struct el_keys *k, const float *q, float *score,
                   int64_t stride)
{
    for (int j = 0; j < k->n; j += EL_PANEL) {
        struct el_panel t = {.m = a->heads,
                             .cols = k->n - j < EL_PANEL ? k->n - j : EL_PANEL,
                             .k = k->width,
                             .a = q,
                             .a_row = k->width,
                             .a_col = 1,
                             .b = EL_CPU(keys_panel)(k, j),
                             .b_row = EL_PANEL,
                             .c = score + j,
                             .c_row = stride};
        EL_CPU(panel)(&t);
    }
}

/* out = weights * keys, before division by the softmax denominators. */
static void mix(const struct el_attn *a, struct el_keys *k, const float *weight, int64_t stride,
                float *out)
{
    for (int j = 0; j < k->n; j += EL_KEY_CHUNK) {
        int count = k->n - j < EL_KEY_CHUNK ? k->n - j : EL_KEY_CHUNK;
        EL_CPU(panels)
        ((struct el_panel){.m = a->heads,
                           .cols = a->latent,
                           .k = count,
                           .a = weight + j,
                           .a_row = stride,
                           .a_col = 1,
                           .b = EL_CPU(keys_rows)(k, j, count),
                           .b_row = k->width,
                           .c = out,
                           .c_row = a->latent,
                           .accumulate = j > 0});
    }
}

static void multiply(float *x, int n, float f)
{
    int j = 0;
    for (; j + VL <= n; j += VL)
        vstore(x + j, vload(x + j) * vset(f));
    if (j < n)
        vstore_part(x + j, vload_part(x + j, n - j) * vset(f), n - j);
}

static void attend(const struct el_attn *a, struct el_keys *k, int row, float *score)
{
    int64_t stride = EL_CPU(keys_longest)(&a->at, a->selected, a->topk);
    int64_t first = (int64_t)row * a->heads;
    float *out = a->out + first * a->latent, *inverse = score + a->heads * stride;
    EL_CPU(keys_row)(k, row);
    scores(a, k, a->q + first * k->width, score, stride);
    for (int h = 0; h < a->heads; h++) {
        float sum, max = weigh(score + h * stride, k->n, a->scale, &sum);
        inverse[h] = 1.0f / sum;
        if (a->lse)
            a->lse[first + h] = max + logf(sum);
    }
    mix(a, k, score, stride, out);
    if (k->n == 0)
        memset(out, 0, (size_t)a->heads * (size_t)a->latent * sizeof *out);
    for (int h = 0; h < a->heads && k->n > 0; h++)
        multiply(out + (int64_t)h * a->latent, a->latent, inverse[h]);
}

static void attn(struct el_stream *s, const void *args)
{
    const struct el_attn *a = args;
    int width = a->latent + a->rope, n = EL_CPU(keys_longest)(&a->at, a->selected, a->topk);
    int threads = el_cpu_threads(s, (double)a->at.rows * n * a->heads * width);
    int chunk = EL_CPU(row_chunk)(a->at.rows, threads);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        char *mine = (char *)s->ws + (size_t)omp_get_thread_num() * thread_bytes(a);
        struct el_keys k;
        EL_CPU(keys_init)(&k, &a->at, a->kv, width, a->selected, a->topk, mine + score_bytes(a));
#pragma omp for schedule(dynamic, chunk)
        for (int i = 0; i < a->at.rows; i++)
            attend(a, &k, i, (float *)mine);
    }
}

void EL_CPU(init_attention)(struct el_ops *t)
{
    t->run[EL_OP_attn] = attn;
    t->workspace[EL_OP_attn] = attn_workspace;
}
