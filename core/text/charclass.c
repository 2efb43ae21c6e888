#include "core/text/charclass.h"

#include "core/base/utf8.h"

#include <utf8proc.h>

/* Alphabetic characters among the symbols: circled, parenthesised and squared Latin letters. */
static int is_letter_symbol(int32_t c)
{
    return (c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) ||
           (c >= 0x1F150 && c <= 0x1F169) || (c >= 0x1F170 && c <= 0x1F189);
}

static int is_word(int32_t c)
{
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC:
        return 1;
    default:
        return c == 0x200C || c == 0x200D || is_letter_symbol(c);
    }
}

static int is_space(int32_t c)
{
    return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
           c == 0x205F || c == 0x3000;
}

static size_t in_class(const char *text, size_t n, int (*class)(int32_t))
{
    int32_t c;
    if (n == 0 || utf8proc_iterate((const unsigned char *)text, (ptrdiff_t)n, &c) != (ptrdiff_t)n)
        return 0;
    return class(c) ? n : 0;
}

static size_t length_after(const char *text, size_t n, size_t at)
{
    return at < n ? el_utf8_length(text + at, n - at) : 0;
}

static size_t length_before(const char *text, size_t at)
{
    for (size_t k = 1; k <= 4 && k <= at; k++)
        if (el_utf8_length(text + at - k, k) == k)
            return k;
    return 0;
}

size_t el_word_after(const char *text, size_t n, size_t at)
{
    return in_class(text + at, length_after(text, n, at), is_word);
}

size_t el_word_before(const char *text, size_t at)
{
    size_t k = length_before(text, at);
    return in_class(text + at - k, k, is_word);
}

size_t el_space_after(const char *text, size_t n, size_t at)
{
    return in_class(text + at, length_after(text, n, at), is_space);
}

size_t el_space_before(const char *text, size_t at)
{
    size_t k = length_before(text, at);
    return in_class(text + at - k, k, is_space);
}
