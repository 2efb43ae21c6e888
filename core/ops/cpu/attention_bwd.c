/* Backward pass of attention on the tile kernel, a few neighbouring rows at a time. With P the
 * softmax weights (recomputed from the scores and the forward pass's lse) and D = dout . out per
 * head:
 *
 *   dS (H x n)      = scale * P * (dout * values^T - D)
 *   dq (H x (r+dr)) = dS * keys
 *   dkv (n x (r+dr)) += dS^T * q,   and on its first r values += P^T * dout
 *
 * n are the keys that one of the rows sees, P and dS are zero where a row does not see a key. The
 * sum into dkv is one product that runs over rows, and for each row over P and then dS of its
 * heads:
 *
 *   dkv += [ P_0^T dS_0^T P_1^T dS_1^T ... ] * [ dout_0 0 ; q_0 ; dout_1 0 ; q_1 ; ... ]
 *
 * A sequence belongs to one thread, which takes its rows in ascending order (key_grad.h). */
#include "core/base/unroll.h"
#include "core/ops/attention.h"
#include "core/ops/cpu/cpu.h"
#include "core/ops/cpu/key_grad.h"
#include "core/ops/cpu/key_union.h"
#include "core/ops/cpu/vec.h"

#include <string.h>

enum { STRIP_KEYS = 96 }; /* keys whose weights are packed at a time */

/* A few rows' state. */
struct scratch {
    float *p, *ds;         /* (rows * H, stride) */
    float *d;              /* (rows * H) */
    float *right;          /* dout and q as panels: [panel][2 * rows * H][EL_PANEL] */
    const float **columns; /* (2 * rows * H) of p and ds, in the order of `right` */
    float *strips, *chunk; /* weights of STRIP_KEYS keys; dkv rows when they are scattered */
    int64_t stride;
    struct el_key_union set;
    struct el_keys keys;
};

/* Cuts a thread's part of the workspace; with m NULL only counts its bytes. */
static size_t carve(const struct el_attn_bwd *a, struct scratch *m, char *base)
{
    const int width = a->latent + a->rope;
    int rows = EL_CPU(union_rows)(&a->at, a->selected, a->topk, a->heads);
    size_t stride = (size_t)EL_CPU(union_stride)(&a->at, a->selected, a->topk);
    size_t queries = (size_t)rows * (size_t)a->heads;
    size_t wide = (size_t)EL_CPU(whole_panels)(width);
    const size_t size[] = {
        el_cpu_round((queries * stride + EL_STRIPS_SLACK) * sizeof(float)),
        el_cpu_round((queries * stride + EL_STRIPS_SLACK) * sizeof(float)),
        el_cpu_round(queries * sizeof(float)),
        el_cpu_round(2 * queries * wide * sizeof(float)),
        el_cpu_round(2 * queries * sizeof(float *)),
        el_cpu_round((2 * queries * STRIP_KEYS + EL_STRIPS_SLACK) * sizeof(float)),
        el_cpu_round((size_t)EL_KEY_CHUNK * (size_t)width * sizeof(float)),
        EL_CPU(union_bytes)(&a->at, a->selected, a->topk, rows),
        EL_CPU(keys_bytes)(&a->at, width, a->selected),
    };
    enum { PARTS = sizeof size / sizeof *size };
    size_t start[PARTS + 1] = {0};
    for (int i = 0; i < PARTS; i++)
        start[i + 1] = start[i] + size[i];
    if (m) {
        m->p = (float *)(base + start[0]);
        m->ds = (float *)(base + start[1]);
        m->d = (float *)(base + start[2]);
        m->right = (float *)(base + start[3]);
        m->columns = (const float **)(base + start[4]);
        m->strips = (float *)(base + start[5]);
        m->chunk = (float *)(base + start[6]);
        m->stride = (int64_t)stride;
        EL_CPU(union_init)(&m->set, &a->at, a->selected, a->topk, rows, base + start[7]);
        EL_CPU(keys_init)
        (&m->keys, &a->at, EL_CPU(key_cache)(a->kv, NULL, width, 0), a->selected, a->topk,
         base + start[8]);
    }
    return start[PARTS];
}

static size_t attn_bwd_workspace(const struct el_stream *s, const void *args)
{
    const struct el_attn_bwd *a = args;
    return (size_t)s->threads * carve(a, NULL, NULL) +
           EL_CPU(key_grad_bytes)(&a->at, a->latent + a->rope);
}

/* p = scores, ds = dout * values^T, for the panel of keys j.. */
static void both_scores(const struct el_attn_bwd *a, int64_t first, struct scratch *m, int j)
{
    struct el_keys *k = &m->keys;
    struct el_panel t = {.m = m->set.rows * a->heads,
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

/* A panel's scores to weights, in place; dout * values^T to scale * p * (that - d). Whatever a
 * score is that a row does not see, it leaves zeros. */
static void weigh(float *p, float *ds, const int32_t *member, float scale, float lse, float d)
{
    UNROLL
    for (int j = 0; j < EL_PANEL; j += VL) {
        vi seen = vload_int(member + j);
        vf w = vexp(vload(p + j) * vset(scale) - vset(lse));
        vf s = vset(scale) * w * (vload(ds + j) - vset(d));
        vstore(p + j, (vf)((vi)w & seen));
        vstore(ds + j, (vf)((vi)s & seen));
    }
}

/* P and dS of all keys. */
static void weights(const struct el_attn_bwd *a, int64_t first, struct scratch *m)
{
    int queries = m->set.rows * a->heads;
    for (int i = 0; i < queries; i++)
        m->d[i] =
            dot(a->dout + (first + i) * a->latent, a->out + (first + i) * a->latent, a->latent);
    for (int j = 0; j < m->set.n; j += EL_PANEL) {
        both_scores(a, first, m, j);
        for (int row = 0, i = 0; row < m->set.rows; row++) {
            const int32_t *member = m->set.member + row * m->stride + j;
            for (int h = 0; h < a->heads; h++, i++)
                weigh(m->p + i * m->stride + j, m->ds + i * m->stride + j, member, a->scale,
                      a->lse[first + i], m->d[i]);
        }
    }
}

/* dq = dS * keys, continued from chunk to chunk. */
static void add_to_queries(const struct el_attn_bwd *a, int64_t first, struct scratch *m, int j,
                           int count)
{
    const int width = a->latent + a->rope;
    EL_CPU(panels)
    ((struct el_panel){.m = m->set.rows * a->heads,
                       .cols = width,
                       .k = count,
                       .a = m->ds + j,
                       .a_row = m->stride,
                       .a_col = 1,
                       .b = EL_CPU(keys_rows)(&m->keys, j, count),
                       .b_row = width,
                       .c = a->dq + first * width,
                       .c_row = width,
                       .accumulate = j > 0});
}

/* Values from.. of a row of n as a line of a panel, zeros behind them. */
static float *put_line(float *to, const float *row, int from, int n)
{
    for (int v = 0; v < EL_PANEL; v += VL) {
        int left = n - from - v;
        vstore(to + v, left > 0 ? vload_n(row + from + v, left) : (vf){0});
    }
    return to + EL_PANEL;
}

/* The right side of the product into dkv, and the columns of its left side. */
static void sides(const struct el_attn_bwd *a, int64_t first, struct scratch *m)
{
    const int width = a->latent + a->rope;
    float *to = m->right;
    for (int c = 0; c < width; c += EL_PANEL)
        for (int row = 0; row < m->set.rows; row++) {
            int64_t at = first + (int64_t)row * a->heads;
            for (int h = 0; h < a->heads; h++)
                to = put_line(to, a->dout + (at + h) * a->latent, c, a->latent);
            for (int h = 0; h < a->heads; h++)
                to = put_line(to, a->q + (at + h) * width, c, width);
        }
    const float **column = m->columns;
    for (int row = 0; row < m->set.rows; row++)
        for (int part = 0; part < 2; part++)
            for (int h = 0; h < a->heads; h++)
                *column++ = (part ? m->ds : m->p) + ((int64_t)row * a->heads + h) * m->stride;
}

/* rows (count x width) += the product, for keys j.. */
static void add_to_rows(const struct el_attn_bwd *a, struct scratch *m, int j, int count,
                        float *rows)
{
    const int width = a->latent + a->rope, k = 2 * m->set.rows * a->heads;
    for (int i = 0; i < count; i += STRIP_KEYS) {
        struct el_panel t = {.m = count - i < STRIP_KEYS ? count - i : STRIP_KEYS,
                             .k = k,
                             .a = m->strips,
                             .strips = 1,
                             .b_row = EL_PANEL,
                             .c_row = width,
                             .accumulate = 1};
        EL_CPU(pack_strip_columns)(m->strips, m->columns, j + i, t.m, k);
        for (int c = 0; c < width; c += EL_PANEL) {
            t.cols = width - c < EL_PANEL ? width - c : EL_PANEL;
            t.b = m->right + (int64_t)c * k;
            t.c = rows + (int64_t)i * width + c;
            EL_CPU(panel)(&t);
        }
    }
}

/* Rows from `row` on, before `end`; returns how many. */
static int some_rows(const struct el_attn_bwd *a, struct scratch *m, const struct el_key_grad *g,
                     int row, int end)
{
    int64_t first = (int64_t)row * a->heads;
    int rows = EL_CPU(union_take)(&m->set, &m->keys, row, end), n = m->set.n;
    size_t queries = (size_t)rows * (size_t)a->heads;
    if (n == 0)
        memset(a->dq + first * m->keys.width, 0, queries * (size_t)m->keys.width * sizeof *a->dq);
    weights(a, first, m);
    sides(a, first, m);
    for (int j = 0; j < n; j += EL_KEY_CHUNK) {
        int count = n - j < EL_KEY_CHUNK ? n - j : EL_KEY_CHUNK;
        add_to_queries(a, first, m, j, count);
        float *to = EL_CPU(key_grad_open)(g, &m->keys, j, count, m->chunk);
        add_to_rows(a, m, j, count, to);
        EL_CPU(key_grad_close)(g, &m->keys, j, count, to);
    }
    return rows;
}

static void attn_bwd(struct el_stream *s, const void *args)
{
    const struct el_attn_bwd *a = args;
    int width = a->latent + a->rope, n = EL_CPU(keys_longest)(&a->at, a->selected, a->topk);
    int threads = el_cpu_threads(s, (double)a->at.rows * n * a->heads * width);
    size_t bytes = carve(a, NULL, NULL);
    struct el_key_grad g;
    EL_CPU(key_grad_init)(&g, &a->at, a->dkv, width, (char *)s->ws + (size_t)s->threads * bytes);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        struct scratch m;
        carve(a, &m, (char *)s->ws + (size_t)omp_get_thread_num() * bytes);
#pragma omp for schedule(dynamic, 1)
        for (int i = 0; i < a->at.sequences; i++)
            for (int row = EL_CPU(first_row)(&a->at, i), end = EL_CPU(first_row)(&a->at, i + 1);
                 row < end;)
                row += some_rows(a, &m, &g, row, end);
        EL_CPU(key_grad_add)(&g);
    }
}

void EL_CPU(init_attention_bwd)(struct el_ops *t)
{
    t->run[EL_OP_attn_bwd] = attn_bwd;
    t->workspace[EL_OP_attn_bwd] = attn_bwd_workspace;
}
