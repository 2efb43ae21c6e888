/* The whole model: rows of tokens in, final hidden states and logits out; and the way back. */
#ifndef EL_MODEL_TRANSFORMER_H
#define EL_MODEL_TRANSFORMER_H

#include "core/model/blocks.h"

/* Runs p->at.rows rows (at most acts->max_rows) through all layers: acts->final (R, C) holds
 * model.norm of the residual stream. Tokens must be inside the vocabulary and positions inside
 * the weights' rope table: whoever built the batch has checked that. Ops report failures through
 * el_stream_check. */
void el_transformer_forward(const struct el_pass *p, struct el_acts *acts);

/* logits (n, V) = hidden (n, C) lm_head^T. */
void el_transformer_logits(const struct el_pass *p, int n, const float *hidden, float *logits);

/* What the backward pass computes. */
struct el_backward {
    const float *dfinal; /* (R, C) gradient at acts->final; NULL: the indexer's losses alone
                            (dense warm-up: nothing flows through the layers) */
    float kl_coef;       /* weight of each row's KL in the loss, e.g. kl_weight / tokens, for rows
                            that several sequences share p->times often; 0: the indexer learns
                            nothing and b->kl is not written */
};

/* Adds gradients of all weights to the block seen through g. The pass must have kept its
 * activations. b->kl (L, R) receives every row's indexer KL when kl_coef > 0. The gradient of the
 * embedding is included, that of lm_head is the caller's (it knows the logits). */
void el_transformer_backward(const struct el_pass *p, const struct el_acts *acts,
                             struct el_backward how, struct el_back *b, const struct el_view *g);

#endif
