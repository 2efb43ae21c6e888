/* Final answers compared by rule: what stands in the last \boxed{} of a proof against the answer
 * that is stored with its problem. (On the small world the answer is the witness, and
 * data/world.h checks it exactly.)
 *
 * Two answers are equal when they agree after normalisation:
 *   - blanks, $, \( \) \[ \], spacing commands, \left \right and \displaystyle go; \text{},
 * \mathrm{} and the like leave their content; \dfrac and \tfrac are \frac, \cdot and \times are *,
 * \le is \leq; "{,}" inside a number, degree signs, and . , ; : at the end go;
 *   - \frac{a}{b} and \frac ab are a/b; braces around one character go;
 *   - "x = 3" equals "3" when only one of them has an equals sign, with a name in front of it (x,
 * a_1, f(x), (x,y), \alpha; not x^2, x+1, \sin x, x<); so do elements of lists;
 *   - "for all ..." at the end, which says where something holds, is not compared;
 *   - whole numbers, decimals and fractions of them are compared by value: 1/2 = 0.5 = \frac{2}{4};
 *   - lists at the outermost level, "1, 2", "\{1, 2\}", "1 and 2", are compared as sets; "(1, 2)"
 * is a tuple and keeps its order;
 *   - words (letters alone, two or more) are compared without case.
 * Nothing is simplified: 2^3 is not 8. So equal means equal, and unequal may be a form that this
 * rule does not see through. */
#ifndef EL_REWARDS_ANSWER_H
#define EL_REWARDS_ANSWER_H

#include <stddef.h>

enum {
    EL_ANSWER_BYTES = 512, /* longer ones, normalised, are equal to nothing */
    EL_ANSWER_WORDS = 3,   /* the most that a stored answer may have outside formulas */
};

/* The content of the last \boxed{...} whose brace is closed: 1 with its place, 0 when there is
 * none. */
int el_answer_boxed(const char *text, size_t n, size_t *at, size_t *len);

/* What is compared of a stored answer is all of it, or the one formula that ends a sentence: "The
 * limit equals $x$." (behind is, are, be, equals or with).
 *
 * 1 when the rule can decide about this stored answer: not NULL, not blank, not too long, and no
 * prose (at most EL_ANSWER_WORDS words of two letters or more outside of formulas). */
int el_answer_checkable(const char *stored);

int el_answer_equal(const char *a, size_t na, const char *b, size_t nb);

/* 1 when the last box of the proof equals the stored answer, 0 when it does not or there is none;
 * NaN when the stored answer is not checkable. */
double el_reward_final_answer(const char *proof, size_t n, const char *stored);

#endif
