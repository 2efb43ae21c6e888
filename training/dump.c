#include "training/run.h"

#include "core/base/alloc.h"
#include "core/tensor/safetensors.h"

#include <stdio.h>

/* Frozen tensors are in the file too, with whatever gradient the stage gave them (zero). */
int el_train_dump(struct el_train_run *t, const struct el_step_stats *stats, const char *path,
                  struct el_error *err)
{
    const struct el_layout *l = &t->w->layout;
    struct el_device *d = t->w->device;
    float loss[2] = {(float)stats->lm_loss, (float)stats->kl_loss};
    struct el_st_tensor *tensor = el_alloc_array((size_t)l->n + 2, sizeof *tensor);
    float *host = el_alloc((size_t)l->total * sizeof *host);
    if (!tensor || !host) {
        el_free(tensor);
        el_free(host);
        return el_error_set(err, EL_ENOMEM, "%s: out of memory", path);
    }
    d->copy_out(d, host, t->trainer.opt.grad, (size_t)l->total * sizeof *host);
    for (int i = 0; i < l->n; i++)
        tensor[i] = (struct el_st_tensor){.name = l->tensors[i].name,
                                          .dtype = EL_F32,
                                          .dims = l->tensors[i].dims,
                                          .shape = {l->tensors[i].shape[0], l->tensors[i].shape[1]},
                                          .data = host + l->tensors[i].offset};
    tensor[l->n] = (struct el_st_tensor){
        .name = "loss.lm", .dtype = EL_F32, .dims = 1, .shape = {1}, .data = &loss[0]};
    tensor[l->n + 1] = (struct el_st_tensor){
        .name = "loss.kl", .dtype = EL_F32, .dims = 1, .shape = {1}, .data = &loss[1]};
    int rc = el_safetensors_write(path, tensor, l->n + 2, NULL, 0, err);
    el_free(tensor);
    el_free(host);
    return rc;
}
