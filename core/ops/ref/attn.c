#include "core/ops/attention.h"
#include "core/ops/ref/ref.h"

#include <math.h>

/* The weights of one head of one row over its key set, or the scores before the softmax. */
size_t el_ref_attn_workspace(const struct el_stream *s, const void *args)
{
    (void)s;
    const struct el_attn *a = args;
    return ((size_t)a->at.max_pos + 1) * sizeof(double);
}

/* Turns n scores into softmax weights; returns the log of the denominator (-inf when n is 0). */
static double softmax(double *score, int n)
{
    double max = -INFINITY, sum = 0;
    for (int j = 0; j < n; j++)
        max = score[j] > max ? score[j] : max;
    for (int j = 0; j < n; j++) {
        score[j] = exp(score[j] - max);
        sum += score[j];
    }
    for (int j = 0; j < n; j++)
        score[j] /= sum;
    return max + log(sum);
}

/* One head of one row; a row without keys gives zeros. */
static void forward_head(const struct el_attn *a, int row, int head, double *score)
{
    int width = a->latent + a->rope;
    int64_t at = (int64_t)row * a->heads + head;
    const struct el_ref_keys keys = {a->kv, a->kv_fp8, {a->latent, a->rope}};
    const float *q = a->q + at * width;
    float *out = a->out + at * a->latent;
    int n = el_ref_key_count(&a->at, a->selected, a->topk, row);
    for (int j = 0; j < n; j++) {
        int64_t key = el_ref_key_row(&a->at, a->selected, a->topk, row, j);
        score[j] = (double)a->scale * el_ref_key_dot(&keys, key, q);
    }
    double lse = n ? softmax(score, n) : -INFINITY;
    for (int t = 0; t < a->latent; t++) {
        double sum = 0;
        for (int j = 0; j < n; j++) {
            int64_t key = el_ref_key_row(&a->at, a->selected, a->topk, row, j);
            sum += score[j] * (double)el_ref_key_value(&keys, key, t);
        }
        out[t] = (float)sum;
    }
    if (a->lse)
        a->lse[at] = (float)lse;
    for (int j = 0; j < n && a->mass; j++) {
        float *mass = a->mass + (int64_t)row * a->topk + j;
        *mass = (float)((head ? (double)*mass : 0) + score[j]);
    }
}

void el_ref_attn(struct el_stream *s, const void *args)
{
    const struct el_attn *a = args;
    for (int i = 0; i < a->at.rows; i++)
        for (int h = 0; h < a->heads; h++)
            forward_head(a, i, h, s->ws);
}

/* With p_j the weight of key j and D = dout . out:
 *   ds_j = p_j * (dout . kv_j - D);  dq += scale ds_j kv_j
 *   dkv_j += scale ds_j q, and p_j dout on its first r values (the value part) */
static void backward_head(const struct el_attn_bwd *a, int row, int head)
{
    int width = a->latent + a->rope;
    int64_t at = (int64_t)row * a->heads + head;
    const float *q = a->q + at * width, *dout = a->dout + at * a->latent;
    float *dq = a->dq + at * width;
    double d = el_ref_dot(dout, a->out + at * a->latent, a->latent);
    int n = el_ref_key_count(&a->at, a->selected, a->topk, row);
    for (int t = 0; t < width; t++)
        dq[t] = 0;
    for (int j = 0; j < n; j++) {
        int64_t key = el_ref_key_row(&a->at, a->selected, a->topk, row, j);
        const float *kv = a->kv + key * width;
        float *dkv = a->dkv + key * width;
        double p = exp((double)a->scale * el_ref_dot(q, kv, width) - (double)a->lse[at]);
        double ds = (double)a->scale * p * (el_ref_dot(dout, kv, a->latent) - d);
        for (int t = 0; t < width; t++) {
            dq[t] += (float)(ds * (double)kv[t]);
            double value = t < a->latent ? p * (double)dout[t] : 0;
            dkv[t] += (float)(ds * (double)q[t] + value);
        }
    }
}

void el_ref_attn_bwd(struct el_stream *s, const void *args)
{
    (void)s;
    const struct el_attn_bwd *a = args;
    for (int i = 0; i < a->at.rows; i++)
        for (int h = 0; h < a->heads; h++)
            backward_head(a, i, h);
}
