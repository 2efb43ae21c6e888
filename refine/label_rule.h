/* The rule of automatic labelling, as pure functions (DeepSeekMath-V2, section 2.3).
 *
 *   1. A proof gets n analyses. One whose reply did not parse after all retries is dropped.
 *   2. Every analysis that reports issues (score 0 or 0.5) gets m meta-assessments. One confirms it
 *      with a score of at least `confirm`. The analysis is
 *        undetermined  when none parsed, or more than half of the m were dropped
 *        valid         else, when more than half of the meta-assessments that parsed confirm it
 *        invalid       otherwise: a tie is invalid
 *   3. Of the analyses with the lowest score, k or more are valid: the proof gets that score.
 *   4. No analysis is valid or undetermined, so that nobody has found a legitimate issue: 1.
 *   5. Otherwise there is no label. Nor is there one when more than half of the n analyses were
 *      dropped.
 *
 * The paper leaves open what "the lowest score" is taken over (`lowest`): all analyses that parsed
 * (any, the default), or those with a legitimate issue (valid), where one invented fatal error
 * among right 0.5s does no harm. It does not say what a judge's silence means. Here it never makes
 * a label: an undetermined analysis does not count towards k, and it stands in the way of label 1,
 * so that proofs which break the meta-verifier do not pass for right. */
#ifndef EL_REFINE_LABEL_RULE_H
#define EL_REFINE_LABEL_RULE_H

#include "core/base/buf.h"
#include "core/base/error.h"
#include "core/base/json.h"
#include "rewards/score.h"

enum el_lowest { EL_LOWEST_ANY, EL_LOWEST_VALID, EL_LOWESTS };
/* "any", "valid"; back: -1 when unknown. */
const char *el_lowest_name(int lowest);
int el_lowest_from_name(const char *name);

struct el_label_rule {
    int n, m;    /* analyses of a proof, meta-assessments of an analysis */
    int k;       /* valid analyses that make a label; at most n */
    int confirm; /* halves: EL_SCORE_HALF or EL_SCORE_ONE */
    int lowest;  /* enum el_lowest */
};

/* n 8, m 8, k 2, confirm 1, lowest any. */
void el_label_rule_init(struct el_label_rule *r);
/* EL_EINVAL naming the field and its range. */
int el_label_rule_check(const struct el_label_rule *r, struct el_error *err);
/* Appends canonical JSON: {"n":8,"m":8,"k":2,"confirm":1,"lowest":"any"}. 0 or EL_ENOMEM. */
int el_label_rule_put(const struct el_label_rule *r, struct el_buf *out);
int el_label_rule_read(struct el_label_rule *r, const char *json, struct el_error *err);

enum el_verdict {
    EL_VERDICT_NONE, /* not asked for */
    EL_VERDICT_VALID,
    EL_VERDICT_INVALID,
    EL_VERDICT_UNDETERMINED
};
const char *el_verdict_name(int verdict); /* "not examined", "valid", ... */

/* What m meta-assessments say; halves[i] EL_SCORE_NONE: dropped. */
struct el_meta_count {
    int confirm, deny, dropped;
    enum el_verdict verdict;
};
void el_label_verdict(const struct el_label_rule *r, const signed char *halves,
                      struct el_meta_count *out);

/* An analysis as the rule sees it. */
struct el_label_view {
    signed char halves;  /* EL_SCORE_NONE: dropped */
    signed char verdict; /* enum el_verdict; not looked at for score 1 */
};

enum el_label_reason {
    EL_LABEL_CONFIRMED,    /* labelled by 3 */
    EL_LABEL_NO_ISSUE,     /* labelled 1 by 4 */
    EL_LABEL_TOO_FEW,      /* valid analyses at the lowest score, but fewer than k */
    EL_LABEL_HIGHER,       /* none at the lowest score, but one at a higher score */
    EL_LABEL_UNDETERMINED, /* none is valid, one is undetermined */
    EL_LABEL_UNPARSED,     /* more than half of the analyses were dropped */
    EL_LABEL_REASONS
};
/* "confirmed", "no_legitimate_issue", "too_few_valid", "valid_at_higher_score", "undetermined",
 * "unparsed"; back: -1 when unknown. */
const char *el_label_reason_name(int reason);
int el_label_reason_from_name(const char *name);

struct el_label_result {
    int halves; /* the label, or EL_SCORE_NONE */
    enum el_label_reason reason;
    int parsed;       /* analyses that parsed */
    int lowest;       /* halves: the score that decided; EL_SCORE_NONE when all say 1 or too few
                       * parsed */
    int at_lowest;    /* analyses with that score */
    int valid;        /* of these, as far as they were examined */
    int undetermined; /* of all that were examined */
};

/* Decides about a proof whose n analyses are there (or dropped): 1. Or 0: meta-assessments are
 * missing; examine[i] becomes 1 for the analyses that are to be examined next, 0 for the others.
 * These are as few as can decide, in the order of the analyses, so that asking step by step ends
 * with the same label and reason as examining everything at once. */
int el_label_decide(const struct el_label_rule *r, const struct el_label_view *a,
                    struct el_label_result *out, unsigned char *examine);

/* Appends a sentence for people: why the result is what it is. 0 or EL_ENOMEM. */
int el_label_because(const struct el_label_rule *r, const struct el_label_result *x,
                     struct el_buf *out);

#endif
