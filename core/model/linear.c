#include "core/model/linear.h"

/* The three products of a linear layer differ only in which operand is read transposed. */
static struct el_gemm forward_of(int rows, int out, int in, const float *x, const float *w,
                                 float *y)
{
    return (struct el_gemm){.m = rows,
                            .n = out,
                            .k = in,
                            .a = x,
                            .a_row = in,
                            .a_col = 1,
                            .b = w,
                            .b_row = 1,
                            .b_col = in,
                            .c = y,
                            .c_row = out};
}

static struct el_gemm dx_of(int rows, int out, int in, const float *dy, const float *w, float *dx)
{
    return (struct el_gemm){.m = rows,
                            .n = in,
                            .k = out,
                            .a = dy,
                            .a_row = out,
                            .a_col = 1,
                            .b = w,
                            .b_row = in,
                            .b_col = 1,
                            .c = dx,
                            .c_row = in};
}

static struct el_gemm dw_of(int rows, int out, int in, const float *dy, const float *x, float *dw)
{
    return (struct el_gemm){.m = out,
                            .n = in,
                            .k = rows,
                            .a = dy,
                            .a_row = 1,
                            .a_col = out,
                            .b = x,
                            .b_row = in,
                            .b_col = 1,
                            .c = dw,
                            .c_row = in,
                            .accumulate = 1};
}

void el_linear(const struct el_pass *p, int rows, int out, int in, const float *x, const float *w,
               float *y, int accumulate)
{
    struct el_gemm g = forward_of(rows, out, in, x, w, y);
    g.accumulate = accumulate;
    el_packed_multiply(p->packed, p->s, &g);
}

void el_linear_dx(struct el_stream *s, int rows, int out, int in, const float *dy, const float *w,
                  float *dx, int accumulate)
{
    struct el_gemm g = dx_of(rows, out, in, dy, w, dx);
    g.accumulate = accumulate;
    el_gemm(s, &g);
}

void el_linear_dw(struct el_stream *s, int rows, int out, int in, const float *dy, const float *x,
                  float *dw)
{
    struct el_gemm g = dw_of(rows, out, in, dy, x, dw);
    el_gemm(s, &g);
}

static void group(struct el_gemm *g, struct el_grouping by, enum el_group kind, int64_t each)
{
    g->batch = by.experts;
    g->offsets = by.offsets;
    g->group = kind;
    g->b_batch = g->c_batch = each;
}

void el_linear_grouped(const struct el_pass *p, struct el_grouping by, int rows, int out, int in,
                       const float *x, const float *w, float *y)
{
    struct el_gemm g = forward_of(rows, out, in, x, w, y);
    group(&g, by, EL_GROUP_ROWS, (int64_t)out * in);
    el_packed_multiply(p->packed, p->s, &g);
}

void el_linear_grouped_dx(struct el_stream *s, struct el_grouping by, int rows, int out, int in,
                          const float *dy, const float *w, float *dx, int accumulate)
{
    struct el_gemm g = dx_of(rows, out, in, dy, w, dx);
    g.accumulate = accumulate;
    group(&g, by, EL_GROUP_ROWS, (int64_t)out * in);
    el_gemm(s, &g);
}

void el_linear_grouped_dw(struct el_stream *s, struct el_grouping by, int rows, int out, int in,
                          const float *dy, const float *x, float *dw)
{
    struct el_gemm g = dw_of(rows, out, in, dy, x, dw);
    group(&g, by, EL_GROUP_K, (int64_t)out * in);
    el_gemm(s, &g);
}
