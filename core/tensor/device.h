/* A device owns memory that only ops may touch. Model code holds device pointers, copies in and
 * out, and never dereferences them; the guard device proves it by keeping its memory PROT_NONE
 * outside ops. */
#ifndef EL_TENSOR_DEVICE_H
#define EL_TENSOR_DEVICE_H

#include "core/base/error.h"

#include <stddef.h>

struct el_device {
    const char *name;
    /* 64-byte aligned and zeroed; NULL when memory runs out. */
    void *(*alloc)(struct el_device *d, size_t bytes);
    void (*release)(struct el_device *d, void *p); /* NULL is fine */
    /* From any number of threads at once, for ranges that do not overlap. */
    void (*copy_in)(struct el_device *d, void *dst, const void *host_src, size_t bytes);
    void (*copy_out)(struct el_device *d, void *host_dst, const void *src, size_t bytes);
    void (*enter)(struct el_device *d); /* called before an op touches memory ... */
    void (*leave)(struct el_device *d); /* ... and after; both may be NULL */
    void (*destroy)(struct el_device *d);
};

/* Ordinary memory. Static, never freed, usable from many threads. */
struct el_device *el_device_host(void);

/* The test device: every allocation is its own mapping, PROT_NONE between enter and leave, with
 * an inaccessible page behind its end. One thread at a time, but for copies. Free with
 * el_device_free. */
struct el_device *el_device_guard_create(void);
void el_device_free(struct el_device *d);

static inline void *el_device_alloc(struct el_device *d, size_t bytes)
{
    return d->alloc(d, bytes);
}

static inline void el_device_release(struct el_device *d, void *p)
{
    d->release(d, p);
}

#endif
