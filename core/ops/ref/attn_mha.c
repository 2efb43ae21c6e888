#include "core/ops/attention_mha.h"
#include "core/ops/ref/ref.h"

#include <math.h>

/* The weights of one head of one row over its key set, or the scores before the softmax. */
size_t el_ref_attn_mha_workspace(const struct el_stream *s, const void *args)
{
    (void)s;
    const struct el_attn_mha *a = args;
    return ((size_t)a->at.max_pos + 1) * sizeof(double);
}

/* Row `row` of the head's W_UK or, from nope on, W_UV times the latent of a key. */
static double up(const struct el_attn_mha *a, const struct el_ref_keys *keys, int head, int row,
                 int64_t key)
{
    const float *w = a->up + ((int64_t)head * (a->nope + a->value) + row) * a->latent;
    double sum = 0;
    for (int t = 0; t < a->latent; t++)
        sum += (double)w[t] * (double)el_ref_key_value(keys, key, t);
    return sum;
}

static double score_of(const struct el_attn_mha *a, const struct el_ref_keys *keys, int head,
                       const float *q, int64_t key)
{
    double sum = 0;
    for (int i = 0; i < a->nope; i++)
        sum += (double)q[i] * up(a, keys, head, i, key);
    for (int i = 0; i < a->rope; i++)
        sum += (double)q[a->nope + i] * (double)el_ref_key_value(keys, key, a->latent + i);
    return sum * (double)a->scale;
}

static void head_of_row(const struct el_attn_mha *a, int row, int head, double *weight)
{
    int64_t at = (int64_t)row * a->heads + head;
    const struct el_ref_keys keys = {a->kv, a->kv_fp8, {a->latent, a->rope}};
    const float *q = a->q + at * (a->nope + a->rope);
    float *out = a->out + at * a->value;
    int n = el_ref_key_count(&a->at, a->selected, a->topk, row);
    double max = -INFINITY, total = 0;
    for (int j = 0; j < n; j++) {
        weight[j] =
            score_of(a, &keys, head, q, el_ref_key_row(&a->at, a->selected, a->topk, row, j));
        max = weight[j] > max ? weight[j] : max;
    }
    for (int j = 0; j < n; j++)
        total += weight[j] = exp(weight[j] - max);
    for (int i = 0; i < a->value; i++) {
        double sum = 0;
        for (int j = 0; j < n; j++)
            sum += weight[j] / total *
                   up(a, &keys, head, a->nope + i,
                      el_ref_key_row(&a->at, a->selected, a->topk, row, j));
        out[i] = (float)sum;
    }
}

void el_ref_attn_mha(struct el_stream *s, const void *args)
{
    const struct el_attn_mha *a = args;
    for (int i = 0; i < a->at.rows; i++)
        for (int h = 0; h < a->heads; h++)
            head_of_row(a, i, h, s->ws);
}
