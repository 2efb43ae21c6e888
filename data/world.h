/* The small proof world: problems whose truth is exact, proofs as text in the real format, and an
 * oracle that scores every proof and every analysis. Nothing here needs a model.
 *
 * Numbers. Only 0..199 exist, each one token of the world's tokenizer (data/world_tokenizer.h).
 * x and y stand for positive integers. A proof may write no other number.
 *
 * Problem. Two or three independent claims of different families, in one sentence:
 *     Show that (1) 98=16*x+9*y for some x,y; (2) 7 divides x*x+4*x+9 for an x.
 *
 *   family  claim                          witness    steps
 *   lin     98=16*x+9*y for some x,y       x=5, y=2   16*5=80  9*2=18  80+18=98
 *   sq      93=2*x*x+3*y*y for some x,y    x=3, y=5   2*3*3=18  3*5*5=75  18+75=93
 *   mod     7 divides x*x+4*x+9 for an x   x=1        1*1+4*1=5  5+9=14  7*2=14
 *   sub     some of 3,8,19,30 add up to 57 take 8,19,30   8+19=27  27+30=57
 *
 * Proof. For every claim a heading with the witness, its steps one a line, and a closing line:
 *     (1) x=5, y=2.
 *     16*5=80.
 *     9*2=18.
 *     80+18=98.
 *     (2) x=1.
 *     1*1+4*1=5.
 *     5+9=14.
 *     7*2=14.
 *     So all claims hold.
 *
 * Judging a proof goes line by line, as a reader would. For a claim and its witness there is a
 * fixed list of steps; the operands of a later step are the RESULTS AS WRITTEN of earlier ones (or
 * the computed result where the earlier step was omitted), so an early slip does not make later
 * steps wrong, it makes the total miss.
 *   1. A line whose left side is that of an expected step (factors and summands may be swapped)
 *      fills it; expected steps jumped over are omitted. It is right when its arithmetic is true.
 *   2. Otherwise a line equal to an earlier line of the claim is a repetition.
 *   3. Otherwise it fills the next expected step of its shape, wrongly; no such step: just wrong.
 *   4. The total (the last step's result) must equal the target: the number of the claim, for mod
 *      the value that is to be divided.
 *   5. A line `total 98 of 98 right.` is a remark: it is not judged, the total is. A line `total 91
 *      of 98 wrong.` abandons the attempt at the claim in front of it: the next line must be a
 *      heading of the same claim, and begins it afresh. What is abandoned has to be readable and is
 *      not judged; a claim that is not begun afresh then is malformed.
 *   6. A claim without a heading is not addressed; one with a line that cannot be read, with two
 *      headings (but for rule 5) or with more than EL_WORLD_LINES lines, remarks not counted, in an
 *      attempt is malformed; one whose witness is not
 *      positive, not in the list (each entry once) or leads beyond 199 has a bad witness; one whose
 *      omitted step has no result within 199 is malformed. Text in
 *      front of the first heading belongs to claim 1, text after the closing line to the last.
 *   Fatal: wrong step, wrong total, bad witness, not addressed, malformed, three or more omitted
 *   steps. Minor: one or two omitted steps, a repetition, no closing line.
 *   Score: 0 with a fatal defect, 0.5 with a minor one, else 1.
 *
 * Analysis. Every line restated as written and judged on the spot, omitted steps named where they
 * belong, the total beside its target:
 *     Here is my evaluation of the solution:
 *     (1) 16*5=80 right.
 *     9*2=19 wrong.
 *     missing 80+19=99.
 *     total 99 of 98 wrong.
 *     (2) bad witness.                    (or "not addressed." or "malformed.")
 *     (3) take 8 of 8 right.              (of lists, in front of the steps: each number that is
 *     take 20 of 19 wrong.                 taken, up to one that is wrong, beside the nearest
 *                                          entry that no earlier one has taken, the smaller of two)
 *     no closing.                         (only when the closing line is missing)
 *     Based on my evaluation, the final overall score should be:
 *     \boxed{0}
 * With look_up 3 the list is restated in front of the first number: "(3) some of 8,19,27."
 *
 * A repeated line is judged "again." instead of right or wrong. "take 20 of 19 wrong." says that
 * the witness is bad; so does "bad witness.", where nothing is looked up.
 *
 * Judging an analysis looks only at the issues it claims (every line but "right"): an issue is
 * real when the proof has exactly this defect, misstated when the proof has another defect at this
 * place (numbers misquoted, another kind), invented otherwise; a line that cannot be read claims
 * something that cannot be mapped and is invented. ms: 0 when issues are claimed and all are
 * invented; 0.5 when some are invented, one is misstated, or the score does not follow from the
 * claimed issues; else 1. A restated list claims nothing, whatever its numbers are: look-ups show
 * what was misread. An analysis without both key phrases and a legal box has ms 0.
 *
 * Meta-analysis. A claim that has issues is verified anew, once, in front of the first of them
 * (look_up 2 and 3); every claimed issue restated, then its verdict; whether the score follows:
 *     Here is my analysis of the "solution evaluation":
 *     (1) 16*5=80 right.
 *     9*2=19 wrong.
 *     80+19=99 right.
 *     total 99 of 98 wrong.
 *     (1) 9*2=19 wrong.
 *     real.                               (or "not real." or "misstated.")
 *     the score fits.                     (or "the score does not fit.")
 *     Based on my analysis, I will rate the "solution evaluation" as:
 *     \boxed{1}
 * With no claimed issue the first lines are "no issue claimed."
 *
 * Generator reply: "## Solution\n" proof "\n## Self Evaluation\n" analysis.
 *
 * Splits go BY CLAIM: the digest of a claim's normal form (coefficients and lists sorted) says
 * train, valid or test, and all claims of a problem belong to its split; so train and test share
 * not even a claim. `large` has totals of 120..199 where the others have at most 119.
 *
 * Every text made here ends without a newline (templates bring their own), except drills, whose
 * lines all end with one.
 */
#ifndef EL_DATA_WORLD_H
#define EL_DATA_WORLD_H

#include "core/base/buf.h"
#include "core/base/error.h"
#include "core/base/rng.h"

#include <stddef.h>
#include <stdint.h>

#define EL_WORLD_MAX    199 /* the largest number of the world */
#define EL_WORLD_CLAIMS 3   /* the most claims of a problem */
#define EL_WORLD_LIST   5   /* the longest list of a sub claim */
#define EL_WORLD_LINES  8   /* the most lines of a claim's proof that are read */
#define EL_WORLD_ISSUES 48  /* the most issues of an analysis that are kept (all are counted) */

enum el_world_split {
    EL_WORLD_TRAIN,
    EL_WORLD_VALID,
    EL_WORLD_TEST,
    EL_WORLD_LARGE,
    EL_WORLD_SPLITS
};

enum el_world_family { EL_WORLD_LIN, EL_WORLD_SQ, EL_WORLD_MOD, EL_WORLD_SUB, EL_WORLD_FAMILIES };

struct el_world_claim {
    enum el_world_family family;
    int n;                /* numbers in v: 2 (lin, sq: a, b), 3 (mod: m, b, c), list length (sub) */
    int v[EL_WORLD_LIST]; /* as written */
    int total;            /* lin, sq, sub; 0 for mod */
};

struct el_world_problem {
    int n_claims; /* 1..3; problems drawn here have 2 or 3, in the order of the families */
    struct el_world_claim claim[EL_WORLD_CLAIMS];
};

/* x, y (lin, sq), x (mod), or the chosen numbers (sub). */
struct el_world_witness {
    int n;
    int v[EL_WORLD_LIST];
};

/* "train", "valid", "test", "large"; NULL when out of range. Back: -1 when unknown. */
const char *el_world_split_name(int split);
int el_world_split_from_name(const char *name);

/* ---- Problems (world_claim.c, world_text.c) ---- */

/* Problem `index` of a split: a pure function, endless. */
void el_world_problem(enum el_world_split split, uint64_t index, struct el_world_problem *out);
/* A random one of a split. */
void el_world_problem_draw(enum el_world_split split, struct el_rng *rng,
                           struct el_world_problem *out);

/* Digest of the claim's normal form; the split that claim belongs to (TRAIN, VALID or TEST). */
uint64_t el_world_claim_key(const struct el_world_claim *c);
enum el_world_split el_world_claim_split(const struct el_world_claim *c);
/* Digest of the sorted claim keys: equal for problems that say the same. */
uint64_t el_world_problem_key(const struct el_world_problem *p);

/* The witnesses with x, y as small as in drawn claims (mod: x up to the modulus; sub: two or three
 * numbers), or all there are where none is that small. Returns their number (0: the claim is
 * false), writes the first `cap`. */
int el_world_solve(const struct el_world_claim *c, struct el_world_witness *out, int cap);
/* 1 when w proves c; 0 also when there is none to read (n 0). */
int el_world_witness_holds(const struct el_world_claim *c, const struct el_world_witness *w);

/* Appends the sentence. 0 or EL_ENOMEM. */
int el_world_problem_text(const struct el_world_problem *p, struct el_buf *out);
/* Reads it back (blanks at the ends and around signs are free; 1..3 claims; any order of families
 * and numbers). EL_EREFUSED with a message that says why the text is not of this world. A claim
 * that reads well may still be false: then every proof scores 0. */
int el_world_problem_parse(const char *text, size_t n, struct el_world_problem *out,
                           struct el_error *err);

/* ---- Proofs (world_proof.c) ---- */

/* Programmed flaws. Score of the flawed proof in brackets. */
enum el_world_flaw {
    EL_FLAW_NONE,        /* [1] */
    EL_FLAW_SLIP,        /* [0] one result a little off, the rest follows from it */
    EL_FLAW_WITNESS,     /* [0] another witness, honest steps, the total misses */
    EL_FLAW_BENT,        /* [0] another witness, one step bent so that the total fits */
    EL_FLAW_SWAPPED,     /* [0] x and y swapped (lin, sq); else as WITNESS */
    EL_FLAW_COPY,        /* [0] one operand miscopied, true arithmetic */
    EL_FLAW_UNADDRESSED, /* [0] the claim is left out */
    EL_FLAW_BAD_WITNESS, /* [0] x=0, or a number that is not in the list */
    EL_FLAW_UNLISTED,    /* [0] the same in a list, and the total fits; else as WITNESS */
    EL_FLAW_REUSED,    /* [0] an entry of a list twice, the total fits or nearly; else as WITNESS */
    EL_FLAW_MALFORMED, /* [0] a line breaks off */
    EL_FLAW_OMITTED,   /* [0.5] one step left out */
    EL_FLAW_REPEATED,  /* [0.5] one step twice */
    EL_FLAW_UNCLOSED,  /* [0.5] no closing line */
    EL_FLAWS
};
const char *el_world_flaw_name(int flaw);

/* Appends a right proof (a random one of the witnesses). EL_EREFUSED when a claim is false. */
int el_world_proof_good(const struct el_world_problem *p, struct el_rng *rng, struct el_buf *out,
                        struct el_error *err);
/* Appends a proof with flaw[i] at claim i (NONE allowed). UNCLOSED counts wherever it stands. A
 * flaw that a claim cannot have (no other witness with a missing total, ...) becomes SLIP. */
int el_world_proof_flawed(const struct el_world_problem *p, const enum el_world_flaw *flaw,
                          struct el_rng *rng, struct el_buf *out, struct el_error *err);

/* ---- The oracle for proofs (world_oracle.c) ---- */

enum el_world_shape {
    EL_SHAPE_SUM,     /* v0+v1 */
    EL_SHAPE_PRODUCT, /* v0*v1 */
    EL_SHAPE_SQUARE,  /* v0*v1*v2 */
    EL_SHAPE_QUAD     /* v0*v1+v2*v3 */
};

struct el_world_step {
    enum el_world_shape shape;
    int v[4];
    int result;
};

enum el_world_kind {
    EL_KIND_RIGHT, /* not a defect */
    EL_KIND_WRONG,
    EL_KIND_AGAIN,
    EL_KIND_OMITTED,
    EL_KIND_TOTAL,
    EL_KIND_BAD_WITNESS,
    EL_KIND_UNADDRESSED,
    EL_KIND_MALFORMED,
    EL_KIND_UNCLOSED,
    EL_KIND_UNREADABLE, /* of an analysis: the line cannot be mapped */
    EL_KINDS
};
const char *el_world_kind_name(int kind);

/* A judged line, or an omitted step where it belongs. */
struct el_world_line {
    enum el_world_kind kind; /* RIGHT, WRONG, AGAIN, OMITTED */
    struct el_world_step step;
};

struct el_world_claim_report {
    enum el_world_kind state; /* RIGHT: the lines below are judged; else the whole claim's defect */
    int n_list, list[EL_WORLD_LIST]; /* of a claim of a list: the list as it is stated; else n_list
                                        is 0 */
    int listed[EL_WORLD_LIST];       /* then for each number of the witness the nearest entry of the
                                        list that no earlier number has taken, the smaller of two; 0
                                        where none is left */
    struct el_world_witness witness; /* n 0 when there is none to read */
    int n_lines;
    struct el_world_line line[EL_WORLD_LINES + EL_WORLD_LIST];
    int total, target;
    int withdrawn;     /* the last attempt is abandoned, too: there is no answer */
    int abandoned;     /* attempts in front of the one that is judged */
    int untrue;        /* remarks that are not, anywhere in the claim, and false lines of what was
                          abandoned: not judged, and not to be learned */
    size_t begin, end; /* bytes of the proof text: heading and lines of the judged attempt, without
                          the last newline */
};

struct el_world_defect {
    int claim; /* 0-based; -1 for the closing line */
    int line;  /* index into the claim's lines; -1 for total and whole claim */
    enum el_world_kind kind;
};

struct el_world_report {
    double score; /* 0, 0.5 or 1 */
    int n_claims;
    struct el_world_claim_report claim[EL_WORLD_CLAIMS];
    int closed;
    int look_up; /* how much analyses and meta-analyses of it look up, and how widely the flawed
                    ones err: as in el_world_mix, 2 out of el_world_judge_proof */
    int n_defects;
    struct el_world_defect defect[EL_WORLD_CLAIMS * (EL_WORLD_LINES + EL_WORLD_LIST + 1) + 1];
};

/* 1 when the final answer of a proof is right: every claim's judged attempt has a witness that
 * holds, whatever its steps are like. A claim whose last attempt is abandoned has none. `r` is the
 * report of el_world_judge_proof for p. */
int el_world_answer_holds(const struct el_world_problem *p, const struct el_world_report *r);

/* Judges any text as a proof of p. Never fails; reads a megabyte of nonsense in one pass. */
void el_world_judge_proof(const struct el_world_problem *p, const char *text, size_t n,
                          struct el_world_report *out);
/* 1 when claim i of the report is free of defects. */
int el_world_claim_is_right(const struct el_world_report *r, int i);

/* ---- Analyses (world_analysis.c) ---- */

/* Appends the truthful analysis of a judged proof. */
int el_world_analysis_true(const struct el_world_report *r, struct el_buf *out);

/* Programmed flaws of analyses. ms of the flawed analysis in brackets; "with real ones" means
 * that the analysis names other, real issues too. */
enum el_world_review_flaw {
    EL_REVIEW_NONE,      /* [1] */
    EL_REVIEW_INVENTED,  /* [0, 0.5 with real ones] a right line called wrong, score follows; of a
                            report with look_up 2 or 3 also a whole claim called malformed or
                            the like, or a line that the proof does not have */
    EL_REVIEW_MISSTATED, /* [0.5] a real issue with a misquoted number */
    EL_REVIEW_MISSED,    /* [1] a defect judged right, score follows: nothing false is claimed */
    EL_REVIEW_DROPPED,   /* [1] the line of a defect left out, score follows; a restated list
                            stays */
    EL_REVIEW_SCORE,     /* [0.5] the score does not follow */
    EL_REVIEW_FLAWS
};
const char *el_world_review_flaw_name(int flaw);

/* Appends a flawed analysis. Where the flaw is impossible (nothing to miss, ...) returns
 * EL_ENOTFOUND and appends nothing. */
int el_world_analysis_flawed(const struct el_world_report *r, enum el_world_review_flaw flaw,
                             struct el_rng *rng, struct el_buf *out, struct el_error *err);

/* ---- The oracle for analyses (world_review.c) ---- */

enum el_world_verdict { EL_ISSUE_REAL, EL_ISSUE_INVENTED, EL_ISSUE_MISSTATED };

struct el_world_issue {
    int claim; /* 0-based, -1: names none */
    enum el_world_kind kind;
    int defect; /* index into the report's defects that it is mapped to, -1: none */
    enum el_world_verdict verdict;
    size_t begin, end; /* its line in the analysis, without a claim number in front, trimmed */
};

struct el_world_review {
    int format_ok;  /* both key phrases and a legal box after the last of them */
    double score;   /* the boxed score, -1 when there is none */
    int score_fits; /* it follows from the claimed issues */
    double ms;      /* 0, 0.5 or 1 */
    int claimed, real, misstated, invented;
    int missed;   /* defects of the proof that no real or misstated issue names */
    int n_issues; /* kept in issue[]: min(claimed, EL_WORLD_ISSUES) */
    struct el_world_issue issue[EL_WORLD_ISSUES];
};

/* Judges any text as an analysis of the proof that r reports on. Never fails. */
void el_world_judge_analysis(const struct el_world_report *r, const char *text, size_t n,
                             struct el_world_review *out);

/* ---- Meta-analyses (world_meta.c) ---- */

/* Appends the truthful meta-analysis of the analysis `text` that v reviews, of the proof that r
 * reports on. Each issue is quoted, and with r->look_up 2 or 3 a claim at issue is verified anew,
 * once, in front of its first issue: whoever judges compares lines then. EL_EREFUSED when the
 * analysis has no legal format or has issues that cannot be quoted (unreadable lines over 120
 * bytes, more than EL_WORLD_ISSUES issues). */
int el_world_meta_true(const struct el_world_report *r, const struct el_world_review *v,
                       const char *text, size_t n, struct el_buf *out, struct el_error *err);

/* ---- Training examples (world_example.c, world_attempt.c, world_drill.c) ---- */

/* Template strings with {statement}, {proof}, {analysis}: the texts of configs/prompts/small. */
struct el_world_prompts {
    const char *generate, *verify, *meta, *refine;
};

/* Appends the template with its placeholders replaced, in a single pass: inserted text is never
 * looked at again. Values are inserted without blanks and newlines at their ends; NULL values
 * leave their placeholder as it stands. */
int el_world_fill(const char *tmpl, const char *statement, const char *proof, const char *analysis,
                  struct el_buf *out);

enum el_example_kind {
    EL_EXAMPLE_GENERATE,
    EL_EXAMPLE_VERIFY,
    EL_EXAMPLE_META,
    EL_EXAMPLE_REFINE,
    EL_EXAMPLE_DRILL,
    EL_EXAMPLE_KINDS
};
const char *el_example_kind_name(int kind);

#define EL_EXAMPLE_SPANS 64

/* Prompt: what stands between the user and the assistant mark. Completion: what follows the
 * assistant mark and </think>. A token carries loss when its first byte lies in a span; the end
 * mark after the completion carries loss when the last span ends at the completion's end. */
struct el_example {
    enum el_example_kind kind;
    char *prompt, *completion; /* owned */
    int n_loss;
    struct {
        size_t begin, end;
    } loss[EL_EXAMPLE_SPANS]; /* bytes of completion, ascending, disjoint */
    double label; /* true score of the proof in the completion (generate, refine) or prompt
                     (verify), true ms (meta), -1 (drill) */
};
void el_example_init(struct el_example *e);
void el_example_release(struct el_example *e);

/* The mixture. Shares are weights and need not add up to 1. */
struct el_world_mix {
    uint64_t seed;
    struct el_world_prompts prompts; /* borrowed */
    double share[EL_EXAMPLE_KINDS];  /* by kind */
    double verify_score[3];          /* true score 0, 0.5, 1 of the proofs to verify */
    double meta_score[3];   /* ms 0, 0.5, 1 of the analyses to judge that are not crowded */
    double generate_flawed; /* share of generate examples with a fatally flawed proof:
                               loss on the self-evaluation alone */
    double generate_minor;  /* share with a minor defect: loss on everything */
    double refine_minor;    /* share of refine examples that start from score 0.5 */
    double refine_flawed;   /* share whose new proof fails again: loss on the
                               self-evaluation alone */
    double checked;         /* share of proofs, in examples of every kind, whose claims
                               end with a remark on their total */
    double false_start;     /* share of the claims of those that begin with attempts that
                               miss and are abandoned: no loss on their witnesses,
                               but see retry */
    double retry;           /* chance that another false start follows one, up to 8 of a
                               claim; then loss is on what is tried after the first miss
                               of a claim and was not tried before, for a search must not
                               go in circles. 0: a quarter, up to 3, and no loss on any
                               witness that misses */
    double retry_loss;      /* share of those that do carry loss, where retry is not 0. The less,
                               the more often a search tries what may hold */
    int history;            /* 1: searches know all that they have abandoned. Up to 16 false
                               starts of a claim; an attempt that is carried on keeps those it
                               had, each once; a refinement remembers those of the proof in the
                               prompt; the order of a list's numbers does not count; numbers
                               that add up are called right though some are not in the list */
    double refine_checked;  /* as checked, for what refinements write; -1: as checked */
    double refine_retry;    /* as retry, for what refinements write; then a witness that
                               the proof in the prompt failed with counts as tried. -1: as
                               retry, and the prompt's witnesses are forgotten */
    double even_flaws;      /* share of the flaws, in proofs that are drawn, that are drawn
                               evenly out of their kinds; others are mostly what models
                               do */
    double unlisted;        /* share of the fatal flaws of lists, in proofs that are drawn,
                               whose numbers add up but are not all in the list: what a
                               model that searches comes to believe */
    double reused;          /* share of those that take an entry of the list twice instead;
                               where no such numbers add up, some that nearly do */
    double crowded;         /* share of the analyses to judge, of those that are drawn, of
                               which up to six lines are invented or misstated, as far as
                               there is room: many verdicts an example */
    int look_up;            /* 0: analyses say at most that a witness is bad. 1: they look
                               up the numbers taken from lists. 2: meta-analyses verify anew
                               the claims that have issues, too, and inventions are drawn
                               more widely. 3: the list is restated where its numbers are
                               looked up */
    double drill_witness;   /* share of drills that ask for bare witnesses */
    double drill_list;      /* share of the others that look numbers up in a list */
    int drill_lines;        /* lines of a drill but of that for bare witnesses,
                               1..EL_EXAMPLE_SPANS */
};
/* Recommended values, seed 0 and the prompts given. Fields that came later are off: what a recipe
 * does not name stays as it was. */
void el_world_mix_init(struct el_world_mix *m, const struct el_world_prompts *prompts);
/* EL_EINVAL naming the field that is out of range. */
int el_world_mix_check(const struct el_world_mix *m, struct el_error *err);

/* Example `index` of the mixture: a pure function of (mix, index), endless, train split only.
 * out is initialised here; release it. */
int el_world_example(const struct el_world_mix *m, uint64_t index, struct el_example *out,
                     struct el_error *err);

/* The same out of a model's own attempt at p: `proof` is any text it wrote, `analysis` any text
 * (META only, else ignored). The labels are the oracle's. Of m only the prompts, checked,
 * refine_checked, false_start, retry, retry_loss, history, refine_retry and look_up count. seed
 * chooses among right witnesses.
 *   GENERATE  its proof with the true self-evaluation; loss on the proof only at score 1 and where
 *             it says nothing untrue. Of the others a share of m->checked is carried on to a right
 *             proof in checked style, with loss on all but the witnesses that miss
 *   VERIFY    the true analysis of its proof
 *   META      the true meta-analysis of its analysis
 *   REFINE    its proof and the true analysis -> a right proof that keeps right claims verbatim
 * EL_EREFUSED when no honest example can be made: the proof is empty, longer than 2000 bytes, not
 * UTF-8, or carries headings or verdicts of the reply format; the analysis cannot be judged
 * truthfully; there is nothing to refine; a claim is false. The caller skips and counts it. */
int el_world_example_from_attempt(const struct el_world_mix *m, const struct el_world_problem *p,
                                  const char *proof, const char *analysis,
                                  enum el_example_kind kind, uint64_t seed, struct el_example *out,
                                  struct el_error *err);

/* Appends the corrected proof: right claims verbatim, mended claims with their own witness where
 * it holds, else a random right one. */
int el_world_proof_mended(const struct el_world_problem *p, const char *proof, size_t n,
                          const struct el_world_report *r, struct el_rng *rng, struct el_buf *out,
                          struct el_error *err);

/* ---- Output (world_export.c, world_print.c) ---- */

/* Appends `count` problems from `first` on as a JSON array of {"id", "question"}: the shape that
 * contests use. */
int el_world_export(enum el_world_split split, uint64_t first, uint64_t count, struct el_buf *out);

/* Appends a sample for a person to look at, as text or as one JSON object: problem `index`, a right
 * and a flawed proof with their analyses, a flawed analysis and its meta-analysis, a right proof
 * that searches. A pure function of its arguments. */
int el_world_print(enum el_world_split split, uint64_t index, uint64_t seed, int json,
                   struct el_buf *out, struct el_error *err);

#endif
