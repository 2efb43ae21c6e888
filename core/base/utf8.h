/* UTF-8 as table 3-7 of the Unicode standard has it: no overlong forms, no surrogates, nothing
 * above U+10FFFF. */
#ifndef EL_BASE_UTF8_H
#define EL_BASE_UTF8_H

#include <stddef.h>

/* Bytes of the well-formed character at s (1 to 4), or 0. n >= 1. */
size_t el_utf8_length(const char *s, size_t n);

/* Length of the longest well-formed prefix of s, and of the longest prefix in which no
 * well-formed character starts. For n >= 1 exactly one of the two is 0. */
size_t el_utf8_valid_prefix(const char *s, size_t n);
size_t el_utf8_invalid_prefix(const char *s, size_t n);

#endif
