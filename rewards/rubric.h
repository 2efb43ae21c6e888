/* Rubric items that a rule can check: DeepSeek-V3.2 (section 3.1) gives prompts rubrics of their
 * own. There a model judges them; that way is open too, by showing the rubric to the verifier
 * (training/rl/recipe.h, "show_rubric"). Here is what needs no judge:
 *
 *   items        patterns (PCRE2, over UTF-8; bytes that are not UTF-8 match nothing) that must, or
 * must not, be found in one part of a reply; each is worth its points guidelines   the grading
 * guidelines of a problem: every numbered or bulleted line is an item, earned when all of its
 * formulas ($...$) stand in the proof, blanks and spacing commands aside. Formulas of fewer than
 * EL_RUBRIC_FORMULA characters ("n", "64") prove nothing and are not looked for; a line without
 * others cannot be checked and is no item.
 *
 * A rule sees what is written, not whether it is proved: such terms are hints for small weights. */
#ifndef EL_REWARDS_RUBRIC_H
#define EL_REWARDS_RUBRIC_H

#include "core/base/error.h"

#include <stddef.h>

enum { EL_RUBRIC_FORMULA = 4 };

enum el_rubric_part {
    EL_RUBRIC_REPLY,    /* everything that was written, reasoning too */
    EL_RUBRIC_PROOF,    /* Y, of who writes one */
    EL_RUBRIC_ANALYSIS, /* V or Z */
    EL_RUBRIC_PARTS
};
/* "reply", "proof", "analysis"; -1 for an unknown name. */
int el_rubric_part_find(const char *name);

struct el_rubric_item {
    const char *name, *pattern;
    enum el_rubric_part part;
    double points; /* > 0 */
    int absent;    /* 1: earned where the pattern is NOT found */
};

/* Compiled items; immutable. EL_EFORMAT names the item and what is wrong with its pattern. */
struct el_rubric;
int el_rubric_create(const struct el_rubric_item *items, int n, struct el_rubric **out,
                     struct el_error *err);
void el_rubric_free(struct el_rubric *r); /* NULL is fine */

struct el_rubric_text {
    const char *data; /* NULL: this part does not exist, its items do not apply */
    size_t n;
};

struct el_rubric_points {
    double earned, of;
};

/* Adds the items that apply to *points. A pattern that runs into PCRE2's limits earns nothing,
 * found or not. 0 or EL_ENOMEM. */
int el_rubric_check(const struct el_rubric *r, const struct el_rubric_text part[EL_RUBRIC_PARTS],
                    struct el_rubric_points *points, struct el_error *err);

/* Adds the items of grading guidelines, a point each. */
void el_rubric_guidelines(const char *guidelines, const char *proof, size_t n,
                          struct el_rubric_points *points);

/* earned / of; NaN when nothing applied. */
double el_rubric_share(const struct el_rubric_points *points);

#endif
