/* Scores of query rows against all their visible keys, and the top-k of each row.
 *
 *            keys ->   a span of panels                    a unit of work: one block x one span
 *   block of  row 0  [ packed panel | next panel | ... ]   a panel of keys is packed once and meets
 *   rows      row 1  [      "              "           ]   every row of the block that sees it
 *             ...
 *
 * Rows are taken in groups: first all units of a group in any order, then the selections, row by
 * row. So threads share a single row's keys as well as they share many rows. What is kept are the
 * scores of one group, as sortable integers: a fixed number of rows for each thread.
 *
 * A score is one chain over the heads of products that are one chain over the dimensions each; how
 * the work is cut does not enter. */
#include "core/ops/cpu/cpu.h"
#include "core/ops/cpu/keys.h"
#include "core/ops/cpu/vec.h"
#include "core/ops/indexer.h"

enum {
    BLOCK = 8,   /* rows that share a packed panel; their queries fit the second-level cache */
    SPAN = 1024, /* keys of a unit */
    FAR = 4,     /* panels ahead of a single row's that are fetched */
    KEPT =
        1 << 20, /* scores that a group may keep for each thread; BLOCK rows are always allowed */
};

/* The workspace: one part for each thread, then the scores of a group. */
struct plan {
    const struct el_index_select *a;
    int longest;    /* room for the scores of one row */
    int group;      /* rows of a group, a multiple of BLOCK */
    size_t product; /* bytes of a thread's H_I x EL_PANEL products; its packed panel is behind */
    size_t panel;   /* bytes of that; behind it are as many for unpacked FP8 keys */
    size_t mine;    /* bytes of a thread's part; the selection uses it for its own purposes */
    struct el_key_cache cache;
};

static struct plan make_plan(const struct el_stream *s, const struct el_index_select *a)
{
    struct plan p = {.a = a,
                     .longest = EL_CPU(keys_longest)(&a->at, NULL, 0),
                     .cache = EL_CPU(key_cache)(a->k, a->k_fp8, a->dim, 0)};
    int64_t all = (a->at.rows + BLOCK - 1) / BLOCK * BLOCK, group = KEPT / p.longest;
    group = (group > BLOCK ? group / BLOCK * BLOCK : BLOCK) * s->threads;
    p.group = (int)(group < all ? group : all);
    p.product = el_cpu_round((size_t)a->heads * EL_PANEL * sizeof(float));
    p.panel = el_cpu_round((size_t)a->dim * EL_PANEL * sizeof(float));
    size_t scoring = p.product + p.panel * (a->k_fp8 ? 2 : 1);
    size_t choosing = el_cpu_round((size_t)(p.longest + EL_PANEL) * sizeof(int32_t));
    p.mine = scoring > choosing ? scoring : choosing;
    return p;
}

static size_t index_select_workspace(const struct el_stream *s, const void *args)
{
    struct plan p = make_plan(s, args);
    size_t scores = (size_t)p.group * (size_t)p.longest * sizeof(int32_t);
    return (size_t)s->threads * p.mine + scores;
}

/* Keys that a row must be scored against; 0: it sees no more than it may select. */
static int keys_to_score(const struct el_index_select *a, int row)
{
    int n = a->at.pos[row] + 1;
    return n > a->topk ? n : 0;
}

/* Whether keys j..j+count-1 of two rows are the same cache rows. */
static int same_keys(const struct el_rows *at, int x, int y, int j, int count)
{
    const int32_t *a = at->tables + (int64_t)at->seq[x] * at->table_stride;
    const int32_t *b = at->tables + (int64_t)at->seq[y] * at->table_stride;
    int last = (j + count - 1) >> at->block_shift;
    for (int i = j >> at->block_shift; a != b && i <= last; i++)
        if (a[i] != b[i])
            return 0;
    return 1;
}

/* Keys from j on that lie one after another, at most `count`: where, and how many. */
static int run_at(const struct el_index_select *a, int row, int j, int count, const float **keys)
{
    int shift = a->at.block_shift, in_block = (1 << shift) - (j & ((1 << shift) - 1));
    EL_CPU(key_rows)(&a->at, a->at.seq[row], NULL, j, 1, a->k, a->dim, keys);
    return count < in_block ? count : in_block;
}

/* Packs keys j..j+count-1 of a row. */
static void pack(const struct plan *p, int row, int j, int count, float *panel)
{
    const struct el_index_select *a = p->a;
    const float *rows[EL_PANEL], *keys;
    if (a->k_fp8) {
        float *unpacked = panel + p->panel / sizeof *panel;
        const int32_t *table = a->at.tables + (int64_t)a->at.seq[row] * a->at.table_stride;
        struct el_key_range r = {table, a->at.block_shift, NULL, j, count};
        EL_CPU(key_columns)(r, &p->cache, 0, a->dim, unpacked);
        EL_CPU(pack_transposed)(panel, unpacked, a->dim, count, a->dim);
        return;
    }
    if (run_at(a, row, j, count, &keys) == count) {
        EL_CPU(pack_transposed)(panel, keys, a->dim, count, a->dim);
        return;
    }
    EL_CPU(key_rows)(&a->at, a->at.seq[row], NULL, j, count, a->k, a->dim, rows);
    EL_CPU(pack_rows)(panel, rows, count, a->dim);
}

/* Names the keys of the panel at j, as far as they lie together. Packed keys are fetched when they
 * are unpacked. */
static void name_next(const struct el_index_select *a, int row, int j, struct el_ahead *next)
{
    int left = a->k_fp8 ? 0 : keys_to_score(a, row) - j;
    next->count = left > 0;
    if (left > 0)
        next->width = a->dim * run_at(a, row, j, left < EL_PANEL ? left : EL_PANEL, next->rows);
}

/* Floats as integers in the same order; NaN is the worst, and -0, which a sum becomes when all of
 * it underflows from below, is 0. */
VEC vi sortable(vf score)
{
    vi bits = (vi)(vmax(score, vset(-INFINITY)) + (vf){0});
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

/* Scores of a row against a panel, of whose keys it sees `count`. */
static void score_panel(const struct el_index_select *a, int row, const float *panel, int count,
                        const struct el_ahead *next, float *product, int32_t *order)
{
    const float *w = a->w + (int64_t)row * a->heads;
    struct el_panel t = {.m = a->heads,
                         .cols = EL_PANEL,
                         .k = a->dim,
                         .a = a->q + (int64_t)row * a->heads * a->dim,
                         .a_row = a->dim,
                         .a_col = 1,
                         .b = panel,
                         .b_row = EL_PANEL,
                         .c = product,
                         .c_row = EL_PANEL,
                         .ahead = next};
    EL_CPU(panel)(&t);
    for (int v = 0; v < EL_PANEL; v += VL)
        *(vi_unaligned *)(order + v) = sortable(combine(product + v, w, a->heads));
    for (int i = count; i < EL_PANEL; i++)
        order[i] = INT32_MIN; /* below every score */
}

static int min_int(int a, int b)
{
    return a < b ? a : b;
}

/* Rows from..to-1, whose scores lie at `order`, against the keys of a span. The last row comes
 * first: of rows of one sequence it usually sees the most keys, and so packs for all of them. */
static void score_rows(const struct plan *p, int from, int to, int span, char *mine, int32_t *order)
{
    const struct el_index_select *a = p->a;
    float *product = (float *)mine, *panel = (float *)(mine + p->product);
    int distance = to - from > 2 ? EL_PANEL : FAR * EL_PANEL; /* many rows: a panel lasts longer */
    struct el_ahead next;
    for (int j = span * SPAN; j < (span + 1) * SPAN; j += EL_PANEL) {
        int owner = -1, packed = 0; /* the row whose keys are in the panel, and their number */
        for (int row = to - 1; row >= from; row--) {
            int count = min_int(keys_to_score(a, row) - j, EL_PANEL);
            if (count <= 0)
                continue;
            if (count > packed || !same_keys(&a->at, row, owner, j, count)) {
                pack(p, row, j, count, panel);
                name_next(a, row, j + distance, &next);
                owner = row;
                packed = count;
            }
            score_panel(a, row, panel, count, owner == row ? &next : NULL, product,
                        order + (row - from) * (int64_t)p->longest + j);
        }
    }
}

/* The rows of a unit, those together that share keys: a panel that is packed for a single row is
 * read best on its way along that row's keys. */
static void score_unit(const struct plan *p, int from, int to, int span, char *mine, int32_t *order)
{
    for (int end = to, begin; end > from; end = begin) {
        begin = end - 1;
        while (begin > from && same_keys(&p->a->at, begin - 1, end - 1, span * SPAN, 1))
            begin--;
        score_rows(p, begin, end, span, mine, order + (begin - from) * (int64_t)p->longest);
    }
}

static void select_row(const struct plan *p, int row, const int32_t *order, int32_t *spare)
{
    const struct el_index_select *a = p->a;
    int32_t *selected = a->selected + (int64_t)row * a->topk;
    int n = a->at.pos[row] + 1;
    if (n > a->topk)
        EL_CPU(topk)(order, n, a->topk, selected, spare);
    for (int j = 0; j < a->topk && n <= a->topk; j++)
        selected[j] = j < n ? j : -1;
}

/* The part of every thread of the team in the group that starts at row `first`. */
static void run_group(const struct plan *p, int first, char *mine, int32_t *order)
{
    int rows = min_int(p->group, p->a->at.rows - first), blocks = (rows + BLOCK - 1) / BLOCK;
    int spans = (p->a->at.max_pos + SPAN) / SPAN;
#pragma omp for schedule(dynamic, 1)
    for (int u = 0; u < spans * blocks; u++) {
        int from = u % blocks * BLOCK, to = min_int(from + BLOCK, rows);
        score_unit(p, first + from, first + to, u / blocks, mine,
                   order + from * (int64_t)p->longest);
    }
#pragma omp for schedule(dynamic, 1)
    for (int i = 0; i < rows; i++)
        select_row(p, first + i, order + i * (int64_t)p->longest, (int32_t *)mine);
}

static void index_select(struct el_stream *s, const void *args)
{
    const struct el_index_select *a = args;
    if (a->topk <= 0)
        return;
    struct plan p = make_plan(s, a);
    int threads = el_cpu_threads(s, (double)a->at.rows * a->at.max_pos * a->heads * a->dim);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        char *mine = (char *)s->ws + (size_t)omp_get_thread_num() * p.mine;
        int32_t *order = (int32_t *)((char *)s->ws + (size_t)s->threads * p.mine);
        for (int first = 0; first < a->at.rows; first += p.group)
            run_group(&p, first, mine, order);
    }
}

void EL_CPU(init_index_select)(struct el_ops *t)
{
    t->run[EL_OP_index_select] = index_select;
    t->workspace[EL_OP_index_select] = index_select_workspace;
}
