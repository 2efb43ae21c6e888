/* Internal to core/ops/ref: the reference ops, one function per entry of the op table, and what
 * several of them share. Sums that no header prescribes run in double, in ascending order. */
#ifndef EL_OPS_REF_REF_H
#define EL_OPS_REF_REF_H

#include "core/ops/attention.h"
#include "core/ops/ops.h"

#define X(name) void el_ref_##name(struct el_stream *s, const void *args);
EL_OP_LIST(X)
#undef X

/* Workspace of the ops that need one: bounded by one row's keys or one row's experts. */
size_t el_ref_attn_workspace(const struct el_stream *s, const void *args);
size_t el_ref_attn_mha_workspace(const struct el_stream *s, const void *args);
size_t el_ref_index_select_workspace(const struct el_stream *s, const void *args);
size_t el_ref_index_loss_workspace(const struct el_stream *s, const void *args);
size_t el_ref_moe_route_workspace(const struct el_stream *s, const void *args);

/* The key set of one row. `selected` is NULL for the dense set 0..pos[row], else (R, topk). */
int el_ref_key_count(const struct el_rows *at, const int32_t *selected, int topk, int row);
/* The cache row of the i-th key of the set, i < count. */
int64_t el_ref_key_row(const struct el_rows *at, const int32_t *selected, int topk, int row, int i);

double el_ref_dot(const float *a, const float *b, int n);

/* Keys in a cache: rows of fp32, or packed ones. */
struct el_ref_keys {
    const float *data; /* (cache rows, width + tail) */
    const uint8_t *fp8;
    struct el_fp8_row form;
};
static inline float el_ref_key_value(const struct el_ref_keys *k, int64_t row, int i)
{
    if (k->data)
        return k->data[row * (k->form.width + k->form.tail) + i];
    return el_fp8_row_value(&k->form, k->fp8 + row * el_fp8_row_bytes(&k->form), i);
}
/* q . key, over all its values. */
double el_ref_key_dot(const struct el_ref_keys *k, int64_t row, const float *q);

/* How a group of n values becomes FP8 (core/ops/fp8_round.h): x is code * scale. */
struct el_ref_fp8 {
    float scale, largest; /* of the codes: 448, or less where scale * 448 is beyond fp32 */
};
struct el_ref_fp8 el_ref_fp8_of(const float *x, int n);
uint8_t el_ref_fp8_code(struct el_ref_fp8 g, float x);
/* BF16, every NaN the same. */
uint16_t el_ref_bf16(float x);

#endif
