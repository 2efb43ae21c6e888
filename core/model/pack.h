/* Rows of several sequences packed one after another, on the host, and their copy on the device.
 *
 * Training packs whole sequences: position 0..T-1 each, keys in the pass's own rows. Nothing is
 * padded. */
#ifndef EL_MODEL_PACK_H
#define EL_MODEL_PACK_H

#include "core/model/pass.h"

struct el_pack {
    int rows, sequences;         /* filled so far */
    int max_rows, max_sequences; /* room */
    int max_pos;
    int32_t *token, *target, *seq, *pos; /* (max_rows) host; target -1: no loss */
    float *weight;                       /* (max_rows) loss weight of the target */
    int32_t *start;                      /* (max_sequences) first row of each sequence */
    struct el_device *device;
    int32_t *d_token, *d_seq, *d_pos, *d_start; /* device copies */
};

int el_pack_init(struct el_pack *p, struct el_device *d, int max_rows, int max_sequences,
                 struct el_error *err);
void el_pack_release(struct el_pack *p);
void el_pack_clear(struct el_pack *p);

/* Appends one sequence of n >= 1 tokens. weight[i] (n) is the loss weight of predicting tokens[i];
 * weight[0] is not used, since nothing predicts the first token; NULL: no loss anywhere.
 * EL_ELIMIT when it does not fit any more (the pack is unchanged), EL_EINVAL for a token outside
 * 0..vocab-1. */
int el_pack_add(struct el_pack *p, const int32_t *tokens, const float *weight, int n, int vocab,
                struct el_error *err);

/* Copies to the device and fills the pass's rows and tokens. */
void el_pack_upload(struct el_pack *p, struct el_pass *pass);

#endif
