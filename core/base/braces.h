/* Braces as TeX has them. */
#ifndef EL_BASE_BRACES_H
#define EL_BASE_BRACES_H

#include <stddef.h>

/* The index behind the brace that closes the one at text[0], at most n; 0 when none closes it. A
 * backslash takes the next byte with it. */
size_t el_braces_close(const char *text, size_t n);

#endif
