#include "roles/view.h"

#include <string.h>

struct el_view el_view_str(const char *s)
{
    return el_view_of(s, s ? strlen(s) : 0);
}

struct el_view el_view_of(const char *data, size_t len)
{
    return (struct el_view){data, len};
}

static int is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct el_view el_view_trim(struct el_view v)
{
    while (v.len && is_blank(v.data[0])) {
        v.data++;
        v.len--;
    }
    while (v.len && is_blank(v.data[v.len - 1]))
        v.len--;
    return v;
}
