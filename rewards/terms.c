#include "rewards/terms.h"

#include <math.h>

double el_reward_add(double reward, int format, double weight, double term)
{
    double part = weight == 0 || isnan(term) ? 0 : weight * term;
    return format || part < 0 ? reward + part : reward;
}

double el_reward_length(int tokens, int limit)
{
    if (tokens < 0 || limit < 1)
        return NAN;
    return tokens >= limit ? 1 : (double)tokens / limit;
}

double el_reward_overlong(int tokens, int limit, double from)
{
    if (tokens < 0 || limit < 1 || !(from < 1))
        return NAN;
    double start = from * limit;
    if (tokens <= start)
        return 0;
    return tokens >= limit ? -1 : -(tokens - start) / (limit - start);
}

double el_reward_with_answer(int format, double reward, double answer, double proof_weight,
                             double answer_weight)
{
    double sum = proof_weight + answer_weight;
    if (!(proof_weight >= 0 && answer_weight >= 0 && sum > 0))
        return NAN;
    if (!format)
        return 0;
    /* a weight of 0 leaves its term out, whatever that is */
    return ((proof_weight > 0 ? proof_weight * reward : 0) +
            (answer_weight > 0 ? answer_weight * answer : 0)) /
           sum;
}
