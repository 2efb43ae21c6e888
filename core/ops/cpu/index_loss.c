/* The indexer's KL loss and gradient, one row at a time on the tile kernel:
 *
 *   target  p[j]   = sum over heads of exp(scale * q . kv[j] - lse), divided by its sum; the sums
 *                    over heads are those that attention kept, where it did
 *   scores  I[j]   = sum_h w[h] relu(S[h,j]),  S (H_I x n) = qi * keys^T
 *   loss           = sum_j p[j] (log p[j] - I[j] + logsumexp(I))
 *   dI      d[j]   = coef * (softmax(I)[j] - p[j]),  G[h,j] = w[h] d[j] where S[h,j] > 0
 *   dw[h] = sum_j d[j] relu(S[h,j]),   dqi = G * keys,   dk += G^T * qi
 *
 * A sequence belongs to one thread, which takes its rows in ascending order (key_grad.h). */
#include "core/ops/cpu/cpu.h"
#include "core/ops/cpu/key_grad.h"
#include "core/ops/cpu/vec.h"
#include "core/ops/indexer.h"

#include <string.h>

/* Of one thread: p and I (n each), S (H_I x n), a panel of the main scores, a chunk of dk. */
struct scratch {
    float *target, *score, *product, *panel, *chunk;
    int64_t stride;
    struct el_keys main, index;
};

/* Cuts a thread's part of the workspace; with m NULL only counts its bytes. */
static size_t carve(const struct el_index_loss *a, struct scratch *m, char *base)
{
    int64_t n = EL_CPU(keys_longest)(&a->at, a->selected, a->topk);
    const size_t size[] = {
        el_cpu_round((size_t)n * sizeof(float)),
        el_cpu_round((size_t)n * sizeof(float)),
        el_cpu_round((size_t)(n * a->index_heads) * sizeof(float)),
        el_cpu_round((size_t)a->heads * EL_PANEL * sizeof(float)),
        el_cpu_round((size_t)EL_KEY_CHUNK * (size_t)a->index_dim * sizeof(float)),
        EL_CPU(keys_bytes)(&a->at, a->latent + a->rope, a->selected),
        EL_CPU(keys_bytes)(&a->at, a->index_dim, a->selected),
    };
    enum { PARTS = sizeof size / sizeof *size };
    size_t start[PARTS + 1] = {0};
    for (int i = 0; i < PARTS; i++)
        start[i + 1] = start[i] + size[i];
    if (m) {
        m->target = (float *)(base + start[0]);
        m->score = (float *)(base + start[1]);
        m->product = (float *)(base + start[2]);
        m->panel = (float *)(base + start[3]);
        m->chunk = (float *)(base + start[4]);
        m->stride = n;
        EL_CPU(keys_init)
        (&m->main, &a->at, EL_CPU(key_cache)(a->kv, NULL, a->latent + a->rope, 0), a->selected,
         a->topk, base + start[5]);
        EL_CPU(keys_init)
        (&m->index, &a->at, EL_CPU(key_cache)(a->k, NULL, a->index_dim, 0), a->selected, a->topk,
         base + start[6]);
    }
    return start[PARTS];
}

static size_t index_loss_workspace(const struct el_stream *s, const void *args)
{
    const struct el_index_loss *a = args;
    return (size_t)s->threads * carve(a, NULL, NULL) + EL_CPU(key_grad_bytes)(&a->at, a->index_dim);
}

/* c (heads x EL_PANEL lanes at c_row) = q * keys j..j+EL_PANEL-1, transposed. */
static void multiply_keys(struct el_keys *k, int j, int heads, const float *q, float *c,
                          int64_t c_row)
{
    struct el_panel t = {.m = heads,
                         .cols = EL_PANEL,
                         .k = k->width,
                         .a = q,
                         .a_row = k->width,
                         .a_col = 1,
                         .b = EL_CPU(keys_panel)(k, j),
                         .b_row = EL_PANEL,
                         .c = c,
                         .c_row = c_row};
    EL_CPU(panel)(&t);
}

/* v holds values of keys j..j+VL-1; lanes behind key n-1 become `rest`. */
VEC vf keep_keys(vf v, int j, int n, float rest)
{
    return n - j >= VL ? v : vkeep(v, n - j > 0 ? n - j : 0, rest);
}

/* Weights of the main attention summed over heads, 0 behind the last key; returns their sum. */
static float mass_again(const struct el_index_loss *a, int row, struct scratch *m)
{
    const int n = m->main.n;
    const int64_t first = (int64_t)row * a->heads;
    struct vacc total = {0};
    for (int j = 0; j < n; j += EL_PANEL) {
        multiply_keys(&m->main, j, a->heads, a->q + first * m->main.width, m->panel, EL_PANEL);
        for (int v = 0; v < EL_PANEL; v += VL) {
            vf sum = {0};
            for (int h = 0; h < a->heads; h++)
                sum += vexp(vload(m->panel + h * EL_PANEL + v) * vset(a->scale) -
                            vset(a->lse[first + h]));
            sum = keep_keys(sum, j + v, n, 0);
            vstore(m->target + j + v, sum);
            vacc_add(&total, sum);
        }
    }
    return vacc_sum(total);
}

/* The same as the attention left it. */
static float mass_kept(const struct el_index_loss *a, int row, struct scratch *m)
{
    const int n = m->index.n;
    const float *mass = a->mass + (int64_t)row * a->topk;
    struct vacc total = {0};
    for (int j = 0; j < n; j += VL) {
        vf sum = vload_n(mass + j, n - j);
        vstore(m->target + j, sum);
        vacc_add(&total, sum);
    }
    return vacc_sum(total);
}

/* target[j] = p[j], 0 behind the last key. */
static void fill_target(const struct el_index_loss *a, int row, struct scratch *m)
{
    const int n = m->index.n;
    const vf inverse = vset(1.0f / (a->mass ? mass_kept(a, row, m) : mass_again(a, row, m)));
    for (int j = 0; j < n; j += VL)
        vstore(m->target + j, keep_keys(vload(m->target + j) * inverse, j, n, 0));
}

/* product = S (0 behind the last key), score = I (-inf there); returns logsumexp(I). */
static float fill_scores(const struct el_index_loss *a, int row, struct scratch *m)
{
    const int n = m->index.n;
    const int64_t first = (int64_t)row * a->index_heads;
    const vf zero = {0};
    vf max = vset(-INFINITY);
    struct vacc total = {0};
    for (int j = 0; j < n; j += EL_PANEL)
        multiply_keys(&m->index, j, a->index_heads, a->qi + first * a->index_dim, m->product + j,
                      m->stride);
    for (int j = 0; j < n; j += VL) {
        vf sum = {0};
        for (int h = 0; h < a->index_heads; h++) {
            float *at = m->product + h * m->stride + j;
            vf dot = keep_keys(vload(at), j, n, 0);
            vstore(at, dot);
            sum = vpick_greater(dot, zero, vfma(vset(a->w[first + h]), dot, sum), sum);
        }
        sum = keep_keys(sum, j, n, -INFINITY);
        vstore(m->score + j, sum);
        max = vmax(sum, max);
    }
    const float top = vmaximum(max);
    for (int j = 0; j < n; j += VL)
        vacc_add(&total, vexp(vload(m->score + j) - vset(top)));
    return top + logf(vacc_sum(total));
}

/* The loss; score becomes d (0 behind the last key). */
static float divergence(const struct scratch *m, int n, float lse, float coef)
{
    const vf tiny = vset(1e-37f), zero = {0};
    struct vacc sum = {0};
    for (int j = 0; j < n; j += VL) {
        vf p = vload(m->target + j), z = vload(m->score + j) - vset(lse);
        vf term = p * (vlog(vpick_greater(tiny, p, tiny, p)) - z);
        vacc_add(&sum, keep_keys(vpick_greater(tiny, p, zero, term), j, n, 0));
        vstore(m->score + j, keep_keys(vset(coef) * (vexp(z) - p), j, n, 0));
    }
    return vacc_sum(sum);
}

/* dw; product becomes G. */
static void through_relu(const struct el_index_loss *a, int row, const struct scratch *m)
{
    const int64_t first = (int64_t)row * a->index_heads;
    const vf zero = {0};
    for (int h = 0; h < a->index_heads; h++) {
        float *product = m->product + h * m->stride;
        const vf w = vset(a->w[first + h]);
        struct vacc dw = {0};
        for (int j = 0; j < m->index.n; j += VL) {
            vf dot = vload(product + j), d = vload(m->score + j);
            vf so_far = vacc_next(&dw);
            vacc_put(&dw, vpick_greater(dot, zero, vfma(d, dot, so_far), so_far));
            vstore(product + j, vpick_greater(dot, zero, d * w, zero));
        }
        a->dw[first + h] = vacc_sum(dw);
    }
}

/* dqi = G * keys and dk += G^T * qi, a chunk of keys at a time. */
static void into_vectors(const struct el_index_loss *a, int row, struct scratch *m,
                         const struct el_key_grad *g)
{
    const int n = m->index.n, dim = a->index_dim;
    const int64_t at = (int64_t)row * a->index_heads * dim;
    if (n == 0)
        memset(a->dqi + at, 0, (size_t)a->index_heads * (size_t)dim * sizeof *a->dqi);
    for (int j = 0; j < n; j += EL_KEY_CHUNK) {
        int count = n - j < EL_KEY_CHUNK ? n - j : EL_KEY_CHUNK;
        EL_CPU(panels)
        ((struct el_panel){.m = a->index_heads,
                           .cols = dim,
                           .k = count,
                           .a = m->product + j,
                           .a_row = m->stride,
                           .a_col = 1,
                           .b = EL_CPU(keys_rows)(&m->index, j, count),
                           .b_row = dim,
                           .c = a->dqi + at,
                           .c_row = dim,
                           .accumulate = j > 0});
        float *rows = EL_CPU(key_grad_open)(g, &m->index, j, count, m->chunk);
        EL_CPU(panels)
        ((struct el_panel){.m = count,
                           .cols = dim,
                           .k = a->index_heads,
                           .a = m->product + j,
                           .a_row = 1,
                           .a_col = m->stride,
                           .b = a->qi + at,
                           .b_row = dim,
                           .c = rows,
                           .c_row = dim,
                           .accumulate = 1});
        EL_CPU(key_grad_close)(g, &m->index, j, count, rows);
    }
}

static void one_row(const struct el_index_loss *a, int row, struct scratch *m,
                    const struct el_key_grad *g)
{
    if (!a->mass)
        EL_CPU(keys_row)(&m->main, row);
    EL_CPU(keys_row)(&m->index, row);
    fill_target(a, row, m);
    float lse = fill_scores(a, row, m);
    float coef = a->row_weight ? a->coef * a->row_weight[row] : a->coef;
    a->loss[row] = divergence(m, m->index.n, lse, coef);
    if (!a->dqi)
        return;
    through_relu(a, row, m);
    into_vectors(a, row, m, g);
}

static void index_loss(struct el_stream *s, const void *args)
{
    const struct el_index_loss *a = args;
    double width = (double)a->heads * (a->latent + a->rope) + (double)a->index_heads * a->index_dim;
    int n = EL_CPU(keys_longest)(&a->at, a->selected, a->topk);
    int threads = el_cpu_threads(s, (double)a->at.rows * n * width);
    size_t bytes = carve(a, NULL, NULL);
    struct el_key_grad g = {0}; /* without gradients nothing adds to it */
    char *sums = (char *)s->ws + (size_t)s->threads * bytes;
    if (a->dqi)
        EL_CPU(key_grad_init)(&g, &a->at, a->dk, a->index_dim, sums);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        struct scratch m;
        carve(a, &m, (char *)s->ws + (size_t)omp_get_thread_num() * bytes);
#pragma omp for schedule(dynamic, 1)
        for (int i = 0; i < a->at.sequences; i++)
            for (int row = EL_CPU(first_row)(&a->at, i), end = EL_CPU(first_row)(&a->at, i + 1);
                 row < end; row++)
                one_row(a, row, &m, &g);
        if (a->dqi)
            EL_CPU(key_grad_add)(&g);
    }
}

void EL_CPU(init_index_loss)(struct el_ops *t)
{
    t->run[EL_OP_index_loss] = index_loss;
    t->workspace[EL_OP_index_loss] = index_loss_workspace;
}
