#include "core/ops/indexer.h"
#include "core/ops/ref/ref.h"

#include <math.h>

/* Two values per key of one row: the target p, and the indexer's score, later its softmax. */
size_t el_ref_index_loss_workspace(const struct el_stream *s, const void *args)
{
    (void)s;
    const struct el_index_loss *a = args;
    return 2 * ((size_t)a->at.max_pos + 1) * sizeof(double);
}

static int64_t key_row(const struct el_index_loss *a, int row, int j)
{
    return el_ref_key_row(&a->at, a->selected, a->topk, row, j);
}

/* Sum over heads of the attention's probability. */
static double mass_of(const struct el_index_loss *a, int row, int j)
{
    if (a->mass)
        return (double)a->mass[(int64_t)row * a->topk + j];
    int width = a->latent + a->rope;
    const float *kv = a->kv + key_row(a, row, j) * width;
    double sum = 0;
    for (int h = 0; h < a->heads; h++) {
        int64_t at = (int64_t)row * a->heads + h;
        sum +=
            exp((double)a->scale * el_ref_dot(a->q + at * width, kv, width) - (double)a->lse[at]);
    }
    return sum;
}

/* p[j]: that, divided by the sum over the keys. */
static void target(const struct el_index_loss *a, int row, int n, double *p)
{
    double total = 0;
    for (int j = 0; j < n; j++)
        total += p[j] = mass_of(a, row, j);
    for (int j = 0; j < n; j++)
        p[j] /= total;
}

/* Fills score[j] = I[row, j] and returns its logsumexp over the keys. */
static double scores(const struct el_index_loss *a, int row, int n, double *score)
{
    int dim = a->index_dim;
    double max = -INFINITY, sum = 0;
    for (int j = 0; j < n; j++) {
        const float *k = a->k + key_row(a, row, j) * dim;
        score[j] = 0;
        for (int h = 0; h < a->index_heads; h++) {
            int64_t at = (int64_t)row * a->index_heads + h;
            double dot = el_ref_dot(a->qi + at * dim, k, dim);
            score[j] += (double)a->w[at] * (dot > 0 ? dot : 0);
        }
        max = score[j] > max ? score[j] : max;
    }
    for (int j = 0; j < n; j++)
        sum += exp(score[j] - max);
    return max + log(sum);
}

/* Passes dI[j] = d through w * relu(q . k); the derivative of relu at 0 is 0. */
static void backward_key(const struct el_index_loss *a, int row, int j, double d)
{
    int dim = a->index_dim;
    int64_t key = key_row(a, row, j) * dim;
    for (int h = 0; h < a->index_heads; h++) {
        int64_t at = (int64_t)row * a->index_heads + h;
        const float *q = a->qi + at * dim, *k = a->k + key;
        double dot = el_ref_dot(q, k, dim), ddot = d * (double)a->w[at];
        if (!(dot > 0))
            continue;
        a->dw[at] += (float)(d * dot);
        for (int t = 0; t < dim; t++) {
            a->dqi[at * dim + t] += (float)(ddot * (double)k[t]);
            a->dk[key + t] += (float)(ddot * (double)q[t]);
        }
    }
}

static void clear_row(const struct el_index_loss *a, int row)
{
    int64_t heads = a->index_heads, width = heads * a->index_dim;
    for (int64_t t = 0; t < heads; t++)
        a->dw[row * heads + t] = 0;
    for (int64_t t = 0; t < width; t++)
        a->dqi[row * width + t] = 0;
}

static double coef_of(const struct el_index_loss *a, int row)
{
    return a->row_weight ? (double)(a->coef * a->row_weight[row]) : (double)a->coef;
}

void el_ref_index_loss(struct el_stream *s, const void *args)
{
    const struct el_index_loss *a = args;
    double *p = s->ws, *score = p + a->at.max_pos + 1;
    for (int i = 0; i < a->at.rows; i++) {
        int n = el_ref_key_count(&a->at, a->selected, a->topk, i);
        target(a, i, n, p);
        double lse = scores(a, i, n, score), kl = 0;
        for (int j = 0; j < n; j++)
            kl += p[j] > 0 ? p[j] * (log(p[j]) - (score[j] - lse)) : 0;
        a->loss[i] = (float)kl;
        if (!a->dqi)
            continue;
        clear_row(a, i);
        for (int j = 0; j < n; j++)
            backward_key(a, i, j, (exp(score[j] - lse) - p[j]) * coef_of(a, i));
    }
}
