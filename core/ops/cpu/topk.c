/* The k largest of n integers without sorting them: the k-th largest by bisection over its 32 bits,
 * each step one vector pass of counting, then one scan that takes what is greater and the first of
 * the equal.
 *
 * Long lists are looked at three times only. A sample's order statistics give a range [lo, hi] that
 * holds the k-th largest almost always; one pass counts what lies above it and copies what lies
 * inside, and the bisection runs over that copy. When the range was wrong it runs over everything:
 * the sample decides about time alone, never about the result. */
#include "core/ops/cpu/cpu.h"
#include "core/ops/cpu/vec.h"

#include <math.h>

enum { SAMPLE = 1024, LONG = 8 * SAMPLE };

static int count_at_least(const int32_t *order, int n, int32_t cut)
{
    vi count = {0};
    for (int j = 0; j < n; j += VL)
        count -= vload_int(order + j) >= vset_int(cut);
    int total = 0;
    for (int i = 0; i < VL; i++)
        total += count[i];
    return total;
}

/* The largest integer that at least k of the scores reach; *reach: how many do. The search ends
 * early when exactly k do, possibly below that integer. */
static int32_t kth_largest(const int32_t *order, int n, int k, int *reach)
{
    uint32_t cut = 0; /* shifted by 2^31, so that bits are tried from the top */
    *reach = n;
    for (uint32_t bit = UINT32_C(1) << 31; bit && *reach != k; bit >>= 1) {
        int count = count_at_least(order, n, (int32_t)((cut | bit) ^ UINT32_C(0x80000000)));
        if (count >= k) {
            cut |= bit;
            *reach = count;
        }
    }
    return (int32_t)(cut ^ UINT32_C(0x80000000));
}

/* Pads a list to whole vectors with what no cut above INT32_MIN counts. */
static void pad(int32_t *list, int n)
{
    for (; n % VL; n++)
        list[n] = INT32_MIN;
}

/* A range for the k-th largest: four standard deviations of its rank in the sample to both sides.
 * hi is INT32_MAX where the sample has nothing above. */
static void guess_range(const int32_t *order, int n, int k, int32_t *sample, int32_t *lo,
                        int32_t *hi)
{
    int step = n / SAMPLE, reach;
    for (int i = 0; i < SAMPLE; i++)
        sample[i] = order[i * step];
    double rank = (double)k * SAMPLE / n;
    int slack = (int)(4 * sqrt(rank)) + 4, low = (int)rank + slack, high = (int)rank - slack;
    *lo = low < SAMPLE ? kth_largest(sample, SAMPLE, low, &reach) : INT32_MIN;
    *hi = high > 0 ? kth_largest(sample, SAMPLE, high, &reach) : INT32_MAX;
}

/* Copies what lies in [lo, hi] to list; *above: how many lie above hi. */
static int inside(const int32_t *order, int n, int32_t lo, int32_t hi, int32_t *list, int *above)
{
    int kept = 0;
    *above = hi < INT32_MAX ? count_at_least(order, n, hi + 1) : 0;
    for (int j = 0; j < n; j += VL) {
        unsigned lanes = vreach(vload_int(order + j), vset_int(lo));
        for (; lanes; lanes &= lanes - 1) {
            int i = j + __builtin_ctz(lanes);
            list[kept] = order[i];
            kept += order[i] <= hi && i < n;
        }
    }
    return kept;
}

/* As kth_largest, by way of a sample when the list is long. */
static int32_t find_cut(const int32_t *order, int n, int k, int32_t *spare, int *reach)
{
    int32_t lo, hi;
    int above;
    if (n < LONG)
        return kth_largest(order, n, k, reach);
    guess_range(order, n, k, spare, &lo, &hi);
    int kept = inside(order, n, lo, hi, spare, &above);
    if (above >= k || above + kept < k)
        return kth_largest(order, n, k, reach);
    pad(spare, kept);
    int32_t cut = kth_largest(spare, kept, k - above, reach);
    *reach += above;
    return cut > lo ? cut : lo; /* an early end may lie below the range */
}

/* When exactly k reach the cut it may lie below the k-th largest; all that reach it are taken. */
void EL_CPU(topk)(const int32_t *order, int n, int k, int32_t *selected, int32_t *spare)
{
    int reach, taken = 0;
    int32_t cut = find_cut(order, n, k, spare, &reach);
    int equal = reach == k ? n : k - (cut < INT32_MAX ? count_at_least(order, n, cut + 1) : 0);
    for (int j = 0; taken < k && j < n; j += VL) {
        unsigned lanes = vreach(vload_int(order + j), vset_int(cut));
        for (; lanes && taken < k; lanes &= lanes - 1) {
            int i = j + __builtin_ctz(lanes), take = order[i] > cut || equal > 0;
            equal -= order[i] == cut;
            selected[taken] = i;
            taken += take;
        }
    }
}
