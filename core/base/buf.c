#include "core/base/buf.h"

#include "core/base/alloc.h"
#include "core/base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static char empty[1];

void el_buf_init(struct el_buf *b)
{
    b->data = empty;
    b->len = b->cap = 0;
}

void el_buf_release(struct el_buf *b)
{
    if (b->cap)
        el_free(b->data);
    el_buf_init(b);
}

void el_buf_clear(struct el_buf *b)
{
    b->len = 0;
    if (b->cap)
        b->data[0] = 0;
}

int el_buf_reserve(struct el_buf *b, size_t more)
{
    size_t need = b->len + more + 1;
    if (need < more)
        return EL_ENOMEM;
    if (need <= b->cap)
        return 0;
    size_t cap = b->cap ? b->cap : 32;
    while (cap < need)
        cap = cap > (size_t)-1 / 2 ? need : cap * 2;
    char *p = el_realloc(b->cap ? b->data : NULL, cap);
    if (!p)
        return EL_ENOMEM;
    p[b->len] = 0;
    b->data = p;
    b->cap = cap;
    return 0;
}

int el_buf_add(struct el_buf *b, const void *bytes, size_t n)
{
    if (el_buf_reserve(b, n) < 0)
        return EL_ENOMEM;
    if (n)
        memcpy(b->data + b->len, bytes, n);
    b->len += n;
    b->data[b->len] = 0;
    return 0;
}

int el_buf_puts(struct el_buf *b, const char *s)
{
    return el_buf_add(b, s, strlen(s));
}

int el_buf_putc(struct el_buf *b, char c)
{
    return el_buf_add(b, &c, 1);
}

int el_buf_printf(struct el_buf *b, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    int rc = n < 0 ? EL_EINVAL : el_buf_reserve(b, (size_t)n);
    if (rc == 0) {
        vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    }
    va_end(again);
    return rc;
}

char *el_buf_detach(struct el_buf *b)
{
    if (!b->cap && el_buf_reserve(b, 0) < 0)
        return NULL;
    char *p = b->data;
    el_buf_init(b);
    return p;
}
