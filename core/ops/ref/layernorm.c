#include "core/ops/norm.h"
#include "core/ops/ref/ref.h"

#include <math.h>

static void forward_row(const struct el_layernorm *a, int64_t i)
{
    const float *x = a->x + i * a->width;
    float *y = a->y + i * a->width;
    double sum = 0, squares = 0;
    for (int j = 0; j < a->width; j++)
        sum += (double)x[j];
    float mean = (float)(sum / a->width);
    for (int j = 0; j < a->width; j++)
        squares += ((double)x[j] - (double)mean) * ((double)x[j] - (double)mean);
    float rstd = (float)(1.0 / sqrt(squares / a->width + (double)a->eps));
    for (int j = 0; j < a->width; j++)
        y[j] = (x[j] - mean) * rstd * a->w[j] + a->b[j];
    if (a->mean)
        a->mean[i] = mean;
    if (a->rstd)
        a->rstd[i] = rstd;
}

void el_ref_layernorm(struct el_stream *s, const void *args)
{
    (void)s;
    const struct el_layernorm *a = args;
    for (int64_t i = 0; i < a->rows; i++)
        forward_row(a, i);
}

/* With n_j = (x_j - mean) * rstd and g_j = w_j dy_j:
 * dx_j = rstd * (g_j - mean(g) - n_j * mean(g n)) */
static void backward_row(const struct el_layernorm_bwd *a, int64_t i)
{
    const float *x = a->x + i * a->width, *dy = a->dy + i * a->width;
    float *dx = a->dx + i * a->width;
    double mean = (double)a->mean[i], rstd = (double)a->rstd[i], g_sum = 0, gn_sum = 0;
    for (int j = 0; j < a->width; j++) {
        double g = (double)a->w[j] * (double)dy[j];
        g_sum += g;
        gn_sum += g * ((double)x[j] - mean) * rstd;
    }
    for (int j = 0; j < a->width; j++) {
        double n = ((double)x[j] - mean) * rstd, g = (double)a->w[j] * (double)dy[j];
        if (a->dw)
            a->dw[j] += dy[j] * (float)n;
        if (a->db)
            a->db[j] += dy[j];
        dx[j] = (float)(rstd * (g - g_sum / a->width - n * gn_sum / a->width));
    }
}

void el_ref_layernorm_bwd(struct el_stream *s, const void *args)
{
    (void)s;
    const struct el_layernorm_bwd *a = args;
    for (int64_t i = 0; i < a->rows; i++)
        backward_row(a, i);
}
