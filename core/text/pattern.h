/* Regular expressions of a tokenizer.json, which are written for Oniguruma, as PCRE2 reads them.
 * Private to core/text.
 *
 * The two engines agree on most of what pre-tokenizers use and disagree silently on some: \s holds
 * U+180E in PCRE2 with Unicode properties, \v, \h and \w are other sets, classes nest in Oniguruma
 * alone, a possessive {n}+ is possessive in PCRE2 alone. What is known to mean the same passes,
 * what can be said in other words is translated, and the rest is refused by name:
 *
 * As it stands: characters; . ^ $ | ( ) (?: (?i: (?= (?! (?<= (?<! (?>; the repeats * + ? {n} {n,}
 * {n,m}, those but {} also lazy and possessive; classes; \d \D, \p{X} and \P{X} for general
 * categories X; \t \n \r \f \a \e \A \z; escaped punctuation.
 *
 * Translated: \s and \S, \v, \uHHHH, \xHH below 80, classes inside classes.
 *
 * Refused: every other letter or digit behind a backslash, \S in a class, && and [: in a class,
 * every other group.
 *
 * (?i: ) folds one character to one: Oniguruma's folding of several ("ss" and U+00DF) is not done.
 */
#ifndef EL_TEXT_PATTERN_H
#define EL_TEXT_PATTERN_H

#include "core/base/buf.h"
#include "core/base/error.h"

/* Appends the translation to out. EL_EREFUSED with the construct and its place, EL_ENOMEM. What is
 * no regular expression at all is left for PCRE2 to complain about. */
int el_pattern_translate(const char *pattern, struct el_buf *out, struct el_error *err);

#endif
