/* The spelling of bytes in byte-level vocabularies (GPT-2): every byte is one printable character,
 * so that a vocabulary file holds any byte string as text. The bytes 0x21-0x7E, 0xA1-0xAC and
 * 0xAE-0xFF are spelled as the character of that number; the 68 others, in order, as U+0100 and
 * up (a space is U+0120). */
#ifndef EL_TEXT_BYTE_ALPHABET_H
#define EL_TEXT_BYTE_ALPHABET_H

#include <stddef.h>

/* Turns the spelling s[0..n) into bytes at out, which has room for n. Returns how many, or -1 when
 * a character is not of the alphabet (out then holds rubbish). */
ptrdiff_t el_byte_alphabet_read(const char *s, size_t n, char *out);

#endif
