#include "core/ops/ref/ref.h"

int el_ref_key_count(const struct el_rows *at, const int32_t *selected, int topk, int row)
{
    if (!selected)
        return at->pos[row] + 1;
    const int32_t *list = selected + (int64_t)row * topk;
    int n = 0;
    while (n < topk && list[n] >= 0)
        n++;
    return n;
}

int64_t el_ref_key_row(const struct el_rows *at, const int32_t *selected, int topk, int row, int i)
{
    int position = selected ? selected[(int64_t)row * topk + i] : i;
    const int32_t *table = at->tables + (int64_t)at->seq[row] * at->table_stride;
    int inside = position & ((1 << at->block_shift) - 1);
    return (int64_t)table[position >> at->block_shift] + inside;
}

double el_ref_key_dot(const struct el_ref_keys *k, int64_t row, const float *q)
{
    double sum = 0;
    for (int i = 0; i < k->form.width + k->form.tail; i++)
        sum += (double)q[i] * (double)el_ref_key_value(k, row, i);
    return sum;
}

double el_ref_dot(const float *a, const float *b, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}
