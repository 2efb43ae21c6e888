#include "core/text/byte_alphabet.h"

/* The byte that U+0100 + k stands for: 0x00-0x20, then 0x7F-0xA0, then 0xAD. */
static int shifted_byte(unsigned k)
{
    if (k <= 0x20)
        return (int)k;
    if (k < 0x21 + 0x22)
        return (int)(k - 0x21 + 0x7F);
    return k == 0x43 ? 0xAD : -1;
}

static int own_byte(unsigned c)
{
    int printable = (c >= 0x21 && c <= 0x7E) || (c >= 0xA1 && c <= 0xFF && c != 0xAD);
    return printable ? (int)c : -1;
}

/* Every character of the alphabet takes one or two bytes of UTF-8. */
ptrdiff_t el_byte_alphabet_read(const char *s, size_t n, char *out)
{
    const unsigned char *p = (const unsigned char *)s;
    ptrdiff_t count = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned c = p[i];
        if (c >= 0x80) {
            if ((c & 0xE0) != 0xC0 || i + 1 == n || (p[i + 1] & 0xC0) != 0x80)
                return -1;
            c = (c & 0x1Fu) << 6 | (p[++i] & 0x3Fu);
            if (c < 0x80)
                return -1;
        }
        int byte = c < 0x100 ? own_byte(c) : shifted_byte(c - 0x100);
        if (byte < 0)
            return -1;
        out[count++] = (char)byte;
    }
    return count;
}
