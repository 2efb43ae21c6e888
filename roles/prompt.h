/* Prompts out: the four templates of a prompt set, and filling them in.
 *
 * A set is a folder with generate.txt, verify.txt, meta.txt and refine.txt. White space at the ends
 * of a file is dropped. Placeholders (blanks inside the braces are allowed):
 *
 *   {statement} {question} {problem}                       the problem X
 *   {proof} {solution}                                     the proof Y
 *   {analysis} {analyses} {proof analysis} {proof analyses} {evaluation} {rating}
 *                                                          the analysis V or Z
 *   {instruction} {proof_generation_prompt}                generate.txt, filled in
 *   {proofs_to_refine}                                     proofs, each followed by its analyses
 *   {reference} {rubric}                                   optional: reference solution, marking
 *                                                          scheme
 *   {?reference}...{/reference}                            kept only when the value is given (the
 *                                                          same for rubric); not nested. Outside of
 *                                                          it, {reference} makes the value
 *                                                          required
 *
 * | file         | must hold                                               | may hold          |
 * |--------------|---------------------------------------------------------|-------------------|
 * | generate.txt | statement                                               |                   |
 * | verify.txt   | statement, proof                                        | reference, rubric |
 * | meta.txt     | statement, proof, analysis                              | reference, rubric |
 * | refine.txt   | instruction or statement; proofs_to_refine, or proof    |                   |
 * |              | and analysis                                            |                   |
 *
 * Templates written for Python's str.format, as published sets are, load unchanged: {{text}} with
 * no brace or line break inside stands for {text}. Braces of LaTeX are text: a group right after a
 * command, ^ or _ (\boxed{proof}, x_{max}), and any group that is not a name of three or more
 * characters. What remains - {problme} - is refused as an unknown placeholder.
 *
 * Substitution is a single pass: inserted text is never searched for placeholders. Inserted text
 * loses the white space at its ends and nothing else. A proof is never cut. */
#ifndef EL_ROLES_PROMPT_H
#define EL_ROLES_PROMPT_H

#include "core/base/buf.h"
#include "core/base/digest.h"
#include "core/base/error.h"
#include "roles/slice.h"

#include <stddef.h>

struct el_prompt_set;

/* The names that a placeholder of a template may have, synonyms included: number i of them, NULL
 * behind the last. Static storage. */
const char *el_prompt_placeholder(int i);

/* Reads the four files of `dir`. Errors name the file and the placeholder: EL_EIO, EL_EFORMAT
 * (missing, unknown or misplaced placeholder, unclosed {?...}), EL_ELIMIT (a file over 1 MB),
 * EL_ENOMEM. The set is immutable and may be shared between threads. */
int el_prompt_set_load(const char *dir, struct el_prompt_set **out, struct el_error *err);
void el_prompt_set_free(struct el_prompt_set *set); /* NULL is fine */

/* Feeds the four templates into d, for the keys of random streams: two sets that would make
 * different prompts have different digests. The folder's name has no part in it. */
void el_prompt_set_digest(const struct el_prompt_set *set, struct el_digest *d);

/* Optional inputs of the judges; an absent view (data NULL) leaves its part of the template out. A
 * value that the template has no place for is EL_EINVAL: it would be lost without a word. */
struct el_prompt_extras {
    struct el_slice reference, rubric;
};

/* A proof with the analyses that the refiner shall act on. */
struct el_prompt_candidate {
    struct el_slice proof;
    const struct el_slice *analyses;
    size_t n_analyses;
};

/* Each appends the text of one user message to out (initialised by the caller), and leaves it as
 * it was on failure. extras may be NULL. EL_ENOMEM, EL_EINVAL. */
int el_prompt_generate(const struct el_prompt_set *set, struct el_slice statement,
                       struct el_buf *out, struct el_error *err);
int el_prompt_verify(const struct el_prompt_set *set, struct el_slice statement,
                     struct el_slice proof, const struct el_prompt_extras *extras,
                     struct el_buf *out, struct el_error *err);
int el_prompt_meta(const struct el_prompt_set *set, struct el_slice statement,
                   struct el_slice proof, struct el_slice analysis,
                   const struct el_prompt_extras *extras, struct el_buf *out, struct el_error *err);

/* n >= 1 candidates. {proofs_to_refine} becomes, for every candidate i and analysis j,
 *     --- Solution i ---
 *     PROOF
 *
 *     === Evaluation j of Solution i ===
 *     ANALYSIS
 * counted from 0 as in the published sets. A template with {proof} and {analysis} instead takes
 * exactly one candidate; one analysis is then inserted bare, several under "=== Evaluation j ==="
 * lines. */
int el_prompt_refine(const struct el_prompt_set *set, struct el_slice statement,
                     const struct el_prompt_candidate *candidates, size_t n, struct el_buf *out,
                     struct el_error *err);

#endif
