/* A growable byte string.
 *
 * Invariants: after el_buf_init, `data` is never NULL and data[len] == 0, so data is always a C
 * string (it may hold further NUL bytes; len is the truth). An append that fails leaves the
 * content as it was. */
#ifndef EL_BASE_BUF_H
#define EL_BASE_BUF_H

#include <stddef.h>

struct el_buf {
    char *data;
    size_t len;
    size_t cap; /* bytes allocated, 0 while data points at the shared empty string */
};

void el_buf_init(struct el_buf *b);
void el_buf_release(struct el_buf *b); /* frees and re-initialises */
void el_buf_clear(struct el_buf *b);   /* len = 0, keeps the memory */

/* All return 0 or EL_ENOMEM; printf EL_EINVAL, too, when the format fails. */
int el_buf_reserve(struct el_buf *b, size_t more);
int el_buf_add(struct el_buf *b, const void *bytes, size_t n);
int el_buf_puts(struct el_buf *b, const char *s);
int el_buf_putc(struct el_buf *b, char c);
int el_buf_printf(struct el_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Hands the string over: the caller owns it and frees it with el_free; b is empty again.
 * NULL when memory runs out. */
char *el_buf_detach(struct el_buf *b);

#endif
