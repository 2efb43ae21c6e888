/* Elementwise ops. An element's result depends on its own inputs only; threads share the range in
 * steps of STEP elements. */
#include "core/ops/pointwise.h"
#include "core/ops/cpu/cpu.h"
#include "core/ops/cpu/vec.h"

enum { STEP = 2048 };

/* Steps of n elements, and how many of them step i has. */
static int64_t steps(int64_t n)
{
    return (n + STEP - 1) / STEP;
}

static int64_t step_end(int64_t n, int64_t i)
{
    return (i + 1) * STEP < n ? (i + 1) * STEP : n;
}

static void swiglu(struct el_stream *s, const void *args)
{
    const struct el_swiglu *a = args;
    const int64_t n = (int64_t)a->rows * a->width;
    int threads = el_cpu_threads(s, 4.0 * (double)n);
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int64_t i = 0; i < steps(n); i++)
        for (int64_t j = i * STEP, end = step_end(n, i); j < end; j += VL) {
            vf gate = vload_n(a->gate + j, end - j), up = vload_n(a->up + j, end - j);
            vstore_n(a->y + j, gate / (vset(1.0f) + vexp(-gate)) * up, end - j);
        }
}

/* d silu(g) / dg = t (1 + g (1 - t)), t = 1 / (1 + exp(-g)) */
static void swiglu_bwd(struct el_stream *s, const void *args)
{
    const struct el_swiglu_bwd *a = args;
    const int64_t n = (int64_t)a->rows * a->width;
    const vf one = vset(1.0f);
    int threads = el_cpu_threads(s, 6.0 * (double)n);
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int64_t i = 0; i < steps(n); i++)
        for (int64_t j = i * STEP, end = step_end(n, i); j < end; j += VL) {
            vf gate = vload_n(a->gate + j, end - j), up = vload_n(a->up + j, end - j);
            vf dy = vload_n(a->dy + j, end - j), t = one / (one + vexp(-gate));
            vstore_n(a->dgate + j, dy * up * t * vfma(gate, one - t, one), end - j);
            vstore_n(a->dup + j, dy * gate * t, end - j);
        }
}

static void add(struct el_stream *s, const void *args)
{
    const struct el_add *a = args;
    int threads = el_cpu_threads(s, (double)a->n);
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int64_t i = 0; i < steps(a->n); i++)
        for (int64_t j = i * STEP, end = step_end(a->n, i); j < end; j += VL)
            vstore_n(a->y + j,
                     vfma(vset(a->alpha), vload_n(a->x + j, end - j), vload_n(a->y + j, end - j)),
                     end - j);
}

static void fill(struct el_stream *s, const void *args)
{
    const struct el_fill *a = args;
    int threads = el_cpu_threads(s, (double)a->n);
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int64_t i = 0; i < steps(a->n); i++)
        for (int64_t j = i * STEP, end = step_end(a->n, i); j < end; j += VL)
            vstore_n(a->x + j, vset(a->value), end - j);
}

void EL_CPU(init_pointwise)(struct el_ops *t)
{
    t->run[EL_OP_swiglu] = swiglu;
    t->run[EL_OP_swiglu_bwd] = swiglu_bwd;
    t->run[EL_OP_add] = add;
    t->run[EL_OP_fill] = fill;
}
