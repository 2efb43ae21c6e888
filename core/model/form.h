/* The three forms in which checkpoints hold a model's weights, and what each tensor is in them.
 *
 *   F32   every tensor F32
 *   BF16  BF16, but e_score_correction_bias F32
 *   FP8   the projections of attention, indexer and FFNs as e4m3 codes with F32 scales in a tensor
 *         of their own; the rest as in BF16 (embedding, head, norms, router, the indexer's
 *         weights_proj, the MTP layers' eh_proj)
 */
#ifndef EL_MODEL_FORM_H
#define EL_MODEL_FORM_H

#include "core/tensor/dtype.h"
#include "core/tensor/fp8.h"

#include <stdint.h>

enum el_form { EL_FORM_F32, EL_FORM_BF16, EL_FORM_FP8, EL_FORMS };

/* "f32", "bf16", "fp8"; -1 for an unknown name. */
const char *el_form_name(enum el_form form);
int el_form_from_name(const char *name);

/* By the tensor's Hugging Face name; works for the tensors of MTP layers as well. */
enum el_dtype el_form_dtype(enum el_form form, const char *name, int dims);
/* Bytes of a tensor of shape (rows, columns), or (rows) with dims 1; scales included. */
int64_t el_form_bytes(enum el_form form, const struct el_fp8_format *f, const char *name, int dims,
                      int64_t rows, int64_t columns);

#endif
