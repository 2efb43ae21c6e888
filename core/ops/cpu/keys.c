#include "core/ops/cpu/keys.h"
#include "core/ops/cpu/vec.h"

#include <string.h>

/* Kept panels take at most 8 MiB a thread; keys behind are transposed anew for each row. */
static const int64_t panel_floats = 2 << 20;

static int round_panel(int n)
{
    return (n + EL_PANEL - 1) / EL_PANEL * EL_PANEL;
}

static int kept_keys(const struct el_rows *at, int width, const int32_t *selected)
{
    int64_t fit = panel_floats / width / EL_PANEL * EL_PANEL;
    int all = round_panel(at->max_pos + 1);
    return selected ? 0 : fit < all ? (int)fit : all;
}

size_t EL_CPU(keys_bytes)(const struct el_rows *at, int width, const int32_t *selected)
{
    size_t keys = (size_t)EL_KEY_CHUNK + EL_PANEL + (size_t)kept_keys(at, width, selected);
    return el_cpu_round(keys * (size_t)width * sizeof(float) + 64);
}

int EL_CPU(keys_longest)(const struct el_rows *at, const int32_t *selected, int topk)
{
    return round_panel(selected ? topk : at->max_pos + 1);
}

struct el_key_cache EL_CPU(key_cache)(const float *data, const uint8_t *fp8, int width, int tail)
{
    struct el_key_cache c = {
        .width = width, .data = data, .fp8 = fp8, .form = {width - tail, tail}};
    c.bytes = el_fp8_row_bytes(&c.form);
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
    int seq = k->at->seq[row];
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

enum { AHEAD = 8 }; /* a scattered row is fetched so many rows before its turn */

/* What unpacking values first..first+n-1 of a row reads. */
static void fetch_packed(const struct el_key_cache *c, const uint8_t *row, int first, int n)
{
    enum { LINE = 64 };
    int tail = first + n > c->form.width;
    const uint8_t *end = tail ? row + c->bytes : row + first + n;
    for (const uint8_t *at = row + first; at < end; at += LINE)
        __builtin_prefetch(at);
    __builtin_prefetch(row + el_fp8_row_scales(&c->form) + 4 * (first / EL_FP8_GROUP));
}

/* Values first..first+n-1 of packed rows. */
static void unpack(const struct el_key_cache *c, const uint8_t *const *rows, int count, int first,
                   int n, float *to)
{
    for (int i = -AHEAD; i < count; i++) {
        if (i + AHEAD < count)
            fetch_packed(c, rows[i + AHEAD], first, n);
        if (i >= 0)
            EL_CPU(fp8_unpack)(&c->form, rows[i], first, n, to + (int64_t)i * n);
    }
}

static void gather_packed(const struct el_keys *k, int from, int count)
{
    const uint8_t *rows[EL_KEY_CHUNK];
    for (int i = 0; i < count; i++)
        rows[i] = k->cache.fp8 + EL_CPU(keys_place)(k, from + i) * k->cache.bytes;
    unpack(&k->cache, rows, count, 0, k->width, k->rows);
}

/* Copies scattered rows. */
static void gather(const struct el_keys *k, int from, int count)
{
    enum { LINE = 16 };
    const float *rows[EL_KEY_CHUNK];
    for (int i = 0; i < count; i++)
        rows[i] = k->cache.data + EL_CPU(keys_place)(k, from + i) * k->width;
    for (int i = -AHEAD; i < count; i++) {
        for (int j = 0; i + AHEAD < count && j < k->width; j += LINE)
            __builtin_prefetch(rows[i + AHEAD] + j);
        if (i >= 0)
            vcopy(k->rows + (int64_t)i * k->width, rows[i], k->width);
    }
}

const float *EL_CPU(keys_rows)(struct el_keys *k, int from, int count)
{
    const struct el_key_cache *c = &k->cache;
    int64_t place = c->fp8 ? -1 : EL_CPU(keys_together)(k, from, count);
    if (place >= 0)
        return c->data + place * k->width;
    if (k->from != from || k->count != count)
        (c->fp8 ? gather_packed : gather)(k, from, count);
    k->from = from;
    k->count = count;
    return k->rows;
}

static void copy_columns(struct el_key_range r, const struct el_key_cache *c, int first,
                         int columns, float *to)
{
    const float *rows[EL_KEY_CHUNK];
    EL_CPU(key_rows)(r.at, r.seq, r.list, r.from, r.count, c->data, c->width, rows);
    for (int i = 0; i < r.count; i++)
        vcopy(to + (int64_t)i * columns, rows[i] + first, columns);
}

static void unpack_columns(struct el_key_range r, const struct el_key_cache *c, int first,
                           int columns, float *to)
{
    const int32_t *table = r.at->tables + (int64_t)r.seq * r.at->table_stride;
    int shift = r.at->block_shift, mask = (1 << shift) - 1;
    const uint8_t *rows[EL_KEY_CHUNK];
    for (int i = 0; i < r.count; i++) {
        int position = r.list ? r.list[r.from + i] : r.from + i;
        rows[i] = c->fp8 + ((int64_t)table[position >> shift] + (position & mask)) * c->bytes;
    }
    unpack(c, rows, r.count, first, columns, to);
}

void EL_CPU(key_columns)(struct el_key_range r, const struct el_key_cache *c, int first,
                         int columns, float *to)
{
    (c->fp8 ? unpack_columns : copy_columns)(r, c, first, columns, to);
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

float *EL_CPU(keys_open)(const struct el_keys *k, float *data, int from, int count, float *chunk)
{
    const int64_t width = k->width;
    int64_t place = EL_CPU(keys_together)(k, from, count);
    if (place >= 0)
        return data + place * width;
    for (int i = 0; i < count; i++)
        vcopy(chunk + i * width, data + EL_CPU(keys_place)(k, from + i) * width, k->width);
    return chunk;
}

void EL_CPU(keys_close)(const struct el_keys *k, float *data, int from, int count,
                        const float *rows)
{
    const int64_t width = k->width;
    if (EL_CPU(keys_together)(k, from, count) >= 0)
        return;
    for (int i = 0; i < count; i++)
        vcopy(data + EL_CPU(keys_place)(k, from + i) * width, rows + i * width, k->width);
}

int EL_CPU(row_chunk)(int rows, int threads)
{
    int chunk = rows / (threads * 8);
    return chunk > 64 ? 64 : chunk > 1 ? chunk : 1;
}

/* The first row whose sequence is at least s. */
static int first_row(const struct el_rows *at, int s)
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

int EL_CPU(families)(const struct el_rows *at)
{
    return at->family ? at->families : at->sequences;
}

void EL_CPU(rows_of_family)(const struct el_rows *at, int f, int *lo, int *hi)
{
    *lo = first_row(at, at->family ? at->family[f] : f);
    *hi = first_row(at, at->family ? at->family[f + 1] : f + 1);
}
