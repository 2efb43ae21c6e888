/* Draws the tokens of a pass and takes their log-probabilities. */
#include "core/run/engine_internal.h"

#include "core/base/rng.h"
#include "core/ops/loss.h"

#include <omp.h>
#include <string.h>

enum { LOGITS_A_THREAD = 2000 }; /* fewer are drawn from sooner than a thread wakes */

static float inverse_temperature(const struct el_sequence *q)
{
    return q->sampling.temperature > 0 ? (float)(1 / q->sampling.temperature) : 1;
}

/* Whether the sampler leaves a kept set behind for q. */
static int truncates(const struct el_engine *e, const struct el_sequence *q)
{
    const struct el_sampling *how = &q->sampling;
    return how->temperature > 0 &&
           ((how->top_k > 0 && how->top_k < e->w->config.vocab_size) || how->top_p < 1);
}

/* Pick i's token; its kept set to the i-th part of a->kept. */
static void draw_token(struct el_engine *e, struct el_pass_arrays *a, int i, struct el_sampler *s)
{
    struct el_sequence *q = e->row_of[a->pick[i]];
    uint64_t position = (uint64_t)(q->n - q->n_prompt + el_engine_is_draft(e, a, i));
    struct el_rng r = {.key = q->key, .counter = 4 * position};
    int token = el_sampler_draw(s, e->host_logits + (int64_t)i * s->vocab, &q->sampling,
                                el_rng_uniform(&r));
    int n = truncates(e, q) ? s->n_kept : 0;
    memcpy(a->kept + (int64_t)i * s->vocab, s->kept, (size_t)n * sizeof *a->kept);
    a->drawn[i] = token < 0 ? -1 : token;
    a->kept_start[i + 1] = n;
}

void el_engine_draw(struct el_engine *e, struct el_pass_arrays *a, int picks)
{
    const int64_t vocab = e->w->config.vocab_size;
    int threads = (int64_t)picks * vocab < 2 * LOGITS_A_THREAD ? 1 : e->n_samplers;
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1) if (threads > 1)
    for (int i = 0; i < picks; i++)
        draw_token(e, a, i, &e->sampler[omp_get_thread_num()]);
    a->kept_start[0] = 0;
    for (int i = 0; i < picks; i++) {
        int n = a->kept_start[i + 1];
        memmove(a->kept + a->kept_start[i], a->kept + i * vocab, (size_t)n * sizeof *a->kept);
        a->kept_start[i + 1] = a->kept_start[i] + n;
    }
}

int el_engine_score(struct el_engine *e, const struct el_pass_arrays *a,
                    const struct el_pass_arrays *dev, int picks, struct el_error *err)
{
    int vocab = e->w->config.vocab_size;
    el_engine_upload(e, dev->drawn, a->drawn, (size_t)picks);
    el_engine_upload(e, dev->kept_start, a->kept_start, (size_t)picks + 1);
    el_engine_upload(e, dev->kept, a->kept, (size_t)a->kept_start[picks]);
    for (int at = 0, end; at < picks; at = end) {
        const struct el_sequence *q = e->row_of[a->pick[at]];
        for (end = at + 1; end < picks; end++) {
            const struct el_sequence *other = e->row_of[a->pick[end]];
            if (inverse_temperature(other) != inverse_temperature(q) ||
                truncates(e, other) != truncates(e, q))
                break;
        }
        el_logprob(e->s,
                   &(struct el_logprob){.rows = end - at,
                                        .vocab = vocab,
                                        .inv_temperature = inverse_temperature(q),
                                        .logits = e->logits + (int64_t)at * vocab,
                                        .target = dev->drawn + at,
                                        .kept_start = truncates(e, q) ? dev->kept_start + at : NULL,
                                        .kept = dev->kept,
                                        .logp = e->logp + at});
    }
    e->w->device->copy_out(e->w->device, e->host_logp, e->logp, (size_t)picks * sizeof(float));
    return el_stream_check(e->s, err);
}
