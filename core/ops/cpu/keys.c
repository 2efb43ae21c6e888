#include "core/ops/cpu/keys.h"
#include "core/ops/cpu/vec.h"

#include <string.h>

/* Kept panels take at most 8 MiB a thread; keys behind are transposed anew for each row. */
static const int64_t panel_floats = 2 << 20;

static int kept_keys(const struct el_rows *at, int width, const int32_t *selected)
{
    int64_t fit = panel_floats / width / EL_PANEL * EL_PANEL;
    int all = EL_CPU(whole_panels)(at->max_pos + 1);
    return selected ? 0 : fit < all ? (int)fit : all;
}

size_t EL_CPU(keys_bytes)(const struct el_rows *at, int width, const int32_t *selected)
{
    size_t keys = (size_t)EL_KEY_CHUNK + EL_PANEL + (size_t)kept_keys(at, width, selected);
    return el_cpu_round(keys * (size_t)width * sizeof(float) + 64);
}

int EL_CPU(keys_longest)(const struct el_rows *at, const int32_t *selected, int topk)
{
    return EL_CPU(whole_panels)(selected ? topk : at->max_pos + 1);
}

struct el_key_cache EL_CPU(key_cache)(const float *data, const uint8_t *fp8, int width, int tail)
{
    struct el_key_cache c = {
        .width = width, .data = data, .fp8 = fp8, .form = {width - tail, tail}};
    c.bytes = fp8 ? el_fp8_row_bytes(&c.form) : 4 * (int64_t)width;
    return c;
}

void EL_CPU(keys_init)(struct el_keys *k, const struct el_rows *at, struct el_key_cache cache,
                       const int32_t *selected, int topk, void *scratch)
{
    const int width = cache.width;
    memset(k, 0, sizeof *k);
    k->at = at;
    k->cache = cache;
    k->width = width;
    k->selected = selected;
    k->topk = topk;
    k->spare = scratch;
    k->panel_keys = kept_keys(at, width, selected);
    k->panels = k->spare + (int64_t)EL_PANEL * width;
    k->rows = k->panels + (int64_t)k->panel_keys * width;
    k->seq = -1;
}

/* A new dense sequence: its keys reach to the largest position that a row of the batch has. */
static void enter_sequence(struct el_keys *k, int seq, int row)
{
    const struct el_rows *at = k->at;
    int max = 0;
    for (int i = row; i < at->rows && at->seq[i] == seq; i++)
        max = at->pos[i] > max ? at->pos[i] : max;
    for (int i = row; i >= 0 && at->seq[i] == seq; i--)
        max = at->pos[i] > max ? at->pos[i] : max;
    k->seq = seq;
    k->seq_keys = max + 1;
    k->kept = 0;
}

void EL_CPU(keys_row)(struct el_keys *k, int row)
{
    int seq = k->row_seq = k->at->seq[row];
    k->table = k->at->tables + (int64_t)seq * k->at->table_stride;
    k->list = NULL;
    k->count = 0;
    if (!k->selected) {
        k->n = k->at->pos[row] + 1;
        if (seq != k->seq)
            enter_sequence(k, seq, row);
        return;
    }
    k->list = k->selected + (int64_t)row * k->topk;
    k->n = 0;
    while (k->n < k->topk && k->list[k->n] >= 0)
        k->n++;
}

void EL_CPU(keys_list)(struct el_keys *k, int row, const int32_t *list, int n)
{
    k->row_seq = k->at->seq[row];
    k->table = k->at->tables + (int64_t)k->row_seq * k->at->table_stride;
    k->list = list;
    k->n = n;
    k->count = 0;
}

int64_t EL_CPU(keys_place)(const struct el_keys *k, int i)
{
    int position = k->list ? k->list[i] : i;
    int shift = k->at->block_shift;
    return (int64_t)k->table[position >> shift] + (position & ((1 << shift) - 1));
}

int64_t EL_CPU(keys_together)(const struct el_keys *k, int from, int count)
{
    int shift = k->at->block_shift;
    if (k->list || count <= 0)
        return -1;
    for (int b = from >> shift; b < (from + count - 1) >> shift; b++)
        if (k->table[b + 1] != k->table[b] + (1 << shift))
            return -1;
    return EL_CPU(keys_place)(k, from);
}

/* What reading values first..first+n-1 of a row reads. */
static void fetch(const struct el_key_cache *c, const uint8_t *row, int first, int n)
{
    enum { LINE = 64 };
    int64_t from = first, to = first + n;
    if (!c->fp8) {
        from *= 4, to *= 4;
    } else {
        __builtin_prefetch(row + el_fp8_row_scales(&c->form) + 4 * (first / EL_FP8_GROUP));
        to = to > c->form.width ? c->bytes : to;
    }
    for (; from < to; from += LINE)
        __builtin_prefetch(row + from);
}

void EL_CPU(key_columns)(struct el_key_range r, const struct el_key_cache *c, int first,
                         int columns, float *to)
{
    enum { AHEAD = 8 }; /* a scattered row is fetched so many rows before its turn */
    const uint8_t *rows[EL_KEY_CHUNK], *data = c->fp8 ? c->fp8 : (const uint8_t *)c->data;
    int mask = (1 << r.block_shift) - 1;
    for (int i = 0; i < r.count; i++) {
        int position = r.list ? r.list[r.from + i] : r.from + i;
        rows[i] =
            data + (r.table[position >> r.block_shift] + (int64_t)(position & mask)) * c->bytes;
    }
    for (int i = -AHEAD; i < r.count; i++) {
        if (i + AHEAD < r.count)
            fetch(c, rows[i + AHEAD], first, columns);
        if (i >= 0 && c->fp8)
            EL_CPU(fp8_unpack)(&c->form, rows[i], first, columns, to + (int64_t)i * columns);
        else if (i >= 0)
            vcopy(to + (int64_t)i * columns, (const float *)rows[i] + first, columns);
    }
}

const float *EL_CPU(keys_rows)(struct el_keys *k, int from, int count)
{
    const struct el_key_cache *c = &k->cache;
    int64_t place = c->fp8 ? -1 : EL_CPU(keys_together)(k, from, count);
    if (place >= 0)
        return c->data + place * k->width;
    if (k->from != from || k->count != count)
        EL_CPU(key_columns)(EL_CPU(keys_range)(k, from, count), c, 0, k->width, k->rows);
    k->from = from;
    k->count = count;
    return k->rows;
}

static int min_int(int a, int b)
{
    return a < b ? a : b;
}

const float *EL_CPU(keys_panel)(struct el_keys *k, int j)
{
    const int64_t width = k->width;
    if (!k->list) {
        float *to = j + EL_PANEL <= k->panel_keys ? k->panels + j * width : k->spare;
        if (j < k->kept && to != k->spare)
            return to;
        int n = min_int(EL_PANEL, k->seq_keys - j);
        EL_CPU(pack_transposed)(to, EL_CPU(keys_rows)(k, j, n), width, n, k->width);
        k->count = 0; /* keys behind the row's own may be among them */
        k->kept = to != k->spare ? j + EL_PANEL : k->kept;
        return to;
    }
    int from = j / EL_KEY_CHUNK * EL_KEY_CHUNK;
    const float *rows = EL_CPU(keys_rows)(k, from, min_int(EL_KEY_CHUNK, k->n - from));
    EL_CPU(pack_transposed)
    (k->spare, rows + (j - from) * width, width, min_int(EL_PANEL, k->n - j), k->width);
    return k->spare;
}

int EL_CPU(row_chunk)(int rows, int threads)
{
    int chunk = rows / (threads * 8);
    return chunk > 64 ? 64 : chunk > 1 ? chunk : 1;
}

int EL_CPU(first_row)(const struct el_rows *at, int s)
{
    int lo = 0, hi = at->rows;
    while (lo < hi) {
        int mid = lo + (hi - lo) / 2;
        if (at->seq[mid] < s)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}
