#include "core/base/utf8.h"

size_t el_utf8_length(const char *s, size_t n)
{
    const unsigned char *p = (const unsigned char *)s;
    if (p[0] < 0x80)
        return 1;
    size_t len = p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;
    if (p[0] < 0xC2 || p[0] > 0xF4 || n < len)
        return 0;
    unsigned char lo = p[0] == 0xE0 ? 0xA0 : p[0] == 0xF0 ? 0x90 : 0x80;
    unsigned char hi = p[0] == 0xED ? 0x9F : p[0] == 0xF4 ? 0x8F : 0xBF;
    if (p[1] < lo || p[1] > hi)
        return 0;
    for (size_t i = 2; i < len; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    return len;
}

size_t el_utf8_valid_prefix(const char *s, size_t n)
{
    size_t at = 0, len;
    while (at < n && (len = el_utf8_length(s + at, n - at)) > 0)
        at += len;
    return at;
}

size_t el_utf8_invalid_prefix(const char *s, size_t n)
{
    size_t at = 0;
    while (at < n && el_utf8_length(s + at, n - at) == 0)
        at++;
    return at;
}
