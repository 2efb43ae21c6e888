/* A checkpoint folder matched with the model that its config.json describes. Private to core/model.
 *
 * Every tensor of the layout must be there with its shape; FP8 matrices with their scales. Tensors
 * that the layout does not know are an error, except those that the engine leaves out on purpose:
 * the num_nextn_predict_layers MTP layers (core/model/inspect.h) and rotary_emb.inv_freq. */
#ifndef EL_MODEL_CHECKPOINT_H
#define EL_MODEL_CHECKPOINT_H

#include "core/model/config.h"
#include "core/model/layout.h"
#include "core/tensor/stored.h"

struct el_checkpoint {
    struct el_shards shards;
    struct el_stored *found; /* per tensor of the layout */
    char *used;  /* per tensor of shards: the layout asked for it, or it is its scales */
    int skipped; /* tensors left out on purpose, their scales included */
};

/* Reads the headers of the files and no values. `c` must stay where it is until release. */
int el_checkpoint_open(struct el_checkpoint *k, const char *dir, const struct el_config *c,
                       const struct el_layout *l, struct el_error *err);
/* The same for an MTP layer, `l` its layout: nothing is said about other tensors. */
int el_checkpoint_open_mtp(struct el_checkpoint *k, const char *dir, const struct el_config *c,
                           const struct el_layout *l, struct el_error *err);
void el_checkpoint_release(struct el_checkpoint *k);

/* The tensor of the model that stands in for this one of an MTP layer where it is absent: both
 * share embedding and head. NULL: there is none. */
const char *el_checkpoint_mtp_alias(const struct el_config *c, const char *name);
/* A tensor that some checkpoints carry and that is computed here: rotary_emb.inv_freq. */
int el_checkpoint_is_computed(const char *name);

#endif
