/* Inside the reply parsers: the compiled patterns and one pass over one text with them. Not for
 * other rooms. */
#ifndef EL_ROLES_REPLY_SCAN_H
#define EL_ROLES_REPLY_SCAN_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include "roles/reply.h"

#include <pcre2.h>

enum el_pattern {
    EL_PATTERN_EVALUATION, /* the verifier's first key phrase */
    EL_PATTERN_VERDICT,    /* its second one, before the box */
    EL_PATTERN_META_ANALYSIS,
    EL_PATTERN_META_VERDICT,
    EL_PATTERN_SOLUTION,        /* the heading line, without its line break */
    EL_PATTERN_SELF_EVALUATION, /* the same */
    EL_PATTERN_BOX,             /* "\boxed{": ends behind the opening brace */
    EL_PATTERNS
};

/* One text being parsed. `text` is never NULL. */
struct el_scan {
    const struct el_reply_parser *parser;
    pcre2_match_data *match;
    const char *text;
    size_t n;
};

int el_scan_init(struct el_scan *s, const struct el_reply_parser *p, const char *text, size_t n,
                 struct el_error *err);
void el_scan_release(struct el_scan *s);

/* The first or the last match that begins in [from, to): 1 and *found, 0 for none, EL_ENOMEM. A
 * match limit that is hit counts as no match, so that a hostile text ends in a named failure; the
 * patterns do not backtrack, so no text is known to reach it. */
int el_scan_first(const struct el_scan *s, enum el_pattern pattern, size_t from, size_t to,
                  struct el_span *found);
int el_scan_last(const struct el_scan *s, enum el_pattern pattern, size_t from, size_t to,
                 struct el_span *found);

/* [from, to) without white space at its ends. */
struct el_span el_scan_trim(const struct el_scan *s, size_t from, size_t to);

/* Rules 3 and 4 of reply.h on the part [from, n) of the text: fills halves, analysis and
 * text_failure of *reply. */
int el_scan_analysis(const struct el_scan *s, enum el_pattern first, enum el_pattern second,
                     size_t from, struct el_reply *reply);

/* Rule 4: the first box in [from, n). Returns EL_REPLY_OK, EL_REPLY_NO_BOXED_SCORE,
 * EL_REPLY_ILLEGAL_SCORE, or EL_ENOMEM (negative). */
int el_scan_box(const struct el_scan *s, size_t from, int *halves);

/* Rule 5 on [from, n). */
int el_scan_generator(const struct el_scan *s, size_t from, struct el_reply *reply);

#endif
