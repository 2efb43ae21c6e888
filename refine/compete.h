/* Running a competition: the driver between the state (refine/competition.h), the store and the
 * completion backends (refine/dispatch.h, which says how jobs get their keys, when replies are
 * committed and what happens without a reply).
 *
 * What comes next is decided from the stored state. So a run that was stopped in any way is resumed
 * by the same call, and its report is, byte for byte, that of an uninterrupted run. A run that is
 * complete asks for nothing.
 *
 * Job keys. For an attempt of a thread the sample index is the thread's number; for an analysis the
 * round is 0 and the sample index its number among the analyses of that text. Neither the run's
 * name nor its control is in the key, so the runs of one seed that differ in these share their
 * first round draw by draw.
 *
 * Failures, by whose they are
 *   policy   the generator's reply does not parse: stored with its name; the thread goes on
 *   judge    an analysis does not parse: asked again, then dropped and counted
 *   context  the prompt is too long: an analysis fewer, recorded as the drop
 *            "analysis_over_context"; with none to leave out, "prompt_over_context": the thread
 *            ends, or the analysis is dropped. A proof is never cut. Whoever goes on with the run
 *            asks what ended a thread or was dropped again, since the context is none of the run's
 *            settings and may have grown; attempts that were made with fewer analyses stay.
 *   infrastructure  no reply: asked again later */
#ifndef EL_REFINE_COMPETE_H
#define EL_REFINE_COMPETE_H

#include "core/base/progress.h"
#include "core/run/completion.h"
#include "data/store.h"
#include "refine/contest.h"
#include "refine/settings.h"
#include "roles/prompt.h"

/* Everything is borrowed and must outlive the handle. */
struct el_compete_options {
    struct el_store *store;
    const struct el_settings *settings;
    const struct el_contest *contest;
    const struct el_prompt_set *prompts;
    struct el_backend *generator, *verifier; /* may be the same */
    struct el_progress *progress;            /* may be NULL */
    int max_outages;                         /* 0: 8 */
    int backoff_ms;                          /* the first pause; 0: 500 */
    int group;                               /* replies in one commit at most; 0: 64 */
};

struct el_compete;

/* Finds the run of this name or begins it, takes its lock and reads what it has stored.
 * EL_EREFUSED when a run of this name has other settings, problems, models or prompts (the message
 * says which); EL_EBUSY when another process is running it. *warning (at least 256 bytes) becomes
 * "" or a sentence for the user: the run was begun in another attention mode. */
int el_compete_open(const struct el_compete_options *o, struct el_compete **out, char *warning,
                    struct el_error *err);
void el_compete_close(struct el_compete *c); /* NULL is fine */

int64_t el_compete_run_id(const struct el_compete *c);

/* What is still to come, for the line that is printed before the start. */
struct el_compete_cost {
    int64_t stored;                     /* replies that are there */
    int64_t attempts_min, attempts_max; /* further replies of generator and refiner */
    int64_t analyses_max;               /* further replies of the verifier */
    int64_t completion_tokens_max;      /* all of them at their max_tokens */
    double tokens_per_attempt;          /* mean of the stored ones; 0: none yet */
};
void el_compete_cost(const struct el_compete *c, struct el_compete_cost *out);

/* Runs to the end: 0, and the run is marked as done, unless nothing could be asked
 * (el_compete_check_asked). EL_EINTR after el_stop_requested, with what is stored and how to go on.
 * Other errors are the store's or the backends'; everything stored before stays. */
int el_compete_go(struct el_compete *c, struct el_error *err);

/* Behind el_compete_go. EL_ELIMIT when no problem's prompt fitted into the context, so that not one
 * proof was asked for; that is stored, and whoever calls again with a larger context goes on. */
int el_compete_check_asked(const struct el_compete *c, struct el_error *err);

#endif
