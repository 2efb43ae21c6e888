/* Rubric items that a rule can check. DeepSeek-V3.2 (section 3.1) gives prompts without a rule
 * rubrics of their own, which a model judges; that way is open, too, by showing a problem's rubric
 * to the verifier (training/rl/recipe.h, "show_rubric"). Here is what needs no judge: patterns that
 * must, or must not, be found in one part of a reply, each worth its points.
 *
 * Patterns are PCRE2 over UTF-8, over several lines (^ and $ are the ends of a line); bytes that
 * are not UTF-8 match nothing. Items stand in a recipe, or in the rubric of a problem, where they
 * are lines that end in a pattern:
 *
 *   1. [2] Proved the recursion: /a_n *= *2 *a_\{n-1\}/
 *   - Did not assume convergence: !/(?i)since it converges/
 *
 * Bullet and points (1) may be left out; !/.../ must not be found. Other lines are for people. They
 * are not guessed at: grading guidelines in prose say what must be proved, and no formula that
 * stands in a proof shows that it was. */
#ifndef EL_REWARDS_RUBRIC_H
#define EL_REWARDS_RUBRIC_H

#include "core/base/error.h"

#include <stddef.h>

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
/* The items in the rubric of a problem, about its proof; *out NULL when it has none. Errors name
 * the line. */
int el_rubric_read(const char *text, struct el_rubric **out, struct el_error *err);
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

/* earned / of; NaN when nothing applied. */
double el_rubric_share(const struct el_rubric_points *points);

#endif
