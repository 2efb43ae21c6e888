#include "core/ops/moe.h"
#include "core/ops/ref/ref.h"

#include <math.h>

/* One row's scores and "taken" marks, for experts and for groups. */
struct scratch {
    float *score, *group_score;
    int32_t *taken, *group_taken;
};

size_t el_ref_moe_route_workspace(const struct el_stream *s, const void *args)
{
    (void)s;
    const struct el_moe_route *a = args;
    return ((size_t)a->experts + (size_t)a->n_group) * (sizeof(float) + sizeof(int32_t));
}

static struct scratch carve(const struct el_moe_route *a, void *ws)
{
    struct scratch t;
    t.score = ws;
    t.group_score = t.score + a->experts;
    t.taken = (int32_t *)(t.group_score + a->n_group);
    t.group_taken = t.taken + a->experts;
    return t;
}

static float sigmoid(float x)
{
    return 1.0f / (1.0f + expf(-x));
}

/* Marks the k best of n, equal scores by the lowest index. */
static void take_best(const float *score, int32_t *taken, int n, int k)
{
    for (int i = 0; i < n; i++)
        taken[i] = 0;
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
        if (score[i] > first) {
            second = first;
            first = score[i];
        } else if (score[i] > second) {
            second = score[i];
        }
    }
    return n > 1 ? first + second : first;
}

/* Gives -inf to every expert whose group is not among the topk_group best. */
static void drop_groups(const struct el_moe_route *a, struct scratch *t)
{
    int size = a->experts / a->n_group;
    for (int g = 0; g < a->n_group; g++)
        t->group_score[g] = two_best(t->score + g * size, size);
    take_best(t->group_score, t->group_taken, a->n_group, a->topk_group);
    for (int e = 0; e < size * a->n_group; e++)
        if (!t->group_taken[e / size])
            t->score[e] = -INFINITY;
}

static void choose(const struct el_moe_route *a, const float *logits, struct scratch *t,
                   int32_t *chosen)
{
    for (int e = 0; e < a->experts; e++)
        t->score[e] = sigmoid(logits[e]) + a->bias[e];
    if (a->n_group > 1)
        drop_groups(a, t);
    take_best(t->score, t->taken, a->experts, a->topk);
    int n = 0;
    for (int e = 0; e < a->experts; e++)
        if (t->taken[e])
            chosen[n++] = e;
}

static void copy_sorted(const int32_t *from, int32_t *to, int n)
{
    for (int i = 0; i < n; i++) {
        int j = i;
        for (; j > 0 && to[j - 1] > from[i]; j--)
            to[j] = to[j - 1];
        to[j] = from[i];
    }
}

void el_ref_moe_route(struct el_stream *s, const void *args)
{
    const struct el_moe_route *a = args;
    struct scratch t = carve(a, s->ws);
    for (int64_t i = 0; i < a->rows; i++) {
        const float *logits = a->logits + i * a->experts;
        int32_t *chosen = a->chosen + i * a->topk;
        float *weight = a->weight + i * a->topk;
        if (a->forced)
            copy_sorted(a->forced + i * a->topk, chosen, a->topk);
        else
            choose(a, logits, &t, chosen);
        float sum = 0;
        for (int k = 0; k < a->topk; k++)
            sum += weight[k] = sigmoid(logits[chosen[k]]);
        float factor = a->normalise ? a->scale / (sum + 1e-20f) : a->scale;
        for (int k = 0; k < a->topk; k++)
            weight[k] *= factor;
    }
}

/* With S the sum of the chosen g: w_k = scale g_k / S, so
 *   dg_k = scale * (dw_k - sum_t dw_t g_t / S) / S;  without normalising dg_k = scale dw_k
 *   dlogit_k = dg_k * g_k * (1 - g_k) */
static void backward_row(const struct el_moe_route_bwd *a, int64_t i)
{
    const float *logits = a->logits + i * a->experts, *dweight = a->dweight + i * a->topk;
    const int32_t *chosen = a->chosen + i * a->topk;
    float *dlogits = a->dlogits + i * a->experts;
    double sum = 1e-20, pull = 0;
    for (int e = 0; e < a->experts; e++)
        dlogits[e] = 0;
    for (int k = 0; k < a->topk; k++) {
        double g = (double)sigmoid(logits[chosen[k]]);
        sum += g;
        pull += g * (double)dweight[k];
    }
    for (int k = 0; k < a->topk; k++) {
        double g = (double)sigmoid(logits[chosen[k]]), dg = (double)dweight[k];
        if (a->normalise)
            dg = (dg - pull / sum) / sum;
        dlogits[chosen[k]] += (float)((double)a->scale * dg * g * (1 - g));
    }
}

void el_ref_moe_route_bwd(struct el_stream *s, const void *args)
{
    (void)s;
    const struct el_moe_route_bwd *a = args;
    for (int64_t i = 0; i < a->rows; i++)
        backward_row(a, i);
}
