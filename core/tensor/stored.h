/* Weights as a checkpoint stores them, read as fp32: F32, BF16, F16, or FP8 codes with their
 * scales, which lie in a tensor of their own named like the codes with "_scale_inv" behind
 * (core/tensor/fp8.h): F32, BF16, F16 or F8_E8M0, which all widen exactly. */
#ifndef EL_TENSOR_STORED_H
#define EL_TENSOR_STORED_H

#include "core/tensor/fp8.h"
#include "core/tensor/shards.h"

#define EL_SCALES_SUFFIX "_scale_inv"

struct el_stored {
    const struct el_shard_tensor *values;
    const struct el_shard_tensor *scales; /* FP8 only, else NULL */
    const struct el_fp8_format *format;   /* the caller's */
};

/* Finds a tensor's scales, if it is FP8, and checks that it can be read. `format` NULL: nothing
 * says how large the blocks of FP8 tensors are, and they are EL_EFORMAT; so are scales that are
 * missing, of another dtype or not of the shape that the blocks ask for. Values of another dtype
 * are EL_EREFUSED. */
int el_stored_init(struct el_stored *s, const struct el_shards *shards,
                   const struct el_shard_tensor *values, const struct el_fp8_format *format,
                   struct el_error *err);

/* The same for the tensor `name`, which must be there with this shape. */
int el_stored_find(struct el_stored *s, const struct el_shards *shards, const char *name, int dims,
                   const int64_t *shape, const struct el_fp8_format *format, struct el_error *err);

/* Buffers of one thread, for reads of up to `max` values. */
struct el_stored_reader {
    size_t max;
    void *raw;                  /* max stored values */
    float *scales;              /* max of them */
    const struct el_stored *of; /* whose scales these are: n of block row `row` from `first` on */
    int64_t row, first, n;
};
int el_stored_reader_init(struct el_stored_reader *r, size_t max, struct el_error *err);
void el_stored_reader_release(struct el_stored_reader *r);

/* Values start..start+n (n <= max), counted along the rows, into out. A value that is not finite is
 * EL_ENUMERIC naming tensor and index, and so is a scale that is negative or not finite. */
int el_stored_read(struct el_stored_reader *r, const struct el_stored *s, int64_t start, size_t n,
                   float *out, struct el_error *err);

/* Scales start..start+n of FP8 values, counted along the rows of blocks, as fp32, whatever they
 * are. */
int el_stored_read_scales(const struct el_stored *s, int64_t start, int64_t n, float *out,
                          struct el_error *err);

#endif
