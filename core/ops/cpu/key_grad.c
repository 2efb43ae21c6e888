#include "core/ops/cpu/key_grad.h"
#include "core/ops/cpu/vec.h"

#include <string.h>

enum { POSITIONS = 8 }; /* whose sums a thread adds at a time */

static int shared(const struct el_rows *at, int seq)
{
    return at->shared ? at->shared[seq] : 0;
}

static size_t start_bytes(const struct el_rows *at)
{
    return at->shared ? el_cpu_round((size_t)at->sequences * sizeof(int64_t)) : 0;
}

size_t EL_CPU(key_grad_bytes)(const struct el_rows *at, int width)
{
    size_t keys = at->shared ? (size_t)at->shared_keys : 0;
    return start_bytes(at) + el_cpu_round(keys * (size_t)width * sizeof(float));
}

void EL_CPU(key_grad_init)(struct el_key_grad *g, const struct el_rows *at, float *rows, int width,
                           void *scratch)
{
    *g = (struct el_key_grad){.at = at, .width = width, .rows = rows};
    if (!at->shared)
        return;
    g->start = scratch;
    g->sums = (float *)((char *)scratch + start_bytes(at));
    int64_t keys = 0;
    for (int s = 0; s < at->sequences; s++) {
        g->start[s] = keys;
        keys += at->shared[s];
    }
    memset(g->sums, 0, (size_t)keys * (size_t)width * sizeof *g->sums);
}

/* Where the key's row is added to. */
static float *place(const struct el_key_grad *g, const struct el_keys *k, int i)
{
    int position = k->list ? k->list[i] : i;
    if (position < shared(g->at, k->row_seq))
        return g->sums + (g->start[k->row_seq] + position) * g->width;
    return g->rows + EL_CPU(keys_place)(k, i) * g->width;
}

/* The same for keys from..from+count-1 where they lie one after another, else NULL. */
static float *together(const struct el_key_grad *g, const struct el_keys *k, int from, int count)
{
    int before = shared(g->at, k->row_seq);
    if (!k->list && from + count <= before)
        return place(g, k, from);
    if (k->list || from < before)
        return NULL;
    int64_t row = EL_CPU(keys_together)(k, from, count);
    return row < 0 ? NULL : g->rows + row * g->width;
}

float *EL_CPU(key_grad_open)(const struct el_key_grad *g, const struct el_keys *k, int from,
                             int count, float *chunk)
{
    float *rows = together(g, k, from, count);
    if (rows)
        return rows;
    for (int i = 0; i < count; i++)
        vcopy(chunk + (int64_t)i * g->width, place(g, k, from + i), g->width);
    return chunk;
}

void EL_CPU(key_grad_close)(const struct el_key_grad *g, const struct el_keys *k, int from,
                            int count, const float *rows)
{
    if (together(g, k, from, count))
        return;
    for (int i = 0; i < count; i++)
        vcopy(place(g, k, from + i), rows + (int64_t)i * g->width, g->width);
}

/* What sequence s has summed for position `position`. */
static void add_sum(const struct el_key_grad *g, int s, int position)
{
    float *to;
    EL_CPU(key_rows)(g->at, s, NULL, position, 1, g->rows, g->width, (const float **)&to);
    const float *sum = g->sums + (g->start[s] + position) * g->width;
    for (int j = 0; j < g->width; j += VL)
        vstore_n(to + j, vload_n(to + j, g->width - j) + vload_n(sum + j, g->width - j),
                 g->width - j);
}

/* Equal positions of two sequences may be one row, others never are. */
void EL_CPU(key_grad_add)(const struct el_key_grad *g)
{
    const struct el_rows *at = g->at;
    if (!at->shared)
        return;
#pragma omp for schedule(dynamic, 1)
    for (int from = 0; from <= at->max_pos; from += POSITIONS)
        for (int s = 0; s < at->sequences; s++)
            for (int p = from; p < from + POSITIONS && p < at->shared[s]; p++)
                add_sum(g, s, p);
}
