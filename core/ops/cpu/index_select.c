/* Scores of one row against all its visible keys, panel by panel, then the top-k of them:
 *
 *   scores as sortable integers -> the k-th largest by bisection over its 32 bits, each step one
 *   vector pass of counting -> one scan that takes what is greater and the first of the equal.
 *
 * The search costs at most 32 n / VL steps, little beside the scores' H_I * D_I * n. */
#include "core/ops/cpu/cpu.h"
#include "core/ops/cpu/keys.h"
#include "core/ops/cpu/vec.h"
#include "core/ops/indexer.h"

/* Of one thread: the sortable scores of a row and the products of one panel (H_I x EL_PANEL). */
static size_t order_bytes(const struct el_index_select *a)
{
    return el_cpu_round((size_t)EL_CPU(keys_longest)(&a->at, NULL, 0) * sizeof(int32_t));
}

static size_t product_bytes(const struct el_index_select *a)
{
    return el_cpu_round((size_t)a->heads * EL_PANEL * sizeof(float));
}

static size_t thread_bytes(const struct el_index_select *a)
{
    return order_bytes(a) + product_bytes(a) + EL_CPU(keys_bytes)(&a->at, a->dim, NULL);
}

static size_t index_select_workspace(const struct el_stream *s, const void *args)
{
    return (size_t)s->threads * thread_bytes(args);
}

/* Floats as integers in the same order. A sum that starts from +0 is never -0; NaN is the worst. */
VEC vi sortable(vf score)
{
    vi bits = (vi)vmax(score, vset(-INFINITY));
    return bits ^ ((bits >> 31) & 0x7fffffff);
}

/* sum over h of w[h] * relu(product[h]) for one vector of keys. */
VEC vf combine(const float *product, const float *w, int heads)
{
    vf sum = {0}, zero = {0};
    for (int h = 0; h < heads; h++) {
        vf dot = vload(product + h * EL_PANEL);
        sum = vpick_greater(dot, zero, vfma(vset(w[h]), dot, sum), sum);
    }
    return sum;
}

static void score_row(const struct el_index_select *a, struct el_keys *k, int row, int32_t *order,
                      float *product)
{
    const float *q = a->q + (int64_t)row * a->heads * a->dim, *w = a->w + (int64_t)row * a->heads;
    for (int j = 0; j < k->n; j += EL_PANEL) {
        struct el_panel t = {.m = a->heads,
                             .cols = EL_PANEL,
                             .k = a->dim,
                             .a = q,
                             .a_row = a->dim,
                             .a_col = 1,
                             .b = EL_CPU(keys_panel)(k, j),
                             .b_row = EL_PANEL,
                             .c = product,
                             .c_row = EL_PANEL};
        EL_CPU(panel)(&t);
        for (int v = 0; v < EL_PANEL; v += VL) {
            vi score = sortable(combine(product + v, w, a->heads));
            *(vi_unaligned *)(order + j + v) = score;
        }
    }
    for (int j = k->n; j % EL_PANEL; j++)
        order[j] = INT32_MIN; /* below every score */
}

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

/* The largest integer that at least k of the scores reach; *reach: how many do. */
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

/* Takes k positions: everything above the cut, then the lowest positions that equal it. When
 * exactly k reach the cut it may lie below the k-th score; all that reach it are taken. */
static void choose(const int32_t *order, int n, int k, int32_t *selected)
{
    int reach, taken = 0;
    int32_t cut = kth_largest(order, n, k, &reach);
    int equal = reach == k ? n : k - (cut < INT32_MAX ? count_at_least(order, n, cut + 1) : 0);
    for (int j = 0; taken < k && j < n; j++) {
        int take = order[j] > cut || (order[j] == cut && equal > 0);
        equal -= order[j] == cut;
        selected[taken] = j;
        taken += take;
    }
}

static void select_row(const struct el_index_select *a, struct el_keys *k, int row, char *scratch)
{
    int32_t *selected = a->selected + (int64_t)row * a->topk, *order = (int32_t *)scratch;
    int n = a->at.pos[row] + 1;
    if (n <= a->topk) {
        for (int j = 0; j < a->topk; j++)
            selected[j] = j < n ? j : -1;
        return;
    }
    EL_CPU(keys_row)(k, row);
    score_row(a, k, row, order, (float *)(scratch + order_bytes(a)));
    choose(order, n, a->topk, selected);
}

static void index_select(struct el_stream *s, const void *args)
{
    const struct el_index_select *a = args;
    if (a->topk <= 0)
        return;
    int threads = el_cpu_threads(s, (double)a->at.rows * a->at.max_pos * a->heads * a->dim);
    int chunk = EL_CPU(row_chunk)(a->at.rows, threads);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        char *mine = (char *)s->ws + (size_t)omp_get_thread_num() * thread_bytes(a);
        struct el_keys k;
        EL_CPU(keys_init)
        (&k, &a->at, a->k, a->dim, NULL, 0, mine + order_bytes(a) + product_bytes(a));
#pragma omp for schedule(dynamic, chunk)
        for (int i = 0; i < a->at.rows; i++)
            select_row(a, &k, i, mine);
    }
}

void EL_CPU(init_index_select)(struct el_ops *t)
{
    t->run[EL_OP_index_select] = index_select;
    t->workspace[EL_OP_index_select] = index_select_workspace;
}
