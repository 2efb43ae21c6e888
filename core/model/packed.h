/* A model's weights once more, in the order in which forward products read them. For who serves a
 * model, in one of two arithmetics:
 *
 *   fp32   core/ops/gemm_pack.h: with few rows in a pass, bringing weights into that order takes as
 *          long as multiplying. Same bits as without, twice the memory
 *   bf16   core/ops/gemm_bf16.h: weights and activations of the products are rounded to BF16. What
 *          decides by small differences stays fp32: the router, the indexer's weights of its heads,
 *          and everything that is no product with a weight (attention, norms, softmax) */
#ifndef EL_MODEL_PACKED_H
#define EL_MODEL_PACKED_H

#include "core/base/error.h"
#include "core/model/weights.h"
#include "core/ops/gemm.h"

enum el_compute { EL_COMPUTE_FP32, EL_COMPUTE_BF16 };

/* "fp32", "bf16"; and back (EL_EINVAL naming the choices). */
const char *el_compute_name(enum el_compute compute);
int el_compute_parse(const char *name, enum el_compute *compute, struct el_error *err);

struct el_packed_matrix {
    struct el_gemm_pack operand; /* packed: with form fp32, else NULL */
    enum el_compute form;
    uint16_t *bf16; /* with form bf16 */
};

struct el_packed {
    struct el_device *device;
    void *block;
    struct el_packed_matrix *matrix; /* ascending by operand.b */
    int n;
};

/* Room for all matrices of w that multiply rows of activations; nothing is in it before
 * el_packed_fill. When it would take more than `most` bytes of the device, it stays empty. w must
 * outlive it. Release it, after a failure too. */
int el_packed_init(struct el_packed *p, const struct el_weights *w, size_t most,
                   struct el_error *err);
/* The same for BF16, whatever it takes: products with it are another arithmetic, so that they do
 * not depend on how large a model is. */
int el_packed_init_bf16(struct el_packed *p, const struct el_weights *w, struct el_error *err);
void el_packed_release(struct el_packed *p);

/* Packs the weights as they are now, by the table of s, which must be that of the products. Due
 * again whenever they have changed. */
void el_packed_fill(struct el_packed *p, struct el_stream *s);

/* The packed fp32 form of the operand at b, or NULL: p is NULL, or does not hold it. */
const float *el_packed_find(const struct el_packed *p, const float *b);

/* The product g, by the packed form of its operand b where p has one; p may be NULL. With bf16,
 * g's rows of A are contiguous (a_col 1). */
void el_packed_multiply(const struct el_packed *p, struct el_stream *s, const struct el_gemm *g);

#endif
