/* A checkpoint folder matched with the model that its config.json describes. Private to core/model.
 *
 * Every tensor of the layout must be there with its shape; FP8 matrices with their scales. Tensors
 * that the layout does not know are an error, except those that the engine leaves out on purpose:
 * the num_nextn_predict_layers MTP layers and rotary_emb.inv_freq. */
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
void el_checkpoint_release(struct el_checkpoint *k);

#endif
