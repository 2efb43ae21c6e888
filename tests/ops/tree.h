/* Random batches of sequences that share the rows of their beginnings, as training packs them, and
 * the same sequences apart, each with rows of its own. Keys lie in the query rows' order. */
#ifndef EL_TESTS_OPS_TREE_H
#define EL_TESTS_OPS_TREE_H

#include "core/ops/attention.h"
#include "tests/ops/backend.h"

enum { MAX_FAMILIES = 3, MAX_BRANCHES = 4, MAX_TRUNK = 60, MAX_OWN = 30 };

struct tree {
    struct el_rows at, apart;
    int32_t *row;  /* (apart.rows) which row of the tree it stands for ... */
    int32_t *copy; /* (apart.rows) ... and as which copy, from 0 */
    float *times;  /* (at.rows) its copies */
};

/* What is filled while a tree grows. */
struct growth {
    struct tree *t;
    int32_t *seq, *pos, *tables, *shared;          /* of at */
    int32_t *apart_seq, *apart_pos, *apart_tables; /* of apart */
    int stride, root;                              /* root: first row of the family */
};

/* Sequence with `shared` positions in the family's first rows and `own` further ones. */
static inline void grow_sequence(struct growth *g, int shared, int own, int copy)
{
    struct tree *t = g->t;
    int s = t->at.sequences++, first = t->at.rows;
    g->shared[s] = shared;
    t->at.shared_keys += shared;
    t->apart.sequences++;
    g->apart_tables[s] = t->apart.rows;
    for (int j = 0; j < shared + own; j++) {
        int row = j < shared ? g->root + j : first + j - shared;
        if (j >= shared) {
            g->seq[row] = s;
            g->pos[row] = j;
            t->at.rows++;
        }
        t->times[row]++;
        g->tables[s * g->stride + j] = row;
        g->apart_seq[t->apart.rows] = s;
        g->apart_pos[t->apart.rows] = j;
        t->copy[t->apart.rows] = j < shared ? copy : 0;
        t->row[t->apart.rows++] = row;
    }
    if (shared + own - 1 > t->at.max_pos)
        t->at.max_pos = shared + own - 1;
}

static inline void grow_family(struct bench *b, struct growth *g)
{
    struct el_rows *at = &g->t->at;
    int trunk = 1 + bench_below(b, MAX_TRUNK), branches = bench_below(b, MAX_BRANCHES + 1);
    g->root = at->rows;
    grow_sequence(g, 0, trunk + bench_below(b, MAX_OWN), 0);
    for (int i = 1; i <= branches; i++)
        grow_sequence(g, trunk, 1 + bench_below(b, MAX_OWN), i);
}

static inline struct tree random_tree(struct bench *b)
{
    enum { MOST = MAX_FAMILIES * (MAX_BRANCHES + 1), LONGEST = MAX_TRUNK + MAX_OWN };
    struct tree t = {0};
    struct growth g = {.t = &t, .stride = LONGEST};
    int32_t **rows[] = {&g.seq, &g.pos, &g.apart_seq, &g.apart_pos, &t.row, &t.copy};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        *rows[i] = bench_input(b, MOST * LONGEST, sizeof **rows[i]);
    g.tables = bench_input(b, MOST * LONGEST, sizeof *g.tables);
    g.apart_tables = bench_input(b, MOST, sizeof *g.apart_tables);
    g.shared = bench_input(b, MOST, sizeof *g.shared);
    t.times = bench_input(b, MOST * LONGEST, sizeof *t.times);
    memset(t.times, 0, MOST * LONGEST * sizeof *t.times);
    for (int n = 1 + bench_below(b, MAX_FAMILIES); n > 0; n--)
        grow_family(b, &g);
    t.at.seq = g.seq, t.at.pos = g.pos, t.at.tables = g.tables, t.at.shared = g.shared;
    t.at.table_stride = LONGEST;
    t.apart.seq = g.apart_seq, t.apart.pos = g.apart_pos, t.apart.tables = g.apart_tables;
    t.apart.table_stride = 1, t.apart.block_shift = 30, t.apart.max_pos = t.at.max_pos;
    return t;
}

/* The tree's rows of `width` values, for the sequences apart; copies behind the first are zero when
 * `once`. */
static inline float *tree_apart(struct bench *b, const struct tree *t, const float *x, int width,
                                int once)
{
    float *y = bench_input(b, (int64_t)t->apart.rows * width, sizeof *y);
    for (int64_t i = 0; i < t->apart.rows; i++)
        for (int64_t j = 0; j < width; j++)
            y[i * width + j] = once && t->copy[i] ? 0 : x[t->row[i] * (int64_t)width + j];
    return y;
}

static inline int32_t *tree_apart_ints(struct bench *b, const struct tree *t, const int32_t *x,
                                       int width)
{
    int32_t *y = bench_input(b, (int64_t)t->apart.rows * width, sizeof *y);
    for (int64_t i = 0; i < t->apart.rows; i++)
        memcpy(y + i * width, x + t->row[i] * (int64_t)width, (size_t)width * sizeof *y);
    return y;
}

/* The sum over each row's copies, or with `first` the first copy alone. */
static inline float *tree_joined(struct bench *b, const struct tree *t, const float *x, int width,
                                 int first)
{
    float *y = bench_input(b, (int64_t)t->at.rows * width, sizeof *y);
    memset(y, 0, (size_t)t->at.rows * (size_t)width * sizeof *y);
    for (int64_t i = 0; i < t->apart.rows; i++)
        for (int64_t j = 0; j < width; j++)
            y[t->row[i] * (int64_t)width + j] += first && t->copy[i] ? 0 : x[i * width + j];
    return y;
}

#endif
