/* Log-probabilities and their gradient, a row at a time; a kept set is gathered into vectors and
 * then takes the same steps as a whole vocabulary. */
#include "core/ops/loss.h"
#include "core/ops/cpu/cpu.h"
#include "core/ops/cpu/vec.h"

/* A row's kept logits: the whole row (ids NULL), or those of the ids. */
struct kept {
    const float *logits;
    const int32_t *ids;
    int n;
    float scale;
};

static struct kept kept_of(const struct el_logprob *a, int64_t i)
{
    struct kept k = {a->logits + i * a->vocab, NULL, a->vocab, a->inv_temperature};
    if (a->kept_start) {
        k.ids = a->kept + a->kept_start[i];
        k.n = a->kept_start[i + 1] - a->kept_start[i];
    }
    return k;
}

/* z of kept entries j..j+VL-1, -inf behind the last. */
VEC vf load_z(const struct kept *k, int j)
{
    int left = k->n - j < VL ? k->n - j : VL;
    vf z = {0};
    if (k->ids) {
        float t[VL] = {0};
        for (int i = 0; i < left; i++)
            t[i] = k->logits[k->ids[j + i]];
        z = vload(t);
    } else {
        z = vload_n(k->logits + j, left);
    }
    z *= vset(k->scale);
    return left < VL ? vkeep(z, left, -INFINITY) : z;
}

/* logsumexp = max + log(sum); *mean is the sum of e^(z-max) (z-max), for the entropy. */
static float denominator(const struct kept *k, float *max, float *mean)
{
    vf top = vset(-INFINITY);
    struct vacc sum = {0}, weighted = {0};
    for (int j = 0; j < k->n; j += VL)
        top = vmax(load_z(k, j), top);
    *max = vmaximum(top);
    for (int j = 0; j < k->n; j += VL) {
        vf d = load_z(k, j) - vset(*max), e = vexp(d);
        vacc_add(&sum, e);
        /* e is 0 long before d is -1000: this only keeps 0 * -inf away. */
        vacc_fma(&weighted, e, vmax(d, vset(-1000.0f)));
    }
    *mean = vacc_sum(weighted);
    return vacc_sum(sum);
}

static void logprob_row(const struct el_logprob *a, int64_t i)
{
    struct kept k = kept_of(a, i);
    float max, mean, sum = denominator(&k, &max, &mean), log_sum = logf(sum);
    int target = a->target[i];
    a->logp[i] = target < 0 ? 0.0f : k.logits[target] * k.scale - max - log_sum;
    if (a->lse)
        a->lse[i] = max + log_sum;
    if (a->entropy)
        a->entropy[i] = log_sum - mean / sum;
}

static void logprob(struct el_stream *s, const void *args)
{
    const struct el_logprob *a = args;
    int threads = el_cpu_threads(s, 4.0 * a->rows * a->vocab);
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int i = 0; i < a->rows; i++)
        logprob_row(a, i);
}

/* 1 in the lanes of j..j+VL-1 that are kept; *next walks through the list. */
static vf kept_lanes(const struct el_logprob_bwd *a, int j, int *next, int end)
{
    float lane[VL] = {0};
    for (; *next < end && a->kept[*next] < j + VL; ++*next)
        lane[a->kept[*next] - j] = 1.0f;
    return vload(lane);
}

static vf onehot(int lane)
{
    float t[VL] = {0};
    if (lane >= 0 && lane < VL)
        t[lane] = 1.0f;
    return vload(t);
}

static void logprob_bwd_row(const struct el_logprob_bwd *a, int64_t i)
{
    const float *logits = a->logits + i * a->vocab;
    float *dlogits = a->dlogits + i * a->vocab;
    const int n = a->vocab, target = a->target[i];
    const vf factor = vset(a->coef[i] * a->inv_temperature), lse = vset(a->lse[i]), zero = {0};
    int next = a->kept_start ? a->kept_start[i] : 0;
    int end = a->kept_start ? a->kept_start[i + 1] : 0;
    for (int j = 0; j < n; j += VL) {
        vf p = vexp(vload_n(logits + j, n - j) * vset(a->inv_temperature) - lse);
        vf d = target >= j && target < j + VL ? factor * (onehot(target - j) - p) : factor * -p;
        if (a->kept_start)
            d = vpick_greater(kept_lanes(a, j, &next, end), zero, d, zero);
        vstore_n(dlogits + j, target < 0 ? zero : d, n - j);
    }
}

static void logprob_bwd(struct el_stream *s, const void *args)
{
    const struct el_logprob_bwd *a = args;
    int threads = el_cpu_threads(s, 3.0 * a->rows * a->vocab);
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int i = 0; i < a->rows; i++)
        logprob_bwd_row(a, i);
}

void EL_CPU(init_loss)(struct el_ops *t)
{
    t->run[EL_OP_logprob] = logprob;
    t->run[EL_OP_logprob_bwd] = logprob_bwd;
}
