/* The host device: ordinary memory from el_alloc. In front of each block stands the pointer that
 * el_alloc returned:
 *
 *   base ... | base pointer | block, 64-byte aligned, `bytes` long | up to 63 bytes
 */
#include "core/tensor/device.h"

#include "core/base/alloc.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

enum { ALIGN = 64, HUGE = 2 << 20 };

/* Large blocks in huge pages, where the system gives them on request: rows of a cache lie far
 * apart, and there are fewer pages to find. Advice, nothing more. */
static void advise(char *block, size_t bytes)
{
#ifdef MADV_HUGEPAGE
    uintptr_t from = ((uintptr_t)block + HUGE - 1) / HUGE * HUGE, to = (uintptr_t)block + bytes;
    if (to > from && to - from >= HUGE)
        (void)madvise((void *)from, (to - from) / HUGE * HUGE, MADV_HUGEPAGE);
#endif
}

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
    advise(base + gap, bytes);
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
