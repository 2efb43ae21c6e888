#include "bench/bench.h"
#include "core/ops/gemm.h"

#include <stdio.h>

enum form { PLAIN, TRANSPOSED_B, TRANSPOSED_A };

static void bench_gemm(struct el_stream *s, int m, int n, int k, enum form form)
{
    float *a = bench_noise((size_t)m * k), *b = bench_noise((size_t)n * k),
          *c = bench_noise((size_t)m * n);
    struct el_gemm g = {.m = m,
                        .n = n,
                        .k = k,
                        .a = a,
                        .a_row = k,
                        .a_col = 1,
                        .b = b,
                        .b_row = n,
                        .b_col = 1,
                        .c = c,
                        .c_row = n};
    const char *name = "";
    if (form == TRANSPOSED_B) {
        g.b_row = 1;
        g.b_col = k;
        name = "B^T";
    } else if (form == TRANSPOSED_A) {
        g.a_row = 1;
        g.a_col = m;
        g.accumulate = 1;
        name = "A^T, C +=";
    }
    char what[64];
    snprintf(what, sizeof what, "m %d n %d k %d %s", m, n, k, name);
    bench_report(s, EL_OP_gemm, &g, what, 2.0 * m * n * k, 0);
    bench_drop(a);
    bench_drop(b);
    bench_drop(c);
}

static void bench_experts(struct el_stream *s, int rows, int n, int k, enum el_group group)
{
    enum { EXPERTS = 8 };
    int32_t offsets[EXPERTS + 1];
    for (int i = 0; i <= EXPERTS; i++)
        offsets[i] = (int32_t)((int64_t)rows * i / EXPERTS);
    float *a = bench_noise((size_t)rows * k),
          *b = bench_noise((size_t)rows * n + (size_t)EXPERTS * n * k);
    float *c = bench_noise((size_t)rows * n + (size_t)EXPERTS * n * k);
    struct el_gemm g = {
        .batch = EXPERTS, .group = group, .offsets = offsets, .a = a, .b = b, .c = c};
    if (group == EL_GROUP_ROWS) {
        g.m = rows, g.n = n, g.k = k;
        g.a_row = k, g.a_col = 1, g.b_row = 1, g.b_col = k, g.c_row = n;
        g.b_batch = (int64_t)n * k;
    } else {
        g.m = k, g.n = n, g.k = rows, g.accumulate = 1;
        g.a_row = 1, g.a_col = k, g.b_row = n, g.b_col = 1, g.c_row = n;
        g.c_batch = (int64_t)n * k;
    }
    char what[64];
    snprintf(what, sizeof what, "%d experts %s rows %d %d -> %d", EXPERTS,
             group == EL_GROUP_ROWS ? "forward" : "gradient", rows, k, n);
    bench_report(s, EL_OP_gemm, &g, what, 2.0 * rows * n * k, 0);
    bench_drop(a);
    bench_drop(b);
    bench_drop(c);
}

void bench_gemms(struct el_stream *s)
{
    static const int shapes[][3] = {{8192, 256, 96},  {8192, 96, 256}, {8192, 96, 96},
                                    {4096, 640, 256}, {8192, 512, 96}, {4096, 256, 640},
                                    {128, 256, 96},   {64, 96, 256},   {64, 640, 256},
                                    {1, 640, 256},    {8, 256, 96},    {1024, 1024, 1024}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int form = PLAIN; form <= TRANSPOSED_B; form++)
            bench_gemm(s, shapes[i][0], shapes[i][1], shapes[i][2], (enum form)form);
    bench_gemm(s, 96, 256, 8192, TRANSPOSED_A);
    bench_gemm(s, 256, 96, 8192, TRANSPOSED_A);
    bench_gemm(s, 640, 256, 4096, TRANSPOSED_A);
    bench_gemm(s, 256, 64, 8192, TRANSPOSED_A);
    bench_experts(s, 8192, 96, 256, EL_GROUP_ROWS);
    bench_experts(s, 8192, 256, 96, EL_GROUP_ROWS);
    bench_experts(s, 8192, 96, 256, EL_GROUP_K);
    bench_experts(s, 8192, 256, 96, EL_GROUP_K);
    bench_experts(s, 128, 96, 256, EL_GROUP_ROWS);
}
