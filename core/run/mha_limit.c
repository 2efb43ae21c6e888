#include "core/run/mha_limit.h"

enum { SHORTEST = 64 /* a power of two */ };

/* From 2^k to 3 * 2^(k-1), from there to 2^(k+1), and to `longest` where that is nearer. */
static int next(int n, int longest)
{
    int step = n & (n - 1) ? n / 3 : n / 2;
    return n < longest && step > longest - n ? longest : n + step;
}

int el_mha_limit_find(el_mha_pays_fn pays, void *user, int longest)
{
    int limit = 0, failed = 0;
    for (int n = SHORTEST; n <= longest && failed < 2; n = next(n, longest)) {
        if (pays(user, n)) {
            limit = n;
            failed = 0;
        } else {
            failed++;
        }
    }
    return limit;
}
