/* A piece of text that somebody else owns. It may hold any bytes, NUL included. */
#ifndef EL_ROLES_VIEW_H
#define EL_ROLES_VIEW_H

#include <stddef.h>

struct el_view {
    const char *data; /* NULL: absent, which differs from empty */
    size_t len;
};

struct el_view el_view_str(const char *s); /* NULL gives the absent view */
struct el_view el_view_of(const char *data, size_t len);

/* Without blanks, tabs and line breaks at both ends. */
struct el_view el_view_trim(struct el_view v);

#endif
