#include "core/ops/indexer.h"
#include "core/ops/ref/ref.h"

#include <math.h>
#include <string.h>

/* The scores of one row and a copy for the search of the k-th. */
size_t el_ref_index_select_workspace(const struct el_stream *s, const void *args)
{
    (void)s;
    const struct el_index_select *a = args;
    return 2 * ((size_t)a->at.max_pos + 1) * sizeof(float);
}

/* I[row, position]. Products of two floats are exact in double, so a fused multiply-add changes
 * neither the score nor the set. relu(NaN) is 0; a sum that is NaN counts as the worst score. */
static float score_key(const struct el_index_select *a, int row, int position)
{
    const float *q = a->q + (int64_t)row * a->heads * a->dim;
    const float *w = a->w + (int64_t)row * a->heads;
    const struct el_ref_keys keys = {a->k, a->k_fp8, {a->dim, 0}};
    int64_t key = el_ref_key_row(&a->at, NULL, 0, row, position);
    double sum = 0;
    for (int64_t h = 0; h < a->heads; h++) {
        float dot = (float)el_ref_key_dot(&keys, key, q + h * a->dim);
        if (dot > 0)
            sum += (double)w[h] * (double)dot;
    }
    return isnan(sum) ? -INFINITY : (float)sum;
}

/* The k-th largest of n values, 1 <= k <= n; x is reordered. Partition in three parts (greater,
 * equal, less), so that the plateau of equal scores costs one pass. */
static float kth_largest(float *x, int n, int k)
{
    int from = 0, to = n; /* the k-th is inside [from, to) */
    for (;;) {
        float pivot = x[from + (to - from) / 2];
        int greater = from, less = to, i = from;
        while (i < less) {
            float v = x[i];
            if (v > pivot) {
                x[i++] = x[greater];
                x[greater++] = v;
            } else if (v < pivot) {
                x[i] = x[--less];
                x[less] = v;
            } else {
                i++;
            }
        }
        if (k <= greater)
            to = greater;
        else if (k > less)
            from = less;
        else
            return pivot;
    }
}

/* Everything greater than the k-th score, then the lowest positions that equal it. */
static void choose(const float *score, float *copy, int n, int k, int32_t *selected)
{
    memcpy(copy, score, (size_t)n * sizeof *copy);
    float cut = kth_largest(copy, n, k);
    int equal_left = k;
    for (int j = 0; j < n; j++)
        equal_left -= score[j] > cut;
    int taken = 0;
    for (int j = 0; j < n; j++)
        if (score[j] > cut || (score[j] == cut && equal_left-- > 0))
            selected[taken++] = j;
}

void el_ref_index_select(struct el_stream *s, const void *args)
{
    const struct el_index_select *a = args;
    float *score = s->ws, *copy = score + a->at.max_pos + 1;
    for (int i = 0; i < a->at.rows; i++) {
        int32_t *selected = a->selected + (int64_t)i * a->topk;
        int n = a->at.pos[i] + 1;
        for (int j = 0; j < a->topk; j++)
            selected[j] = j < n ? j : -1;
        if (n <= a->topk || a->topk <= 0)
            continue;
        for (int j = 0; j < n; j++)
            score[j] = score_key(a, i, j);
        choose(score, copy, n, a->topk, selected);
    }
}
