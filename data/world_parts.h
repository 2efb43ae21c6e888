/* Shared by the files of the small proof world; not for users of it. */
#ifndef EL_DATA_WORLD_PARTS_H
#define EL_DATA_WORLD_PARTS_H

#include "data/world.h"

#define EL_WORLD_CLOSING    "So all claims hold."
#define EL_WORLD_REVIEW     "Here is my evaluation of the solution:"
#define EL_WORLD_SCORE      "Based on my evaluation, the final overall score should be:"
#define EL_WORLD_META       "Here is my analysis of the \"solution evaluation\":"
#define EL_WORLD_META_SCORE "Based on my analysis, I will rate the \"solution evaluation\" as:"
#define EL_WORLD_SOLUTION   "## Solution\n"
#define EL_WORLD_SELF       "\n## Self Evaluation\n"
#define EL_WORLD_DRILL      "Drill"
#define EL_WORLD_FIND       "Find: "
#define EL_WORLD_LOOK_UP    "Drill: "
#define EL_WORLD_TAKEN      "take %d of " /* the number taken */
#define EL_WORLD_SOME       "some of "    /* the numbers of a list */

/* ---- Ranges: the knobs of difficulty (world_claim.c) ---- */

struct el_world_range {
    int a_lo, a_hi;         /* coefficients (lin, sq), modulus (mod), list entries (sub) */
    int w_hi;               /* x and y at most (lin, sq) */
    int b_lo, b_hi;         /* coefficient of x (mod) */
    int c_lo, c_hi;         /* constant (mod) */
    int n_lo, n_hi;         /* list length (sub) */
    int total_lo, total_hi; /* total (lin, sq, sub), value to be divided (mod) */
};
const struct el_world_range *el_world_range(enum el_world_split split, enum el_world_family f);

/* ---- Steps (world_steps.c) ---- */

/* Number of expected steps. */
int el_world_steps(const struct el_world_claim *c, const struct el_world_witness *w);
/* Expected step i, its operands out of the results r[0..i) of the earlier ones; result is the
 * true one and may exceed EL_WORLD_MAX. */
void el_world_expected(const struct el_world_claim *c, const struct el_world_witness *w, int i,
                       const int *r, struct el_world_step *out);
/* 1 when the left side of s is that of the expected step e = step i of c. */
int el_world_matches(const struct el_world_claim *c, int i, const struct el_world_step *e,
                     const struct el_world_step *s);
int el_world_eval(const struct el_world_step *s); /* the true value of the left side */
int el_world_operands(enum el_world_shape shape);
int el_world_same_left(const struct el_world_step *a, const struct el_world_step *b);
int el_world_same_step(const struct el_world_step *a, const struct el_world_step *b);
/* The honest steps of w, their results in r; the total and what it must equal. Returns the number
 * of steps, or -1 when the witness is bad. */
int el_world_honest(const struct el_world_claim *c, const struct el_world_witness *w,
                    struct el_world_step *steps, int *total, int *target);
/* For each number of w the nearest entry of c's list that no earlier one is equal to, the smaller
 * of two; 0 behind the last, and where none is left. */
void el_world_look_up(const struct el_world_claim *c, const struct el_world_witness *w,
                      int listed[EL_WORLD_LIST]);
int el_world_same_witness(const struct el_world_witness *a, const struct el_world_witness *b);
/* 1 when w has the right form: positive, in the list, within 199. */
int el_world_witness_fits(const struct el_world_claim *c, const struct el_world_witness *w);
/* Total and target out of written results. */
void el_world_totals(const struct el_world_claim *c, const struct el_world_witness *w, const int *r,
                     int *total, int *target);

/* ---- Reading and writing pieces (world_text.c) ---- */

struct el_world_scan {
    const char *p, *end;
};
void el_world_blanks(struct el_world_scan *s);
/* Each skips blanks in front and returns 1 and moves on, or returns 0 and stays. */
int el_world_scan_number(struct el_world_scan *s, int *v);           /* 0..199, no leading zero */
int el_world_scan_words(struct el_world_scan *s, const char *words); /* a blank: any blanks */
int el_world_scan_step(struct el_world_scan *s, struct el_world_step *out);
int el_world_scan_claim_mark(struct el_world_scan *s, int *k); /* "(k)", k as written */
/* "x=5, y=2", "x=5" or "take 3,8" */
int el_world_scan_witness(struct el_world_scan *s, enum el_world_family f,
                          struct el_world_witness *w);
int el_world_scan_end(struct el_world_scan *s);
int el_world_scan_stop(struct el_world_scan *s); /* a full stop, or none, and the end; moves on */
/* "take 20 of 19" */
int el_world_scan_taken(struct el_world_scan *s, int *taken, int *listed);
/* "total 33 of 49 wrong." up to the end of s */
struct el_world_remark {
    int total, target, right;
};
int el_world_scan_remark(struct el_world_scan *s, struct el_world_remark *out);
/* The next line of s without its newline and the blanks at its ends; 0 at the end. */
int el_world_scan_line(struct el_world_scan *s, struct el_world_scan *line);

int el_world_put_left(struct el_buf *out, const struct el_world_step *s); /* "16*5=" */
int el_world_put_step(struct el_buf *out, const struct el_world_step *s); /* "16*5=80" */
int el_world_put_heading(struct el_buf *out, int claim, enum el_world_family f,
                         const struct el_world_witness *w); /* "(1) x=5, y=2.\n" */
int el_world_put_remark(struct el_buf *out, int total, int target,
                        int right);                                /* "total 33 of 49 wrong.\n" */
int el_world_put_taken(struct el_buf *out, int taken, int listed); /* "take 20 of 19" */
int el_world_put_numbers(struct el_buf *out, const int *v, int n); /* "8,19,30" */
const char *el_world_score_text(double score);                     /* "0", "0.5", "1" */
void el_world_trim(const char **text, size_t *n);
void el_world_cut(struct el_buf *out, size_t len); /* back to an earlier length */

/* ---- Drafts of proofs (world_proof.c) ---- */

struct el_world_style {
    int checked;        /* every claim ends with a check of its total */
    double false_start; /* then: share of the claims that begin with attempts that are abandoned */
    double retry;       /* as in el_world_mix */
    double unlisted;    /* as in el_world_mix */
    double reused;      /* as in el_world_mix */
    double even;        /* as even_flaws in el_world_mix */
    int history;        /* as in el_world_mix */
    int remember;       /* what a revised proof failed with is not tried again */
};

/* Witnesses that a claim has failed with, in their order; what does not fit is forgotten. */
#define EL_WORLD_TRIED 32
struct el_world_tries {
    int n;
    struct el_world_witness w[EL_WORLD_TRIED];
};

struct el_world_draft_claim {
    int present;
    int cut; /* the last line breaks off before its result */
    enum el_world_family family;
    struct el_world_witness witness;
    int n;
    struct el_world_step step[EL_WORLD_LINES];
};
/* Fills d with the honest proof of w. 0, or -1 when the witness is bad. */
int el_world_draft_honest(const struct el_world_claim *c, const struct el_world_witness *w,
                          struct el_world_draft_claim *d);
/* A random right witness; 0 when the claim has none. */
int el_world_right_witness(const struct el_world_claim *c, struct el_rng *rng,
                           struct el_world_witness *out);
/* A witness that fails, out of several the one that misses least: what a model comes up with. 0
 * when there is none. */
int el_world_wrong_witness(const struct el_world_claim *c, struct el_rng *rng,
                           struct el_world_witness *out);
/* The draft of a claim that has to be mended: its own witness where it holds. 0 when the claim is
 * false. */
int el_world_draft_mended(const struct el_world_claim *c, const struct el_world_claim_report *r,
                          struct el_rng *rng, struct el_world_draft_claim *d);
void el_world_sort_witness(struct el_world_witness *w);
int el_world_claim_is_false(int claim, struct el_error *err); /* the error */
/* Judges a draft as the proof of its claim alone. 0 or EL_ENOMEM. */
int el_world_judge_draft(const struct el_world_claim *c, const struct el_world_draft_claim *d,
                         struct el_world_report *out);
/* A draft with the flaw, or with SLIP where the flaw is impossible. */
void el_world_draft_flawed(const struct el_world_claim *c, const struct el_world_witness *right,
                           enum el_world_flaw flaw, struct el_rng *rng,
                           struct el_world_draft_claim *d);
int el_world_put_draft(struct el_buf *out, int claim, const struct el_world_draft_claim *d);
/* As el_world_proof_flawed, in the style s (NULL: plain). */
int el_world_proof_started(const struct el_world_problem *p, const enum el_world_flaw *flaw,
                           const struct el_world_style *s, struct el_rng *rng, struct el_buf *out,
                           struct el_error *err);
/* Appends a random proof with the given score (0, 0.5 or 1), in the style s (NULL: plain). */
int el_world_proof_with_score(const struct el_world_problem *p, double score,
                              const struct el_world_style *s, struct el_rng *rng,
                              struct el_buf *out, struct el_error *err);
/* As el_world_proof_mended; fail = 1: at least one claim fails again. */
int el_world_proof_revised(const struct el_world_problem *p, const char *proof,
                           const struct el_world_report *r, int fail,
                           const struct el_world_style *s, struct el_rng *rng, struct el_buf *out,
                           struct el_error *err);
/* A result near v and different from it, within 1..199. */
int el_world_near(int v, struct el_rng *rng);
/* A flaw out of those that leave the score 0, or 0.5, each as likely as the others; without those
 * of lists alone. */
enum el_world_flaw el_world_fatal_flaw(struct el_rng *rng);
enum el_world_flaw el_world_minor_flaw(struct el_rng *rng);
/* EL_FLAW_UNLISTED or EL_FLAW_REUSED where the style's share of them comes up for c, a claim of a
 * list; else EL_FLAW_NONE. Draws nothing where the share is 0. */
enum el_world_flaw el_world_list_flaw(const struct el_world_claim *c,
                                      const struct el_world_style *s, struct el_rng *rng);

/* ---- Proofs that search (world_search.c) ---- */

/* The style of one proof, by the shares of el_world_mix. Draws nothing where none are checked. */
void el_world_style_draw(double checked, double false_start, double retry, struct el_rng *rng,
                         struct el_world_style *s);
/* el_world_put_draft in the style s (NULL: plain). Of totals that miss a share is called right.
 * refuted: witnesses that no false start shall have, or NULL. */
int el_world_put_searched(struct el_buf *out, int claim, const struct el_world_claim *c,
                          const struct el_world_draft_claim *d, const struct el_world_style *s,
                          const struct el_world_tries *refuted, struct el_rng *rng);
/* Appends the proof r reports on, carried on in checked style: of right claims the judged attempt
 * stays, with a remark of its own; judged attempts that do nothing but miss, by a witness that does
 * not hold, are abandoned and begun afresh, rightly; other claims are written anew. With history
 * what a claim had abandoned stands in front of it, each attempt once. */
int el_world_proof_carried_on(const struct el_world_problem *p, const char *proof,
                              const struct el_world_report *r, int history, struct el_rng *rng,
                              struct el_buf *out, struct el_error *err);

/* ---- What was tried (world_tries.c) ---- */

int el_world_was_tried(const struct el_world_tries *t, const struct el_world_witness *w);
void el_world_try(struct el_world_tries *t, const struct el_world_witness *w);
/* Adds the witnesses that the proof's claims have abandoned, each once, lists in ascending order.
 */
void el_world_abandoned(const struct el_world_problem *p, const char *proof,
                        struct el_world_tries out[EL_WORLD_CLAIMS]);
/* What the claims of the proof that r reports on failed with at last; with history what they
 * abandoned before that, too, and lists in ascending order. */
void el_world_refutations(const struct el_world_problem *p, const char *proof,
                          const struct el_world_report *r, int history,
                          struct el_world_tries out[EL_WORLD_CLAIMS]);
/* 1 when no remark and no line of what was abandoned is untrue. */
int el_world_says_nothing_untrue(const struct el_world_report *r);
/* Takes the witnesses of abandoned attempts out of the loss of e, a reply that begins with the
 * proof; where retries are learned, a claim's first one, those that were tried before, and all but
 * m->retry_loss of the others. refuted: what counts as tried already, or NULL. */
void el_world_unlearn(const struct el_world_mix *m, const char *proof, size_t n, int learn_retries,
                      const struct el_world_tries *refuted, struct el_rng *rng,
                      struct el_example *e);

/* ---- Analyses as lists of lines (world_analysis.c) ---- */

/* Appends the truthful lines on one claim. */
int el_world_put_claim_analysis(struct el_buf *out, const struct el_world_report *r, int claim);
/* Appends a flawed analysis; blind: every real issue is passed over first. */
int el_world_analysis_bent(const struct el_world_report *r, enum el_world_review_flaw flaw,
                           int blind, struct el_rng *rng, struct el_buf *out, struct el_error *err);
/* Appends an analysis of which up to six lines are invented or misstated, as far as there is room.
 */
int el_world_analysis_crowded(const struct el_world_report *r, struct el_rng *rng,
                              struct el_buf *out, struct el_error *err);
/* One try at a random analysis with the given ms (0, 0.5, 1), which it may miss. EL_ENOTFOUND,
 * nothing appended, when the drawn flaw is impossible. */
int el_world_analysis_draw(const struct el_world_report *r, double ms, struct el_rng *rng,
                           struct el_buf *out, struct el_error *err);
/* Appends a random one that has it; the true one (ms 1) where no try does. */
int el_world_analysis_with_ms(const struct el_world_report *r, double ms, struct el_rng *rng,
                              struct el_buf *out, struct el_error *err);
/* The score that follows from defects of which `fatal` are fatal, `minor` minor and `omitted`
 * omissions (counted in neither). */
double el_world_score_of(int fatal, int minor, int omitted);
/* 1 for a kind that is fatal, 0 for minor ones; OMITTED and RIGHT are neither (-1). */
int el_world_is_fatal(enum el_world_kind kind);

/* ---- Examples (world_example.c, world_drill.c) ---- */

/* The report that the mixture's analyses are made from. */
void el_world_judge_for_mix(const struct el_world_mix *m, const struct el_world_problem *p,
                            const char *proof, size_t n, struct el_world_report *r);
/* The texts an example is made of. */
struct el_world_parts {
    struct el_buf statement, proof, analysis, prompt, completion;
};
void el_world_parts_init(struct el_world_parts *w);
void el_world_parts_release(struct el_world_parts *w);
int el_world_no_memory(struct el_error *err);

/* Moves prompt and completion into out, with one span of loss from loss_from to the end. */
int el_world_finish(struct el_world_parts *w, enum el_example_kind kind, size_t loss_from,
                    double label, struct el_example *out, struct el_error *err);
/* Writes a generator's reply into completion: the proof and its true analysis, which begins at
 * *self. */
int el_world_put_reply(struct el_world_parts *w, const char *proof, size_t n,
                       const struct el_world_report *r, size_t *self, struct el_error *err);
/* The refine example of w's statement and proof. */
int el_world_put_refine(const struct el_world_mix *m, const struct el_world_problem *p, int fail,
                        struct el_rng *rng, struct el_world_parts *w, struct el_example *out,
                        struct el_error *err);
int el_world_drill(const struct el_world_mix *m, struct el_rng *rng, struct el_example *out,
                   struct el_error *err);

#endif
