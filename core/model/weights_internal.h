/* Shared by weights*.c. */
#ifndef EL_MODEL_WEIGHTS_INTERNAL_H
#define EL_MODEL_WEIGHTS_INTERNAL_H

#include "core/model/weights.h"
#include "core/tensor/dtype.h"

/* Device memory is read and written through host buffers of this many floats. */
enum { EL_WEIGHTS_CHUNK = 1 << 16 };

/* Weights with config and layout, but no memory for values yet. */
int el_weights_new(const struct el_config *c, struct el_device *d, struct el_weights **out,
                   struct el_error *err);
/* Adds the zeroed values, the view and the RoPE tables. */
int el_weights_allocate(struct el_weights *w, struct el_error *err);

/* How a tensor is stored in this model's checkpoints: EL_F32 or EL_BF16. */
enum el_dtype el_weights_dtype(const struct el_weights *w, const struct el_tensor_info *t);

/* Calls f for every piece of every tensor in order, with a copy of its values on the host. What f
 * leaves there goes back to the device when `write` is set. Stops at the first failure of f. */
struct el_weights_piece {
    int tensor;
    const struct el_tensor_info *info;
    int64_t start; /* within the tensor */
    float *values;
    size_t n;
};
typedef int el_weights_visit(void *user, const struct el_weights_piece *p, struct el_error *err);
int el_weights_each(struct el_weights *w, int write, el_weights_visit *f, void *user,
                    struct el_error *err);

/* The digest of a model, piece by piece in the order of el_weights_each. */
int el_weights_digest_begin(struct el_digest *d, const struct el_weights *w, struct el_error *err);
void el_weights_digest_piece(struct el_digest *d, const struct el_weights_piece *p);

/* EL_ENUMERIC naming `name`, tensor and index unless all values are finite. */
int el_weights_check_finite(const char *name, const struct el_weights_piece *p,
                            struct el_error *err);

#endif
