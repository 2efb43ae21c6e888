/* Many buffers in one device allocation.
 *
 * A walk with base NULL counts bytes, a second walk over the same calls hands out pointers:
 *
 *     struct el_carve v = {0};
 *     place(&v, x);                                   // counts
 *     v = (struct el_carve){.base = el_device_alloc(d, v.used)};
 *     place(&v, x);                                   // points
 *
 * Every buffer starts on a 64-byte boundary. Overflow of size_t makes `used` SIZE_MAX, which no
 * device can allocate. */
#ifndef EL_TENSOR_CARVE_H
#define EL_TENSOR_CARVE_H

#include <stddef.h>
#include <stdint.h>

struct el_carve {
    char *base;
    size_t used;
};

void *el_carve(struct el_carve *c, size_t n, size_t size);
float *el_carve_floats(struct el_carve *c, int rows, int64_t width);
int32_t *el_carve_ints(struct el_carve *c, int rows, int64_t width);

#endif
