/* What a checkpoint folder holds besides the model itself, from its headers alone: nothing is
 * loaded. */
#ifndef EL_MODEL_INSPECT_H
#define EL_MODEL_INSPECT_H

#include "core/base/error.h"

enum el_mtp_state {
    EL_MTP_NONE,     /* config.json announces none (num_nextn_predict_layers 0) */
    EL_MTP_ABSENT,   /* announced, but the files hold no tensor of them: the model runs without */
    EL_MTP_COMPLETE, /* every tensor of every announced layer is there with its shape */
    EL_MTP_BROKEN,   /* some are missing, have another shape or dtype, or have no place in an MTP
                        layer: not used, and `text` says why */
};

struct el_inspection {
    int skipped; /* tensors that el_weights_load passes over, scales included */
    enum el_mtp_state mtp;
    int mtp_tensors; /* of MTP layers, scales included */
    char text[512];  /* a line about the MTP layers for the user; empty with EL_MTP_NONE */
};

/* A checkpoint that el_weights_load would refuse by its headers is refused here with the same
 * error. MTP layers may lack embed_tokens and shared_head.head, which are the model's own then. */
int el_inspect(const char *dir, struct el_inspection *out, struct el_error *err);

#endif
