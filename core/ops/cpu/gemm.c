/* Matrix products: cut into items (product, block of rows, panel of columns), of which threads take
 * one contiguous range after another. Which thread computes an item changes nothing in it.
 *
 * What several items will meet is packed ahead, once: all of B where there are several blocks of
 * rows, and both A and B, a stretch of k after the other, where the sums are long and A's columns
 * contiguous (gradients of weights). The rest is packed by the items (gemm_block.c). */
#include "core/ops/gemm.h"
#include "core/ops/cpu/gemm_block.h"

/* One product or several, in blocks of `rows` rows. */
struct work {
    struct el_gemm g;
    int rows, threads;
    int side_by_side;    /* products' operands lie in the same rows, and go through them together */
    const float *strips; /* NULL: A was not packed ahead */
};

static int min_int(int a, int b)
{
    return a < b ? a : b;
}

/* Rows of a product; of groups, on average. */
static int mean_rows(const struct el_gemm *g)
{
    return g->group == EL_GROUP_ROWS && g->batch > 0 ? el_ceil_div(g->m, g->batch) : g->m;
}

/* Rows of a block of `products` products: `most`, or fewer, so that threads share items evenly. */
static int row_block(const struct el_gemm *g, int products, int most, int threads)
{
    int panels = el_ceil_div(g->n, EL_PANEL), m = mean_rows(g);
    while (threads > 1 && most > 24 &&
           (int64_t)products * el_ceil_div(m, most) * panels < 6 * threads)
        most /= 2;
    int even = el_ceil_div(m, el_ceil_div(m > 0 ? m : 1, most)); /* of nearly equal height */
    return el_ceil_div(even > 0 ? even : 1, EL_TALLEST) * EL_TALLEST;
}

/* The items of a product as positions on a line, each as long as it takes. A part of the line has
 * those that start in it, but blocks of rows that start before `whole` are not cut: A's strips are
 * packed once for each part of a block. */
struct line {
    int64_t lo, hi, whole;
};

static int64_t item_weight(int rows, int k)
{
    return (int64_t)(rows + 8) * (k + 8);
}

/* A block of rows of product i, whose items begin at `at` on the line: runs those that are in the
 * part, together; where `s` is NULL none. Returns where they end. */
static int64_t visit(const struct work *w, int i, int row, int64_t at, const struct line *part,
                     const struct el_gemm_scratch *s)
{
    struct el_gemm_product p = EL_CPU(gemm_product)(&w->g, i);
    struct el_gemm_block it = {row, min_int(w->rows, p.m - row), 0, 0};
    const int64_t start = at, item = item_weight(it.rows, p.k);
    const int64_t end = at + item * el_ceil_div(w->g.n, EL_PANEL);
    if (!s || end <= part->lo || start >= part->hi)
        return end;
    for (int col = 0; col < w->g.n; col += EL_PANEL, at += item) {
        int64_t key = start < part->whole ? start : at;
        if (key >= part->lo && key < part->hi) {
            it.col = it.cols ? it.col : col;
            it.cols += min_int(EL_PANEL, w->g.n - col);
        }
    }
    p.strips = w->strips;
    p.rows_at_once = w->rows;
    if (it.cols)
        EL_CPU(gemm_block)(&w->g, &p, &it, s);
    return end;
}

/* Runs the items of a part; or none, where `s` is NULL. Returns the line's length. */
static int64_t walk(const struct work *w, const struct line *part, const struct el_gemm_scratch *s)
{
    const int n = EL_CPU(gemm_products)(&w->g);
    int64_t at = 0;
    if (w->side_by_side) {
        for (int row = 0; row < w->g.m && !(s && at >= part->hi); row += w->rows)
            for (int i = 0; i < n; i++)
                at = visit(w, i, row, at, part, s);
        return at;
    }
    for (int i = 0; i < n; i++) {
        int m = EL_CPU(gemm_product)(&w->g, i).m;
        for (int row = 0; row < m && !(s && at >= part->hi); row += w->rows)
            at = visit(w, i, row, at, part, s);
    }
    return at;
}

static int64_t longest_block(const struct work *w)
{
    int64_t longest = 0;
    for (int i = 0; i < EL_CPU(gemm_products)(&w->g); i++) {
        struct el_gemm_product p = EL_CPU(gemm_product)(&w->g, i);
        int64_t item = item_weight(min_int(w->rows, p.m), p.k);
        longest = item > longest ? item : longest;
    }
    return longest * el_ceil_div(w->g.n, EL_PANEL);
}

enum { SCRATCH_FLOATS = EL_PANEL_FLOATS + EL_STRIPS_FLOATS };

static void run(struct el_stream *s, const struct work *w)
{
    const int64_t total = walk(w, &(struct line){0}, NULL);
    /* from there on a part is shorter than the longest block of rows (el_cpu_claim) */
    const int64_t whole = w->strips ? 0 : total - 2 * w->threads * longest_block(w);
    _Atomic int64_t next = 0;
#pragma omp parallel num_threads(w->threads) if (w->threads > 1)
    {
        float *own = (float *)s->ws + (size_t)omp_get_thread_num() * SCRATCH_FLOATS;
        const struct el_gemm_scratch scratch = {own, own + EL_PANEL_FLOATS};
        struct line part = {.whole = whole};
        while (el_cpu_claim(&next, total, omp_get_num_threads(), &part.lo, &part.hi))
            walk(w, &part, &scratch);
    }
}

static void pack_b(struct el_stream *s, struct el_gemm *g, float *packed)
{
    struct el_gemm_pack p = {.n = g->n,
                             .k = g->k,
                             .b = g->b,
                             .b_row = g->b_row,
                             .b_col = g->b_col,
                             .batch = EL_CPU(gemm_products)(g),
                             .b_batch = g->b_batch,
                             .packed = packed};
    EL_CPU(gemm_pack)(s, &p);
    g->packed = packed;
}

/* ---- Long sums: stretches of k, of which threads pack A and B together ---- */

enum {
    DEEP = 2 * EL_K_BLOCK, /* from which k on */
    DEEP_M = 64,           /* and from which m on: a few rows make too little of a packed B */
    DEEP_ROWS = 96,
    DEEP_FLOATS = 256 << 10, /* of A and B in a stretch for each thread; a k block at least */
};

/* Rows of a block; 0: not worth it, as few panels meet a strip or one product has too few items for
 * the threads. */
static int deep_rows(const struct el_gemm *g, int threads)
{
    int panels = el_ceil_div(g->n, EL_PANEL), rows = row_block(g, 1, DEEP_ROWS, threads);
    int worth = g->a_col != 1 && g->group != EL_GROUP_ROWS && !g->packed && g->k >= DEEP &&
                g->m >= DEEP_M && panels >= 4 &&
                (int64_t)el_ceil_div(g->m, rows) * panels >= 4 * threads;
    return worth ? rows : 0;
}

/* A stretch is of so many values of k at most. */
static int deep_k(const struct el_gemm *g, int threads)
{
    int blocks = (int)((int64_t)DEEP_FLOATS * threads / (g->m + g->n) / EL_K_BLOCK);
    return min_int(blocks > 0 ? blocks : 1, el_ceil_div(g->k, EL_K_BLOCK)) * EL_K_BLOCK;
}

static void pack_strips(struct work *w, float *strips)
{
    struct el_gemm_product p = EL_CPU(gemm_product)(&w->g, 0);
    p.rows_at_once = w->rows;
    int pieces = el_ceil_div(p.m, w->rows) * el_ceil_div(p.k, EL_K_BLOCK);
#pragma omp parallel for num_threads(w->threads) schedule(dynamic) if (w->threads > 1)
    for (int i = 0; i < pieces; i++)
        EL_CPU(gemm_strips)(&w->g, &p, i, strips);
    w->strips = strips;
}

/* Floats of a stretch's strips: whole cache lines, behind which B is packed. */
static int64_t deep_strips(const struct el_gemm *g, int rows, int threads)
{
    return EL_CPU(gemm_strips_floats)(g->m, deep_k(g, threads), rows);
}

/* One product of g, which has not been packed. */
static void deep_product(struct el_stream *s, const struct el_gemm *g, int i, int rows, int threads,
                         float *space)
{
    struct el_gemm_product p = EL_CPU(gemm_product)(g, i);
    int most = deep_k(g, threads), stretches = p.k > 0 ? el_ceil_div(p.k, most) : 1;
    for (int j = 0; j < stretches; j++) {
        int64_t from = (int64_t)p.k * j / stretches, to = (int64_t)p.k * (j + 1) / stretches;
        struct work w = {.g = *g, .rows = rows, .threads = threads};
        w.g.group = EL_GROUP_NONE;
        w.g.batch = 1;
        w.g.k = (int)(to - from);
        w.g.a = p.a + from * g->a_col;
        w.g.b = p.b + from * g->b_row;
        w.g.c = p.c;
        w.g.accumulate = g->accumulate || j > 0;
        pack_strips(&w, space);
        pack_b(s, &w.g, space + deep_strips(g, rows, threads));
        run(s, &w);
    }
}

/* ---- The op ---- */

static int threads_of(const struct el_stream *s, const struct el_gemm *g)
{
    return el_cpu_threads(s, (double)g->m * g->n * g->k *
                                 (g->group == EL_GROUP_NONE ? EL_CPU(gemm_products)(g) : 1));
}

/* Heads of attention: a product's rows are parts of rows that hold all products'. */
static int side_by_side(const struct el_gemm *g)
{
    return g->group == EL_GROUP_NONE && g->batch > 1 && g->a_col == 1 && g->a_batch < g->a_row;
}

static int usual_rows(const struct el_gemm *g, int threads)
{
    int most = side_by_side(g) ? 96 : EL_ROW_BLOCK; /* all products' parts of so many rows */
    return row_block(g, EL_CPU(gemm_products)(g), most, threads);
}

/* Floats of B packed ahead; 0: each block of rows packs what it meets. */
static int64_t ahead_floats(const struct el_gemm *g, int block)
{
    enum { MOST = 16 << 20 };
    int64_t floats = EL_CPU(gemm_products)(g) * el_gemm_packed_floats(g->n, g->k);
    int worth = !g->packed && g->group != EL_GROUP_K && mean_rows(g) > block && floats <= MOST;
    return worth ? floats : 0;
}

static size_t gemm_workspace(const struct el_stream *s, const void *args)
{
    const struct el_gemm *g = args;
    int threads = threads_of(s, g), rows = deep_rows(g, threads);
    int64_t ahead =
        rows ? deep_strips(g, rows, threads) + el_gemm_packed_floats(g->n, deep_k(g, threads))
             : ahead_floats(g, usual_rows(g, threads));
    return ((size_t)s->threads * SCRATCH_FLOATS + (size_t)ahead) * sizeof(float);
}

static void gemm(struct el_stream *s, const void *args)
{
    const struct el_gemm *g = args;
    if (g->m <= 0 && g->group != EL_GROUP_K)
        return;
    int threads = threads_of(s, g), rows = deep_rows(g, threads);
    float *space = (float *)s->ws + (size_t)s->threads * SCRATCH_FLOATS;
    if (rows) {
        for (int i = 0; i < EL_CPU(gemm_products)(g); i++)
            deep_product(s, g, i, rows, threads, space);
        return;
    }
    struct work w = {.g = *g,
                     .rows = usual_rows(g, threads),
                     .threads = threads,
                     .side_by_side = side_by_side(g)};
    if (ahead_floats(g, w.rows))
        pack_b(s, &w.g, space);
    run(s, &w);
}

void EL_CPU(init_gemm)(struct el_ops *t)
{
    t->run[EL_OP_gemm] = gemm;
    t->workspace[EL_OP_gemm] = gemm_workspace;
}
