/* The router, a row at a time: sigmoids in vectors, then the choice as the reference makes it
 * (k times the best that is left, equal scores by the lowest index). */
#include "core/ops/cpu/cpu.h"
#include "core/ops/cpu/vec.h"
#include "core/ops/moe.h"

#include <string.h>

/* One row's gates g, selection scores, group scores, and marks of what was taken. */
struct scratch {
    float *gate, *score, *group;
    char *taken;
};

static size_t thread_bytes(int experts, int groups)
{
    return el_cpu_round((size_t)(2 * experts + groups) * sizeof(float) +
                        (size_t)(experts > groups ? experts : groups));
}

static size_t moe_route_workspace(const struct el_stream *s, const void *args)
{
    const struct el_moe_route *a = args;
    return (size_t)s->threads * thread_bytes(a->experts, a->n_group);
}

static size_t moe_route_bwd_workspace(const struct el_stream *s, const void *args)
{
    const struct el_moe_route_bwd *a = args;
    return (size_t)s->threads * thread_bytes(a->experts, 0);
}

static struct scratch carve(void *base, int experts, int groups, int thread)
{
    struct scratch m;
    m.gate = (float *)((char *)base + (size_t)thread * thread_bytes(experts, groups));
    m.score = m.gate + experts;
    m.group = m.score + experts;
    m.taken = (char *)(m.group + groups);
    return m;
}

static void sigmoids(const float *x, float *y, int n)
{
    const vf one = vset(1.0f);
    for (int j = 0; j < n; j += VL)
        vstore_n(y + j, one / (one + vexp(-vload_n(x + j, n - j))), n - j);
}

static void take_best(const float *score, char *taken, int n, int k)
{
    memset(taken, 0, (size_t)n);
    for (int round = 0; round < k; round++) {
        int best = -1;
        for (int i = 0; i < n; i++)
            if (!taken[i] && (best < 0 || score[i] > score[best]))
                best = i;
        if (best >= 0)
            taken[best] = 1;
    }
}

static float two_best(const float *score, int n)
{
    float first = -INFINITY, second = -INFINITY;
    for (int i = 0; i < n; i++) {
        float rest = score[i] > first ? first : score[i];
        first = score[i] > first ? score[i] : first;
        second = rest > second ? rest : second;
    }
    return n > 1 ? first + second : first;
}

/* Experts outside the topk_group best groups are out of the race. */
static void drop_groups(const struct el_moe_route *a, const struct scratch *m)
{
    int size = a->experts / a->n_group;
    for (int g = 0; g < a->n_group; g++)
        m->group[g] = two_best(m->score + g * size, size);
    take_best(m->group, m->taken, a->n_group, a->topk_group);
    for (int e = 0; e < size * a->n_group; e++)
        if (!m->taken[e / size])
            m->score[e] = -INFINITY;
}

static void choose(const struct el_moe_route *a, const struct scratch *m, int32_t *chosen)
{
    for (int e = 0; e < a->experts; e++)
        m->score[e] = m->gate[e] + a->bias[e];
    if (a->n_group > 1)
        drop_groups(a, m);
    take_best(m->score, m->taken, a->experts, a->topk);
    for (int e = 0, n = 0; e < a->experts; e++)
        if (m->taken[e])
            chosen[n++] = e;
}

/* Insertion sort: a choice is a handful of experts. */
static void copy_sorted(const int32_t *from, int32_t *to, int n)
{
    for (int i = 0; i < n; i++) {
        int j = i;
        for (; j > 0 && to[j - 1] > from[i]; j--)
            to[j] = to[j - 1];
        to[j] = from[i];
    }
}

static void route_row(const struct el_moe_route *a, int64_t i, const struct scratch *m)
{
    int32_t *chosen = a->chosen + i * a->topk;
    float *weight = a->weight + i * a->topk, sum = 0;
    sigmoids(a->logits + i * a->experts, m->gate, a->experts);
    if (a->forced)
        copy_sorted(a->forced + i * a->topk, chosen, a->topk);
    else
        choose(a, m, chosen);
    for (int k = 0; k < a->topk; k++)
        sum += weight[k] = m->gate[chosen[k]];
    float factor = a->normalise ? a->scale / (sum + 1e-20f) : a->scale;
    for (int k = 0; k < a->topk; k++)
        weight[k] *= factor;
}

static void moe_route(struct el_stream *s, const void *args)
{
    const struct el_moe_route *a = args;
    int threads = el_cpu_threads(s, (double)a->rows * a->experts * (a->topk + 4));
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        struct scratch m = carve(s->ws, a->experts, a->n_group, omp_get_thread_num());
#pragma omp for schedule(static)
        for (int i = 0; i < a->rows; i++)
            route_row(a, i, &m);
    }
}

/* With S the sum of the chosen g: w_k = scale g_k / S, so
 *   dg_k = scale * (dw_k - sum_t dw_t g_t / S) / S;  without normalising dg_k = scale dw_k
 *   dlogit_k = dg_k * g_k * (1 - g_k) */
static void route_bwd_row(const struct el_moe_route_bwd *a, int64_t i, float *gate)
{
    const int32_t *chosen = a->chosen + i * a->topk;
    const float *dweight = a->dweight + i * a->topk;
    float *dlogits = a->dlogits + i * a->experts, sum = 1e-20f, pull = 0;
    sigmoids(a->logits + i * a->experts, gate, a->experts);
    memset(dlogits, 0, (size_t)a->experts * sizeof *dlogits);
    for (int k = 0; k < a->topk; k++) {
        sum += gate[chosen[k]];
        pull += gate[chosen[k]] * dweight[k];
    }
    for (int k = 0; k < a->topk; k++) {
        float g = gate[chosen[k]], dg = dweight[k];
        if (a->normalise)
            dg = (dg - pull / sum) / sum;
        dlogits[chosen[k]] += a->scale * dg * g * (1.0f - g);
    }
}

static void moe_route_bwd(struct el_stream *s, const void *args)
{
    const struct el_moe_route_bwd *a = args;
    int threads = el_cpu_threads(s, 4.0 * a->rows * a->experts);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        struct scratch m = carve(s->ws, a->experts, 0, omp_get_thread_num());
#pragma omp for schedule(static)
        for (int i = 0; i < a->rows; i++)
            route_bwd_row(a, i, m.gate);
    }
}

void EL_CPU(init_route)(struct el_ops *t)
{
    t->run[EL_OP_moe_route] = moe_route;
    t->workspace[EL_OP_moe_route] = moe_route_workspace;
    t->run[EL_OP_moe_route_bwd] = moe_route_bwd;
    t->workspace[EL_OP_moe_route_bwd] = moe_route_bwd_workspace;
}
