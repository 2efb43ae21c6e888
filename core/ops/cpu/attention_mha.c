/* Masked multi-head attention of whole sequences, a group of heads at a time:
 *
 *   raise    K^T (dn+dr x n) and V (n x dv) of every head of the group from the latents of the
 *            sequence's n keys, in panels as the tile kernel reads them; threads share the keys
 *   attend   scores (rows x n) = q K, masked softmax, out = weights V, for a head and a block of
 *            rows; threads share heads and blocks
 *
 * Every sum is one chain over its keys, whatever the block. Keys behind a row's own have weight 0
 * in the block's products. A group is as many heads as keep their keys in SHARED floats. */
#include "core/ops/attention_mha.h"
#include "core/ops/cpu/cpu.h"
#include "core/ops/cpu/keys.h"
#include "core/ops/cpu/softmax.h"
#include "core/ops/gemm_pack.h"

#include <string.h>

enum {
    CHUNK = 64,       /* keys that a thread raises at a time; a multiple of EL_PANEL */
    BLOCK = 24,       /* rows that attend together: whole tiles on every instruction set */
    SHARED = 8 << 20, /* floats of raised keys */
};

static int min_int(int a, int b)
{
    return a < b ? a : b;
}

static int round_up(int n, int step)
{
    return (n + step - 1) / step * step;
}

/* How the op runs, and what it needs; sizes in floats. */
struct plan {
    int threads, group;
    int pad;              /* keys of the longest sequence, whole chunks */
    int64_t keys, values; /* of a raised head */
    size_t shared, mine;
};

static struct plan make_plan(const struct el_stream *s, const struct el_attn_mha *a)
{
    int dk = a->nope + a->rope, width = a->latent + a->rope;
    struct plan p = {.pad = round_up(a->at.max_pos + 1, CHUNK)};
    p.threads = el_cpu_threads(s, (double)a->at.rows * a->heads * p.pad * dk);
    p.keys = (int64_t)p.pad * dk;
    p.values = (int64_t)p.pad * round_up(a->value, EL_PANEL);
    int64_t fit = SHARED / (p.keys + p.values);
    p.group = fit < 1 ? 1 : fit < a->heads ? (int)fit : a->heads;
    p.shared = (size_t)p.group * (size_t)(p.keys + p.values);
    size_t raise = 2 * (size_t)CHUNK * (size_t)width + (size_t)EL_PANEL * (size_t)a->latent;
    size_t attend = (size_t)BLOCK * ((size_t)p.pad + 1);
    p.mine = el_cpu_round((raise > attend ? raise : attend) * sizeof(float)) / sizeof(float);
    return p;
}

static size_t attn_mha_workspace(const struct el_stream *s, const void *args)
{
    struct plan p = make_plan(s, args);
    return (p.shared + (size_t)p.threads * p.mine) * sizeof(float);
}

/* What a thread works with: the sequence in hand and its part of the workspace. */
struct work {
    const struct el_attn_mha *a;
    const struct plan *p;
    struct el_keys *keys;
    int lo, hi, n; /* rows lo..hi-1 of the pass, their keys */
    float *shared, *mine;
};

static float *raised_keys(const struct work *w, int slot)
{
    return w->shared + slot * (w->p->keys + w->p->values);
}

static float *raised_values(const struct work *w, int slot)
{
    return raised_keys(w, slot) + w->p->keys;
}

/* A panel of transposed cache rows becomes a panel of a head's keys. */
static void raise_keys(const struct el_attn_mha *a, int head, const float *panel, float *to)
{
    EL_CPU(panel)
    (&(struct el_panel){.m = a->nope,
                        .cols = EL_PANEL,
                        .k = a->latent,
                        .a = a->up + (int64_t)head * (a->nope + a->value) * a->latent,
                        .a_row = a->latent,
                        .a_col = 1,
                        .b = panel,
                        .b_row = EL_PANEL,
                        .c = to,
                        .c_row = EL_PANEL});
    memcpy(to + (int64_t)a->nope * EL_PANEL, panel + (int64_t)a->latent * EL_PANEL,
           (size_t)a->rope * EL_PANEL * sizeof *to);
}

/* Columns col.. of the head's W_UV, packed. */
static const float *value_weights(const struct el_attn_mha *a, int head, int col, int cols,
                                  float *panel)
{
    if (a->up_packed)
        return a->up_packed + head * el_gemm_packed_floats(a->value, a->latent) +
               (int64_t)col * a->latent;
    int64_t row = (int64_t)head * (a->nope + a->value) + a->nope + col;
    EL_CPU(pack_transposed)(panel, a->up + row * a->latent, a->latent, cols, a->latent);
    return panel;
}

/* Keys from..from+count-1 of the sequence for heads first..first+heads-1. */
static void raise_chunk(const struct work *w, int first, int heads, int from, int count)
{
    const struct el_attn_mha *a = w->a;
    const int width = a->latent + a->rope, dk = a->nope + a->rope;
    float *rows = w->mine, *panels = rows + CHUNK * width, *packed = panels + CHUNK * width;
    EL_CPU(key_columns)(EL_CPU(keys_range)(w->keys, from, count), &w->keys->cache, 0, width, rows);
    for (int j = 0; j < count; j += EL_PANEL) {
        int cols = min_int(EL_PANEL, count - j);
        EL_CPU(pack_transposed)(panels + j * width, rows + j * width, width, cols, width);
    }
    for (int h = 0; h < heads; h++) {
        for (int j = 0; j < count; j += EL_PANEL)
            raise_keys(a, first + h, panels + j * width,
                       raised_keys(w, h) + (int64_t)(from + j) * dk);
        for (int col = 0; col < a->value; col += EL_PANEL) {
            int cols = min_int(EL_PANEL, a->value - col);
            EL_CPU(panel)
            (&(struct el_panel){.m = count,
                                .cols = cols,
                                .k = a->latent,
                                .a = rows,
                                .a_row = width,
                                .a_col = 1,
                                .b = value_weights(a, first + h, col, cols, packed),
                                .b_row = EL_PANEL,
                                .c = raised_values(w, h) + (int64_t)col * w->p->pad +
                                     (int64_t)from * EL_PANEL,
                                .c_row = EL_PANEL});
        }
    }
}

/* Scores of a row's n keys that it did not select become -inf; returns how many it did. */
static int mask(const struct el_attn_mha *a, int row, float *score, int n)
{
    if (!a->selected)
        return n;
    const int32_t *list = a->selected + (int64_t)row * a->topk;
    int count = 0, next = 0;
    for (; count < a->topk && list[count] >= 0; count++) {
        for (; next < list[count]; next++)
            score[next] = -INFINITY;
        next++;
    }
    for (; next < n; next++)
        score[next] = -INFINITY;
    return count;
}

/* Scores to weights, zeros behind the row's keys; returns what the sums are multiplied by. */
static float weigh(const struct el_attn_mha *a, int row, float *score, int block_keys)
{
    int n = a->at.pos[row] + 1;
    float sum = 0;
    if (mask(a, row, score, n) > 0)
        softmax_weigh(score, n, a->scale, &sum);
    else
        n = 0;
    memset(score + n, 0, (size_t)(block_keys - n) * sizeof *score);
    return n ? 1.0f / sum : 0.0f;
}

static void scores(const struct work *w, int head, int slot, int row, int rows, int n)
{
    const struct el_attn_mha *a = w->a;
    const int dk = a->nope + a->rope;
    for (int j = 0; j < n; j += EL_PANEL) {
        struct el_panel t = {.m = rows,
                             .cols = EL_PANEL,
                             .k = dk,
                             .a = a->q + ((int64_t)row * a->heads + head) * dk,
                             .a_row = (int64_t)a->heads * dk,
                             .a_col = 1,
                             .b = raised_keys(w, slot) + (int64_t)j * dk,
                             .b_row = EL_PANEL,
                             .c = w->mine + j,
                             .c_row = w->p->pad};
        EL_CPU(panel)(&t);
    }
}

static void mix(const struct work *w, int slot, int rows, int n, float *out)
{
    const struct el_attn_mha *a = w->a;
    for (int j = 0; j < n; j += EL_KEY_CHUNK)
        for (int col = 0; col < a->value; col += EL_PANEL) {
            const float *v = raised_values(w, slot) + (int64_t)col * w->p->pad;
            struct el_panel t = {.m = rows,
                                 .cols = min_int(EL_PANEL, a->value - col),
                                 .k = min_int(EL_KEY_CHUNK, n - j),
                                 .a = w->mine + j,
                                 .a_row = w->p->pad,
                                 .a_col = 1,
                                 .b = v + (int64_t)j * EL_PANEL,
                                 .b_row = EL_PANEL,
                                 .c = out + col,
                                 .c_row = (int64_t)a->heads * a->value,
                                 .accumulate = j > 0};
            EL_CPU(panel)(&t);
        }
}

static void attend(const struct work *w, int head, int slot, int row)
{
    const struct el_attn_mha *a = w->a;
    int rows = min_int(BLOCK, w->hi - row), n = a->at.pos[row + rows - 1] + 1;
    float *inverse = w->mine + (int64_t)BLOCK * w->p->pad;
    float *out = a->out + ((int64_t)row * a->heads + head) * a->value;
    scores(w, head, slot, row, rows, n);
    for (int i = 0; i < rows; i++)
        inverse[i] = weigh(a, row + i, w->mine + (int64_t)i * w->p->pad, n);
    mix(w, slot, rows, n, out);
    for (int i = 0; i < rows; i++)
        softmax_divide(out + (int64_t)i * a->heads * a->value, a->value, inverse[i]);
}

/* By all threads of the team. The longest blocks come first, so that threads end together. */
static void group(const struct work *w, int first, int heads)
{
    int blocks = (w->hi - w->lo + BLOCK - 1) / BLOCK;
#pragma omp for schedule(dynamic, 1)
    for (int from = 0; from < w->n; from += CHUNK)
        raise_chunk(w, first, heads, from, min_int(CHUNK, w->n - from));
#pragma omp for schedule(dynamic, 1)
    for (int u = 0; u < blocks * heads; u++) {
        int block = blocks - 1 - u / heads, slot = u % heads;
        attend(w, first + slot, slot, w->lo + block * BLOCK);
    }
}

static void attn_mha(struct el_stream *s, const void *args)
{
    const struct el_attn_mha *a = args;
    const struct plan p = make_plan(s, a);
    const struct el_key_cache cache =
        EL_CPU(key_cache)(a->kv, a->kv_fp8, a->latent + a->rope, a->rope);
#pragma omp parallel num_threads(p.threads) if (p.threads > 1)
    {
        float *shared = s->ws;
        struct el_keys keys = {.at = &a->at, .cache = cache};
        struct work w = {.a = a,
                         .p = &p,
                         .keys = &keys,
                         .shared = shared,
                         .mine = shared + p.shared + (size_t)omp_get_thread_num() * p.mine};
        for (w.lo = 0; w.lo < a->at.rows; w.lo = w.hi) {
            int seq = a->at.seq[w.lo];
            w.hi = w.lo + 1;
            while (w.hi < a->at.rows && a->at.seq[w.hi] == seq)
                w.hi++;
            w.n = a->at.pos[w.hi - 1] + 1;
            keys.table = a->at.tables + (int64_t)seq * a->at.table_stride;
            for (int h = 0; h < a->heads; h += p.group)
                group(&w, h, min_int(p.group, a->heads - h));
        }
    }
}

void EL_CPU(init_attention_mha)(struct el_ops *t)
{
    t->run[EL_OP_attn_mha] = attn_mha;
    t->workspace[EL_OP_attn_mha] = attn_mha_workspace;
}
