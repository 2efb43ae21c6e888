#include "core/run/sampler.h"

#include "core/base/alloc.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int el_sampler_init(struct el_sampler *s, int vocab, struct el_error *err)
{
    *s = (struct el_sampler){.vocab = vocab};
    s->p = el_alloc_array((size_t)vocab, sizeof *s->p);
    s->order = el_alloc_array((size_t)vocab, sizeof *s->order);
    s->kept = el_alloc_array((size_t)vocab, sizeof *s->kept);
    if (s->p && s->order && s->kept)
        return 0;
    el_sampler_release(s);
    return el_error_set(err, EL_ENOMEM, "out of memory for a sampler of %d tokens", vocab);
}

void el_sampler_release(struct el_sampler *s)
{
    el_free(s->p);
    el_free(s->order);
    el_free(s->kept);
    memset(s, 0, sizeof *s);
}

int el_sampling_check(const struct el_sampling *how, struct el_error *err)
{
    double t = how->temperature;
    if (!(t == 0 || (t >= 0.001 && t <= 1000)))
        return el_error_set(err, EL_EINVAL, "temperature %g: expected 0 or 0.001 to 1000", t);
    if (how->top_k < 0)
        return el_error_set(err, EL_EINVAL, "top_k %d: expected 0 (off) or more", how->top_k);
    if (!(how->top_p > 0 && how->top_p <= 1))
        return el_error_set(err, EL_EINVAL, "top_p %g: expected more than 0 and at most 1",
                            how->top_p);
    if (how->max_tokens < 1)
        return el_error_set(err, EL_EINVAL, "a completion of at most %d tokens: expected 1 or more",
                            how->max_tokens);
    return 0;
}

static int largest(const float *logits, int vocab)
{
    int best = -1;
    for (int i = 0; i < vocab; i++)
        if (!isnan(logits[i]) && (best < 0 || logits[i] > logits[best]))
            best = i;
    return best >= 0 && isfinite(logits[best]) ? best : EL_ENUMERIC;
}

struct entry_order {
    const float *p;
};

static int by_probability(const void *a, const void *b, void *context)
{
    const float *p = ((const struct entry_order *)context)->p;
    int32_t i = *(const int32_t *)a, j = *(const int32_t *)b;
    if (p[i] != p[j])
        return p[i] > p[j] ? -1 : 1;
    return (i > j) - (i < j);
}

static int ascending(const void *a, const void *b)
{
    int32_t i = *(const int32_t *)a, j = *(const int32_t *)b;
    return (i > j) - (i < j);
}

/* The ids that survive top-k and top-p, ascending, into s->kept. */
static void truncate_ids(struct el_sampler *s, const struct el_sampling *how)
{
    struct entry_order context = {s->p};
    for (int i = 0; i < s->vocab; i++)
        s->order[i] = i;
    qsort_r(s->order, (size_t)s->vocab, sizeof *s->order, by_probability, &context);
    int n = how->top_k > 0 && how->top_k < s->vocab ? how->top_k : s->vocab;
    double total = 0, sum = 0;
    for (int i = 0; i < n; i++)
        total += s->p[s->order[i]];
    int keep = 0;
    while (keep < n && (keep == 0 || sum < how->top_p * total))
        sum += s->p[s->order[keep++]];
    memcpy(s->kept, s->order, (size_t)keep * sizeof *s->kept);
    qsort(s->kept, (size_t)keep, sizeof *s->kept, ascending);
    s->n_kept = keep;
}

/* First id, ascending, at which the running sum passes u * total. */
static int invert(const struct el_sampler *s, double u)
{
    int n = s->n_kept ? s->n_kept : s->vocab, last = -1;
    double total = 0, sum = 0;
    for (int i = 0; i < n; i++)
        total += s->p[s->n_kept ? s->kept[i] : i];
    for (int i = 0; i < n; i++) {
        int id = s->n_kept ? s->kept[i] : i;
        if (s->p[id] > 0)
            last = id;
        sum += s->p[id];
        if (sum > u * total)
            return last;
    }
    return last;
}

int el_sampler_draw(struct el_sampler *s, const float *logits, const struct el_sampling *how,
                    double u)
{
    s->n_kept = 0;
    int best = largest(logits, s->vocab);
    if (best < 0 || how->temperature <= 0)
        return best;
    float inverse = (float)(1 / how->temperature), top = logits[best];
    for (int i = 0; i < s->vocab; i++)
        s->p[i] = isnan(logits[i]) ? 0 : expf((logits[i] - top) * inverse);
    if ((how->top_k > 0 && how->top_k < s->vocab) || how->top_p < 1)
        truncate_ids(s, how);
    return invert(s, u);
}
