/* Multi-token prediction: a layer behind the model that guesses one token further (DeepSeek-V3,
 * section 2.2, equations 21 to 23).
 *
 *     x_i  = eh_proj [ enorm(embedding(t_{i+1})) | hnorm(h_i) ]         embedding first
 *     next = layer(x)_i  -> shared_head.norm -> shared_head.head        logits of t_{i+2}
 *
 * Row i stands at position i, and attends to rows 0..i of the layer itself, which has its own keys
 * and its own indexer. h_i is the model's hidden state at position i: sources differ about before
 * or behind model.norm, which is the caller's choice.
 *
 * Its weights are a struct el_weights of one layer, whose view has the layer's own embedding, norm
 * and head (core/model/layout.h). */
#ifndef EL_MODEL_MTP_H
#define EL_MODEL_MTP_H

#include "core/model/pass.h"

/* Loads MTP layer 0 of a folder that `model` was loaded from; absent embedding and head are the
 * model's. EL_ENOTFOUND when config.json announces none, EL_EBUSY when it is another than the model
 * was loaded with, otherwise errors as el_weights_load. Free with el_weights_free. */
int el_mtp_load(const char *dir, const struct el_weights *model, struct el_weights **out,
                struct el_progress *progress, struct el_error *err);

struct el_mtp_acts {
    struct el_acts acts; /* of the layer; final is what the head reads */
    float *pair;         /* device (max_rows, 2C) */
};
int el_mtp_acts_init(struct el_mtp_acts *a, const struct el_weights *mtp, int max_rows,
                     struct el_error *err);
void el_mtp_acts_release(struct el_mtp_acts *a);

/* p->w are the MTP weights, p->token the tokens t_{i+1} of the rows, p->cache one layer's; hidden
 * (R, C) the h_i. el_transformer_logits(p, ...) of a->acts.final are the logits. */
void el_mtp_forward(const struct el_pass *p, const float *hidden, struct el_mtp_acts *a);

#endif
