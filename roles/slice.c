#include "roles/slice.h"

#include <string.h>

struct el_slice el_slice_str(const char *s)
{
    return el_slice_of(s, s ? strlen(s) : 0);
}

struct el_slice el_slice_of(const char *data, size_t len)
{
    return (struct el_slice){data, len};
}

static int is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct el_slice el_slice_trim(struct el_slice v)
{
    while (v.len && is_blank(v.data[0])) {
        v.data++;
        v.len--;
    }
    while (v.len && is_blank(v.data[v.len - 1]))
        v.len--;
    return v;
}
