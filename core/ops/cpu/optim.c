#include "core/ops/optim.h"
#include "core/ops/cpu/cpu.h"
#include "core/ops/cpu/vec.h"

enum { PART = 4096 };

static int64_t parts(int64_t n)
{
    return (n + PART - 1) / PART;
}

static int64_t part_end(int64_t n, int64_t i)
{
    return (i + 1) * PART < n ? (i + 1) * PART : n;
}

/* Eight sums in double, each over every eighth element, added in one order. */
static double part_sumsq(const float *x, int64_t n)
{
    enum { LANES = 8 };
    double lane[LANES] = {0}, sum = 0;
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int t = 0; t < LANES; t++)
            lane[t] += (double)x[i + t] * (double)x[i + t];
    for (int t = 0; i < n; i++, t++)
        lane[t] += (double)x[i] * (double)x[i];
    for (int t = 0; t < LANES; t++)
        sum += lane[t];
    return sum;
}

static size_t sumsq_workspace(const struct el_stream *s, const void *args)
{
    (void)s;
    const struct el_sumsq *a = args;
    return (size_t)parts(a->n) * sizeof(double);
}

static void sumsq(struct el_stream *s, const void *args)
{
    const struct el_sumsq *a = args;
    double *partial = s->ws, total = 0;
    int threads = el_cpu_threads(s, (double)a->n);
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int64_t i = 0; i < parts(a->n); i++)
        partial[i] = part_sumsq(a->x + i * PART, part_end(a->n, i) - i * PART);
    for (int64_t i = 0; i < parts(a->n); i++)
        total += partial[i];
    a->out[0] = total;
}

/* The corrections in double: 1 - beta^step loses its digits in float when beta is close to 1. */
static float correction(float beta, int64_t step)
{
    return (float)(1.0 / (1.0 - pow((double)beta, (double)step)));
}

static void adamw(struct el_stream *s, const void *args)
{
    const struct el_adamw *a = args;
    const vf correct1 = vset(correction(a->beta1, a->step));
    const vf correct2 = vset(correction(a->beta2, a->step));
    const vf b1 = vset(a->beta1), b2 = vset(a->beta2), c1 = vset(1.0f - a->beta1);
    const vf c2 = vset(1.0f - a->beta2), eps = vset(a->eps), lr = vset(a->lr);
    int threads = el_cpu_threads(s, 4.0 * (double)a->n);
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int64_t i = 0; i < parts(a->n); i++)
        for (int64_t j = i * PART, end = part_end(a->n, i); j < end; j += VL) {
            vf g = vload_n(a->grad + j, end - j) * vset(a->grad_scale);
            vf m = vfma(b1, vload_n(a->m + j, end - j), c1 * g);
            vf v = vfma(b2, vload_n(a->v + j, end - j), c2 * g * g);
            vf x = vload_n(a->x + j, end - j);
            vf step = m * correct1 / (vsqrt(v * correct2) + eps);
            vstore_n(a->m + j, m, end - j);
            vstore_n(a->v + j, v, end - j);
            vstore_n(a->x + j, x - lr * vfma(vset(a->decay), x, step), end - j);
        }
}

void EL_CPU(init_optim)(struct el_ops *t)
{
    t->run[EL_OP_sumsq] = sumsq;
    t->workspace[EL_OP_sumsq] = sumsq_workspace;
    t->run[EL_OP_adamw] = adamw;
}
