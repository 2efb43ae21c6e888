/* Norms, a row at a time. Sums inside a row run over the lanes of struct vacc. Sums over
 * rows (dw, db) are made per block of BLOCK rows and the blocks added in order, so the thread count
 * does not matter. */
#include "core/ops/norm.h"
#include "core/ops/cpu/cpu.h"
#include "core/ops/cpu/vec.h"

#include <string.h>

enum { BLOCK = 64 };

static void rmsnorm_row(const struct el_rmsnorm *a, int64_t i)
{
    const float *x = a->x + i * a->x_row;
    float *y = a->y + i * a->y_row;
    const int n = a->width;
    struct vacc squares = {0};
    for (int j = 0; j < n; j += VL) {
        vf v = vload_n(x + j, n - j);
        vacc_fma(&squares, v, v);
    }
    float rstd = (float)(1.0 / sqrt((double)vacc_sum(squares) / n + (double)a->eps));
    for (int j = 0; j < n; j += VL)
        vstore_n(y + j, vload_n(x + j, n - j) * vset(rstd) * vload_n(a->w + j, n - j), n - j);
    if (a->rstd)
        a->rstd[i] = rstd;
}

static void rmsnorm(struct el_stream *s, const void *args)
{
    const struct el_rmsnorm *a = args;
    int threads = el_cpu_threads(s, (double)a->rows * a->width);
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int i = 0; i < a->rows; i++)
        rmsnorm_row(a, i);
}

/* dx_j = rstd * w_j dy_j - x_j * rstd^3 / width * sum_t w_t dy_t x_t; dw (NULL: not wanted) gets
 * this row's share added. */
static void rmsnorm_bwd_row(const struct el_rmsnorm_bwd *a, int64_t i, float *dw)
{
    const float *x = a->x + i * a->x_row, *dy = a->dy + i * a->dy_row;
    float *dx = a->dx + i * a->dx_row;
    const int n = a->width;
    const float rstd = a->rstd[i];
    struct vacc sum = {0};
    for (int j = 0; j < n; j += VL)
        vacc_fma(&sum, vload_n(a->w + j, n - j) * vload_n(dy + j, n - j), vload_n(x + j, n - j));
    const vf pull = vset(rstd * rstd * rstd * (vacc_sum(sum) / (float)n)), r = vset(rstd);
    for (int j = 0; j < n; j += VL) {
        vf vx = vload_n(x + j, n - j), vdy = vload_n(dy + j, n - j);
        if (dw)
            vstore_n(dw + j, vfma(vdy, vx * r, vload_n(dw + j, n - j)), n - j);
        vf d = r * vload_n(a->w + j, n - j) * vdy - vx * pull;
        vstore_n(dx + j, a->accumulate ? vload_n(dx + j, n - j) + d : d, n - j);
    }
}

/* Rounds a row of partial sums up, so that blocks of different threads share no cache line. */
static int64_t partial_stride(int width)
{
    return (int64_t)(el_cpu_round((size_t)width * sizeof(float)) / sizeof(float));
}

static size_t partial_bytes(int rows, int width)
{
    return (size_t)((rows + BLOCK - 1) / BLOCK) * (size_t)partial_stride(width) * sizeof(float);
}

/* dw += the blocks' sums, in order. */
static void add_partials(float *dw, const float *partial, int rows, int width)
{
    for (int i = 0; i < rows; i += BLOCK, partial += partial_stride(width))
        for (int j = 0; j < width; j += VL)
            vstore_n(dw + j, vload_n(dw + j, width - j) + vload_n(partial + j, width - j),
                     width - j);
}

static size_t rmsnorm_bwd_workspace(const struct el_stream *s, const void *args)
{
    (void)s;
    const struct el_rmsnorm_bwd *a = args;
    return a->dw ? partial_bytes(a->rows, a->width) : 0;
}

static void rmsnorm_bwd(struct el_stream *s, const void *args)
{
    const struct el_rmsnorm_bwd *a = args;
    int threads = el_cpu_threads(s, (double)a->rows * a->width),
        blocks = (a->rows + BLOCK - 1) / BLOCK;
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int b = 0; b < blocks; b++) {
        float *dw = a->dw ? (float *)s->ws + b * partial_stride(a->width) : NULL;
        if (dw)
            memset(dw, 0, (size_t)a->width * sizeof *dw);
        for (int i = b * BLOCK; i < (b + 1) * BLOCK && i < a->rows; i++)
            rmsnorm_bwd_row(a, i, dw);
    }
    if (a->dw)
        add_partials(a->dw, s->ws, a->rows, a->width);
}

static void layernorm_row(const struct el_layernorm *a, int64_t i)
{
    const float *x = a->x + i * a->width;
    float *y = a->y + i * a->width;
    const int n = a->width;
    struct vacc sum = {0}, squares = {0};
    for (int j = 0; j < n; j += VL)
        vacc_add(&sum, vload_n(x + j, n - j));
    float mean = vacc_sum(sum) / (float)n;
    for (int j = 0; j < n; j += VL) {
        vf d = vload_n(x + j, n - j) - vset(mean);
        d = n - j < VL ? vkeep(d, n - j, 0) : d;
        vacc_fma(&squares, d, d);
    }
    float rstd = (float)(1.0 / sqrt((double)vacc_sum(squares) / n + (double)a->eps));
    for (int j = 0; j < n; j += VL) {
        vf v = (vload_n(x + j, n - j) - vset(mean)) * vset(rstd);
        vstore_n(y + j, vfma(v, vload_n(a->w + j, n - j), vload_n(a->b + j, n - j)), n - j);
    }
    if (a->mean)
        a->mean[i] = mean;
    if (a->rstd)
        a->rstd[i] = rstd;
}

static void layernorm(struct el_stream *s, const void *args)
{
    const struct el_layernorm *a = args;
    int threads = el_cpu_threads(s, (double)a->rows * a->width);
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int i = 0; i < a->rows; i++)
        layernorm_row(a, i);
}

/* With n_j = (x_j - mean) * rstd and g_j = w_j dy_j:
 * dx_j = rstd * (g_j - mean(g) - n_j * mean(g n)); dw and db get this row's share added. */
static void layernorm_bwd_row(const struct el_layernorm_bwd *a, int64_t i, float *dw, float *db)
{
    const float *x = a->x + i * a->width, *dy = a->dy + i * a->width;
    float *dx = a->dx + i * a->width;
    const int n = a->width;
    const vf mean = vset(a->mean[i]), rstd = vset(a->rstd[i]);
    struct vacc g_sum = {0}, gn_sum = {0};
    for (int j = 0; j < n; j += VL) { /* lanes behind the end: dy and so g is 0 */
        vf g = vload_n(a->w + j, n - j) * vload_n(dy + j, n - j);
        vacc_add(&g_sum, g);
        vacc_fma(&gn_sum, g, (vload_n(x + j, n - j) - mean) * rstd);
    }
    const vf g_mean = vset(vacc_sum(g_sum) / (float)n), gn_mean = vset(vacc_sum(gn_sum) / (float)n);
    for (int j = 0; j < n; j += VL) {
        vf vdy = vload_n(dy + j, n - j), norm = (vload_n(x + j, n - j) - mean) * rstd;
        vstore_n(dw + j, vfma(vdy, norm, vload_n(dw + j, n - j)), n - j);
        vstore_n(db + j, vload_n(db + j, n - j) + vdy, n - j);
        vf g = vload_n(a->w + j, n - j) * vdy;
        vstore_n(dx + j, rstd * (g - g_mean - norm * gn_mean), n - j);
    }
}

static size_t layernorm_bwd_workspace(const struct el_stream *s, const void *args)
{
    (void)s;
    const struct el_layernorm_bwd *a = args;
    return 2 * partial_bytes(a->rows, a->width);
}

static void layernorm_bwd(struct el_stream *s, const void *args)
{
    const struct el_layernorm_bwd *a = args;
    float *weights = s->ws, *biases = weights + partial_bytes(a->rows, a->width) / sizeof(float);
    int threads = el_cpu_threads(s, (double)a->rows * a->width),
        blocks = (a->rows + BLOCK - 1) / BLOCK;
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int b = 0; b < blocks; b++) {
        float *dw = weights + b * partial_stride(a->width);
        float *db = biases + b * partial_stride(a->width);
        memset(dw, 0, (size_t)a->width * sizeof *dw);
        memset(db, 0, (size_t)a->width * sizeof *db);
        for (int i = b * BLOCK; i < (b + 1) * BLOCK && i < a->rows; i++)
            layernorm_bwd_row(a, i, dw, db);
    }
    if (a->dw)
        add_partials(a->dw, weights, a->rows, a->width);
    if (a->db)
        add_partials(a->db, biases, a->rows, a->width);
}

void EL_CPU(init_norm)(struct el_ops *t)
{
    t->run[EL_OP_rmsnorm] = rmsnorm;
    t->run[EL_OP_rmsnorm_bwd] = rmsnorm_bwd;
    t->workspace[EL_OP_rmsnorm_bwd] = rmsnorm_bwd_workspace;
    t->run[EL_OP_layernorm] = layernorm;
    t->run[EL_OP_layernorm_bwd] = layernorm_bwd;
    t->workspace[EL_OP_layernorm_bwd] = layernorm_bwd_workspace;
}
