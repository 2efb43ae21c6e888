/* From one checkpoint folder to another: the same model in other number formats or other files.
 *
 * Values pass through piece by piece, so that memory does not grow with the model. What becomes of
 * a tensor:
 *
 *   F32    exact (an FP8 value is one fp32 product)
 *   BF16   rounded to nearest, ties to even; exact for BF16 values, and for FP8 values with scales
 *          that are powers of two
 *   FP8    the matrices that published FP8 checkpoints hold as FP8 (core/model/form.h) are
 * quantised (core/tensor/fp8.h), the others become BF16. Codes and scales that fit the wanted
 * format already are taken over bit by bit.
 *
 * Tensors of MTP layers are carried over like the others; rotary_emb.inv_freq, which is computed,
 * is left out. */
#ifndef EL_MODEL_CONVERT_H
#define EL_MODEL_CONVERT_H

#include "core/base/error.h"
#include "core/base/progress.h"
#include "core/model/form.h"

#include <stdint.h>

struct el_convert_options {
    enum el_form form;
    struct el_fp8_format fp8; /* of EL_FORM_FP8 */
    int64_t shard_bytes; /* of one file at most, header included, but a tensor is never split and
                            its scales stay beside it; 0: one file */
    const char *const *keep; /* files of the folder that are copied where they exist, then NULL */
};

struct el_convert_report {
    int files, tensors; /* written; scales count as tensors */
    int64_t bytes;      /* of tensor data */
    int taken_over;     /* FP8 matrices that were not quantised anew */
    int left_out;       /* tensors: rotary_emb.inv_freq, scales that belong to nothing */
};

/* Writes folder `to` from folder `from`: config.json (as it is but for torch_dtype and
 * quantization_config), and model.safetensors, or where one file is not enough
 * model-00001-of-0000N.safetensors and model.safetensors.index.json. `to` must not exist, or be an
 * empty folder; it appears complete or not at all (core/base/folder.h). `from` must be a checkpoint
 * that el_weights_load accepts, but for tensors of MTP layers in whatever state.
 *
 * All threads of OpenMP convert; the bytes do not depend on their number. Progress counts values.
 * EL_ENUMERIC for a value that is not finite or not in the range of the wanted format, EL_EINTR
 * after el_stop_requested, EL_EIO when the disk is full, EL_ELIMIT for more files than
 * EL_ST_MAX_SHARDS (core/tensor/st_index.h), which could not be read; whatever fails, nothing is
 * left behind. */
int el_convert(const char *from, const char *to, const struct el_convert_options *o,
               struct el_convert_report *report, struct el_progress *progress,
               struct el_error *err);

#endif
