/* Matrix products: cut into items (product, block of rows, panel of columns), of which threads take
 * one contiguous range after another. Which thread computes an item changes nothing in it.
 *
 * A thread takes the panels of a block of rows that are its own together. For each block of k:
 *
 *   - A's block is packed into strips, where enough panels will meet it;
 *   - for each panel: B's panel (k block x EL_PANEL) is packed into the thread's scratch, unless it
 *     was packed ahead (gemm_pack.c), and tiles over the rows continue the sums in C.
 *
 * Where several blocks of rows will meet B, all of it is packed ahead here, once.
 *
 * A's block stays in the second-level cache while it meets all panels, and B's panel in the first
 * while it meets all rows; C goes through memory once for each block of k. */
#include "core/ops/gemm.h"
#include "core/ops/cpu/cpu.h"

#include <string.h>

enum {
    K_BLOCK = 256,   /* a packed panel of 256 x 32 floats is 32 KiB */
    ROW_BLOCK = 384, /* a block of A of 384 x 256 floats is 384 KiB */
    TALLEST = 12,    /* rows of a tile at most */
    FEW_ROWS = 24,   /* up to here B is read in place where its rows are contiguous */
};
_Static_assert(ROW_BLOCK % TALLEST == 0, "a block of rows is no whole number of tiles");

/* One product of a batch or group. */
struct product {
    int m, k;
    const float *a, *b, *packed; /* packed: NULL when B is not */
    float *c;
};

static struct product product_at(const struct el_gemm *g, int i)
{
    struct product p = {g->m, g->k, g->a, g->b, g->packed, g->c};
    if (g->packed)
        p.packed += i * el_gemm_packed_floats(g->n, g->k);
    int64_t from = g->offsets ? g->offsets[i] : 0;
    if (g->group == EL_GROUP_ROWS) {
        p.m = (int)(g->offsets[i + 1] - from);
        p.a += from * g->a_row;
        p.b += i * g->b_batch;
        p.c += from * g->c_row;
    } else if (g->group == EL_GROUP_K) {
        p.k = (int)(g->offsets[i + 1] - from);
        p.a += from * g->a_col;
        p.b += from * g->b_row;
        p.c += i * g->c_batch;
    } else {
        p.a += i * g->a_batch;
        p.b += i * g->b_batch;
        p.c += i * g->c_batch;
    }
    return p;
}

static int products(const struct el_gemm *g)
{
    return g->batch > 1 || g->group != EL_GROUP_NONE ? g->batch : 1;
}

static int min_int(int a, int b)
{
    return a < b ? a : b;
}

static int ceil_div(int a, int b)
{
    return (a + b - 1) / b;
}

/* A block of rows and the columns that it meets. */
struct block {
    int row, rows, col, cols;
};

struct scratch {
    float *panel, *strips;
};

/* The panel of B from row k0 and column `col` on: as it was packed ahead, in place, or packed. */
static void prepare_b(const struct el_gemm *g, const struct product *p, int k0, int col,
                      struct el_panel *t, float *panel)
{
    const float *b = p->b + k0 * g->b_row + col * g->b_col;
    t->b_row = EL_PANEL;
    if (p->packed) {
        t->b = p->packed + (int64_t)col * p->k + (int64_t)k0 * EL_PANEL;
    } else if (g->b_col == 1 && t->m <= FEW_ROWS) {
        t->b = b;
        t->b_row = g->b_row;
    } else {
        EL_CPU(pack_panel)(panel, b, g->b_row, g->b_col, t->cols, t->k);
        t->b = panel;
    }
}

/* The rows of A from k0 on: in place, or as strips where enough panels will meet them, sooner where
 * a row's values are scattered. */
static void prepare_a(const struct el_gemm *g, const struct product *p, const struct block *it,
                      int k0, struct el_panel *t, float *strips)
{
    t->a = p->a + it->row * g->a_row + k0 * g->a_col;
    t->a_row = g->a_row;
    t->a_col = g->a_col;
    t->strips = it->cols > (g->a_col != 1 ? 4 : 8) * EL_PANEL;
    if (t->strips) {
        EL_CPU(pack_strips)(strips, t);
        t->a = strips;
    }
}

static void run_block(const struct el_gemm *g, const struct product *p, const struct block *it,
                      const struct scratch *s)
{
    float *c = p->c + it->row * g->c_row;
    int blocks = ceil_div(p->k, K_BLOCK), end = it->col + it->cols;
    for (int i = 0; i < blocks; i++) {
        int k0 = (int)((int64_t)p->k * i / blocks);
        struct el_panel t = {.m = it->rows,
                             .k = (int)((int64_t)p->k * (i + 1) / blocks) - k0,
                             .c_row = g->c_row,
                             .accumulate = g->accumulate || i > 0};
        prepare_a(g, p, it, k0, &t, s->strips);
        for (int col = it->col; col < end; col += EL_PANEL) {
            t.c = c + col;
            t.cols = min_int(EL_PANEL, end - col);
            prepare_b(g, p, k0, col, &t, s->panel);
            EL_CPU(panel)(&t);
        }
    }
    if (blocks == 0 && !g->accumulate)
        for (int i = 0; i < it->rows; i++)
            memset(c + i * g->c_row + it->col, 0, (size_t)it->cols * sizeof *c);
}

/* Rows of a product; of groups, on average. */
static int mean_rows(const struct el_gemm *g)
{
    return g->group == EL_GROUP_ROWS && g->batch > 0 ? ceil_div(g->m, g->batch) : g->m;
}

/* Rows of a block: large ones of nearly equal height, but enough items for the threads to share
 * evenly. */
static int row_block(const struct el_gemm *g, int threads)
{
    int panels = ceil_div(g->n, EL_PANEL), m = mean_rows(g);
    int block = ROW_BLOCK;
    while (threads > 1 && block > 24 &&
           (int64_t)products(g) * ceil_div(m, block) * panels < 6 * threads)
        block /= 2;
    int even = ceil_div(m, ceil_div(m > 0 ? m : 1, block));
    return ceil_div(even > 0 ? even : 1, TALLEST) * TALLEST;
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

/* The line's length when `s` is NULL; else runs the items of a part, those of one block of rows
 * together. */
static int64_t walk(const struct el_gemm *g, int rows_at_once, const struct line *part,
                    const struct scratch *s)
{
    int64_t at = 0;
    for (int i = 0; i < products(g); i++) {
        struct product p = product_at(g, i);
        for (int row = 0; row < p.m && !(s && at >= part->hi); row += rows_at_once) {
            struct block it = {row, min_int(rows_at_once, p.m - row), 0, 0};
            int64_t start = at;
            for (int col = 0; col < g->n; col += EL_PANEL) {
                int64_t key = start < part->whole ? start : at;
                if (key >= part->lo && key < part->hi) {
                    it.col = it.cols ? it.col : col;
                    it.cols += min_int(EL_PANEL, g->n - col);
                }
                at += item_weight(it.rows, p.k);
            }
            if (s && it.cols)
                run_block(g, &p, &it, s);
        }
    }
    return at;
}

enum {
    PANEL_FLOATS = K_BLOCK * EL_PANEL,
    SCRATCH_FLOATS = PANEL_FLOATS + K_BLOCK * ROW_BLOCK + EL_STRIPS_SLACK,
    AHEAD_FLOATS = 16 << 20, /* of B at most */
};

/* Floats of B packed ahead; 0: each block of rows packs what it meets. */
static int64_t ahead_floats(const struct el_gemm *g, int block)
{
    int64_t floats = products(g) * el_gemm_packed_floats(g->n, g->k);
    int worth =
        !g->packed && g->group != EL_GROUP_K && mean_rows(g) > block && floats <= AHEAD_FLOATS;
    return worth ? floats : 0;
}

static int threads_of(const struct el_stream *s, const struct el_gemm *g)
{
    return el_cpu_threads(s, (double)g->m * g->n * g->k *
                                 (g->group == EL_GROUP_NONE ? products(g) : 1));
}

static size_t gemm_workspace(const struct el_stream *s, const void *args)
{
    const struct el_gemm *g = args;
    int64_t ahead = ahead_floats(g, row_block(g, threads_of(s, g)));
    return ((size_t)s->threads * SCRATCH_FLOATS + (size_t)ahead) * sizeof(float);
}

static void pack_ahead(struct el_stream *s, struct el_gemm *g, float *packed)
{
    struct el_gemm_pack p = {.n = g->n,
                             .k = g->k,
                             .b = g->b,
                             .b_row = g->b_row,
                             .b_col = g->b_col,
                             .batch = products(g),
                             .b_batch = g->b_batch,
                             .packed = packed};
    EL_CPU(gemm_pack)(s, &p);
    g->packed = packed;
}

static int64_t longest_block(const struct el_gemm *g, int rows_at_once)
{
    int64_t longest = 0;
    for (int i = 0; i < products(g); i++) {
        struct product p = product_at(g, i);
        int64_t item = item_weight(min_int(rows_at_once, p.m), p.k);
        longest = item > longest ? item : longest;
    }
    return longest * ceil_div(g->n, EL_PANEL);
}

static void gemm(struct el_stream *s, const void *args)
{
    struct el_gemm g = *(const struct el_gemm *)args;
    if (g.m <= 0 && g.group != EL_GROUP_K)
        return;
    int threads = threads_of(s, &g), block = row_block(&g, threads);
    if (ahead_floats(&g, block))
        pack_ahead(s, &g, (float *)s->ws + (size_t)s->threads * SCRATCH_FLOATS);
    const int64_t total = walk(&g, block, &(struct line){0}, NULL);
    /* from there on a part is shorter than the longest block of rows (el_cpu_claim) */
    const int64_t whole = total - 2 * threads * longest_block(&g, block);
    _Atomic int64_t next = 0;
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        float *own = (float *)s->ws + (size_t)omp_get_thread_num() * SCRATCH_FLOATS;
        const struct scratch scratch = {own, own + PANEL_FLOATS};
        struct line part = {.whole = whole};
        while (el_cpu_claim(&next, total, omp_get_num_threads(), &part.lo, &part.hi))
            walk(&g, block, &part, &scratch);
    }
}

void EL_CPU(init_gemm)(struct el_ops *t)
{
    t->run[EL_OP_gemm] = gemm;
    t->workspace[EL_OP_gemm] = gemm_workspace;
}
