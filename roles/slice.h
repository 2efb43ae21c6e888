/* A piece of text that somebody else owns. It may hold any bytes, NUL included. */
#ifndef EL_ROLES_SLICE_H
#define EL_ROLES_SLICE_H

#include <stddef.h>

struct el_slice {
    const char *data; /* NULL: absent, which differs from empty */
    size_t len;
};

struct el_slice el_slice_str(const char *s); /* NULL gives the absent view */
struct el_slice el_slice_of(const char *data, size_t len);

/* Without blanks, tabs and line breaks at both ends. */
struct el_slice el_slice_trim(struct el_slice v);

#endif
