/* One completion of the policy, what was made of it, and what it earned. */
#ifndef EL_TRAINING_RL_SAMPLE_H
#define EL_TRAINING_RL_SAMPLE_H

#include "core/run/completion.h"
#include "training/rl/tasks.h"

/* The parts of a reward; NAN where a part does not apply (another role, no format, no oracle). */
enum el_rl_term {
    EL_TERM_FORMAT,       /* R_format */
    EL_TERM_SCORE,        /* R_score(s', s) */
    EL_TERM_META,         /* R_meta of V or Z, where it was asked for */
    EL_TERM_PROOF,        /* R_Y */
    EL_TERM_SELF,         /* R_Z */
    EL_TERM_FINAL_ANSWER, /* by rule: all witnesses hold, or the box equals the stored answer */
    EL_TERM_OVERLONG,     /* <= 0; this and the next three before their weights */
    EL_TERM_LENGTH,       /* share of the limit */
    EL_TERM_LANGUAGE,     /* share of words in the target language */
    EL_TERM_RUBRIC,       /* share of points by rule */
    EL_TERM_TRUE,         /* the reward with the oracle as the judge, extra terms included */
    EL_TERM_TRUE_META,    /* quality of the analysis by the oracle, ms */
    EL_TERM_TRUE_PROOF,   /* score of the proof by the oracle */
    EL_TERMS
};
/* "format", "score", ...: the X of rewards/X/mean. */
const char *el_rl_term_name(enum el_rl_term term);

struct el_rl_sample {
    struct el_completion completion; /* with its trace */
    struct el_reply reply;
    double term[EL_TERMS], reward;
    int lost; /* no reward could be had: its judge failed; not in the baseline */
};

/* The G samples of one task. */
struct el_rl_group {
    struct el_rl_task task;
    struct el_rl_sample *sample; /* (G) */
    int refused;                 /* prompt and max_completion_length do not fit the model's context
                                    together: no samples */
    int flat;                    /* all rewards equal: no gradient */
};

/* What a sample's proof and analysis are: (Y, V) for the verifier, (Y, Z) for generator and
 * refiner; absent parts are empty. Slices point into task and completion. */
struct el_slice el_rl_sample_proof(const struct el_rl_task *t, const struct el_rl_sample *s);
struct el_slice el_rl_sample_analysis(const struct el_rl_sample *s);

/* The judgements of one sample: means over the votes that could be read. */
struct el_rl_judgement {
    double proof;    /* s of Y; NAN: not asked for (a label stands instead), or nothing read */
    double analysis; /* ms of V or Z; NAN: not asked for, or nothing read */
};

/* Fills the extra terms that need no judge: length, language, rubric. 0 or EL_ENOMEM. Pure. */
int el_rl_sample_rules(const struct el_rl_recipe *r, const struct el_rl_task *t,
                       struct el_rl_sample *s, struct el_error *err);

/* Fills terms (but those of the rules and of the oracle, which come first) and reward from reply
 * and judgement. Pure. */
void el_rl_sample_reward(const struct el_rl_recipe *r, const struct el_rl_task *t,
                         const struct el_rl_judgement *j, struct el_rl_sample *s);

/* The oracle's judgement of a sample with a legal reply to a task of the small world. Pure. */
struct el_rl_judgement el_rl_oracle(const struct el_rl_task *t, const struct el_rl_sample *s);

/* The oracle's terms, behind those of the rules; NAN for a task outside the small world; and the
 * final answer's, NAN outside of it where the store has no answer that can be checked. Pure. */
void el_rl_sample_truth(const struct el_rl_recipe *r, const struct el_rl_task *t,
                        struct el_rl_sample *s);

#endif
