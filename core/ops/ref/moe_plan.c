#include "core/ops/moe.h"
#include "core/ops/ref/ref.h"

/* Counting sort. While the pairs are placed, offsets[e] is the next free place of expert e; at the
 * end it stands at the start of expert e+1, so one shift restores it. */
void el_ref_moe_plan(struct el_stream *s, const void *args)
{
    (void)s;
    const struct el_moe_plan *a = args;
    int64_t pairs = (int64_t)a->rows * a->topk;
    for (int e = 0; e <= a->experts; e++)
        a->offsets[e] = 0;
    for (int64_t i = 0; i < pairs; i++)
        a->offsets[a->chosen[i] + 1]++;
    for (int e = 0; e < a->experts; e++)
        a->offsets[e + 1] += a->offsets[e];
    for (int64_t i = 0; i < pairs; i++) {
        int32_t place = a->offsets[a->chosen[i]]++;
        a->place[i] = place;
        a->source[place] = (int32_t)(i / a->topk);
    }
    for (int e = a->experts; e > 0; e--)
        a->offsets[e] = a->offsets[e - 1];
    a->offsets[0] = 0;
}
