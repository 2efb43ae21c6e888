/* RoPE a row at a time. Each element is x*cos + partner*(+-sin), two roundings of products and one
 * of the sum, in vectors and at the tail alike. */
#include "core/ops/rope.h"
#include "core/ops/cpu/cpu.h"
#include "core/ops/cpu/vec.h"

/* Each lane pair (0,1), (2,3) ... swapped; each of the first VL/2 lanes twice. */
VEC vf swap_pairs(vf v)
{
#if VL == 16
    return __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
#elif VL == 8
    return __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6);
#else
    return __builtin_shufflevector(v, v, 1, 0, 3, 2);
#endif
}

VEC vf twice(vf v)
{
#if VL == 16
    return __builtin_shufflevector(v, v, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
#elif VL == 8
    return __builtin_shufflevector(v, v, 0, 0, 1, 1, 2, 2, 3, 3);
#else
    return __builtin_shufflevector(v, v, 0, 0, 1, 1);
#endif
}

/* sign is 1, or -1 for the inverse. */
static void turn_interleaved(const float *x, float *y, const float *cos, const float *sin, int dim,
                             float sign)
{
    vf alternate;
    for (int i = 0; i < VL; i++)
        alternate[i] = i % 2 ? sign : -sign;
    for (int j = 0; j < dim; j += VL) {
        int left = dim - j < VL ? dim - j : VL;
        vf v = vload_n(x + j, left);
        vf c = twice(vload_part(cos + j / 2, left / 2)),
           s = twice(vload_part(sin + j / 2, left / 2));
        vstore_n(y + j, v * c + swap_pairs(v) * (s * alternate), left);
    }
}

static void turn_halves(const float *x, float *y, const float *cos, const float *sin, int half,
                        float sign)
{
    for (int j = 0; j < half; j += VL) {
        int left = half - j;
        vf u = vload_n(x + j, left), v = vload_n(x + half + j, left);
        vf c = vload_n(cos + j, left), s = vload_n(sin + j, left) * vset(sign);
        vstore_n(y + j, u * c - v * s, left);
        vstore_n(y + half + j, u * s + v * c, left);
    }
}

static void rope(struct el_stream *s, const void *args)
{
    const struct el_rope *a = args;
    const float sign = a->inverse ? -1.0f : 1.0f;
    int threads = el_cpu_threads(s, 2.0 * a->rows * a->heads * a->dim);
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int64_t i = 0; i < a->rows; i++) {
        int64_t angle = (int64_t)a->pos[i] * (a->dim / 2);
        for (int64_t h = 0; h < a->heads; h++) {
            const float *x = a->x + i * a->x_row + h * a->x_head;
            float *y = a->y + i * a->y_row + h * a->y_head;
            if (a->interleaved)
                turn_interleaved(x, y, a->cos + angle, a->sin + angle, a->dim / 2 * 2, sign);
            else
                turn_halves(x, y, a->cos + angle, a->sin + angle, a->dim / 2, sign);
        }
    }
}

void EL_CPU(init_rope)(struct el_ops *t)
{
    t->run[EL_OP_rope] = rope;
}
