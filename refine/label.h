/* Running automatic labelling: the driver between the state (refine/labelling.h), the store and the
 * completion backends (refine/dispatch.h).
 *
 * What comes next is decided from the stored state. So a run that was stopped in any way is resumed
 * by the same call and ends with the decisions of an uninterrupted one; one that is complete asks
 * for nothing. Another rule asks for what it needs beyond what is stored, and decides anew.
 *
 * A decision is committed with the reply that completed it. A label enters the store as a score of
 * rater kind `label` for every proof with the text; its rater is "NAME@" and the beginning of the
 * verifier's digest.
 *
 * Job keys: the round is 0, the sample index counts the analyses of a proof text, or the
 * meta-assessments of an analysis text.
 *
 * Failures, by whose they are
 *   judge    an analysis or a meta-assessment does not parse: asked again judge_retries times,
 *            then dropped and counted; never scored
 *   context  the prompt is too long: dropped as "prompt_over_context", and asked again by whoever
 *            goes on with the run. Nothing is ever cut.
 *   infrastructure  no reply: asked again later */
#ifndef EL_REFINE_LABEL_H
#define EL_REFINE_LABEL_H

#include "core/base/progress.h"
#include "refine/label_load.h"
#include "roles/prompt.h"

/* Everything is borrowed and must outlive the handle. */
struct el_label_options {
    struct el_store *store;
    const struct el_label_settings *settings;
    const struct el_label_proofs *proofs;
    const struct el_prompt_set *prompts;
    struct el_backend *verifier, *meta_verifier; /* may be the same */
    struct el_progress *progress;                /* may be NULL */
    int max_outages;                             /* 0: 8 */
    int backoff_ms;                              /* the first pause; 0: 500 */
    int group;                                   /* replies in one commit at most; 0: 64 */
};

struct el_labeller;

/* Finds the run of this name or begins it, takes its lock, reads what it has stored and decides
 * what that decides. EL_EREFUSED when a run of this name has other settings, models or prompts (the
 * message says which); EL_EBUSY when another process is running it. *warning (at least 256 bytes)
 * becomes "" or a sentence for the user: the run was begun in another attention mode, of which
 * either judge has one. */
int el_labeller_open(const struct el_label_options *o, struct el_labeller **out, char *warning,
                     struct el_error *err);
void el_labeller_close(struct el_labeller *c); /* NULL is fine */

/* What is still to come, for the line that is printed before the start. */
struct el_label_cost {
    int proofs, texts;                   /* rows; distinct texts */
    int decided;                         /* of the texts */
    int64_t stored;                      /* replies that are there */
    int64_t analyses;                    /* further ones, exactly, retries not counted */
    int64_t metas, metas_max;            /* further ones as far as can be told; at most */
    int64_t completion_tokens_max;       /* all of them at their max_tokens */
    double analysis_tokens, meta_tokens; /* mean of the stored ones; NaN: none yet */
};
void el_labeller_cost(const struct el_labeller *c, struct el_label_cost *out);

/* Runs to the end: 0. EL_EINTR after el_stop_requested, with what is stored and how to go on. Other
 * errors are the store's or the backends'; everything stored before stays. */
int el_labeller_go(struct el_labeller *c, struct el_error *err);

#endif
