#include "core/ops/norm.h"
#include "core/ops/ref/ref.h"

#include <math.h>

void el_ref_rmsnorm(struct el_stream *s, const void *args)
{
    (void)s;
    const struct el_rmsnorm *a = args;
    for (int64_t i = 0; i < a->rows; i++) {
        const float *x = a->x + i * a->x_row;
        float *y = a->y + i * a->y_row;
        double mean = el_ref_dot(x, x, a->width) / a->width;
        float rstd = (float)(1.0 / sqrt(mean + (double)a->eps));
        for (int j = 0; j < a->width; j++)
            y[j] = x[j] * rstd * a->w[j];
        if (a->rstd)
            a->rstd[i] = rstd;
    }
}

/* dx_j = rstd * w_j dy_j - x_j * rstd^3 / width * sum_t w_t dy_t x_t */
static void backward_row(const struct el_rmsnorm_bwd *a, int64_t i)
{
    const float *x = a->x + i * a->x_row, *dy = a->dy + i * a->dy_row;
    float *dx = a->dx + i * a->dx_row;
    double rstd = (double)a->rstd[i], sum = 0;
    for (int j = 0; j < a->width; j++)
        sum += (double)a->w[j] * (double)dy[j] * (double)x[j];
    double pull = rstd * rstd * rstd * sum / a->width;
    for (int j = 0; j < a->width; j++) {
        if (a->dw)
            a->dw[j] += dy[j] * x[j] * a->rstd[i];
        float d = (float)(rstd * (double)a->w[j] * (double)dy[j] - (double)x[j] * pull);
        dx[j] = a->accumulate ? dx[j] + d : d;
    }
}

void el_ref_rmsnorm_bwd(struct el_stream *s, const void *args)
{
    (void)s;
    const struct el_rmsnorm_bwd *a = args;
    for (int64_t i = 0; i < a->rows; i++)
        backward_row(a, i);
}
