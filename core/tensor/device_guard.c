/* The guard device: each block is a mapping of its own, shut between ops.
 *
 *   | whole pages, PROT_NONE outside enter/leave            | one page, always PROT_NONE |
 *   | unused ... | block, 64-byte aligned, rounded up to 64 |
 *
 * The block's end touches the closed page, so an op that runs past the end faults at once. */
#include "core/tensor/device.h"

#include "core/base/alloc.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { ALIGN = 64 };

struct region {
    struct region *next;
    char *map;
    size_t open_bytes; /* without the closed page */
    size_t page;
    char *block;
};

struct guard {
    struct el_device device; /* first: a guard is a device */
    struct region *regions;
    int depth; /* enter calls not yet left */
    pthread_mutex_t copying;
};

static int protection(const struct guard *g)
{
    return g->depth ? PROT_READ | PROT_WRITE : PROT_NONE;
}

static void protect_all(struct guard *g)
{
    for (struct region *r = g->regions; r; r = r->next)
        mprotect(r->map, r->open_bytes, protection(g));
}

static void guard_enter(struct el_device *d)
{
    struct guard *g = (struct guard *)d;
    if (g->depth++ == 0)
        protect_all(g);
}

static void guard_leave(struct el_device *d)
{
    struct guard *g = (struct guard *)d;
    if (--g->depth == 0)
        protect_all(g);
}

/* Maps the pages of a region for a block of `bytes`; 0, or -1 when memory runs out. */
static int region_map(struct region *r, size_t bytes, int prot)
{
    r->page = (size_t)sysconf(_SC_PAGESIZE);
    if (bytes > SIZE_MAX / 2)
        return -1;
    size_t block = (bytes + ALIGN - 1) / ALIGN * ALIGN;
    r->open_bytes = (block / r->page + 1) * r->page;
    void *map = mmap(NULL, r->open_bytes + r->page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        return -1;
    r->map = map;
    r->block = r->map + r->open_bytes - block;
    return mprotect(r->map, r->open_bytes, prot);
}

static void *guard_alloc(struct el_device *d, size_t bytes)
{
    struct guard *g = (struct guard *)d;
    struct region *r = el_alloc_array(1, sizeof *r);
    if (!r)
        return NULL;
    if (region_map(r, bytes, protection(g)) < 0) {
        if (r->map)
            munmap(r->map, r->open_bytes + r->page);
        el_free(r);
        return NULL;
    }
    r->next = g->regions;
    g->regions = r;
    return r->block;
}

static void guard_release(struct el_device *d, void *p)
{
    struct guard *g = (struct guard *)d;
    struct region **at = &g->regions;
    while (*at && (*at)->block != p)
        at = &(*at)->next;
    struct region *r = *at;
    if (!p || !r)
        return;
    *at = r->next;
    munmap(r->map, r->open_bytes + r->page);
    el_free(r);
}

static void guard_copy(struct el_device *d, void *dst, const void *src, size_t bytes)
{
    struct guard *g = (struct guard *)d;
    if (!bytes)
        return;
    pthread_mutex_lock(&g->copying);
    guard_enter(d);
    memcpy(dst, src, bytes);
    guard_leave(d);
    pthread_mutex_unlock(&g->copying);
}

static void guard_destroy(struct el_device *d)
{
    struct guard *g = (struct guard *)d;
    while (g->regions)
        guard_release(d, g->regions->block);
    pthread_mutex_destroy(&g->copying);
    el_free(g);
}

struct el_device *el_device_guard_create(void)
{
    struct guard *g = el_alloc_array(1, sizeof *g);
    if (!g)
        return NULL;
    g->device = (struct el_device){.name = "guard",
                                   .alloc = guard_alloc,
                                   .release = guard_release,
                                   .copy_in = guard_copy,
                                   .copy_out = guard_copy,
                                   .enter = guard_enter,
                                   .leave = guard_leave,
                                   .destroy = guard_destroy};
    pthread_mutex_init(&g->copying, NULL);
    return &g->device;
}
