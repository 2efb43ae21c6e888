#include "core/model/cache.h"

#include "core/ops/fp8_row.h"
#include "core/ops/pointwise.h"

static struct el_fp8_row kv_row(const struct el_config *c)
{
    return (struct el_fp8_row){c->kv_lora_rank, c->qk_rope_head_dim};
}

static struct el_fp8_row ki_row(const struct el_config *c)
{
    return (struct el_fp8_row){c->index_head_dim, 0};
}

static int64_t row_bytes(struct el_fp8_row r, enum el_form form)
{
    int64_t values = (int64_t)r.width + r.tail;
    if (form == EL_FORM_FP8)
        return el_fp8_row_bytes(&r);
    return values * (form == EL_FORM_BF16 ? 2 : 4);
}

int64_t el_cache_kv_bytes(const struct el_config *c, enum el_form form)
{
    return row_bytes(kv_row(c), form);
}

int64_t el_cache_index_bytes(const struct el_config *c, enum el_form form)
{
    return row_bytes(ki_row(c), form);
}

static void place(struct el_carve *v, struct el_fp8_row r, int rows, int fp8, float **plain,
                  uint8_t **packed)
{
    if (fp8)
        *packed = el_carve(v, (size_t)rows, (size_t)row_bytes(r, EL_FORM_FP8));
    else
        *plain = el_carve(v, (size_t)rows, (size_t)row_bytes(r, EL_FORM_F32));
}

void el_layer_cache_place(struct el_layer_cache *k, struct el_carve *v, const struct el_config *c,
                          int rows, int fp8, int with_indexer)
{
    *k = (struct el_layer_cache){NULL, NULL, NULL, NULL};
    place(v, kv_row(c), rows, fp8, &k->kv, &k->kv_fp8);
    if (with_indexer)
        place(v, ki_row(c), rows, fp8, &k->ki, &k->ki_fp8);
}

static void put(struct el_stream *s, struct el_fp8_row r, int rows, const int32_t *slot,
                const float *x, float *plain, uint8_t *packed)
{
    int width = r.width + r.tail;
    if (packed)
        el_fp8_pack(
            s, &(struct el_fp8_pack){
                   .rows = rows, .form = r, .x = x, .x_row = width, .packed = packed, .to = slot});
    else
        el_copy_rows(s, &(struct el_copy_rows){.rows = rows,
                                               .width = width,
                                               .src = x,
                                               .src_row = width,
                                               .dst = plain,
                                               .dst_row = width,
                                               .to = slot});
}

void el_layer_cache_put_kv(const struct el_layer_cache *k, struct el_stream *s,
                           const struct el_config *c, int rows, const int32_t *slot,
                           const float *kv)
{
    put(s, kv_row(c), rows, slot, kv, k->kv, k->kv_fp8);
}

void el_layer_cache_put_ki(const struct el_layer_cache *k, struct el_stream *s,
                           const struct el_config *c, int rows, const int32_t *slot,
                           const float *ki)
{
    put(s, ki_row(c), rows, slot, ki, k->ki, k->ki_fp8);
}

static void copy(struct el_stream *s, struct el_fp8_row r, int rows, const int32_t *from,
                 const int32_t *to, float *plain, uint8_t *packed)
{
    uint8_t *data = packed ? packed : (uint8_t *)plain;
    if (data)
        el_copy_bytes(
            s, &(struct el_copy_bytes){.rows = rows,
                                       .bytes = row_bytes(r, packed ? EL_FORM_FP8 : EL_FORM_F32),
                                       .src = data,
                                       .from = from,
                                       .dst = data,
                                       .to = to});
}

void el_layer_cache_copy(const struct el_layer_cache *k, struct el_stream *s,
                         const struct el_config *c, int rows, const int32_t *from,
                         const int32_t *to)
{
    copy(s, kv_row(c), rows, from, to, k->kv, k->kv_fp8);
    copy(s, ki_row(c), rows, from, to, k->ki, k->ki_fp8);
}
