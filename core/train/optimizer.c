#include "core/train/optimizer.h"

#include "core/base/alloc.h"
#include "core/ops/optim.h"
#include "core/ops/pointwise.h"

#include <math.h>
#include <string.h>

static void collect_ranges(struct el_optimizer *o)
{
    for (int i = 0; i < o->layout->n; i++) {
        const struct el_tensor_info *t = &o->layout->tensors[i];
        if (t->flags & EL_TENSOR_NO_GRAD)
            continue;
        int decay = !!(t->flags & EL_TENSOR_DECAY);
        enum el_params group = t->flags & EL_TENSOR_INDEXER ? EL_PARAMS_INDEXER : EL_PARAMS_MAIN;
        struct el_range *last = o->n_ranges ? &o->ranges[o->n_ranges - 1] : NULL;
        /* padding between neighbours has gradient 0 and value 0, so it may join a range */
        if (last && last->decay == decay && last->group == group &&
            t->offset - (last->offset + last->count) < 16)
            last->count = t->offset + t->count - last->offset;
        else
            o->ranges[o->n_ranges++] = (struct el_range){t->offset, t->count, decay, group};
    }
}

int el_adamw_config_check(const struct el_adamw_config *c, struct el_error *err)
{
    float beta1 = (float)c->beta1, beta2 = (float)c->beta2, eps = (float)c->eps;
    if (!(beta1 >= 0 && beta1 < 1 && beta2 >= 0 && beta2 < 1 && eps > 0))
        return el_error_set(err, EL_EINVAL,
                            "expected beta1 and beta2 in [0,1) and eps > 0, in single precision, "
                            "for AdamW, found %g, %g and %g",
                            c->beta1, c->beta2, c->eps);
    if (!(c->weight_decay >= 0 && c->max_grad_norm >= 0))
        return el_error_set(err, EL_EINVAL,
                            "weight_decay and max_grad_norm must not be negative, found %g and %g",
                            c->weight_decay, c->max_grad_norm);
    return 0;
}

int el_optimizer_init(struct el_optimizer *o, const struct el_weights *w,
                      struct el_adamw_config config, struct el_error *err)
{
    struct el_device *d = w->device;
    size_t bytes = (size_t)w->layout.total * sizeof(float), n = (size_t)w->layout.n;
    *o = (struct el_optimizer){.device = d, .layout = &w->layout, .config = config};
    o->grad = el_device_alloc(d, bytes);
    o->m = el_device_alloc(d, bytes);
    o->v = el_device_alloc(d, bytes);
    o->sums = el_device_alloc(d, n * sizeof(double));
    o->host_sums = el_alloc_array(n, sizeof(double));
    o->ranges = el_alloc_array(n, sizeof *o->ranges);
    if (!o->grad || !o->m || !o->v || !o->sums || !o->host_sums || !o->ranges) {
        el_optimizer_release(o);
        return el_error_set(err, EL_ENOMEM, "out of memory for the optimiser (3 x %zu bytes)",
                            bytes);
    }
    collect_ranges(o);
    return 0;
}

void el_optimizer_release(struct el_optimizer *o)
{
    void *device[] = {o->grad, o->m, o->v, o->sums};
    for (int i = 0; i < 4; i++)
        if (device[i])
            el_device_release(o->device, device[i]);
    el_free(o->host_sums);
    el_free(o->ranges);
    memset(o, 0, sizeof *o);
}

void el_optimizer_zero_grad(struct el_optimizer *o, struct el_stream *s)
{
    el_fill(s, &(struct el_fill){.n = o->layout->total, .x = o->grad});
}

static int takes_part(enum el_params group, enum el_trainable what)
{
    return what == EL_TRAIN_ALL || (what == EL_TRAIN_INDEXER) == (group == EL_PARAMS_INDEXER);
}

static int name_culprit(struct el_optimizer *o, struct el_stream *s, struct el_error *err)
{
    for (int i = 0; i < o->layout->n; i++) {
        const struct el_tensor_info *t = &o->layout->tensors[i];
        el_sumsq(s, &(struct el_sumsq){.n = t->count, .x = o->grad + t->offset, .out = o->sums});
        o->device->copy_out(o->device, o->host_sums, o->sums, sizeof(double));
        if (!isfinite(o->host_sums[0]))
            return el_error_set(err, EL_ENUMERIC, "the gradient of %s is not finite", t->name);
    }
    return el_error_set(err, EL_ENUMERIC, "the gradient norm overflows");
}

int el_optimizer_norm(struct el_optimizer *o, struct el_stream *s, enum el_trainable what,
                      double *norm, struct el_error *err)
{
    double sum = 0;
    for (int i = 0; i < o->n_ranges; i++)
        el_sumsq(s, &(struct el_sumsq){.n = o->ranges[i].count,
                                       .x = o->grad + o->ranges[i].offset,
                                       .out = o->sums + i});
    int rc = el_stream_check(s, err);
    if (rc < 0)
        return rc;
    o->device->copy_out(o->device, o->host_sums, o->sums, (size_t)o->n_ranges * sizeof(double));
    for (int i = 0; i < o->n_ranges; i++)
        if (takes_part(o->ranges[i].group, what))
            sum += o->host_sums[i];
    if (!isfinite(sum))
        return name_culprit(o, s, err);
    *norm = sqrt(sum);
    return 0;
}

void el_optimizer_update(struct el_optimizer *o, struct el_stream *s, struct el_weights *w,
                         enum el_trainable what, double lr, double norm)
{
    const struct el_adamw_config *c = &o->config;
    double scale = 1;
    if (c->max_grad_norm > 0 && norm > c->max_grad_norm)
        scale = c->max_grad_norm / (norm + 1e-6);
    for (int i = 0; i < EL_PARAMS; i++)
        o->step[i] += takes_part((enum el_params)i, what);
    for (int i = 0; i < o->n_ranges; i++) {
        const struct el_range *r = &o->ranges[i];
        if (!takes_part(r->group, what))
            continue;
        el_adamw(s, &(struct el_adamw){.n = r->count,
                                       .x = w->data + r->offset,
                                       .grad = o->grad + r->offset,
                                       .m = o->m + r->offset,
                                       .v = o->v + r->offset,
                                       .lr = (float)lr,
                                       .beta1 = (float)c->beta1,
                                       .beta2 = (float)c->beta2,
                                       .eps = (float)c->eps,
                                       .decay = r->decay ? (float)c->weight_decay : 0,
                                       .grad_scale = (float)scale,
                                       .step = o->step[r->group]});
    }
}
