#include "core/ops/cpu/key_union.h"

#include <string.h>

enum {
    ROWS = 16,           /* at a time at most */
    TALL = 64,           /* queries that make a product tall enough */
    SCORES = 512 * 1024, /* floats that a group's scores may take */
};

/* Half as many again as one row sees: a union that is larger costs more than it saves. */
int EL_CPU(union_stride)(const struct el_rows *at, const int32_t *selected, int topk)
{
    int64_t all = (int64_t)at->max_pos + 1, some = topk + (int64_t)topk / 2;
    int64_t n = selected && some < all ? some : all;
    return EL_CPU(whole_panels)(n > 0 ? n : 1);
}

int EL_CPU(union_rows)(const struct el_rows *at, const int32_t *selected, int topk, int heads)
{
    int64_t fit = SCORES / ((int64_t)heads * EL_CPU(union_stride)(at, selected, topk));
    int64_t rows = TALL / heads < ROWS ? TALL / heads : ROWS;
    rows = rows < fit ? rows : fit;
    return rows > 1 ? (int)rows : 1;
}

/* Where parts of the scratch begin, in bytes. */
struct parts {
    size_t rank, list, member;
};

/* Returns the size of all of it. */
static size_t parts_of(const struct el_rows *at, const int32_t *selected, int stride, int rows,
                       struct parts *p)
{
    size_t positions = selected ? (size_t)at->max_pos + 1 : 0;
    p->rank = el_cpu_round((positions + 63) / 64 * sizeof(uint64_t));
    p->list = p->rank + el_cpu_round(positions * sizeof(int32_t));
    p->member = p->list + el_cpu_round((size_t)stride * sizeof(int32_t));
    return p->member + el_cpu_round((size_t)rows * (size_t)stride * sizeof(int32_t));
}

size_t EL_CPU(union_bytes)(const struct el_rows *at, const int32_t *selected, int topk, int rows)
{
    struct parts p;
    return parts_of(at, selected, EL_CPU(union_stride)(at, selected, topk), rows, &p);
}

void EL_CPU(union_init)(struct el_key_union *u, const struct el_rows *at, const int32_t *selected,
                        int topk, int rows, void *scratch)
{
    struct parts p;
    memset(u, 0, sizeof *u);
    u->at = at;
    u->selected = selected;
    u->topk = topk;
    u->most_rows = rows;
    u->stride = EL_CPU(union_stride)(at, selected, topk);
    parts_of(at, selected, u->stride, rows, &p);
    u->seen = scratch;
    u->rank = (int32_t *)((char *)scratch + p.rank);
    u->list = (int32_t *)((char *)scratch + p.list);
    u->member = (int32_t *)((char *)scratch + p.member);
    if (selected)
        memset(u->seen, 0, p.rank);
}

/* Rows from `row` on that may be taken together. */
static int rows_of_sequence(const struct el_key_union *u, int row, int end)
{
    int rows = 1;
    while (rows < u->most_rows && row + rows < end && u->at->seq[row + rows] == u->at->seq[row])
        rows++;
    return rows;
}

static int take_dense(struct el_key_union *u, struct el_keys *k, int row, int rows)
{
    int last = row;
    for (int i = 0; i < rows; i++)
        last = u->at->pos[row + i] > u->at->pos[last] ? row + i : last;
    EL_CPU(keys_row)(k, last);
    u->n = k->n;
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < EL_CPU(whole_panels)(u->n); j++)
            u->member[i * (int64_t)u->stride + j] = -(j <= u->at->pos[row + i]);
    return rows;
}

/* Marks what the row sees and nobody before it did, unless that makes the union too large. */
static int add_row(struct el_key_union *u, int row, int must)
{
    const int32_t *list = u->selected + (int64_t)row * u->topk;
    int new = 0;
    for (int i = 0; i < u->topk && list[i] >= 0; i++)
        new += !(u->seen[list[i] >> 6] >> (list[i] & 63) & 1);
    if (!must && u->n + new > u->stride)
        return 0;
    for (int i = 0; i < u->topk && list[i] >= 0; i++)
        u->seen[list[i] >> 6] |= (uint64_t)1 << (list[i] & 63);
    u->n += new;
    return 1;
}

/* The marked positions, ascending; takes the marks away. */
static void list_marked(struct el_key_union *u)
{
    for (int j = 0, word = 0; j < u->n; word++)
        for (; u->seen[word]; u->seen[word] &= u->seen[word] - 1) {
            int position = word * 64 + __builtin_ctzll(u->seen[word]);
            u->rank[position] = j;
            u->list[j++] = position;
        }
}

static void find_members(struct el_key_union *u, int row)
{
    memset(u->member, 0, (size_t)u->rows * (size_t)u->stride * sizeof *u->member);
    for (int r = 0; r < u->rows; r++) {
        const int32_t *list = u->selected + (int64_t)(row + r) * u->topk;
        for (int i = 0; i < u->topk && list[i] >= 0; i++)
            u->member[(int64_t)r * u->stride + u->rank[list[i]]] = -1;
    }
}

int EL_CPU(union_take)(struct el_key_union *u, struct el_keys *k, int row, int end)
{
    int rows = rows_of_sequence(u, row, end);
    if (!u->selected)
        return u->rows = take_dense(u, k, row, rows);
    u->n = 0;
    for (u->rows = 0; u->rows < rows; u->rows++)
        if (!add_row(u, row + u->rows, u->rows == 0))
            break;
    list_marked(u);
    find_members(u, row);
    EL_CPU(keys_list)(k, row, u->list, u->n);
    return u->rows;
}
