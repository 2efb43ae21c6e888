/* The keys of a layer in serving: one cache row for each token, as fp32 or packed as FP8.
 *
 *     main attention   latent of r values | RoPE key of dr          kv, or kv_fp8
 *     indexer          key of D_I values                            ki, or ki_fp8
 *
 * Packed rows (core/ops/fp8_row.h) hold the latent and the indexer's key as e4m3 codes with their
 * scales and the RoPE key as BF16: the very values that a pass with `fp8` rounds them to. */
#ifndef EL_MODEL_CACHE_H
#define EL_MODEL_CACHE_H

#include "core/model/config.h"
#include "core/model/form.h"
#include "core/ops/ops.h"
#include "core/tensor/carve.h"

struct el_layer_cache {
    float *kv, *ki;           /* (rows, r+dr), (rows, D_I) */
    uint8_t *kv_fp8, *ki_fp8; /* instead; ki and ki_fp8 are NULL without an indexer */
};

/* Bytes of a cache row. */
int64_t el_cache_kv_bytes(const struct el_config *c, enum el_form form);
int64_t el_cache_index_bytes(const struct el_config *c, enum el_form form);

/* `rows` cache rows of a layer out of v (core/tensor/carve.h): F32, or FP8 with `fp8`. */
void el_layer_cache_place(struct el_layer_cache *k, struct el_carve *v, const struct el_config *c,
                          int rows, int fp8, int with_indexer);

/* Row i of kv (rows, r+dr), or of ki (rows, D_I), becomes cache row slot[i]. slot is on the device;
 * no row twice. */
void el_layer_cache_put_kv(const struct el_layer_cache *k, struct el_stream *s,
                           const struct el_config *c, int rows, const int32_t *slot,
                           const float *kv);
void el_layer_cache_put_ki(const struct el_layer_cache *k, struct el_stream *s,
                           const struct el_config *c, int rows, const int32_t *slot,
                           const float *ki);

/* Cache row from[i] becomes cache row to[i]; no row in both lists. */
void el_layer_cache_copy(const struct el_layer_cache *k, struct el_stream *s,
                         const struct el_config *c, int rows, const int32_t *from,
                         const int32_t *to);

#endif
