/* Automatic labelling as a pure function from stored replies to the next jobs and decisions.
 *
 *            all n analyses stored or dropped          the rule has what it needs
 *   ANALYSES ------------------------------> (plan) ------------------------------> DECIDED
 *                                             |  ^
 *             analyses are to be examined     |  |  their meta-assessments are stored or dropped
 *                                             v  |
 *                                             METAS
 *
 * Plan is el_label_decide (refine/label_rule.h): it decides, or names the analyses whose
 * meta-assessments are needed next. It looks at complete stages only, so what is asked does not
 * depend on the order in which replies come; the state is rebuilt from the store at every start.
 *
 * Items. Equal proof texts of a problem are one item, and equal texts among its analyses are one
 * text, which share their replies: a judge is asked about a text, whoever wrote it and however
 * often. Of equal analyses each counts as one towards k; they are valid or invalid together.
 *
 * Invariants (el_labelling_check tests them)
 *   1. `outstanding` of an item is the number of its tasks that were taken or are queued, and not
 *      answered.
 *   2. ANALYSES: one of the first n analyses is outstanding. METAS: one of the first m
 *      meta-assessments of a text is, and the first n analyses are stored or dropped.
 *   3. DECIDED: the rule decides so on what is stored, and nothing is outstanding.
 *   4. A text stands for the lowest of the samples that have it. */
#ifndef EL_REFINE_LABELLING_H
#define EL_REFINE_LABELLING_H

#include "refine/competition.h"
#include "refine/label_settings.h"
#include "refine/map.h"

enum el_label_stage { EL_STAGE_NEW, EL_STAGE_ANALYSES, EL_STAGE_METAS, EL_STAGE_DECIDED };

/* A text that one or several analyses of an item have. */
struct el_label_text {
    int item;
    uint64_t digest;
    int sample;                   /* the lowest with this text */
    int64_t analysis;             /* its row */
    struct el_vote_record *metas; /* (cap) by sample; `analysis` is the meta-analysis' row */
    int cap, wanted;
};

struct el_label_item {
    int problem;
    int64_t proof; /* the first of its proofs: the row that is asked about */
    size_t bytes;
    int first_copy;                  /* of its proofs, in labelling.copies */
    struct el_vote_record *analyses; /* (cap) by sample */
    int *texts;                      /* (cap) index into labelling.texts, -1: none */
    int cap, wanted;
    int outstanding, metas; /* tasks to be answered; meta-assessments settled */
    enum el_label_stage stage;
    struct el_label_result result; /* of DECIDED */
    int next_decided;
};

/* A stored proof. */
struct el_label_copy {
    int64_t proof;
    int next; /* of the same item, -1: none */
};

enum el_label_task_kind { EL_LABEL_ANALYSIS, EL_LABEL_META };
struct el_label_task {
    int subject; /* item (ANALYSIS), text (META) */
    int sample;
};

struct el_label_queue {
    struct el_label_task *items;
    size_t head, count, cap;
};

struct el_labelling {
    struct el_label_settings set;
    struct el_label_item *items;
    int n_items, cap_items;
    struct el_label_text *texts;
    int n_texts, cap_texts;
    struct el_label_copy *copies;
    int n_copies, cap_copies;
    struct el_map by_digest, by_proof; /* -> item */
    struct el_map by_analysis;         /* -> text */
    struct el_label_queue queue[2];    /* by kind */
    int decided_head, decided_tail;    /* items decided and not yet fetched, -1: none */
    int started;
    /* For progress and cost. */
    int64_t stored[2], outstanding[2]; /* jobs that are settled, and asked for; by kind */
    int64_t metas_of_decided;          /* settled meta-assessments of decided items */
    int decided;
    /* Scratch. */
    struct el_label_view views[EL_MAX_ANALYSES];
    signed char votes[EL_MAX_ANALYSES];
    unsigned char examine[EL_MAX_ANALYSES];
};

int el_labelling_init(struct el_labelling *s, const struct el_label_settings *set,
                      struct el_error *err);
void el_labelling_release(struct el_labelling *s);

/* A stored proof that is to be labelled: its item, or EL_ENOMEM. Before el_labelling_start. */
int el_labelling_proof(struct el_labelling *s, int problem, int64_t proof, const char *text,
                       size_t n, struct el_error *err);

/* Records analysis `sample` of an item; text is that of an analysis that parsed, else NULL. Before
 * start this fills tables only; afterwards it moves the item on. A record that settles nothing
 * (EL_VOTE_NONE: to be asked again) only keeps the number of attempts. */
int el_labelling_analysis(struct el_labelling *s, int item, int sample,
                          const struct el_vote_record *v, const char *text, struct el_error *err);
/* The same for meta-assessment `sample` of a text. */
int el_labelling_meta(struct el_labelling *s, int text, int sample, const struct el_vote_record *v,
                      struct el_error *err);

/* Decides for every item what comes next. Call it once, after loading. */
int el_labelling_start(struct el_labelling *s, struct el_error *err);

/* The next task of a kind: 1, or 0 when none is ready now. */
int el_labelling_take(struct el_labelling *s, enum el_label_task_kind kind,
                      struct el_label_task *out);
/* The next item that was decided since the last call, -1: none. */
int el_labelling_next_decided(struct el_labelling *s);

/* What the rule r says about an item, from stored replies alone: 1 decided; 0 what it needs is not
 * there. r may be any rule, of fewer samples too: what a run with that rule would have decided. */
int el_labelling_decide(struct el_labelling *s, int item, const struct el_label_rule *r,
                        struct el_label_result *out);
/* The meta-assessments of a text under the rule r; the verdict is NONE unless all m are there. */
void el_labelling_metas(struct el_labelling *s, int text, const struct el_label_rule *r,
                        struct el_meta_count *out);

/* Replies in all, as far as can be told: what is stored, what is asked for, and for undecided items
 * the mean of meta-assessments that the decided ones took (at first: k times m, or n times m when
 * everything is examined). */
int64_t el_labelling_expected(const struct el_labelling *s);

/* NULL, or the invariant that does not hold. Looks at everything. */
const char *el_labelling_check(const struct el_labelling *s);

#endif
