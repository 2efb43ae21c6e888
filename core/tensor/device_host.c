/* The host device: ordinary memory from el_alloc. In front of each block stands the pointer that
 * el_alloc returned:
 *
 *   base ... | base pointer | block, 64-byte aligned, `bytes` long | up to 63 bytes
 */
#include "core/tensor/device.h"

#include "core/base/alloc.h"

#include <stdint.h>
#include <string.h>

enum { ALIGN = 64 };

static void *host_alloc(struct el_device *d, size_t bytes)
{
    (void)d;
    if (bytes > SIZE_MAX - ALIGN - sizeof(void *))
        return NULL;
    char *base = el_alloc_array(bytes + ALIGN + sizeof(void *), 1);
    if (!base)
        return NULL;
    size_t gap = sizeof(void *);
    gap += (ALIGN - ((uintptr_t)base + gap) % ALIGN) % ALIGN;
    memcpy(base + gap - sizeof(void *), &base, sizeof base);
    return base + gap;
}

static void host_release(struct el_device *d, void *p)
{
    (void)d;
    if (!p)
        return;
    char *base;
    memcpy(&base, (char *)p - sizeof base, sizeof base);
    el_free(base);
}

static void host_copy(struct el_device *d, void *dst, const void *src, size_t bytes)
{
    (void)d;
    if (bytes)
        memcpy(dst, src, bytes);
}

struct el_device *el_device_host(void)
{
    static struct el_device host = {.name = "host",
                                    .alloc = host_alloc,
                                    .release = host_release,
                                    .copy_in = host_copy,
                                    .copy_out = host_copy};
    return &host;
}
