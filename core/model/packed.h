/* A model's weights once more, in the order in which forward products read them
 * (core/ops/gemm_pack.h). For who serves a model: with few rows in a pass, bringing weights into
 * that order takes as long as multiplying. Same bits, twice the memory. */
#ifndef EL_MODEL_PACKED_H
#define EL_MODEL_PACKED_H

#include "core/base/error.h"
#include "core/model/weights.h"
#include "core/ops/gemm_pack.h"

struct el_packed {
    struct el_device *device;
    void *block;
    struct el_gemm_pack *matrix; /* ascending by b */
    int n;
};

/* Room for all matrices of w that multiply rows of activations; nothing is in it before
 * el_packed_fill. When it would take more than `most` bytes of the device, it stays empty. w must
 * outlive it. Release it, after a failure too. */
int el_packed_init(struct el_packed *p, const struct el_weights *w, size_t most,
                   struct el_error *err);
void el_packed_release(struct el_packed *p);

/* Packs the weights as they are now, by the table of s, which must be that of the products. Due
 * again whenever they have changed. */
void el_packed_fill(struct el_packed *p, struct el_stream *s);

/* The packed form of the operand at b, or NULL: p is NULL, or does not hold it. */
const float *el_packed_find(const struct el_packed *p, const float *b);

#endif
