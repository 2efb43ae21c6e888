/* The classes of characters that the flags of added tokens look at. Private to core/text. */
#ifndef EL_TEXT_CHARCLASS_H
#define EL_TEXT_CHARCLASS_H

#include <stddef.h>

/* Bytes of the character that starts at, or ends before, text[at] when it is a word character (\w
 * of Unicode Technical Standard #18, annex C: letters, marks, decimal digits, connectors, joiners)
 * or white space; 0 for any other, for bytes that are no character, and at the ends of
 * text[0..n). */
size_t el_word_after(const char *text, size_t n, size_t at);
size_t el_word_before(const char *text, size_t at);
size_t el_space_after(const char *text, size_t n, size_t at);
size_t el_space_before(const char *text, size_t at);

#endif
