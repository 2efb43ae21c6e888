/* Language consistency: the share of words that are in the target language, as in DeepSeek-R1
 * (arXiv 2501.12948, section 2.3.2: "the proportion of target language words").
 *
 * A language is known by its script, so it tells Chinese from English and Russian from German, but
 * not English from German. What counts as a word in a mathematical text:
 *   - formulas do not count: $...$, $$...$$, \(...\), \[...\], and \begin{X}...\end{X} of equation,
 *     align, gather, multline, cases and matrices; nor commands (\frac, \text; what stands in the
 * braces of a command outside of formulas does), nor names of functions (sin, log, gcd, mod, ...);
 *   - a word is a run of letters of one script, two or more: single letters are variables. Of Han
 * and kana each character is a word, since they are written without spaces; marks, digits and signs
 *     belong to no word.
 * Malformed UTF-8 is passed over. */
#ifndef EL_REWARDS_LANGUAGE_H
#define EL_REWARDS_LANGUAGE_H

#include <stddef.h>

/* "en", "de", "fr", "es", "it", "pt": Latin; "zh": Han; "ja": Han and kana; "ko": Hangul; "ru":
 * Cyrillic; "el": Greek; "ar": Arabic; "he": Hebrew; "hi": Devanagari. */
struct el_language;
/* NULL for an unknown name. */
const struct el_language *el_language_find(const char *name);

struct el_language_count {
    long words, target;
};
struct el_language_count el_language_count(const struct el_language *l, const char *text, size_t n);

/* target / words; 1 for a text without words: nothing in it is in another language. */
double el_reward_language_consistency(const struct el_language *l, const char *text, size_t n);

#endif
