/* What a stored run amounts to: a pure function of the store (no clocks, no ids, no order of
 * arrival), so that an interrupted and resumed run has, byte for byte, the report of one that was
 * not.
 *
 * Rules, printed with the numbers
 *   final proof   after T rounds: that of the thread's last attempt with a readable proof; a thread
 *                 that finished earlier keeps its own. No proof scores 0 and stays in the mean.
 *   Pass@1        mean over problems and threads of the final proof's score
 *   Best@k        score of the final proof with the highest self-score of the k threads, ties give
 *                 the mean over the tied threads; no self-score ranks below 0
 *   by votes      the same, but selected by the mean score of the verifier's analyses; not known
 *                 where no final proof has any
 *   best of k     the highest score among the k: what perfect selection would reach
 *   votes         a proof's score is the majority of its analyses, of equally many votes the lower
 *                 score; more than half unparsed is undetermined and counts 0
 *   intervals     95%, percentile bootstrap over problems, 10,000 resamples */
#ifndef EL_REFINE_REPORT_H
#define EL_REFINE_REPORT_H

#include "core/base/buf.h"
#include "refine/load.h"
#include "refine/metrics.h"
#include "refine/tally.h"

enum el_truth { EL_TRUTH_EXACT, EL_TRUTH_VOTES, EL_TRUTHS };
enum el_measure {
    EL_MEASURE_PASS,
    EL_MEASURE_BEST,
    EL_MEASURE_VERIFIER, /* selected by the verifier's mean score */
    EL_MEASURE_ORACLE,
    EL_MEASURES
};
enum el_kind { EL_KIND_SHARE, EL_KIND_MEAN, EL_KINDS_OF_SCORE }; /* share scoring 1, mean score */
const char *el_measure_key(int measure);                         /* "pass_at_1", "best_at_k", ... */
const char *el_truth_key(int truth);                             /* "exact", "votes" */

struct el_figure {
    double value, lo, hi; /* NaN: not known */
};

struct el_report_round {
    struct el_figure figure[EL_TRUTHS][EL_MEASURES][EL_KINDS_OF_SCORE];
    /* By exact truth: share of final proofs whose final answer is wrong (a witness that does not
     * hold, or no proof); share of those with a right one that still score below 1. */
    struct el_figure answer_error, trace_error;
    double stopped; /* share of threads that had ended; those under way have not */
    double tokens, completion_tokens; /* cumulative mean per thread */
};

/* How well analyses judge, against the oracle. */
struct el_judge_report {
    int64_t analyses;          /* with a score */
    int64_t by_truth[3];       /* of proofs whose true score is 0, 0.5, 1 */
    struct el_figure accuracy; /* the score is the true one */
    struct el_figure balanced; /* mean over the true scores that occur of their accuracy */
    struct el_figure recall[3];
    struct el_figure invented;      /* share of analyses with an issue that does not exist */
    struct el_figure defect_recall; /* share of the proofs' defects that are named */
    struct el_figure quality;       /* mean ms of the oracle */
};

struct el_report_options {
    int resamples; /* 0: 10,000 */
    uint64_t seed; /* of the bootstrap */
    int no_oracle; /* 1: do not look for exact truth */
};

struct el_report {
    struct el_run_record record;
    struct el_contest contest;
    struct el_competition state;
    int finished;  /* all threads have ended, and compete has come to its end with all the analyses
                      that it was asked for; more of them may be on their way */
    int exact;     /* the problems are of the small world */
    int has_votes; /* after the last round, every final proof has votes */
    int votes_min, votes_max;       /* per final proof with votes */
    signed char *truth;             /* (texts) exact score in halves, EL_SCORE_NONE unknown */
    signed char *answer_holds;      /* (texts) 1: every claim has a witness that holds */
    struct el_vote_result *votes;   /* (texts) */
    int *n_votes;                   /* (texts) */
    double *values;                 /* per problem, see el_report_value */
    struct el_report_round *rounds; /* (T) */
    struct el_figure *pass_at_k;    /* (n_pass) exact share of score 1 at T, k = 1, 2, 4, ... */
    int n_pass;
    struct el_judge_report verifier, self;
    struct el_figure over_claim; /* P(self-score 1 | exact score below 1), all scored attempts */
    int64_t over_claim_n;
    int64_t attempts, failures[16]; /* by enum el_reply_failure */
    int64_t threads_by_state[8];
    struct el_tally_lengths lengths;
    struct el_tally tally;
    double median_length; /* tokens of prompt and reply of an attempt */
    double keys_dropped;  /* share of attention keys that sparse attention does not read; NaN */
    int resamples;
    uint64_t bootstrap_seed;
};

/* Reads run `name`. options may be NULL. Release it. */
int el_report_make(struct el_report *r, struct el_store *s, const char *name,
                   const struct el_report_options *options, struct el_error *err);
void el_report_release(struct el_report *r);

/* The value of problem p after `round` rounds (1..T); NaN when that measure is not known. */
double el_report_value(const struct el_report *r, enum el_truth truth, enum el_measure measure,
                       enum el_kind kind, int round, int problem);

/* Appends the report: as tables for a terminal, as JSON. 0 or EL_ENOMEM. */
int el_report_text(const struct el_report *r, struct el_buf *out);
int el_report_json(const struct el_report *r, struct el_buf *out);

struct el_compare;

/* Appends one self-contained page: curves, tables, the comparison with another run
 * (refine/compare.h, with r as its first run; NULL: none), and the threads' histories to read. At
 * most about max_bytes (0: 64 MiB) of histories: beyond that an even sample of the problems, and
 * the page says so. */
int el_report_html(const struct el_report *r, const struct el_compare *against, struct el_store *s,
                   size_t max_bytes, struct el_buf *out, struct el_error *err);

#endif
