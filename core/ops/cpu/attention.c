/* Attention of one row at a time, all heads together, as three steps on the tile kernel:
 *
 *   scores (H x n) = q (H x (r+dr)) * keys^T     panel after panel of keys
 *   softmax over each head's n scores            lanes strided by key number, one fixed reduction
 *   out    (H x r) = weights (H x n) * keys      one chain over the keys in the set's order
 *
 * Selected and dense sets take the same steps, so equal sets give equal bits. Threads share the
 * rows. When rows are few or long, all threads work on one row after another: its keys are cut into
 * spans for the scores, its heads are dealt out for the softmax, its output is cut into columns. No
 * sum is cut, so the bits are the same. Nothing larger than a row's scores is kept. */
#include "core/ops/attention.h"
#include "core/ops/cpu/cpu.h"
#include "core/ops/cpu/keys.h"
#include "core/ops/cpu/softmax.h"

#include <string.h>

/* One row's scores (H x longest key set), behind them one factor per head and, for the mass of its
 * keys, the scores once more. */
static size_t score_bytes(const struct el_attn *a)
{
    int64_t n = EL_CPU(keys_longest)(&a->at, a->selected, a->topk);
    return el_cpu_round((size_t)(a->heads * (n + 1 + (a->mass ? n : 0))) * sizeof(float));
}

static void scores(const struct el_attn *a, struct el_keys *k, const float *q, float *score,
                   int64_t stride)
{
    for (int j = 0; j < k->n; j += EL_PANEL) {
        struct el_panel t = {.m = a->heads,
                             .cols = k->n - j < EL_PANEL ? k->n - j : EL_PANEL,
                             .k = k->width,
                             .a = q,
                             .a_row = k->width,
                             .a_col = 1,
                             .b = EL_CPU(keys_panel)(k, j),
                             .b_row = EL_PANEL,
                             .c = score + j,
                             .c_row = stride};
        EL_CPU(panel)(&t);
    }
}

/* out = weights * keys, before division by the softmax denominators. */
static void mix(const struct el_attn *a, struct el_keys *k, const float *weight, int64_t stride,
                float *out)
{
    for (int j = 0; j < k->n; j += EL_KEY_CHUNK) {
        int count = k->n - j < EL_KEY_CHUNK ? k->n - j : EL_KEY_CHUNK;
        EL_CPU(panels)
        ((struct el_panel){.m = a->heads,
                           .cols = a->latent,
                           .k = count,
                           .a = weight + j,
                           .a_row = stride,
                           .a_col = 1,
                           .b = EL_CPU(keys_rows)(k, j, count),
                           .b_row = k->width,
                           .c = out,
                           .c_row = a->latent,
                           .accumulate = j > 0});
    }
}

/* Weights of n keys summed over heads, from the scores: as index_loss.c would compute them again,
 * to the last bit. */
static void sum_heads(const struct el_attn *a, int n, const float *score, int64_t stride,
                      const float *lse, float *mass)
{
    for (int j = 0; j < n; j += VL) {
        vf sum = {0};
        for (int h = 0; h < a->heads; h++)
            sum += vexp(vload(score + h * stride + j) * vset(a->scale) - vset(lse[h]));
        vstore_n(mass + j, sum, n - j);
    }
}

static void attend(const struct el_attn *a, struct el_keys *k, int row, float *score)
{
    int64_t stride = EL_CPU(keys_longest)(&a->at, a->selected, a->topk);
    int64_t first = (int64_t)row * a->heads;
    float *out = a->out + first * a->latent, *inverse = score + a->heads * stride;
    float *kept = inverse + a->heads;
    EL_CPU(keys_row)(k, row);
    scores(a, k, a->q + first * k->width, score, stride);
    if (a->mass)
        memcpy(kept, score, (size_t)(a->heads * stride) * sizeof *kept);
    for (int h = 0; h < a->heads; h++) {
        float sum, max = softmax_weigh(score + h * stride, k->n, a->scale, &sum);
        inverse[h] = 1.0f / sum;
        if (a->lse)
            a->lse[first + h] = max + logf(sum);
    }
    if (a->mass)
        sum_heads(a, k->n, kept, stride, a->lse + first, a->mass + (int64_t)row * a->topk);
    mix(a, k, score, stride, out);
    if (k->n == 0)
        memset(out, 0, (size_t)a->heads * (size_t)a->latent * sizeof *out);
    for (int h = 0; h < a->heads && k->n > 0; h++)
        softmax_divide(out + (int64_t)h * a->latent, a->latent, inverse[h]);
}

/* Rows by all threads together. */
enum {
    SPAN = EL_KEY_CHUNK,   /* keys of a unit of the scores */
    TOGETHER = 4 << 20,    /* multiply-adds of a row that are worth the threads' waiting for each
                              other */
    LONG_SCORES = 4 << 20, /* scores that each thread may keep a row of */
};

/* How an op runs, and what it needs. */
struct plan {
    int threads, together;
    int64_t longest; /* keys of a row at most */
    int columns;     /* together: columns of the output in a unit, whole panels */
    size_t scores;   /* bytes of one row's scores and factors */
    size_t mine;     /* bytes of a thread's own part */
};

static struct plan make_plan(const struct el_stream *s, const struct el_attn *a)
{
    int width = a->latent + a->rope;
    struct plan p = {.longest = EL_CPU(keys_longest)(&a->at, a->selected, a->topk)};
    double row = (double)p.longest * a->heads * width;
    p.threads = el_cpu_threads(s, row * a->at.rows);
    p.together = p.threads > 1 && row >= TOGETHER && !a->mass &&
                 (a->at.rows < 2 * p.threads || p.longest * a->heads > LONG_SCORES);
    int units = 2 * p.threads, columns = (a->latent + units - 1) / units;
    p.columns = EL_CPU(whole_panels)(columns);
    p.scores = score_bytes(a);
    size_t keys = (size_t)EL_PANEL * (size_t)width, copy = (size_t)SPAN * (size_t)p.columns;
    keys *= a->kv_fp8 ? 2 : 1;
    p.mine = p.together ? el_cpu_round((keys > copy ? keys : copy) * sizeof(float))
                        : p.scores + EL_CPU(keys_bytes)(&a->at, width, a->selected);
    return p;
}

static size_t attn_workspace(const struct el_stream *s, const void *args)
{
    struct plan p = make_plan(s, args);
    return (size_t)p.threads * p.mine + (p.together ? p.scores : 0);
}

static int min_int(int a, int b)
{
    return a < b ? a : b;
}

/* Packs keys j..j+count-1 of a row, names the `left` keys behind them. Behind the panel is room for
 * another where rows must be unpacked; these are fetched meanwhile. */
static void pack(const struct el_attn *a, const struct el_keys *k, int row, int j, int count,
                 int left, float *panel, struct el_ahead *next)
{
    const float *rows[EL_PANEL];
    int seq = a->at.seq[row], width = k->width;
    next->width = width;
    next->count = a->kv_fp8 ? 0 : left;
    if (a->kv_fp8) {
        float *unpacked = panel + (int64_t)EL_PANEL * width;
        EL_CPU(key_columns)(EL_CPU(keys_range)(k, j, count), &k->cache, 0, width, unpacked);
        EL_CPU(pack_transposed)(panel, unpacked, width, count, width);
        return;
    }
    EL_CPU(key_rows)(&a->at, seq, k->list, j, count, a->kv, width, rows);
    EL_CPU(pack_rows)(panel, rows, count, width);
    EL_CPU(key_rows)(&a->at, seq, k->list, j + count, left, a->kv, width, next->rows);
}

/* Scores of all heads against keys from..to-1; from is a multiple of EL_PANEL. */
static void score_span(const struct el_attn *a, const struct el_keys *k, int row, int from, int to,
                       float *panel, float *score, int64_t stride)
{
    struct el_ahead next;
    for (int j = from; j < to; j += EL_PANEL) {
        int count = min_int(to - j, EL_PANEL), left = min_int(to - j - count, EL_PANEL);
        pack(a, k, row, j, count, left, panel, &next);
        EL_CPU(panel)
        (&(struct el_panel){.m = a->heads,
                            .cols = count,
                            .k = k->width,
                            .a = a->q + (int64_t)row * a->heads * k->width,
                            .a_row = k->width,
                            .a_col = 1,
                            .b = panel,
                            .b_row = EL_PANEL,
                            .c = score + j,
                            .c_row = stride,
                            .ahead = &next});
    }
}

/* Columns from.. of the output of all heads, divided by the softmax denominators. */
static void mix_columns(const struct el_attn *a, const struct el_keys *k, int row, int from,
                        int columns, float *copy, const float *weight, int64_t stride)
{
    const float *inverse = weight + a->heads * stride;
    float *out = a->out + (int64_t)row * a->heads * a->latent + from;
    for (int j = 0; j < k->n; j += SPAN) {
        int count = min_int(k->n - j, SPAN);
        EL_CPU(key_columns)(EL_CPU(keys_range)(k, j, count), &k->cache, from, columns, copy);
        EL_CPU(panels)
        ((struct el_panel){.m = a->heads,
                           .cols = columns,
                           .k = count,
                           .a = weight + j,
                           .a_row = stride,
                           .a_col = 1,
                           .b = copy,
                           .b_row = columns,
                           .c = out,
                           .c_row = a->latent,
                           .accumulate = j > 0});
    }
    for (int h = 0; h < a->heads; h++, out += a->latent)
        if (k->n > 0)
            softmax_divide(out, columns, inverse[h]);
        else
            memset(out, 0, (size_t)columns * sizeof *out);
}

/* One row by all threads of the team, each with its own part of the workspace. */
static void attend_together(const struct el_attn *a, const struct plan *p, struct el_keys *k,
                            int row, float *mine, float *score)
{
    EL_CPU(keys_row)(k, row);
#pragma omp for schedule(dynamic, 1)
    for (int j = 0; j < k->n; j += SPAN)
        score_span(a, k, row, j, min_int(j + SPAN, k->n), mine, score, p->longest);
#pragma omp for schedule(dynamic, 1)
    for (int h = 0; h < a->heads; h++) {
        float sum, max = softmax_weigh(score + h * p->longest, k->n, a->scale, &sum);
        score[a->heads * p->longest + h] = 1.0f / sum;
        if (a->lse)
            a->lse[(int64_t)row * a->heads + h] = max + logf(sum);
    }
#pragma omp for schedule(dynamic, 1)
    for (int c = 0; c < a->latent; c += p->columns)
        mix_columns(a, k, row, c, min_int(p->columns, a->latent - c), mine, score, p->longest);
}

static void attn(struct el_stream *s, const void *args)
{
    const struct el_attn *a = args;
    struct plan p = make_plan(s, a);
    int chunk = EL_CPU(row_chunk)(a->at.rows, p.threads);
    struct el_key_cache cache = EL_CPU(key_cache)(a->kv, a->kv_fp8, a->latent + a->rope, a->rope);
#pragma omp parallel num_threads(p.threads) if (p.threads > 1)
    {
        char *mine = (char *)s->ws + (size_t)omp_get_thread_num() * p.mine;
        struct el_keys k;
        EL_CPU(keys_init)
        (&k, &a->at, cache, a->selected, a->topk, mine + (p.together ? 0 : p.scores));
        if (p.together) {
            float *score = (float *)((char *)s->ws + (size_t)p.threads * p.mine);
            for (int i = 0; i < a->at.rows; i++)
                attend_together(a, &p, &k, i, (float *)mine, score);
        } else {
#pragma omp for schedule(dynamic, chunk)
            for (int i = 0; i < a->at.rows; i++)
                attend(a, &k, i, (float *)mine);
        }
    }
}

void EL_CPU(init_attention)(struct el_ops *t)
{
    t->run[EL_OP_attn] = attn;
    t->workspace[EL_OP_attn] = attn_workspace;
}
