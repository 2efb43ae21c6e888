/* AdamW over a model's block of weights.
 *
 * Weight decay applies to tensors with two or more dimensions. Tensors that take no gradient, and
 * those outside `trainable`, keep their values and moments. Each group counts its own updates: the
 * indexer may start when the others had thousands (dense stages, then its warm-up), and its moments
 * are as young then as theirs were. */
#ifndef EL_TRAIN_OPTIMIZER_H
#define EL_TRAIN_OPTIMIZER_H

#include "core/model/weights.h"
#include "core/ops/ops.h"

enum el_trainable {
    EL_TRAIN_ALL,
    EL_TRAIN_MAIN,    /* everything but the indexer */
    EL_TRAIN_INDEXER, /* the dense warm-up */
};

struct el_adamw_config {
    double beta1, beta2, eps, weight_decay;
    double max_grad_norm; /* clipping by the global norm; 0: none */
};

/* EL_EINVAL for values that make an update no number: expected beta1 and beta2 in [0,1) and eps >
 * 0, in single precision, and the others not negative. */
int el_adamw_config_check(const struct el_adamw_config *c, struct el_error *err);

/* What is trained or left alone as a whole. */
enum el_params { EL_PARAMS_MAIN, EL_PARAMS_INDEXER, EL_PARAMS };

/* A run of floats with one rule: neighbouring tensors of equal rules are merged. */
struct el_range {
    int64_t offset, count;
    int decay;
    enum el_params group;
};

struct el_optimizer {
    struct el_device *device;
    const struct el_layout *layout; /* the weights', borrowed */
    struct el_adamw_config config;
    float *grad, *m, *v; /* device blocks of layout->total floats */
    struct el_range *ranges;
    int n_ranges;
    double *sums, *host_sums; /* device (tensors), host */
    int64_t step[EL_PARAMS];  /* updates done of each group: the t of its bias correction */
};

int el_optimizer_init(struct el_optimizer *o, const struct el_weights *w,
                      struct el_adamw_config config, struct el_error *err);
void el_optimizer_release(struct el_optimizer *o);

void el_optimizer_zero_grad(struct el_optimizer *o, struct el_stream *s);

/* Global gradient norm of what is trainable (before clipping) to *norm. EL_ENUMERIC when it is not
 * finite: the message names the first tensor whose gradient is not. */
int el_optimizer_norm(struct el_optimizer *o, struct el_stream *s, enum el_trainable what,
                      double *norm, struct el_error *err);

/* One update with the gradients collected; `norm` is what el_optimizer_norm gave. */
void el_optimizer_update(struct el_optimizer *o, struct el_stream *s, struct el_weights *w,
                         enum el_trainable what, double lr, double norm);

#endif
