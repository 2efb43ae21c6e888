/* Jobs through completion backends into the store: what every run shares that asks a model for many
 * replies. A competition (refine/compete.h) and automatic labelling (refine/label.h) each own one.
 *
 * The owner says which job comes next and what a reply means; the dispatcher keeps requests in
 * flight, parses and stores what comes, and asks again. For every job it calls the owner's
 *
 *   take      the next task
 *   describe  the job's row, sampling parameters and prompt
 *   receive   a parsed reply: the owner stores it (el_dispatch_put) and moves its state on
 *   refuse    the prompt does not fit: the same with el_dispatch_put_refusal
 *
 * Every reply is stored as soon as it comes, all or nothing with what it produced. Replies that
 * come within a tenth of a second share one commit (each costs an fsync, measured 4 ms where a
 * small model answers in less), but a backend that made us wait is never waited for with anything
 * uncommitted.
 *
 * Job keys. The key of a job in the store is the digest of (seed, model digest, role, problem,
 * round, prompt hash, sampling parameters, thinking, sample index); the random stream of its
 * attempt a is keyed by the digest of (job key, a), where refusals are not counted. So a reply does
 * not depend on the run that asks for it, nor on what else is asked, nor on whether a smaller
 * context refused it once.
 *
 * Failures. A judge's reply that does not parse is asked for again with the next attempt number, up
 * to judge_retries times, then dropped and counted with the length of the proof. Infrastructure (no
 * reply): asked again after a pause that doubles; after max_outages in a row of one job the run
 * stops with EL_EIO and can be resumed. */
#ifndef EL_REFINE_DISPATCH_H
#define EL_REFINE_DISPATCH_H

#include "core/run/completion.h"
#include "data/store.h"
#include "roles/role.h"

enum { EL_DISPATCH_KINDS = 2 };

/* A job between being taken and being settled. */
struct el_flight {
    /* The task, set by take. */
    int task[3]; /* the owner's own numbers */
    int kind;    /* below EL_DISPATCH_KINDS: which backend is asked; set before take is called */
    /* The job, set by describe, which is called before every submission. */
    enum el_role role;
    const char *problem_key; /* borrowed until the job is settled */
    const struct el_sampling *sampling;
    int index;          /* the sample index of the key */
    int attempt;        /* replies of this job that are stored */
    int refusals;       /* of these, prompts that did not fit: no tries of the model's */
    size_t proof_bytes; /* length of the proof concerned, 0: none */
    struct el_job row;  /* id (0: no row yet), problem, thread, round, sample, proof, analysis */
    char *inputs;       /* of the row: JSON, owned by the flight, or NULL */
    /* The dispatcher's. */
    char key[EL_DIGEST_HEX];
    int outages;       /* in a row */
    double due, asked; /* when to ask again, 0: at once; when it was submitted */
    int in_use, next;  /* of a list */
};

/* A reply taken apart; the texts are clean copies without NUL bytes, valid during receive. */
struct el_parsed {
    struct el_reply reply;
    const char *proof, *analysis; /* NULL: absent */
    int prompt_tokens, completion_tokens;
};

struct el_dispatch;

struct el_dispatch_owner {
    void *self;
    /* Sets f->task to the next task of f->kind: 1, or 0 when none is ready now. */
    int (*take)(void *self, struct el_flight *f);
    /* 1 when take would give one. */
    int (*ready)(void *self, int kind);
    /* Sets the job and appends its prompt. */
    int (*describe)(void *self, struct el_flight *f, struct el_buf *prompt, struct el_error *err);
    /* r holds text, reasoning and outcome. 0: settled; 1: to be asked again; or a failure. */
    int (*receive)(void *self, struct el_flight *f, const struct el_parsed *p,
                   struct el_job_result *r, struct el_error *err);
    int (*refuse)(void *self, struct el_flight *f, struct el_error *err);
    /* Something may have changed. */
    void (*show)(void *self);
};

/* Everything is borrowed. */
struct el_dispatch_options {
    struct el_store *store;
    int64_t run;
    struct el_backend *backend[EL_DISPATCH_KINDS]; /* by kind; may be the same */
    uint64_t seed;
    int thinking, judge_retries;
    int max_outages; /* 0: 8 */
    int backoff_ms;  /* the first pause; 0: 500 */
    int group;       /* replies in one commit at most; 0: 64 */
};

struct el_side {
    struct el_backend *backend;
    int in_flight;
};

struct el_dispatch {
    struct el_dispatch_options o;
    struct el_dispatch_owner owner;
    struct el_reply_parser *parser;
    struct el_side side[EL_DISPATCH_KINDS]; /* n_sides 1: both kinds ask the same backend */
    int n_sides, turn;
    struct el_flight *flights;
    int n_flights, cap_flights, free_flight;
    int again;          /* list of flights that wait to be asked again, -1: none */
    int grouped;        /* replies in the open transaction; 0: none is open */
    double group_begin; /* when it was opened */
    double long_wait;   /* the longest of the last polls, of which each counts half the next one:
                           two replies may come at once between long waits */
    struct el_buf prompt, scratch[3];
};

int el_dispatch_init(struct el_dispatch *d, const struct el_dispatch_options *o,
                     const struct el_dispatch_owner *owner, struct el_error *err);
void el_dispatch_release(struct el_dispatch *d); /* one that is all zero is fine */

/* Until no task is ready and nothing is in flight: 0. EL_EINTR after el_stop_requested (no
 * message). Other errors are the store's, the backends' or the owner's; everything stored before
 * stays. */
int el_dispatch_go(struct el_dispatch *d, struct el_error *err);

/* For receive: what a judge's reply that parsed (or not) makes of its job: r's state and drop
 * reason are set. 1: it is to be asked again. */
int el_dispatch_judge(const struct el_dispatch *d, const struct el_flight *f,
                      const struct el_parsed *p, struct el_job_result *r);
/* Stores a reply, makes the job's row when there is none, and reads the job back (release it). */
int el_dispatch_put(struct el_dispatch *d, struct el_flight *f, const struct el_job_result *r,
                    struct el_job *job, struct el_error *err);
/* Stores that the prompt does not fit; the job has failed for `reason`. */
int el_dispatch_put_refusal(struct el_dispatch *d, struct el_flight *f, const char *reason,
                            struct el_error *err);
/* The tries of before: stored replies, without refusals. */
static inline int el_flight_tries(const struct el_flight *f)
{
    return f->attempt - f->refusals;
}
/* The origin of what the reply produced: job key and el_flight_tries. */
enum { EL_ORIGIN_BYTES = 64 };
void el_dispatch_origin(const struct el_flight *f, char out[EL_ORIGIN_BYTES]);

#endif
