/* A competition as a pure function from stored results to the next jobs.
 *
 * P problems, N threads each, at most T attempts a thread. A thread begins with a proof from the
 * generator and then refines its own last readable one, until its self-score is 1. The state below
 * is rebuilt from the store at every start and then follows result by result; each costs O(1).
 *
 *                      el_competition_take           el_competition_attempt
 *             .-> READY ------------------> IN_FLIGHT ----------------------> settle
 *             |     ^                          |                                |
 *             |     '--------------------------+  el_competition_refused:       |
 *             |        one analysis fewer      |  the prompt does not fit       |
 *             |                                '---------> REFUSED              |
 *             |                                                                 |
 *             |   settle                                                        |
 *             +<-------- nothing to wait for <----------------------------------+
 *             +<-------- AWAIT_ROUND     the others' round is complete    <-----+
 *             '<-------- AWAIT_ANALYSES  el_competition_analysis, the last <----+
 *                                        SOLVED   the self-score is 1     <-----+
 *                                        SPENT    T attempts were made    <-----'
 *
 * Invariants (el_competition_check tests them)
 *   1. The attempts 1..round of a thread are stored, the later ones are not.
 *   2. Only the last stored attempt of a thread may have self-score 1, and then, only then, the
 *      thread is SOLVED.
 *   3. SPENT: round is T. Every other state: round is below T, or the thread is SOLVED.
 *   4. READY threads are in the queue of attempts exactly once, others are not in it.
 *   5. AWAIT_ANALYSES: one of the first `feedback_analyses` of the source's text is outstanding,
 * and the thread stands in that text's list of waiters exactly once.
 *   6. AWAIT_ROUND: the control is shuffle, and a thread of the problem (or, in round 1, of the
 *      competition) has neither finished nor made as many attempts.
 *   7. SOLVED, SPENT and REFUSED are for ever; `unfinished` counts the others.
 *   8. When `analyses` is above 0, all of them are wanted of every finished thread's final text.
 *
 * Rules
 *   - A reply that does not parse stands as a failed attempt: it is not repeated. The next attempt
 *     refines the last attempt that parsed, or starts afresh when there is none.
 *   - A thread's final proof after T attempts is that of its last attempt with a proof. A reply
 *     whose self-evaluation cannot be read, but whose proof can, has a proof without a self-score;
 *     a truncated reply has none.
 *   - Equal proof texts of a problem are one text, which shares its analyses: a judge is asked
 *     about texts, and its votes do not depend on who wrote them. */
#ifndef EL_REFINE_COMPETITION_H
#define EL_REFINE_COMPETITION_H

#include "core/base/error.h"
#include "refine/map.h"
#include "refine/settings.h"

#include <stddef.h>
#include <stdint.h>

enum el_thread_state {
    EL_THREAD_NEW, /* before el_competition_start */
    EL_THREAD_READY,
    EL_THREAD_IN_FLIGHT,
    EL_THREAD_AWAIT_ROUND,
    EL_THREAD_AWAIT_ANALYSES,
    EL_THREAD_SOLVED,
    EL_THREAD_SPENT,
    EL_THREAD_REFUSED
};

/* One reply of the generator or the refiner. */
struct el_attempt {
    int64_t job, proof, self; /* rows of the store; proof, self 0: none */
    int text;                 /* of its proof, -1: none */
    int failure;              /* enum el_reply_failure */
    int prompt_tokens, completion_tokens;
    int dropped; /* analyses left out because the prompt would not fit */
    signed char halves;
    unsigned char stored, refined;
};

enum el_vote_state { EL_VOTE_NONE, EL_VOTE_DONE, EL_VOTE_DROPPED };
struct el_vote_record {
    int64_t job, analysis; /* job 0: no row yet */
    int prompt_tokens, completion_tokens;
    int attempts; /* replies stored */
    int refusals; /* of these, prompts that did not fit */
    signed char state, halves;
};

struct el_text {
    int problem;
    int64_t proof; /* a row with this text */
    size_t bytes;
    struct el_vote_record *votes; /* (cap) by sample */
    int cap, wanted;
    int waiter; /* first thread that waits, -1: none */
};

struct el_thread {
    enum el_thread_state state;
    int round;       /* attempts stored */
    int next_waiter; /* in the list of a text */
    unsigned char queued;
};

enum el_task_kind { EL_TASK_ATTEMPT, EL_TASK_ANALYSIS };
struct el_task {
    enum el_task_kind kind;
    int thread;       /* ATTEMPT: index of the thread, problem * threads + number */
    int text, sample; /* ANALYSIS */
};

struct el_task_queue {
    struct el_task *items;
    size_t head, count, cap;
};

struct el_competition {
    struct el_settings set;
    int n_problems;
    struct el_thread *threads;   /* (n_problems * set.threads) */
    struct el_attempt *attempts; /* (n_problems * set.threads, set.rounds) */
    struct el_text *texts;
    int n_texts, cap_texts;
    struct el_map by_digest, by_proof; /* -> text */
    struct el_task_queue queue[2];     /* by kind */
    int *past;                         /* (n_problems, set.rounds): threads that are beyond it */
    int64_t first_rounds;              /* threads beyond round 1, of all problems */
    int started;
    /* For progress: what is stored, and what may still come. */
    int64_t stored_attempts, stored_analyses, outstanding_analyses, rounds_left;
    int unfinished;
};

int el_competition_init(struct el_competition *c, const struct el_settings *s, int n_problems,
                        struct el_error *err);
void el_competition_release(struct el_competition *c);

static inline int el_competition_threads(const struct el_competition *c)
{
    return c->n_problems * c->set.threads;
}

/* Attempt `round` (1..T) of a thread. */
static inline struct el_attempt *el_competition_at(const struct el_competition *c, int thread,
                                                   int round)
{
    return &c->attempts[(size_t)thread * (size_t)c->set.rounds + (size_t)(round - 1)];
}

int el_thread_is_finished(enum el_thread_state state);
/* 1 when the attempt's reply parsed as a whole. */
int el_attempt_is_whole(const struct el_attempt *a);

/* The text of a stored proof, added when it is new: its index, or EL_ENOMEM. */
int el_competition_text(struct el_competition *c, int problem, const char *text, size_t n,
                        int64_t proof, struct el_error *err);

/* Records what the store holds. Before el_competition_start this only fills tables; afterwards it
 * moves the thread on. EL_EFORMAT when it is not the thread's next attempt. */
int el_competition_attempt(struct el_competition *c, int thread, int round,
                           const struct el_attempt *a, struct el_error *err);
int el_competition_analysis(struct el_competition *c, int text, int sample,
                            const struct el_vote_record *v, struct el_error *err);
/* The prompt of the thread's attempt `round` does not fit with `dropped` analyses left out. */
int el_competition_refused(struct el_competition *c, int thread, int round, int dropped,
                           struct el_error *err);

/* Decides for every thread what comes next. Call it once, after loading. */
int el_competition_start(struct el_competition *c, struct el_error *err);

/* The next job of a kind: 1, or 0 when none is ready now. The caller must answer every attempt with
 * el_competition_attempt or _refused, every analysis with el_competition_analysis. */
int el_competition_take(struct el_competition *c, enum el_task_kind kind, struct el_task *out);

/* The attempt that attempt `round` of the thread refines; NULL: it starts afresh. */
const struct el_attempt *el_competition_base(const struct el_competition *c, int thread, int round);
/* The attempt whose analyses it is given: the base itself, except in the control shuffle. */
const struct el_attempt *el_competition_source(const struct el_competition *c, int thread,
                                               int round);
/* Rows of the analyses for attempt `round`, in their order, `dropped` already left out from the
 * end: the self-analysis (feedback self, both), then the verifier's that parsed (verifier, both).
 * Where the verifier's were all dropped, the self-analysis stands in. Returns their number, at most
 * 1 + feedback_analyses; 0 for a fresh start. */
int el_competition_feedback(const struct el_competition *c, int thread, int round, int dropped,
                            int64_t *analyses);

/* The last attempt with a proof among the first `rounds` (or fewer) of a thread; NULL: none. */
const struct el_attempt *el_competition_final(const struct el_competition *c, int thread,
                                              int rounds);

/* Upper bound of the replies of the whole run, as known now. */
int64_t el_competition_bound(const struct el_competition *c);

/* NULL, or the invariant that does not hold. Looks at everything. */
const char *el_competition_check(const struct el_competition *c);

/* The donor of the control shuffle (refine/donor.c). */
const struct el_attempt *el_competition_donor(const struct el_competition *c, int thread,
                                              int base_round, int round);
/* 1 when every thread of the problem has made `round` attempts or finished, and every thread of the
 * competition its first. */
int el_competition_round_complete(const struct el_competition *c, int problem, int round);

#endif
