/* Exact scores for what a store holds of the small proof world: the oracle stands in for the
 * experts, so that D_v and D_mv exist without any, of a model's own proofs too.
 *
 * A proof's score is that of el_world_judge_proof, an analysis's that of el_world_judge_analysis
 * (its ms). Both become scores of rater kind `oracle`, rater "world". The oracle never
 * changes its mind, so whatever has such a score is passed over. */
#ifndef EL_DATA_ORACLE_H
#define EL_DATA_ORACLE_H

#include "core/base/progress.h"
#include "data/store.h"

#define EL_ORACLE_RATER "world"

struct el_oracle_tally {
    int64_t proofs[3], analyses[3]; /* scored, by score in halves */
    int64_t outside;                /* proofs and analyses of other problems: left alone */
};

/* Scores every proof and every analysis of the small world's problems (of one set; NULL: of all)
 * that the oracle has not scored. Adds to *t. Works in transactions of some hundred rows: EL_EINTR
 * when the program is asked to stop; what was scored is kept, and the next call does the rest.
 * Progress is in proofs and analyses. */
int el_oracle_label(struct el_store *s, const char *set, struct el_oracle_tally *t,
                    struct el_progress *progress, struct el_error *err);

/* Adds the oracle's score of one proof or one analysis (the other 0): 1 added, 0 was there. */
int el_oracle_put(struct el_store *s, int64_t proof, int64_t analysis, int halves,
                  struct el_error *err);

#endif
