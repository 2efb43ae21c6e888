/* Backward pass of attention, row by row on the tile kernel. With P the softmax weights (recomputed
 * from the scores and the forward pass's lse) and D = dout . out per head:
 *
 *   dS (H x n)      = scale * P * (dout * values^T - D)
 *   dq (H x (r+dr)) = dS * keys
 *   dkv (n x (r+dr)) += dS^T * q,   and on its first r values += P^T * dout
 *
 * A family of sequences belongs to one thread, which takes its rows in ascending order: the sums
 * into dkv have one order at any thread count. */
#include "core/ops/attention.h"
#include "core/ops/cpu/cpu.h"
#include "core/ops/cpu/keys.h"
#include "core/ops/cpu/vec.h"

#include <string.h>

/* One row's state: p and ds (H x stride), and a chunk of dkv rows when they are scattered. */
struct scratch {
    float *p, *ds, *chunk;
    int64_t stride;
};

static size_t score_bytes(const struct el_attn_bwd *a)
{
    int64_t n = EL_CPU(keys_longest)(&a->at, a->selected, a->topk);
    return el_cpu_round((size_t)(a->heads * n) * sizeof(float));
}

static size_t chunk_bytes(const struct el_attn_bwd *a)
{
    return el_cpu_round((size_t)EL_KEY_CHUNK * (size_t)(a->latent + a->rope) * sizeof(float));
}

static size_t thread_bytes(const struct el_attn_bwd *a)
{
    return 2 * score_bytes(a) + chunk_bytes(a) +
           EL_CPU(keys_bytes)(&a->at, a->latent + a->rope, a->selected);
}

static size_t attn_bwd_workspace(const struct el_stream *s, const void *args)
{
    return (size_t)s->threads * thread_bytes(args);
}

/* p = scores, ds = dout * values^T. */
static void both_scores(const struct el_attn_bwd *a, struct el_keys *k, int64_t first,
                        const struct scratch *m)
{
    for (int j = 0; j < k->n; j += EL_PANEL) {
        struct el_panel t = {.m = a->heads,
                             .cols = k->n - j < EL_PANEL ? k->n - j : EL_PANEL,
                             .k = k->width,
                             .a = a->q + first * k->width,
                             .a_row = k->width,
                             .a_col = 1,
                             .b = EL_CPU(keys_panel)(k, j),
                             .b_row = EL_PANEL,
                             .c = m->p + j,
                             .c_row = m->stride};
        EL_CPU(panel)(&t);
        t.k = t.a_row = a->latent; /* the value is the key's first part */
        t.a = a->dout + first * a->latent;
        t.c = m->ds + j;
        EL_CPU(panel)(&t);
    }
}

VEC float dot(const float *x, const float *y, int n)
{
    struct vacc sum = {0};
    int j = 0;
    for (; j + VL <= n; j += VL)
        vacc_fma(&sum, vload(x + j), vload(y + j));
    if (j < n)
        vacc_fma(&sum, vload_part(x + j, n - j), vload_part(y + j, n - j));
    return vacc_sum(sum);
}

/* Scores to weights, in place; dout * values^T to scale * p * (that - d). */
static void weigh(float *p, float *ds, int n, float scale, float lse, float d)
{
    for (int j = 0; j < n; j += VL) {
        vf w = vexp(vload(p + j) * vset(scale) - vset(lse));
        vstore(p + j, w);
        vstore(ds + j, vset(scale) * w * (vload(ds + j) - vset(d)));
    }
}

/* rows (count x width) += ds^T q, its first part += p^T dout, for keys j.. of the row. */
static void add_to_rows(const struct el_attn_bwd *a, int64_t first, const struct scratch *m, int j,
                        int count, float *rows)
{
    const int width = a->latent + a->rope;
    struct el_panel t = {.m = count,
                         .cols = a->latent,
                         .k = a->heads,
                         .a = m->p + j,
                         .a_row = 1,
                         .a_col = m->stride,
                         .b = a->dout + first * a->latent,
                         .b_row = a->latent,
                         .c = rows,
                         .c_row = width,
                         .accumulate = 1};
    EL_CPU(panels)(t);
    t.cols = width;
    t.a = m->ds + j;
    t.b = a->q + first * width;
    t.b_row = width;
    EL_CPU(panels)(t);
}

static void one_row(const struct el_attn_bwd *a, struct el_keys *k, int row,
                    const struct scratch *m)
{
    int64_t first = (int64_t)row * a->heads;
    float *dq = a->dq + first * k->width;
    EL_CPU(keys_row)(k, row);
    both_scores(a, k, first, m);
    for (int h = 0; h < a->heads; h++) {
        int64_t at = first + h;
        float d = dot(a->dout + at * a->latent, a->out + at * a->latent, a->latent);
        weigh(m->p + h * m->stride, m->ds + h * m->stride, k->n, a->scale, a->lse[at], d);
    }
    if (k->n == 0)
        memset(dq, 0, (size_t)a->heads * (size_t)k->width * sizeof *dq);
    for (int j = 0; j < k->n; j += EL_KEY_CHUNK) {
        int count = k->n - j < EL_KEY_CHUNK ? k->n - j : EL_KEY_CHUNK;
        EL_CPU(panels)
        ((struct el_panel){.m = a->heads,
                           .cols = k->width,
                           .k = count,
                           .a = m->ds + j,
                           .a_row = m->stride,
                           .a_col = 1,
                           .b = EL_CPU(keys_rows)(k, j, count),
                           .b_row = k->width,
                           .c = dq,
                           .c_row = k->width,
                           .accumulate = j > 0});
        float *rows = EL_CPU(keys_open)(k, a->dkv, j, count, m->chunk);
        add_to_rows(a, first, m, j, count, rows);
        EL_CPU(keys_close)(k, a->dkv, j, count, rows);
    }
}

static void attn_bwd(struct el_stream *s, const void *args)
{
    const struct el_attn_bwd *a = args;
    int width = a->latent + a->rope, n = EL_CPU(keys_longest)(&a->at, a->selected, a->topk);
    int threads = el_cpu_threads(s, (double)a->at.rows * n * a->heads * width);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        char *mine = (char *)s->ws + (size_t)omp_get_thread_num() * thread_bytes(a);
        struct scratch m = {.p = (float *)mine,
                            .ds = (float *)(mine + score_bytes(a)),
                            .chunk = (float *)(mine + 2 * score_bytes(a)),
                            .stride = n};
        struct el_keys k;
        EL_CPU(keys_init)
        (&k, &a->at, EL_CPU(key_cache)(a->kv, NULL, width, 0), a->selected, a->topk,
         mine + 2 * score_bytes(a) + chunk_bytes(a));
#pragma omp for schedule(dynamic, 1)
        for (int f = 0; f < EL_CPU(families)(&a->at); f++) {
            int lo, hi;
            EL_CPU(rows_of_family)(&a->at, f, &lo, &hi);
            for (int row = lo; row < hi; row++)
                one_row(a, &k, row, &m);
        }
    }
}

void EL_CPU(init_attention_bwd)(struct el_ops *t)
{
    t->run[EL_OP_attn_bwd] = attn_bwd;
    t->workspace[EL_OP_attn_bwd] = attn_bwd_workspace;
}
