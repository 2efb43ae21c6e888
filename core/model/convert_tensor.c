#include "core/model/convert_parts.h"

#include "core/base/alloc.h"

#include <math.h>
#include <omp.h>

enum { piece_values = 1 << 16 };

static int quantises(const struct el_convert_item *item)
{
    return item->type == EL_F8_E4M3 && !item->take_over;
}

/* Values that a thread converts at a time: a row of blocks where scales are made, since all its
 * values have a say in them. */
static int64_t step_of(const struct el_convert_item *item, const struct el_fp8_format *f)
{
    const int64_t *shape = item->from.values->t->shape;
    if (!quantises(item))
        return piece_values;
    return (shape[0] < f->block_rows ? shape[0] : f->block_rows) * shape[1];
}

static int64_t scale_columns(const struct el_convert_item *item, const struct el_fp8_format *f)
{
    return el_fp8_blocks(item->from.values->t->shape[1], f->block_columns);
}

static int64_t scales_of(const struct el_convert_item *item, const struct el_fp8_format *f)
{
    return item->type == EL_F8_E4M3 ? el_fp8_blocks(item->from.values->t->shape[0], f->block_rows) *
                                          scale_columns(item, f)
                                    : 0;
}

static int read_values(struct el_convert_slot *s, const struct el_convert_item *item, int64_t start,
                       int64_t n)
{
    int rc = 0;
    for (int64_t at = 0; at < n && rc == 0; at += piece_values) {
        int64_t left = n - at;
        rc = el_stored_read(&s->reader, &item->from, start + at,
                            left < piece_values ? (size_t)left : piece_values, s->values + at,
                            &s->error);
    }
    return rc;
}

static int out_of_range(struct el_convert_slot *s, const struct el_convert_item *item,
                        int64_t index, float value)
{
    return el_error_set(&s->error, EL_ENUMERIC,
                        "%s: tensor '%s' holds %g at index %lld, which is out of the range of %s",
                        item->from.values->file->name, item->from.values->t->name, (double)value,
                        (long long)index, el_dtype_name(item->type));
}

static int narrow(struct el_convert_slot *s, const struct el_convert_item *item, int64_t start,
                  int64_t n)
{
    el_dtype_narrow(item->type, s->values, (size_t)n, s->out);
    s->bytes = (size_t)n * el_dtype_size(item->type);
    if (item->type == EL_BF16)
        for (int64_t i = 0; i < n; i++)
            if (!isfinite(el_bf16_widen(el_bf16_round(s->values[i]))))
                return out_of_range(s, item, start + i, s->values[i]);
    return 0;
}

static int convert(struct el_converter *v, struct el_convert_slot *s,
                   const struct el_convert_item *item, int64_t start, int64_t n)
{
    const struct el_fp8_format *f = &v->o->fp8;
    const struct el_shard_tensor *from = item->from.values;
    int rc = read_values(s, item, start, n); /* says what is wrong with codes and scales, too */
    if (rc < 0)
        return rc;
    if (item->type != EL_F8_E4M3)
        return narrow(s, item, start, n);
    s->bytes = (size_t)n;
    if (item->take_over)
        return el_safetensors_read(from->file, from->t, (size_t)start, s->out, (size_t)n,
                                   &s->error);
    int64_t columns = from->t->shape[1], row = start / columns / f->block_rows;
    el_fp8_quantize(f, s->values, n / columns, columns, s->out,
                    v->scales + row * scale_columns(item, f));
    return 0;
}

/* As many pieces as there are threads, then their data in order. */
static int convert_window(struct el_converter *v, const struct el_convert_item *item, int64_t at,
                          int64_t step, struct el_st_writer *w, struct el_error *err)
{
    int64_t left = (item->count - at + step - 1) / step;
    int n = left < v->n_slots ? (int)left : v->n_slots;
#pragma omp parallel for num_threads(n)
    for (int i = 0; i < n; i++) {
        struct el_convert_slot *s = &v->slots[i];
        int64_t start = at + i * step, rest = item->count - start;
        s->rc = convert(v, s, item, start, rest < step ? rest : step);
    }
    for (int i = 0; i < n; i++) {
        const struct el_convert_slot *s = &v->slots[i];
        int rc = s->rc < 0 ? el_error_set(err, s->rc, "%s", s->error.msg)
                           : el_st_writer_add(w, s->out, s->bytes, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int take_scales(struct el_converter *v, const struct el_convert_item *item,
                       struct el_error *err)
{
    return el_stored_read_scales(&item->from, 0, scales_of(item, &v->o->fp8), v->scales, err);
}

int el_converter_run(struct el_converter *v, const struct el_convert_item *item,
                     struct el_st_writer *w, struct el_error *err)
{
    int64_t step = step_of(item, &v->o->fp8), window = step * v->n_slots;
    int rc = 0;
    for (int64_t at = 0; at < item->count && rc == 0; at += window) {
        if (el_stop_requested)
            return el_error_set(err, EL_EINTR, "stopped: nothing was replaced");
        rc = convert_window(v, item, at, step, w, err);
        int64_t end = at + window < item->count ? at + window : item->count;
        el_progress_update(v->progress, v->done + end, v->total, NULL);
    }
    v->done += item->count;
    if (rc == 0 && item->take_over)
        rc = take_scales(v, item, err);
    if (rc == 0 && item->type == EL_F8_E4M3)
        rc = el_st_writer_add(w, v->scales, (size_t)scales_of(item, &v->o->fp8) * sizeof *v->scales,
                              err);
    return rc;
}

static int slot_init(struct el_convert_slot *s, size_t step, struct el_error *err)
{
    int rc = el_stored_reader_init(&s->reader, piece_values, err);
    if (rc < 0)
        return rc;
    s->values = el_alloc_array(step, sizeof *s->values);
    s->out = el_alloc_array(step, sizeof(float));
    return s->values && s->out ? 0
                               : el_error_set(err, EL_ENOMEM, "out of memory for %zu values", step);
}

int el_converter_init(struct el_converter *v, const struct el_convert_plan *p,
                      const struct el_convert_options *o, struct el_error *err)
{
    int64_t step = piece_values, scales = 1;
    *v = (struct el_converter){.o = o, .n_slots = omp_get_max_threads(), .total = p->values};
    for (int i = 0; i < p->n; i++) {
        int64_t s = step_of(&p->items[i], &o->fp8), n = scales_of(&p->items[i], &o->fp8);
        step = s > step ? s : step;
        scales = n > scales ? n : scales;
    }
    v->scales = el_alloc_array((size_t)scales, sizeof *v->scales);
    v->slots = el_alloc_array((size_t)v->n_slots, sizeof *v->slots);
    int rc = v->scales && v->slots
                 ? 0
                 : el_error_set(err, EL_ENOMEM, "out of memory for %d threads", v->n_slots);
    for (int i = 0; i < v->n_slots && rc == 0; i++)
        rc = slot_init(&v->slots[i], (size_t)step, err);
    if (rc < 0)
        el_converter_release(v);
    return rc;
}

void el_converter_release(struct el_converter *v)
{
    for (int i = 0; v->slots && i < v->n_slots; i++) {
        el_stored_reader_release(&v->slots[i].reader);
        el_free(v->slots[i].values);
        el_free(v->slots[i].out);
    }
    el_free(v->slots);
    el_free(v->scales);
    *v = (struct el_converter){0};
}
