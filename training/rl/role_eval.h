/* How well a model judges: its verifier and meta-verifier on held-out D_v and D_mv of the small
 * world, against exact truth. Labels of people have no exact analyses: of a store with other
 * problems only the scores are compared. */
#ifndef EL_TRAINING_RL_ROLE_EVAL_H
#define EL_TRAINING_RL_ROLE_EVAL_H

#include "core/base/buf.h"
#include "core/base/progress.h"
#include "core/run/completion.h"
#include "data/dataset.h"
#include "roles/role.h"

/* Each is a ratio of sums over analyses, with a percentile bootstrap over problems. A reply without
 * a legal score is wrong, of quality 0, names no defect and invents none. Items that with
 * sampling.max_tokens do not fit the model are not asked about and count nowhere. */
enum el_role_metric {
    /* verifier: s the true score, s' its own */
    EL_ROLE_V_FORMAT,   /* replies with a legal score */
    EL_ROLE_V_ACCURACY, /* s' = s */
    EL_ROLE_V_CLASS_0,  /* the same among s = 0, 0.5, 1; balanced accuracy is their mean */
    EL_ROLE_V_CLASS_HALF,
    EL_ROLE_V_CLASS_1,
    EL_ROLE_V_QUALITY,     /* mean ms of the analyses by the oracle */
    EL_ROLE_V_QUALITY_BAD, /* the same where s < 1 */
    EL_ROLE_V_RECALL,      /* defects of proofs with s < 1 that are named */
    EL_ROLE_V_INVENTED,    /* analyses with an invented issue */
    EL_ROLE_V_PASSED_BAD,  /* s' = 1 among s < 1 */
    /* meta-verifier: ms the true quality, ms' its own */
    EL_ROLE_M_FORMAT,
    EL_ROLE_M_ACCURACY,
    EL_ROLE_M_CLASS_0,
    EL_ROLE_M_CLASS_HALF,
    EL_ROLE_M_CLASS_1,
    EL_ROLE_M_CAUGHT,      /* ms' < 1 among ms < 1 */
    EL_ROLE_M_FALSE_ALARM, /* ms' < 1 among ms = 1 */
    EL_ROLE_METRICS
};
/* "verifier/accuracy", ... Static storage. */
const char *el_role_metric_name(int metric);

struct el_role_value {
    double value, lo, hi; /* NaN: nothing to measure */
};

struct el_role_report {
    int problems;              /* of what was asked */
    int samples;               /* replies to each item */
    int64_t analyses, ratings; /* replies of the verifier, of the meta-verifier */
    /* Items by enum el_dataset_what: proofs to judge and analyses to rate. */
    int64_t asked[2], too_long[2]; /* what was asked about; what does not fit the model */
    struct el_role_value metric[EL_ROLE_METRICS];
    struct el_role_value verifier_balanced, meta_balanced;
};

struct el_role_eval {
    struct el_backend *backend;
    const struct el_prompt_set *prompts;
    const struct el_dataset *dv, *dmv; /* either may be NULL */
    struct el_sampling sampling;
    int samples; /* replies to each item */
    int limit;   /* items of each set at most, spread evenly over its order; 0: all */
    uint64_t seed;
    int resamples;
    struct el_progress *progress;
};

/* A pure function of model, data and options. EL_ENOTFOUND when nothing fits the model. */
int el_role_eval(const struct el_role_eval *e, struct el_role_report *out, struct el_error *err);

/* Appends, where there is something to say, lines such as
 *     D_v: 8 items; left out: 324 as too long for the model
 * 0 or EL_ENOMEM. */
int el_role_report_left_out(const struct el_role_report *r, struct el_buf *out);
/* Appends "8 proofs to judge and 0 analyses to rate over 5 problems", with the replies to each
 * where there are several. 0 or EL_ENOMEM. */
int el_role_report_asked(const struct el_role_report *r, struct el_buf *out);
/* Appends a table for people, or one JSON object. 0 or EL_ENOMEM. */
int el_role_report_text(const struct el_role_report *r, struct el_buf *out);
int el_role_report_json(const struct el_role_report *r, struct el_buf *out);

#endif
