#include "rewards/score.h"

#include <math.h>

int el_score_is_legal(int halves)
{
    return halves >= EL_SCORE_ZERO && halves <= EL_SCORE_ONE;
}

double el_score_value(int halves)
{
    return el_score_is_legal(halves) ? halves / 2.0 : NAN;
}

int el_score_from_value(double value)
{
    for (int halves = EL_SCORE_ZERO; halves <= EL_SCORE_ONE; halves++)
        if (value == halves / 2.0)
            return halves;
    return EL_SCORE_NONE;
}

const char *el_score_text(int halves)
{
    static const char *const text[] = {"0", "0.5", "1"};

    return el_score_is_legal(halves) ? text[halves] : "-";
}
