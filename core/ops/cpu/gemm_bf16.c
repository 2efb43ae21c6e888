/* The op gemm_bf16: A is rounded into tiles by all threads, then they take one contiguous range of
 * items (product, block of rows, panel of columns) after another, as in gemm.c, and have the
 * processor's kernel multiply them. */
#include "core/ops/gemm_bf16.h"
#include "core/ops/bf16_kernel.h"
#include "core/ops/cpu/cpu.h"
#include "core/ops/cpu/fp8.h"
#include "core/tensor/dtype.h"

#include <string.h>

/* One product of a batch or group, and its first tile. */
struct product {
    int m;
    const float *a;
    const uint16_t *packed;
    float *c;
    int64_t tile;
};

struct job {
    const struct el_gemm_bf16 *g;
    const struct el_bf16_kernel *kernel;
    int products, steps, block; /* block: tiles of an item */
    size_t tile_bytes;
    char *tiles;
};

static int64_t tiles_of(int64_t rows)
{
    return (rows + EL_BF16_TILE - 1) / EL_BF16_TILE;
}

static int products(const struct el_gemm_bf16 *g)
{
    return g->batch > 1 || g->group != EL_GROUP_NONE ? g->batch : 1;
}

/* `tile` is where the product before it ended. */
static struct product product_at(const struct el_gemm_bf16 *g, int i, int64_t tile)
{
    struct product p = {
        .m = g->m, .packed = g->packed + i * el_gemm_bf16_packed(g->n, g->k), .tile = tile};
    int64_t from = g->group == EL_GROUP_ROWS ? g->offsets[i] : 0;
    if (g->group == EL_GROUP_ROWS) {
        p.m = (int)(g->offsets[i + 1] - from);
        p.a = g->a + from * g->a_row;
        p.c = g->c + from * g->c_row;
    } else {
        p.a = g->a + i * g->a_batch;
        p.c = g->c + i * g->c_batch;
    }
    return p;
}

/* n values, rounded; zeros up to a whole step. */
VEC void round_step(const int wide, char *to, const float *from, int n)
{
    for (int j = 0; j < EL_BF16_STEP; j += VL) {
        int left = n - j < 0 ? 0 : n - j;
        vi bits = vround_bf16(left >= VL ? vload(from + j) : vload_part(from + j, left));
        if (wide)
            vstore((float *)to + j, (vf)bits);
        else
            vstore_bf16((uint8_t *)to + 2 * j, bits, VL);
    }
}

VEC void round_rows(const int wide, char *to, const struct el_gemm_bf16 *g, const float *a,
                    int rows)
{
    size_t line = (size_t)EL_BF16_STEP * (wide ? sizeof(float) : sizeof(uint16_t));
    for (int k = 0; k < g->k; k += EL_BF16_STEP, to += EL_BF16_TILE * line) {
        int n = g->k - k < EL_BF16_STEP ? g->k - k : EL_BF16_STEP;
        for (int i = 0; i < rows; i++)
            round_step(wide, to + (size_t)i * line, a + i * g->a_row + k, n);
        memset(to + (size_t)rows * line, 0, (size_t)(EL_BF16_TILE - rows) * line);
    }
}

static void round_tile(const struct job *j, char *to, const float *a, int rows)
{
    if (j->kernel->wide)
        round_rows(1, to, j->g, a, rows);
    else
        round_rows(0, to, j->g, a, rows);
}

/* This thread's share of the tiles of all products. */
static void round_share(const struct job *j, int64_t from, int64_t to)
{
    int64_t tile = 0;
    for (int i = 0; i < j->products && tile < to; i++) {
        struct product p = product_at(j->g, i, tile);
        for (int row = 0; row < p.m; row += EL_BF16_TILE, tile++)
            if (tile >= from && tile < to)
                round_tile(j, j->tiles + (size_t)tile * j->tile_bytes, p.a + row * j->g->a_row,
                           p.m - row < EL_BF16_TILE ? p.m - row : EL_BF16_TILE);
    }
}

static void run_item(const struct job *j, const struct product *p, int row, int rows, int col)
{
    const struct el_gemm_bf16 *g = j->g;
    size_t step_bytes = (size_t)EL_BF16_TILE * EL_BF16_STEP * el_bf16_value(j->kernel);
    const int64_t step_b = EL_BF16_PANEL * EL_BF16_STEP;
    const char *a = j->tiles + (size_t)(p->tile + row / EL_BF16_TILE) * j->tile_bytes;
    struct el_bf16_panel t = {.rows = rows,
                              .cols = g->n - col < EL_BF16_PANEL ? g->n - col : EL_BF16_PANEL,
                              .a_tile = j->tile_bytes,
                              .c = p->c + row * g->c_row + col,
                              .c_row = g->c_row};
    const uint16_t *b = p->packed + col / EL_BF16_PANEL * j->steps * step_b;
    for (int at = 0; at < j->steps; at += j->kernel->step_block) {
        t.steps = j->steps - at < j->kernel->step_block ? j->steps - at : j->kernel->step_block;
        t.a = a + (size_t)at * step_bytes;
        t.b = b + at * step_b;
        t.ahead = col + EL_BF16_PANEL < g->n ? t.b + j->steps * step_b : NULL;
        t.accumulate = g->accumulate || at > 0;
        j->kernel->panel(&t);
    }
    if (j->steps == 0 && !g->accumulate)
        for (int i = 0; i < rows; i++)
            memset(t.c + i * t.c_row, 0, (size_t)t.cols * sizeof *t.c);
}

/* Total weight when `run` is 0; else runs the items that start inside lo..hi-1 of it. */
static int64_t walk(const struct job *j, int64_t lo, int64_t hi, int run)
{
    int block = j->block * EL_BF16_TILE;
    int64_t at = 0, tile = 0;
    for (int i = 0; i < j->products; i++) {
        struct product p = product_at(j->g, i, tile);
        for (int row = 0; row < p.m; row += block) {
            int rows = p.m - row < block ? p.m - row : block;
            for (int col = 0; col < j->g->n; col += EL_BF16_PANEL) {
                if (run && at >= lo && at < hi)
                    run_item(j, &p, row, rows, col);
                at += tiles_of(rows) * EL_BF16_TILE + 8;
            }
        }
        tile += tiles_of(p.m);
    }
    return at;
}

/* At least as many as there are: groups are known on the device alone. */
static int64_t most_tiles(const struct el_gemm_bf16 *g)
{
    return g->group == EL_GROUP_ROWS ? g->m / EL_BF16_TILE + g->batch
                                     : products(g) * tiles_of(g->m);
}

static size_t tile_bytes(const struct el_gemm_bf16 *g, const struct el_bf16_kernel *k)
{
    return (size_t)el_bf16_steps(g->k) * EL_BF16_TILE * EL_BF16_STEP * el_bf16_value(k);
}

static size_t gemm_bf16_workspace(const struct el_stream *s, const void *args)
{
    const struct el_gemm_bf16 *g = args;
    return (size_t)most_tiles(g) * tile_bytes(g, s->ops->bf16);
}

/* Large blocks, but enough items for the threads to share evenly. */
static int tiles_of_item(const struct el_gemm_bf16 *g, const struct el_bf16_kernel *k, int threads)
{
    int64_t panels = (g->n + EL_BF16_PANEL - 1) / EL_BF16_PANEL, tiles = most_tiles(g);
    int block = k->row_block;
    while (threads > 1 && block > 2 && (tiles + block - 1) / block * panels < 6 * threads)
        block /= 2;
    return block;
}

static int64_t count_tiles(const struct job *j)
{
    int64_t tiles = 0;
    for (int i = 0; i < j->products; i++)
        tiles += tiles_of(product_at(j->g, i, 0).m);
    return tiles;
}

static void gemm_bf16(struct el_stream *s, const void *args)
{
    const struct el_gemm_bf16 *g = args;
    if (g->m <= 0)
        return;
    int threads = el_cpu_threads(s, (double)g->m * g->n * g->k *
                                        (g->group == EL_GROUP_NONE ? products(g) : 1));
    struct job j = {.g = g,
                    .kernel = s->ops->bf16,
                    .products = products(g),
                    .steps = el_bf16_steps(g->k),
                    .block = tiles_of_item(g, s->ops->bf16, threads),
                    .tile_bytes = tile_bytes(g, s->ops->bf16),
                    .tiles = s->ws};
    const int64_t total = walk(&j, 0, 0, 0), tiles = count_tiles(&j);
    _Atomic int64_t next = 0;
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        int id = omp_get_thread_num(), n = omp_get_num_threads();
        round_share(&j, el_cpu_share(tiles, id, n), el_cpu_share(tiles, id + 1, n));
#pragma omp barrier
        if (j.kernel->begin)
            j.kernel->begin();
        for (int64_t lo, hi; el_cpu_claim(&next, total, n, &lo, &hi);)
            walk(&j, lo, hi, 1);
        if (j.kernel->end)
            j.kernel->end();
    }
}

/* A panel of 32 columns: `steps` steps, zeros behind n and k. */
static void pack_panel(uint16_t *to, const struct el_gemm_bf16_pack *g, const float *b, int col)
{
    int cols = g->n - col < EL_BF16_PANEL ? g->n - col : EL_BF16_PANEL;
    memset(to, 0, (size_t)el_gemm_bf16_packed(1, g->k) * sizeof *to);
    for (int p = 0; p < g->k; p++)
        for (int j = 0; j < cols; j++)
            to[el_gemm_bf16_index(g->k, p, j)] =
                el_bf16_round(b[p * g->b_row + (col + j) * g->b_col]);
}

static void gemm_bf16_pack(struct el_stream *s, const void *args)
{
    const struct el_gemm_bf16_pack *g = args;
    int panels = (g->n + EL_BF16_PANEL - 1) / EL_BF16_PANEL, batch = g->batch > 1 ? g->batch : 1;
    int64_t each = el_gemm_bf16_packed(1, g->k);
    int threads = el_cpu_threads(s, (double)g->n * g->k * batch);
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int64_t i = 0; i < (int64_t)panels * batch; i++)
        pack_panel(g->packed + i * each, g, g->b + i / panels * g->b_batch,
                   (int)(i % panels) * EL_BF16_PANEL);
}

void EL_CPU(init_gemm_bf16)(struct el_ops *t)
{
    t->bf16 = &EL_CPU(bf16_kernel);
    t->run[EL_OP_gemm_bf16] = gemm_bf16;
    t->workspace[EL_OP_gemm_bf16] = gemm_bf16_workspace;
    t->run[EL_OP_gemm_bf16_pack] = gemm_bf16_pack;
}
