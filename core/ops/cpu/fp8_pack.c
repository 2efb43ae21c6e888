/* Packing rows of an FP8 cache, and unpacking parts of them. */
#include "core/ops/cpu/fp8.h"

static int min_int(int a, int b)
{
    return a < b ? a : b;
}

static void pack_row(const struct el_fp8_row *f, const float *x, uint8_t *row)
{
    uint8_t *scale = row + el_fp8_row_scales(f), *tail = row + el_fp8_row_tail(f);
    for (int at = 0; at < f->width; at += EL_FP8_GROUP, scale += 4) {
        int end = min_int(at + EL_FP8_GROUP, f->width);
        struct el_fp8_group g = EL_CPU(fp8_group)(x + at, end - at);
        for (int j = at; j < end; j += VL)
            vstore_bytes(row + j, vcode_e4m3(vround_e4m3(g, vload_n(x + j, end - j))), end - j);
        memcpy(scale, &g.scale, sizeof g.scale);
    }
    x += f->width;
    for (int j = 0; j < f->tail; j += VL)
        vstore_bf16(tail + 2 * j, vround_bf16(vload_n(x + j, f->tail - j)), f->tail - j);
}

static void fp8_pack(struct el_stream *s, const void *args)
{
    const struct el_fp8_pack *a = args;
    int64_t bytes = el_fp8_row_bytes(&a->form);
    int threads = el_cpu_threads(s, (double)a->rows * (a->form.width + a->form.tail) * 8);
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int64_t i = 0; i < a->rows; i++)
        pack_row(&a->form, a->x + i * a->x_row, a->packed + (a->to ? a->to[i] : i) * bytes);
}

/* Codes at..end-1, which share a scale. */
static void unpack_codes(const uint8_t *row, float scale, int at, int end, float *out)
{
    for (int j = at; j < end; j += VL)
        vstore_n(out + j - at, vwiden_e4m3(vload_codes(row + j, end - j)) * vset(scale), end - j);
}

void EL_CPU(fp8_unpack)(const struct el_fp8_row *f, const uint8_t *row, int from, int n, float *out)
{
    const uint8_t *scales = row + el_fp8_row_scales(f), *tail = row + el_fp8_row_tail(f);
    int to = from + n, codes = min_int(to, f->width), at = from;
    while (at < codes) {
        float scale;
        int group = at / EL_FP8_GROUP, end = min_int((group + 1) * EL_FP8_GROUP, codes);
        memcpy(&scale, scales + 4 * group, sizeof scale);
        unpack_codes(row, scale, at, end, out + at - from);
        at = end;
    }
    for (; at < to; at += VL)
        vstore_n(out + at - from, vload_bf16(tail + 2 * (at - f->width), to - at), to - at);
}

void EL_CPU(init_fp8_pack)(struct el_ops *t)
{
    t->run[EL_OP_fp8_pack] = fp8_pack;
}
