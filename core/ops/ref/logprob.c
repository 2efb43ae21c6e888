#include "core/ops/loss.h"
#include "core/ops/ref/ref.h"

#include <math.h>

/* The kept ids of row i: the list, or NULL for the whole vocabulary. */
static const int32_t *kept_ids(const struct el_logprob *a, int64_t i, int *n)
{
    *n = a->vocab;
    if (!a->kept_start)
        return NULL;
    *n = a->kept_start[i + 1] - a->kept_start[i];
    return a->kept + a->kept_start[i];
}

static double logsumexp(const float *logits, float scale, const int32_t *ids, int n)
{
    float max = -INFINITY;
    double sum = 0;
    for (int j = 0; j < n; j++)
        max = fmaxf(max, logits[ids ? ids[j] : j] * scale);
    for (int j = 0; j < n; j++)
        sum += exp((double)(logits[ids ? ids[j] : j] * scale) - (double)max);
    return n ? (double)max + log(sum) : -INFINITY;
}

static double entropy(const float *logits, float scale, const int32_t *ids, int n, double lse)
{
    double sum = 0;
    for (int j = 0; j < n; j++) {
        double logp = (double)(logits[ids ? ids[j] : j] * scale) - lse, p = exp(logp);
        sum -= p > 0 ? p * logp : 0;
    }
    return sum;
}

void el_ref_logprob(struct el_stream *s, const void *args)
{
    (void)s;
    const struct el_logprob *a = args;
    for (int64_t i = 0; i < a->rows; i++) {
        const float *logits = a->logits + i * a->vocab;
        int n, target = a->target[i];
        const int32_t *ids = kept_ids(a, i, &n);
        double lse = logsumexp(logits, a->inv_temperature, ids, n);
        a->logp[i] =
            target < 0 ? 0.0f : (float)((double)(logits[target] * a->inv_temperature) - lse);
        if (a->lse)
            a->lse[i] = (float)lse;
        if (a->entropy)
            a->entropy[i] = (float)entropy(logits, a->inv_temperature, ids, n, lse);
    }
}

/* dlogits may be logits, so each element is read before it is written; `next` walks through the
 * kept list beside the vocabulary. */
static void backward_row(const struct el_logprob_bwd *a, int64_t i)
{
    const float *logits = a->logits + i * a->vocab;
    float *dlogits = a->dlogits + i * a->vocab;
    float factor = a->coef[i] * a->inv_temperature;
    int next = a->kept_start ? a->kept_start[i] : 0;
    int end = a->kept_start ? a->kept_start[i + 1] : 0;
    for (int j = 0; j < a->vocab; j++) {
        int inside = !a->kept_start || (next < end && a->kept[next] == j);
        next += inside;
        float p = (float)exp((double)(logits[j] * a->inv_temperature) - (double)a->lse[i]);
        float onehot = j == a->target[i] ? 1.0f : 0.0f;
        dlogits[j] = inside && a->target[i] >= 0 ? factor * (onehot - p) : 0.0f;
    }
}

void el_ref_logprob_bwd(struct el_stream *s, const void *args)
{
    (void)s;
    const struct el_logprob_bwd *a = args;
    for (int64_t i = 0; i < a->rows; i++)
        backward_row(a, i);
}
