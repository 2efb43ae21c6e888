/* The legal scores of every role: 0, 0.5 and 1. They are kept as a whole number of halves, so that
 * equality, votes and storage are exact. */
#ifndef EL_REWARDS_SCORE_H
#define EL_REWARDS_SCORE_H

enum {
    EL_SCORE_NONE = -1, /* no score: the reply did not hold a legal one */
    EL_SCORE_ZERO = 0,
    EL_SCORE_HALF = 1,
    EL_SCORE_ONE = 2,
};

int el_score_is_legal(int halves);

/* 0, 1, 2 -> 0.0, 0.5, 1.0; anything else -> NaN. */
double el_score_value(int halves);

/* 0.0, 0.5, 1.0 (exactly) -> 0, 1, 2; anything else -> EL_SCORE_NONE. */
int el_score_from_value(double value);

/* "0", "0.5", "1"; "-" for anything else. Static storage. */
const char *el_score_text(int halves);

#endif
