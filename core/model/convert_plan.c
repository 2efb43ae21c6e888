#include "core/model/convert_parts.h"

#include "core/base/alloc.h"
#include "core/base/io.h"
#include "core/tensor/st_index.h"

#include <math.h>
#include <string.h>

const struct el_st_meta el_convert_meta = {"format", "pt"};

static int out_of_memory(const struct el_convert_plan *p, struct el_error *err)
{
    return el_error_set(err, EL_ENOMEM, "%s: out of memory for a list of tensors",
                        p->k.shards.dir ? p->k.shards.dir : "checkpoint");
}

static int ends_with(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n >= m && strcmp(name + n - m, end) == 0;
}

static int64_t grid(const struct el_convert_item *item, const struct el_fp8_format *f)
{
    const struct el_st_tensor *t = item->from.values->t;
    return el_fp8_blocks(t->shape[0], f->block_rows) * el_fp8_blocks(t->shape[1], f->block_columns);
}

static int is_power_of_two(float x)
{
    int exponent;
    return x > 0 && isfinite(x) && frexpf(x, &exponent) == 0.5f;
}

/* Scales of any value may be taken over where any value is allowed; what is wrong with one is found
 * when the values are read. */
static int scales_fit(const struct el_convert_item *item, const struct el_fp8_format *want,
                      int *fit, struct el_error *err)
{
    size_t n = (size_t)grid(item, want);
    float *scales = el_alloc_array(n, sizeof *scales);
    int rc = scales
                 ? el_stored_read_scales(&item->from, 0, (int64_t)n, scales, err)
                 : el_error_set(err, EL_ENOMEM, "%s: out of memory", item->from.scales->file->name);
    *fit = 1;
    for (size_t i = 0; i < n && rc == 0; i++)
        *fit &= is_power_of_two(scales[i]);
    el_free(scales);
    return rc;
}

static int decide_take_over(struct el_convert_item *item, const struct el_fp8_format *want,
                            struct el_error *err)
{
    const struct el_fp8_format *have = item->from.format;
    if (!item->from.scales || have->block_rows != want->block_rows ||
        have->block_columns != want->block_columns)
        return 0;
    item->take_over = 1;
    return want->ue8m0 ? scales_fit(item, want, &item->take_over, err) : 0;
}

static int name_scales(struct el_convert_item *item, struct el_error *err)
{
    struct el_buf name;
    el_buf_init(&name);
    if (el_buf_printf(&name, "%s" EL_SCALES_SUFFIX, item->from.values->t->name) == 0)
        item->scales_name = el_buf_detach(&name);
    el_buf_release(&name);
    return item->scales_name
               ? 0
               : el_error_set(err, EL_ENOMEM, "%s: out of memory", item->from.values->file->name);
}

static int add(struct el_convert_plan *p, const struct el_convert_options *o,
               const struct el_stored *from, struct el_error *err)
{
    const struct el_st_tensor *t = from->values->t;
    struct el_convert_item *item = &p->items[p->n++];
    int rc = 0;
    *item = (struct el_convert_item){
        .from = *from, .type = el_form_dtype(o->form, t->name, t->dims), .count = 1};
    for (int i = 0; i < t->dims; i++)
        item->count *= t->shape[i];
    item->bytes = item->count * (int64_t)el_dtype_size(item->type);
    if (item->type == EL_F8_E4M3) {
        item->bytes += grid(item, &o->fp8) * 4;
        rc = name_scales(item, err);
        if (rc == 0)
            rc = decide_take_over(item, &o->fp8, err);
    }
    p->values += item->count;
    p->report.bytes += item->bytes;
    p->report.tensors += item->type == EL_F8_E4M3 ? 2 : 1;
    p->report.taken_over += item->take_over;
    return rc;
}

/* Tensors of the files that the layout does not know: those of MTP layers. Names ascend, so codes
 * come before their scales. */
static int add_others(struct el_convert_plan *p, const struct el_convert_options *o,
                      struct el_error *err)
{
    const struct el_shards *s = &p->k.shards;
    int rc = 0;
    for (int i = 0; i < s->n && rc == 0; i++) {
        struct el_stored from;
        if (p->k.used[i])
            continue;
        if (el_checkpoint_is_computed(s->tensors[i].t->name) ||
            ends_with(s->tensors[i].t->name, EL_SCALES_SUFFIX)) {
            p->report.left_out++;
            continue;
        }
        rc = el_stored_init(&from, s, &s->tensors[i], p->config.fp8 ? &p->config.fp8_format : NULL,
                            err);
        if (rc == 0 && from.scales)
            p->k.used[from.scales - s->tensors] = 1;
        if (rc == 0)
            rc = add(p, o, &from, err);
    }
    return rc;
}

/* The size of a file with an item more. */
static int grow(struct el_st_size *z, const struct el_convert_item *item,
                const struct el_convert_options *o)
{
    struct el_st_tensor t[2];
    int n = el_convert_describe(item, &o->fp8, t), rc = 0;
    for (int i = 0; i < n && rc == 0; i++)
        rc = el_st_size_add(z, &t[i]);
    return rc;
}

static int share_out(struct el_convert_plan *p, const struct el_convert_options *o,
                     struct el_error *err)
{
    struct el_st_size empty, file, larger;
    int rc = el_st_size_begin(&empty, &el_convert_meta, 1);
    file = empty;
    p->n_files = 1;
    for (int i = 0; i < p->n && rc == 0; i++) {
        larger = file;
        rc = grow(&larger, &p->items[i], o);
        if (rc == 0 && o->shard_bytes && file.header > empty.header &&
            el_st_size_total(&larger) > o->shard_bytes) {
            p->n_files++;
            larger = empty;
            rc = grow(&larger, &p->items[i], o);
        }
        file = larger;
        p->items[i].file = p->n_files - 1;
    }
    p->report.files = p->n_files;
    if (rc < 0)
        return out_of_memory(p, err);
    if (p->n_files > EL_ST_MAX_SHARDS)
        return el_error_set(err, EL_ELIMIT,
                            "files of %lld bytes would be %d, more than the %d that a model can be "
                            "read from: expected larger ones",
                            (long long)o->shard_bytes, p->n_files, EL_ST_MAX_SHARDS);
    return 0;
}

static int open_source(struct el_convert_plan *p, const char *from, struct el_error *err)
{
    char *path = el_path_join(from, "config.json");
    int rc = path ? el_config_load(path, &p->config, err) : out_of_memory(p, err);
    el_free(path);
    if (rc == 0)
        rc = el_layout_init(&p->layout, &p->config, err);
    return rc == 0 ? el_checkpoint_open(&p->k, from, &p->config, &p->layout, err) : rc;
}

int el_convert_plan_init(struct el_convert_plan *p, const char *from,
                         const struct el_convert_options *o, struct el_error *err)
{
    *p = (struct el_convert_plan){0};
    int rc = open_source(p, from, err);
    if (rc == 0) {
        p->items = el_alloc_array((size_t)p->k.shards.n, sizeof *p->items);
        rc = p->items ? 0 : out_of_memory(p, err);
    }
    for (int i = 0; i < p->layout.n && rc == 0; i++)
        rc = add(p, o, &p->k.found[i], err);
    if (rc == 0)
        rc = add_others(p, o, err);
    if (rc == 0)
        rc = share_out(p, o, err);
    if (rc < 0)
        el_convert_plan_release(p);
    return rc;
}

void el_convert_plan_release(struct el_convert_plan *p)
{
    for (int i = 0; i < p->n; i++)
        el_free(p->items[i].scales_name);
    el_free(p->items);
    el_checkpoint_release(&p->k);
    el_layout_release(&p->layout);
    *p = (struct el_convert_plan){0};
}

int el_convert_describe(const struct el_convert_item *item, const struct el_fp8_format *f,
                        struct el_st_tensor out[2])
{
    out[0] = *item->from.values->t;
    out[0].dtype = item->type;
    if (item->type != EL_F8_E4M3)
        return 1;
    out[1] = (struct el_st_tensor){.name = item->scales_name,
                                   .dtype = EL_F32,
                                   .dims = 2,
                                   .shape = {el_fp8_blocks(out[0].shape[0], f->block_rows),
                                             el_fp8_blocks(out[0].shape[1], f->block_columns)}};
    return 2;
}
