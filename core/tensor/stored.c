#include "core/tensor/stored.h"

#include "core/base/alloc.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static int64_t columns_of(const struct el_stored *s)
{
    return s->values->t->shape[1];
}

static int64_t scale_columns(const struct el_stored *s)
{
    return el_fp8_blocks(columns_of(s), s->format->block_columns);
}

static int check_scales(const struct el_shard_tensor *scales, const int64_t *shape,
                        struct el_error *err)
{
    enum el_dtype type = scales->t->dtype;
    if (type != EL_F32 && type != EL_BF16 && type != EL_F16 && type != EL_F8_E8M0)
        return el_error_set(err, EL_EFORMAT,
                            "%s: tensor '%.140s' has the dtype %s, scales must be F32, BF16, F16 "
                            "or F8_E8M0",
                            scales->file->name, scales->t->name, el_dtype_name(type));
    return el_safetensors_check(scales->file, scales->t, 2, shape, err);
}

static int find_scales(struct el_stored *s, const struct el_shards *shards, struct el_error *err)
{
    const struct el_st_tensor *t = s->values->t;
    const char *file = s->values->file->name;
    if (!s->format)
        return el_error_set(err, EL_EFORMAT,
                            "%s: tensor '%.120s' is stored as F8_E4M3, but no quantization_config "
                            "says how large the blocks of its scales are",
                            file, t->name);
    if (t->dims != 2)
        return el_error_set(err, EL_EFORMAT,
                            "%s: tensor '%.120s' is stored as F8_E4M3 and has %d dimensions, "
                            "expected 2",
                            file, t->name, t->dims);
    struct el_buf name;
    el_buf_init(&name);
    int rc = el_buf_printf(&name, "%s" EL_SCALES_SUFFIX, t->name);
    if (rc == 0)
        s->scales = el_shards_find(shards, name.data);
    int64_t shape[2] = {el_fp8_blocks(t->shape[0], s->format->block_rows), scale_columns(s)};
    if (rc < 0)
        rc = el_error_set(err, rc, "%s: out of memory", shards->dir);
    else if (!s->scales)
        rc = el_error_set(err, EL_EFORMAT,
                          "%s: tensor '%.140s' is missing, expected shape [%lld, %lld]",
                          shards->dir, name.data, (long long)shape[0], (long long)shape[1]);
    else
        rc = check_scales(s->scales, shape, err);
    el_buf_release(&name);
    return rc;
}

int el_stored_init(struct el_stored *s, const struct el_shards *shards,
                   const struct el_shard_tensor *values, const struct el_fp8_format *format,
                   struct el_error *err)
{
    enum el_dtype type = values->t->dtype;
    *s = (struct el_stored){.values = values, .format = format};
    if (type == EL_F8_E4M3)
        return find_scales(s, shards, err);
    if (type == EL_F32 || type == EL_BF16 || type == EL_F16)
        return 0;
    return el_error_set(err, EL_EREFUSED,
                        "%s: tensor '%.120s' is stored as %s, only F32, BF16, F16 and F8_E4M3 "
                        "weights can be read",
                        values->file->name, values->t->name, el_dtype_name(type));
}

static int missing(const char *dir, const char *name, int dims, const int64_t *shape,
                   struct el_error *err)
{
    if (dims == 2)
        return el_error_set(err, EL_EFORMAT,
                            "%s: tensor '%s' is missing, expected shape [%lld, %lld]", dir, name,
                            (long long)shape[0], (long long)shape[1]);
    return el_error_set(err, EL_EFORMAT, "%s: tensor '%s' is missing, expected shape [%lld]", dir,
                        name, (long long)shape[0]);
}

int el_stored_find(struct el_stored *s, const struct el_shards *shards, const char *name, int dims,
                   const int64_t *shape, const struct el_fp8_format *format, struct el_error *err)
{
    const struct el_shard_tensor *values = el_shards_find(shards, name);
    if (!values)
        return missing(shards->dir, name, dims, shape, err);
    int rc = el_safetensors_check(values->file, values->t, dims, shape, err);
    return rc == 0 ? el_stored_init(s, shards, values, format, err) : rc;
}

int el_stored_reader_init(struct el_stored_reader *r, size_t max, struct el_error *err)
{
    *r = (struct el_stored_reader){.max = max};
    r->raw = el_alloc_array(max, sizeof(uint16_t));
    r->scales = el_alloc_array(max, sizeof *r->scales);
    if (r->raw && r->scales)
        return 0;
    el_stored_reader_release(r);
    return el_error_set(err, EL_ENOMEM, "out of memory for a buffer of %zu values", max);
}

void el_stored_reader_release(struct el_stored_reader *r)
{
    el_free(r->raw);
    el_free(r->scales);
    *r = (struct el_stored_reader){0};
}

static int not_finite(const struct el_shard_tensor *x, int64_t index, float value, const char *want,
                      struct el_error *err)
{
    return el_error_set(err, EL_ENUMERIC, "%s: tensor '%s' holds %g at index %lld, expected %s",
                        x->file->name, x->t->name, (double)value, (long long)index, want);
}

int el_stored_read_scales(const struct el_stored *s, int64_t start, int64_t n, float *out,
                          struct el_error *err)
{
    const struct el_shard_tensor *x = s->scales;
    size_t size = el_dtype_size(x->t->dtype), left = (size_t)n, at = (size_t)start * size;
    unsigned char raw[4096];
    if (x->t->dtype == EL_F32)
        return el_safetensors_read(x->file, x->t, at, out, left * size, err);
    while (left) {
        size_t piece = left < sizeof raw / size ? left : sizeof raw / size;
        int rc = el_safetensors_read(x->file, x->t, at, raw, piece * size, err);
        if (rc < 0)
            return rc;
        el_dtype_widen(x->t->dtype, raw, piece, out);
        at += piece * size;
        out += piece;
        left -= piece;
    }
    return 0;
}

/* Scales first..first+n of one row of blocks; n is at most the number of values read, since every
 * block of the row holds one of them. */
static int need_scales(struct el_stored_reader *r, const struct el_stored *s, int64_t row,
                       int64_t first, int64_t n, struct el_error *err)
{
    if (r->of == s && r->row == row && first >= r->first && first + n <= r->first + r->n)
        return 0;
    int64_t start = row * scale_columns(s) + first;
    r->of = NULL;
    int rc = el_stored_read_scales(s, start, n, r->scales, err);
    for (int64_t i = 0; i < n && rc == 0; i++)
        if (!isfinite(r->scales[i]) || r->scales[i] < 0)
            rc = not_finite(s->scales, start + i, r->scales[i], "finite scales of 0 or more", err);
    if (rc < 0)
        return rc;
    r->of = s;
    r->row = row;
    r->first = first;
    r->n = n;
    return 0;
}

/* The codes lie in r->raw; row by row, since each row has scales of its own. */
static int widen_fp8(struct el_stored_reader *r, const struct el_stored *s, int64_t start, size_t n,
                     float *out, struct el_error *err)
{
    int64_t columns = columns_of(s), end = start + (int64_t)n;
    const uint8_t *codes = r->raw;
    for (int64_t at = start; at < end;) {
        int64_t row = at / columns, column = at % columns;
        int64_t width = columns - column < end - at ? columns - column : end - at;
        int64_t first = column / s->format->block_columns;
        int64_t last = (column + width - 1) / s->format->block_columns;
        int rc = need_scales(r, s, row / s->format->block_rows, first, last - first + 1, err);
        if (rc < 0)
            return rc;
        el_fp8_widen(s->format, codes + (at - start), (size_t)width, column,
                     r->scales + (first - r->first), out + (at - start));
        at += width;
    }
    return 0;
}

int el_stored_read(struct el_stored_reader *r, const struct el_stored *s, int64_t start, size_t n,
                   float *out, struct el_error *err)
{
    const struct el_st_tensor *t = s->values->t;
    size_t size = el_dtype_size(t->dtype);
    void *raw = t->dtype == EL_F32 ? (void *)out : r->raw;
    int rc = el_safetensors_read(s->values->file, t, (size_t)start * size, raw, n * size, err);
    if (rc < 0)
        return rc;
    if (t->dtype == EL_F8_E4M3)
        rc = widen_fp8(r, s, start, n, out, err);
    else if (t->dtype != EL_F32)
        el_dtype_widen(t->dtype, raw, n, out);
    for (size_t i = 0; i < n && rc == 0; i++)
        if (!isfinite(out[i]))
            rc = not_finite(s->values, start + (int64_t)i, out[i], "finite values", err);
    return rc;
}
