/* The store: the only truth of a run, and the home of problems, proofs, analyses and scores.
 *
 * One SQLite file in WAL mode; data/schema.sql describes every table. A handle belongs to one
 * thread at a time. Several processes may read one file while one of them writes.
 *
 * Invariants
 *   1. Every function is one transaction of its own, or part of the caller's (el_store_begin). When
 *      it fails, nothing of it is in the file. After a commit returned 0 the data survive kill -9
 *      and a power cut.
 *   2. Adding what is there already adds nothing and is no error: the return is 0 instead of 1 and
 *      *id is the row that was there. So an interrupted import or run is simply repeated.
 *   3. Proofs, analyses, meta-analyses, scores and results never change once stored.
 *   4. Errors of SQLite come back as messages with the path of the file: EL_EIO (disk full, read
 *      only, cannot open), EL_EBUSY (another process holds the file for longer than the busy
 *      timeout), EL_EFORMAT (damaged, or not a store), EL_ENOMEM, EL_EINVAL (a constraint).
 *
 * Strings are NUL-terminated UTF-8. A text with NUL bytes in it goes through el_store_clean first.
 * Optional strings may be NULL. Scores are in halves as in rewards/score.h.
 *
 * Rows. A struct given to an `add` function is only read; `id`, `key`, `digest`, `memory` and what
 * is marked (out) are ignored. A struct filled by a `get` function owns its strings through
 * `memory`: release it. A struct handed to a callback is valid during the callback only. A callback
 * returns 0 to go on, 1 to stop (the iteration then returns 1), or a negative code, which is
 * returned. It may read the store, but should not write to it: collect first, write afterwards. */
#ifndef EL_DATA_STORE_H
#define EL_DATA_STORE_H

#include "core/base/buf.h"
#include "core/base/digest.h"
#include "core/base/error.h"
#include "rewards/score.h"

#include <stdint.h>

struct el_store;

enum el_store_flags {
    EL_STORE_CREATE = 1, /* make the file when it does not exist (otherwise EL_ENOTFOUND) */
    /* Every write fails with EL_EIO. An old version stays as it is: versions 1 and 2 are read
     * through a copy in memory, which is brought up to date (opening takes as much memory as the
     * file has bytes, above 1 GiB EL_EREFUSED: open it once for writing), version 3 as it stands.
     * Nothing is left beside the file. A file, or a folder, that cannot be written is read all the
     * same, as it was when it was opened and through a copy in memory, of whatever size; not while
     * PATH-wal holds changes (EL_EIO), nor while somebody writes (EL_EBUSY). */
    EL_STORE_READONLY = 2,
};

/* Opens the file and brings an older version up to date (data/store_migrate.h). Refuses files that
 * are no stores (EL_EFORMAT), stores of a newer program, and for writing those with several hard
 * links (EL_EREFUSED): two names have two logs. */
int el_store_open(const char *path, int flags, struct el_store **out, struct el_error *err);
/* Brings what is committed into the file itself, so that the file alone (renamed, copied) is whole.
 * Closing does so, too, but cannot say that it failed. EL_EBUSY while another handle reads, EL_EIO
 * without room on the disk; then nothing is lost that the log beside the file has. */
int el_store_settle(struct el_store *s, struct el_error *err);
/* Rolls an open transaction back, gives run locks back. NULL is fine. */
void el_store_close(struct el_store *s);
/* The same for somebody who failed before anything came into the store: a file that this handle has
 * made, and that holds neither a problem nor a run, is removed. */
void el_store_close_unused(struct el_store *s);
const char *el_store_path(const struct el_store *s);

/* Transactions nest: an inner rollback undoes the inner part only. Every begin needs exactly one
 * commit or rollback; a commit that fails has rolled back. Grouping many puts in one transaction
 * saves their fsyncs. */
int el_store_begin(struct el_store *s, struct el_error *err);
int el_store_commit(struct el_store *s, struct el_error *err);
void el_store_rollback(struct el_store *s);

/* SQLite's own integrity check plus foreign keys. EL_EFORMAT with the first finding. */
int el_store_check(struct el_store *s, struct el_error *err);

/* Appends text[0..n) to out with every NUL byte replaced by U+FFFD. 0 or EL_ENOMEM. */
int el_store_clean(struct el_buf *out, const char *text, size_t n);

/* ------------------------------------------------------------------------------- problems */

struct el_problem {
    int64_t id;                 /* (out) */
    char key[EL_DIGEST_HEX];    /* (out) of set, external_id and statement: stable across stores */
    char digest[EL_DIGEST_HEX]; /* (out) of the statement alone */
    const char *set, *external_id, *statement;
    const char *answer, *reference, *rubric, *category, *level; /* optional */
    const char *extra;                                          /* optional, a JSON object */
    char *memory;
};

/* 1: added; 0: was there. Fields that were missing in the stored row are filled from p, none is
 * replaced; *conflicts (NULL is fine) becomes the number of fields that differ. */
int el_store_problem_add(struct el_store *s, const struct el_problem *p, int64_t *id,
                         int *conflicts, struct el_error *err);
/* EL_ENOTFOUND when there is none. */
int el_store_problem_get(struct el_store *s, int64_t id, struct el_problem *out,
                         struct el_error *err);
int el_store_problem_by_key(struct el_store *s, const char *key, struct el_problem *out,
                            struct el_error *err);
/* 0 when there are problems of this set, or set is NULL; else EL_ENOTFOUND with the sets that there
 * are. For names that people type: what follows would find nothing without a word. */
int el_store_set_check(struct el_store *s, const char *set, struct el_error *err);
/* Problems of one set (NULL: all) in the order they were added. */
typedef int el_problem_fn(void *user, const struct el_problem *p, struct el_error *err);
int el_store_problem_each(struct el_store *s, const char *set, el_problem_fn *fn, void *user,
                          struct el_error *err);
void el_problem_release(struct el_problem *p);
/* The key that a problem has in every store. */
void el_problem_key(const char *set, const char *external_id, const char *statement,
                    char out[EL_DIGEST_HEX]);

/* ---------------------------------------------------------- proofs, analyses, meta-analyses */

enum el_author_kind { EL_AUTHOR_HUMAN, EL_AUTHOR_MODEL, EL_AUTHOR_IMPORT };
/* "human", "model", "import"; -1 for an unknown name. */
const char *el_author_kind_name(enum el_author_kind kind);
int el_author_kind_from_name(const char *name);

struct el_author {
    enum el_author_kind kind;
    const char *name;   /* model digest or name, person; "" when unknown */
    const char *origin; /* job key and attempt, or the id in an imported file; "" when none. Two
                         * equal texts with different origins are two proofs. */
};

struct el_proof {
    int64_t id;              /* (out) */
    char key[EL_DIGEST_HEX]; /* (out) */
    int64_t problem;
    const char *text; /* Y alone */
    struct el_author author;
    const char *extra; /* optional JSON object */
    char *memory;
};

struct el_analysis {
    int64_t id;              /* (out) */
    char key[EL_DIGEST_HEX]; /* (out) */
    int64_t proof;
    int is_self; /* 1: the self-analysis Z of the proof's own author */
    const char *text;
    int halves;          /* the score it gives, or EL_SCORE_NONE */
    const char *failure; /* why there is no score; NULL when there is one, or none was asked */
    struct el_author author;
    const char *extra;
    char *memory;
};

struct el_meta_analysis {
    int64_t id;              /* (out) */
    char key[EL_DIGEST_HEX]; /* (out) */
    int64_t analysis;
    const char *text;
    int halves;
    const char *failure;
    struct el_author author;
    const char *extra;
    char *memory;
};

int el_store_proof_add(struct el_store *s, const struct el_proof *p, int64_t *id,
                       struct el_error *err);
int el_store_proof_get(struct el_store *s, int64_t id, struct el_proof *out, struct el_error *err);
/* Proofs of one problem (0: of all) in the order they were added. */
typedef int el_proof_fn(void *user, const struct el_proof *p, struct el_error *err);
int el_store_proof_each(struct el_store *s, int64_t problem, el_proof_fn *fn, void *user,
                        struct el_error *err);
void el_proof_release(struct el_proof *p);
/* The id of the proof that a person named: by its id, or by the first characters (four at least) of
 * its key. EL_ENOTFOUND; EL_EINVAL when several keys begin so. */
int el_store_proof_find(struct el_store *s, const char *name, int64_t *id, struct el_error *err);

/* Which proofs; 0 and NULL mean any. */
struct el_proof_filter {
    const char *set;     /* problems of this set */
    int64_t run;         /* written in this run */
    const char *without; /* no score by this rater */
    int unlabelled;      /* without a row in D_v */
};
/* The ids and problems of the proofs that meet all conditions, in the order they were added. */
typedef int el_proof_id_fn(void *user, int64_t proof, int64_t problem, struct el_error *err);
int el_store_proof_select(struct el_store *s, const struct el_proof_filter *f, el_proof_id_fn *fn,
                          void *user, struct el_error *err);

int el_store_analysis_add(struct el_store *s, const struct el_analysis *a, int64_t *id,
                          struct el_error *err);
int el_store_analysis_get(struct el_store *s, int64_t id, struct el_analysis *out,
                          struct el_error *err);
/* Analyses of one proof (0: of all), self-analyses included, in the order they were added. */
typedef int el_analysis_fn(void *user, const struct el_analysis *a, struct el_error *err);
int el_store_analysis_each(struct el_store *s, int64_t proof, el_analysis_fn *fn, void *user,
                           struct el_error *err);
void el_analysis_release(struct el_analysis *a);

int el_store_meta_add(struct el_store *s, const struct el_meta_analysis *m, int64_t *id,
                      struct el_error *err);
int el_store_meta_get(struct el_store *s, int64_t id, struct el_meta_analysis *out,
                      struct el_error *err);
/* Meta-analyses of one analysis (0: of all) in the order they were added. */
typedef int el_meta_fn(void *user, const struct el_meta_analysis *m, struct el_error *err);
int el_store_meta_each(struct el_store *s, int64_t analysis, el_meta_fn *fn, void *user,
                       struct el_error *err);
void el_meta_release(struct el_meta_analysis *m);

/* --------------------------------------------------------------------------------- scores */

enum el_rater_kind { /* what each means: data/schema.sql */
                     EL_RATER_ADJUDICATED,
                     EL_RATER_HUMAN,
                     EL_RATER_ORACLE,
                     EL_RATER_LABEL,
                     EL_RATER_MODEL,
                     EL_RATER_IMPORTED
};
const char *el_rater_kind_name(enum el_rater_kind kind);
int el_rater_kind_from_name(const char *name);

enum el_blind { EL_BLIND_UNKNOWN = -1, EL_BLIND_NO = 0, EL_BLIND_YES = 1 };

struct el_score {
    int64_t id;              /* (out) */
    char key[EL_DIGEST_HEX]; /* (out) */
    int64_t proof, analysis; /* the subject: one of them, the other 0 */
    enum el_rater_kind rater_kind;
    const char *rater;     /* "" when unknown */
    double raw, scale_max; /* what was said; 0 <= raw <= scale_max */
    int halves;            /* what the mapping made of it, or EL_SCORE_NONE */
    const char *mapping;   /* its name (data/mapping.h); NULL when it was not mapped */
    enum el_blind blind;   /* whether the rater saw no automatic score */
    const char *origin;    /* as in el_author */
    const char *extra;
    char *memory;
};

int el_store_score_add(struct el_store *s, const struct el_score *c, int64_t *id,
                       struct el_error *err);
int el_store_score_get(struct el_store *s, int64_t id, struct el_score *out, struct el_error *err);
/* Scores of one proof or one analysis (both 0: all) in the order they were added. */
typedef int el_score_fn(void *user, const struct el_score *c, struct el_error *err);
int el_store_score_each(struct el_store *s, int64_t proof, int64_t analysis, el_score_fn *fn,
                        void *user, struct el_error *err);
void el_score_release(struct el_score *c);

/* D_v and D_mv: one label per proof (per analysis). Which score is the label when there are
 * several stands at the view `labels` in data/schema.sql. */
struct el_label {
    int64_t problem, proof;
    int64_t analysis; /* 0 in D_v */
    int halves;
    enum el_rater_kind rater_kind;
    int raters;    /* how many of that kind */
    int64_t score; /* the row that gave the label */
};
typedef int el_label_fn(void *user, const struct el_label *l, struct el_error *err);
/* In the order of problems, proofs, analyses. set NULL: all sets. */
int el_store_dv_each(struct el_store *s, const char *set, el_label_fn *fn, void *user,
                     struct el_error *err);
int el_store_dmv_each(struct el_store *s, const char *set, el_label_fn *fn, void *user,
                      struct el_error *err);

/* ------------------------------------------------------------------------------ decisions */

enum el_decided { EL_DECIDED_LABELLED, EL_DECIDED_QUEUED, EL_DECIDED_DISCARDED };
/* "labelled", "queued", "discarded"; -1 for an unknown name. */
const char *el_decided_name(enum el_decided kind);
int el_decided_from_name(const char *name);

/* What a run of automatic labelling decided about a proof (data/schema_2.sql). */
struct el_decision {
    int64_t run, proof;
    enum el_decided outcome;
    int halves;         /* the label; EL_SCORE_NONE unless labelled */
    const char *rater;  /* of the run's scores */
    const char *reason; /* which part of the rule decided */
    const char *rule;   /* JSON: what it decided with */
    int64_t score;      /* (out) the row that holds the label, 0: none */
    char *memory;
};
/* Replaces what the run decided about the proof. A label goes into the store as a score of kind
 * `label`, 0..1, not mapped, blind, with `origin` telling decisions of one run by different rules
 * apart. 1: something changed; 0: it stood there already. */
int el_store_decide(struct el_store *s, const struct el_decision *d, const char *origin,
                    struct el_error *err);
/* EL_ENOTFOUND when the run has decided nothing about the proof. */
int el_store_decision_get(struct el_store *s, int64_t run, int64_t proof, struct el_decision *out,
                          struct el_error *err);
/* Of one run (0: all) about one proof (0: all), in the order of proofs and runs. */
typedef int el_decision_fn(void *user, const struct el_decision *d, struct el_error *err);
int el_store_decision_each(struct el_store *s, int64_t run, int64_t proof, el_decision_fn *fn,
                           void *user, struct el_error *err);
void el_decision_release(struct el_decision *d);
/* Those that wait for a person: queued, and no person has scored the proof. set NULL: all sets. */
int el_store_queue_each(struct el_store *s, const char *set, el_decision_fn *fn, void *user,
                        struct el_error *err);

/* ----------------------------------------------------------------------------------- runs */

enum el_run_kind { EL_RUN_COMPETE, EL_RUN_EVAL, EL_RUN_TRAIN, EL_RUN_GRADE, EL_RUN_LABEL };
const char *el_run_kind_name(enum el_run_kind kind);
int el_run_kind_from_name(const char *name);

struct el_run {
    int64_t id;              /* (out) */
    char key[EL_DIGEST_HEX]; /* (out) of kind, config, seed and the two digests */
    enum el_run_kind kind;
    const char *config; /* canonical JSON of everything that decides the outcome */
    uint64_t seed;
    const char *model_digest, *prompt_digest;
    const char *mode, *dtype, *isa; /* "" where it does not apply */
    int64_t created;                /* (out) */
    int done;                       /* (out) */
    char *memory;
};

/* Finds the run with this key or adds it: 1 added, 0 was there (then compare mode, dtype and isa of
 * el_store_run_get with yours: resuming on others warns). */
int el_store_run_add(struct el_store *s, const struct el_run *r, int64_t *id, struct el_error *err);
int el_store_run_get(struct el_store *s, int64_t id, struct el_run *out, struct el_error *err);
typedef int el_run_fn(void *user, const struct el_run *r, struct el_error *err);
int el_store_run_each(struct el_store *s, el_run_fn *fn, void *user, struct el_error *err);
int el_store_run_set_done(struct el_store *s, int64_t id, struct el_error *err);
void el_run_release(struct el_run *r);

/* The write lock of a run: a kernel lock on one byte of "<store>.lock", so that it ends with the
 * process however that ends. The store is the file that symbolic links lead to. EL_EBUSY names the
 * process that holds it. Held until unlock or close; the handle that holds it already gets 0. Not
 * for use inside a transaction. Reading a run needs no lock. */
int el_store_run_lock(struct el_store *s, int64_t run, struct el_error *err);
void el_store_run_unlock(struct el_store *s, int64_t run);

/* -------------------------------------------------------------------------------- metrics */

/* What a training reports (table `metrics`): lines of JSON, each an object whose "step" is the step
 * (0, 1, ...); several lines of one step may differ. Unlike what was said in a run they can be
 * taken back, because a training that resumes does its last steps again. */

/* 1 added, 0 this very line was there. EL_EFORMAT when it is no object with a "step"; EL_EINVAL
 * when that is another step, negative, or there is no such run. */
int el_store_metric_add(struct el_store *s, int64_t run, int64_t step, const char *line,
                        struct el_error *err);
/* Removes the lines of steps first to last (< 0: of all from the first on). Returns how many they
 * were. */
int el_store_metric_cut(struct el_store *s, int64_t run, int64_t first, int64_t last,
                        struct el_error *err);
/* The lines of one run by step, those of one step in the order in which they were added. */
typedef int el_metric_fn(void *user, int64_t step, const char *line, struct el_error *err);
int el_store_metric_each(struct el_store *s, int64_t run, el_metric_fn *fn, void *user,
                         struct el_error *err);

/* ------------------------------------------------------------------------ jobs and results
 *
 *            el_store_job_add                    put_result, EL_JOB_DONE
 *   (none) ------------------> pending ------------------------------------> done
 *                               |    ^ |
 *        put_result, EL_JOB_PENDING  | | put_result, EL_JOB_FAILED (counted in drops)
 *        (a reply to be tried again) | v
 *                               +----+ failed
 *
 * What failed because its prompt did not fit (its last result's finish is "refused") takes a reply
 * all the same when one comes, from a model with a larger context: el_store_job_put_result.
 *
 * A loop whose next jobs are a function of the stored results can be killed at any instant: what
 * was put is there, what was not is asked for again under the same key. */

enum el_job_state { EL_JOB_PENDING, EL_JOB_DONE, EL_JOB_FAILED };
const char *el_job_state_name(enum el_job_state state);

/* What one reply was, without its text. */
struct el_outcome {
    int attempt;         /* 0, 1, ...; -1: nothing stored yet */
    int halves;          /* the parsed self-score, score or ms; or EL_SCORE_NONE */
    const char *failure; /* the named failure of roles/, NULL when it parsed */
    const char *finish;  /* "stop", "length", ... */
    int64_t prompt_tokens, cached_tokens, completion_tokens;
    double logp_sum; /* NaN: not known */
    int64_t wall_ms; /* for people; no reproducible report reads it, nor cached_tokens */
    int64_t proof, analysis, meta; /* (out) rows that it produced, 0 for none */
};

struct el_job {
    int64_t id; /* (out) */
    int64_t run;
    const char *key;  /* unique in the run; made of keys and indices, never of row ids */
    const char *role; /* a name of roles/role.h */
    int64_t problem;  /* 0: none */
    int thread, round, sample;
    int64_t proof, analysis;             /* inputs, 0: none */
    const char *inputs;                  /* optional JSON: further references */
    enum el_job_state state;             /* (out) */
    int attempts;                        /* (out) results stored */
    int refusals;                        /* (out) of these, prompts that did not fit */
    int outages;                         /* (out) */
    struct el_outcome last;              /* (out) the latest attempt */
    int64_t read_tokens, written_tokens; /* (out) prompts and replies of all attempts */
    char *memory;
};

/* A reply and everything that came of it. The objects are added in the same transaction: first
 * `proof`; then `self` and `analysis`, whose `proof` may be left 0 to mean the new one; then
 * `meta`; then the scores, whose subject may be left 0 to mean the new analysis if there is one,
 * else the new proof. */
struct el_job_result {
    enum el_job_state
        state; /* what the job becomes: done, failed, or pending for another attempt */
    struct el_outcome outcome; /* attempt: 0 for the first reply, 1 for the second ... */
    const char *text;
    const char *reasoning; /* optional */
    const struct el_proof *proof;
    const struct el_analysis *self, *analysis;
    const struct el_meta_analysis *meta;
    const struct el_score *scores;
    int n_scores;
    /* 1: it stands in the place of the run's jobs of the same problem, thread, round and role whose
     * sample is the same or higher: where they were refused, they are no longer counted in drops */
    int in_place;
    const char *drop_reason; /* required with EL_JOB_FAILED, otherwise NULL */
    int64_t drop_proof_bytes;
};

/* 1 added, 0 the run has a job with this key. */
int el_store_job_add(struct el_store *s, const struct el_job *j, int64_t *id, struct el_error *err);
int el_store_job_get(struct el_store *s, int64_t id, struct el_job *out, struct el_error *err);
int el_store_job_by_key(struct el_store *s, int64_t run, const char *key, struct el_job *out,
                        struct el_error *err);
void el_job_release(struct el_job *j);
/* 1: it failed because its prompt did not fit. */
int el_job_was_refused(const struct el_job *j);

/* Which jobs: run is required; problem 0, role NULL, thread -1, round -1, state -1 mean any. */
struct el_job_filter {
    int64_t run, problem;
    const char *role;
    int thread, round, state;
};
/* In the order problem, thread, round, role, proof, analysis, sample, key: independent of the order
 * in which the replies came. */
typedef int el_job_fn(void *user, const struct el_job *j, struct el_error *err);
int el_store_job_each(struct el_store *s, const struct el_job_filter *f, el_job_fn *fn, void *user,
                      struct el_error *err);
int el_store_job_count(struct el_store *s, const struct el_job_filter *f, int64_t *n,
                       struct el_error *err);

/* Stores a reply, what it produced, and the job's new state, all or nothing. 1 stored; 0 this
 * attempt is stored already and nothing changed (the reply of before counts). EL_EINVAL when the
 * job is finished, or when the attempt is not the next one. With a reply that is stored the run is
 * open, whether or not it was done.
 *
 * A job that failed by a refusal (finish "refused") takes a reply: it gets the number after the
 * refusal's, whatever it says, and the refusal is no longer counted in drops; another refusal is
 * stored already. */
int el_store_job_put_result(struct el_store *s, int64_t job, const struct el_job_result *r,
                            struct el_error *err);

/* The texts of one attempt (-1: the latest). EL_ENOTFOUND when there is none. */
struct el_reply_text {
    const char *text, *reasoning;
    struct el_outcome outcome;
    char *memory;
};
int el_store_result_get(struct el_store *s, int64_t job, int attempt, struct el_reply_text *out,
                        struct el_error *err);
void el_reply_text_release(struct el_reply_text *t);

/* No reply came (network, server, out of memory). The job stays pending; only counted. */
int el_store_job_outage(struct el_store *s, int64_t job, const char *why, struct el_error *err);

/* Notes that something was left out for another reason than a failed job (an analysis that did not
 * fit the context, a zero-variance group). Repeating the same reason of a job adds nothing. */
int el_store_drop_add(struct el_store *s, int64_t job, const char *reason, int64_t proof_bytes,
                      struct el_error *err);
struct el_drop {
    int64_t job, problem;
    const char *role, *reason;
    int64_t proof_bytes;
};
typedef int el_drop_fn(void *user, const struct el_drop *d, struct el_error *err);
int el_store_drop_each(struct el_store *s, int64_t run, el_drop_fn *fn, void *user,
                       struct el_error *err);

/* Replies and tokens by role, every stored attempt counted. */
struct el_usage {
    const char *role;
    int64_t replies, prompt_tokens, cached_tokens, completion_tokens;
};
typedef int el_usage_fn(void *user, const struct el_usage *u, struct el_error *err);
int el_store_usage_each(struct el_store *s, int64_t run, el_usage_fn *fn, void *user,
                        struct el_error *err);

#endif
