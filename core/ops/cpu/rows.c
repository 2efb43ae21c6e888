/* Moving rows: the embedding table and copies. */
#include "core/ops/cpu/cpu.h"
#include "core/ops/cpu/vec.h"
#include "core/ops/pointwise.h"

#include <string.h>

static void embed(struct el_stream *s, const void *args)
{
    const struct el_embed *a = args;
    int threads = el_cpu_threads(s, (double)a->rows * a->width);
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int64_t i = 0; i < a->rows; i++)
        memcpy(a->x + i * a->width, a->table + (int64_t)a->token[i] * a->width,
               (size_t)a->width * sizeof *a->x);
}

/* Threads share the columns, so every thread adds the rows of a token in ascending order. */
static void embed_bwd(struct el_stream *s, const void *args)
{
    const struct el_embed_bwd *a = args;
    int blocks = (a->width + VL - 1) / VL, threads = el_cpu_threads(s, (double)a->rows * a->width);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        int id = omp_get_thread_num(), n = omp_get_num_threads();
        int lo = (int)el_cpu_share(blocks, id, n) * VL,
            hi = (int)el_cpu_share(blocks, id + 1, n) * VL;
        for (int64_t i = 0; i < a->rows; i++) {
            float *row = a->dtable + (int64_t)a->token[i] * a->width;
            const float *dx = a->dx + i * a->width;
            for (int j = lo; j < hi && j < a->width; j += VL)
                vstore_n(row + j, vload_n(row + j, a->width - j) + vload_n(dx + j, a->width - j),
                         a->width - j);
        }
    }
}

static void copy_rows(struct el_stream *s, const void *args)
{
    const struct el_copy_rows *a = args;
    int threads = el_cpu_threads(s, (double)a->rows * a->width);
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int64_t i = 0; i < a->rows; i++) {
        const float *src = a->src + (a->from ? a->from[i] : i) * a->src_row;
        float *dst = a->dst + (a->to ? a->to[i] : i) * a->dst_row;
        for (int j = 0; j < a->width; j += VL) {
            vf v = vload_n(src + j, a->width - j);
            vstore_n(dst + j, a->accumulate ? vload_n(dst + j, a->width - j) + v : v, a->width - j);
        }
    }
}

static void copy_bytes(struct el_stream *s, const void *args)
{
    const struct el_copy_bytes *a = args;
    int threads = el_cpu_threads(s, (double)a->rows * (double)a->bytes / 4);
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int64_t i = 0; i < a->rows; i++)
        memcpy(a->dst + (a->to ? a->to[i] : i) * a->bytes,
               a->src + (a->from ? a->from[i] : i) * a->bytes, (size_t)a->bytes);
}

void EL_CPU(init_rows)(struct el_ops *t)
{
    t->run[EL_OP_embed] = embed;
    t->run[EL_OP_embed_bwd] = embed_bwd;
    t->run[EL_OP_copy_rows] = copy_rows;
    t->run[EL_OP_copy_bytes] = copy_bytes;
}
