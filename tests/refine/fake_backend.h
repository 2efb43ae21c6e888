/* A scripted completion backend. Its replies are a function of the request (prompt and key), as a
 * real backend's are; the order in which they come, and whether the infrastructure fails, are not.
 *
 * It reads prompts of configs/prompts/small and answers in the small world's format: right and
 * wrong proofs, self-evaluations that are true or claim too much, analyses that are true or flawed,
 * true and wrong meta-assessments, and replies that are malformed, unscored or truncated. A
 * refinement mends the proof where the analyses it is given are about this proof, and errs
 * otherwise. */
#ifndef EL_TESTS_FAKE_BACKEND_H
#define EL_TESTS_FAKE_BACKEND_H

#include "core/run/completion.h"

#include <stddef.h>

struct fake_options {
    int room;            /* requests in flight; 0: 8 */
    uint64_t order_seed; /* 0: first in, first out; else a random order of this seed */
    int error_every;     /* every n-th completion is an infrastructure error; 0: none */
    int refuse_over;     /* prompts of more bytes are refused; 0: no limit */
    int refuse_late;     /* 1: by a completion, 0: at submission, as the local engine does */
    int die_after;       /* SIGKILL to this process at the n-th poll; 0: never */
    int stop_after;      /* sets el_stop_requested at the n-th poll; 0: never */
    double malformed;    /* share of replies without the format */
    double truncated, unscored;
    double judge_malformed; /* of the verifier's and the meta-verifier's replies */
    const char *script;     /* every generator's reply, NULL: the small world's */
    const char *verifier_script, *meta_script;
};

/* Statistics live in the backend's options block and can be read while it exists. */
struct fake_counts {
    int submitted, answered, errors, refused, attempts, analyses, metas;
};

struct el_backend *fake_backend_create(const struct fake_options *o);
const struct fake_counts *fake_backend_counts(const struct el_backend *b);
/* The largest number of requests that were in flight at one time. */
int fake_backend_peak(const struct el_backend *b);

#endif
