#include "core/model/selection.h"

#include <string.h>

void el_selection_pack(const int32_t *selected, int topk, uint32_t *bits, int words)
{
    memset(bits, 0, (size_t)words * sizeof *bits);
    for (int i = 0; i < topk && selected[i] >= 0; i++)
        bits[selected[i] / 32] |= (uint32_t)1 << selected[i] % 32;
}

void el_selection_unpack(const uint32_t *bits, int words, int32_t *selected, int topk)
{
    int n = 0;
    for (int w = 0; w < words; w++)
        for (uint32_t left = bits[w]; left && n < topk; left &= left - 1)
            selected[n++] = 32 * w + __builtin_ctz(left);
    while (n < topk)
        selected[n++] = -1;
}

int el_selection_missing(const int32_t *selected, int topk, const uint32_t *bits, int words, int *n)
{
    int missing = 0, i = 0;
    for (; i < topk && selected[i] >= 0; i++)
        missing += selected[i] / 32 >= words || !(bits[selected[i] / 32] >> selected[i] % 32 & 1);
    *n = i;
    return missing;
}
