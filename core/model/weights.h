/* Weights: immutable for whoever serves them, changed in place only by a trainer. Objects apart
 * from sessions: policy, reference and judge are three weights, each may be shared by any number
 * of sessions. */
#ifndef EL_MODEL_WEIGHTS_H
#define EL_MODEL_WEIGHTS_H

#include "core/base/digest.h"
#include "core/base/progress.h"
#include "core/model/config.h"
#include "core/model/layout.h"
#include "core/tensor/device.h"

/* The config.json that weights were loaded with, as a file: another one takes its place when
 * somebody saves another model there. All 0 for weights that were not loaded. */
struct el_weights_origin {
    uint64_t device, inode;
    int64_t seconds, nanoseconds; /* of its last change */
};

struct el_weights {
    struct el_config config;
    struct el_layout layout;
    struct el_device *device;
    float *data;                /* device block of layout.total floats */
    struct el_view view;        /* pointers into data */
    float *rope_cos, *rope_sin; /* device, (rope_positions, dr/2) */
    int rope_positions;         /* = config.max_position_embeddings */
    float softmax_scale;
    struct el_weights_origin origin;
    /* Of config and values: set by create and load, renewed by el_weights_digest alone. */
    char digest[EL_DIGEST_HEX];
};

/* New weights: normal(0, initializer_range), residual outputs divided by sqrt(2L), norms 1, biases
 * 0; a pure function of (config, seed). Free with el_weights_free. */
int el_weights_create(const struct el_config *c, struct el_device *d, uint64_t seed,
                      struct el_weights **out, struct el_error *err);

/* Loads a Hugging Face folder: config.json, and model.safetensors or the shards named by
 * model.safetensors.index.json. F32, BF16 and F16 values, and FP8 matrices with their scales
 * (core/tensor/stored.h; blocks as quantization_config says), become fp32. Every tensor of the
 * layout must be there with its shape; a tensor that the layout does not know is an error, except
 * those of the num_nextn_predict_layers MTP layers and `rotary_emb.inv_freq`, which are counted in
 * *skipped (may be NULL; core/model/inspect.h tells more about them). A NaN or Inf is EL_ENUMERIC,
 * a stored dtype that cannot be widened EL_EREFUSED, el_stop_requested EL_EINTR, a file that
 * becomes shorter meanwhile EL_EIO, a config.json that is replaced while the folder is opened
 * EL_EBUSY.
 *
 * All threads of OpenMP load; values, digest and the error that is reported (the first one in the
 * order of the layout) do not depend on their number. Progress counts floats up to all of them,
 * with dir as its note, and may come from any of the threads, one at a time. */
int el_weights_load(const char *dir, struct el_device *d, struct el_weights **out, int *skipped,
                    struct el_progress *progress, struct el_error *err);

/* Writes dir/config.json and dir/model.safetensors (dir is made if need be), each atomically, the
 * weights in config.dtype (BF16 rounds to nearest even; tensors flagged F32 stay F32). Both files
 * are complete on the disk before anything of the folder changes. Then a config.json that differs
 * from the new one is removed, the weights are replaced, and config.json takes its place (an equal
 * one stays as it is), each step on the disk before the next: whoever looks in between, or after a
 * crash there, finds old or new weights with their own configuration, or no config.json. A NaN or
 * Inf is EL_ENUMERIC and nothing is replaced. */
int el_weights_save(const struct el_weights *w, const char *dir, struct el_error *err);

/* Recomputes w->digest from the current values. */
int el_weights_digest(struct el_weights *w, struct el_error *err);
void el_weights_free(struct el_weights *w);

/* Rounds every value to what save would write (config.dtype) and back, so that a model in memory
 * equals its own checkpoint. */
int el_weights_round(struct el_weights *w, struct el_error *err);

#endif
