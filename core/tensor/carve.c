#include "core/tensor/carve.h"

void *el_carve(struct el_carve *c, size_t n, size_t size)
{
    size_t at = c->used, bytes;
    if (__builtin_mul_overflow(n, size, &bytes) || bytes > SIZE_MAX - 63 ||
        __builtin_add_overflow(at, (bytes + 63) & ~(size_t)63, &c->used))
        c->used = SIZE_MAX;
    return c->base ? c->base + at : NULL;
}

float *el_carve_floats(struct el_carve *c, int rows, int64_t width)
{
    return el_carve(c, (size_t)rows * (size_t)width, sizeof(float));
}

int32_t *el_carve_ints(struct el_carve *c, int rows, int64_t width)
{
    return el_carve(c, (size_t)rows * (size_t)width, sizeof(int32_t));
}
