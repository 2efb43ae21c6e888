#include "core/model/mtp.h"

#include "core/model/blocks.h"
#include "core/model/linear.h"
#include "core/ops/norm.h"
#include "core/ops/pointwise.h"

int el_mtp_acts_init(struct el_mtp_acts *a, const struct el_weights *mtp, int max_rows,
                     struct el_error *err)
{
    size_t bytes = (size_t)max_rows * 2 * (size_t)mtp->config.hidden_size * sizeof *a->pair;
    *a = (struct el_mtp_acts){0};
    int rc = el_acts_init(&a->acts, &mtp->config, mtp->device, max_rows, 0, err);
    if (rc < 0)
        return rc;
    a->pair = el_device_alloc(mtp->device, bytes);
    if (a->pair)
        return 0;
    el_mtp_acts_release(a);
    return el_error_set(err, EL_ENOMEM, "out of memory for %d rows of an MTP layer", max_rows);
}

void el_mtp_acts_release(struct el_mtp_acts *a)
{
    if (a->pair)
        el_device_release(a->acts.device, a->pair);
    el_acts_release(&a->acts);
    *a = (struct el_mtp_acts){0};
}

static void norm(const struct el_pass *p, const float *x, const float *w, float *y, int64_t y_row,
                 float *rstd)
{
    int hidden = p->w->config.hidden_size;
    el_rmsnorm(p->s, &(struct el_rmsnorm){.rows = p->at.rows,
                                          .width = hidden,
                                          .eps = (float)p->w->config.rms_norm_eps,
                                          .x = x,
                                          .x_row = hidden,
                                          .w = w,
                                          .y = y,
                                          .y_row = y_row,
                                          .rstd = rstd});
}

void el_mtp_forward(const struct el_pass *p, const float *hidden, struct el_mtp_acts *a)
{
    const struct el_view *v = &p->w->view;
    int rows = p->at.rows, width = p->w->config.hidden_size;
    float *embedded = a->acts.x_out; /* not in use yet */
    el_embed(
        p->s,
        &(struct el_embed){
            .rows = rows, .width = width, .token = p->token, .table = v->embed, .x = embedded});
    norm(p, embedded, v->enorm, a->pair, 2 * width, a->acts.final_rstd);
    norm(p, hidden, v->hnorm, a->pair + width, 2 * width, a->acts.final_rstd);
    el_linear(p, rows, width, 2 * width, a->pair, v->eh_proj, a->acts.layer[0].x, 0);
    el_attention_forward(p, &a->acts, 0);
    el_ffn_forward(p, &a->acts, 0, a->acts.x_out);
    norm(p, a->acts.x_out, v->norm, a->acts.final, width, a->acts.final_rstd);
}
