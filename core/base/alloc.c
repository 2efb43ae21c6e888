#include "core/base/alloc.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static atomic_long asked;
static atomic_long fail_from;

static int must_fail(void)
{
    long n = atomic_fetch_add_explicit(&asked, 1, memory_order_relaxed) + 1;
    long from = atomic_load_explicit(&fail_from, memory_order_relaxed);
    return from > 0 ? n >= from : n == -from;
}

void el_alloc_fail_after(long n)
{
    atomic_store(&asked, 0);
    atomic_store(&fail_from, n);
}

long el_alloc_count(void)
{
    return atomic_load(&asked);
}

void *el_alloc(size_t size)
{
    return must_fail() ? NULL : malloc(size ? size : 1);
}

void *el_alloc_array(size_t n, size_t size)
{
    if (must_fail() || (size && n > SIZE_MAX / size))
        return NULL;
    return calloc(n ? n : 1, size ? size : 1);
}

void *el_realloc(void *p, size_t size)
{
    return must_fail() ? NULL : realloc(p, size ? size : 1);
}

void el_free(void *p)
{
    free(p);
}

char *el_strndup(const char *s, size_t n)
{
    char *copy = el_alloc(n + 1);
    if (!copy)
        return NULL;
    memcpy(copy, s, n);
    copy[n] = 0;
    return copy;
}

char *el_strdup(const char *s)
{
    return el_strndup(s, strlen(s));
}
