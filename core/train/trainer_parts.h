/* What the kinds of training steps share. Internal to core/train. */
#ifndef EL_TRAIN_TRAINER_PARTS_H
#define EL_TRAIN_TRAINER_PARTS_H

#include "core/train/trainer.h"

/* The pass over t->pack, uploaded. */
struct el_pass el_trainer_pass(struct el_trainer *t, enum el_attention mode, int with_indexer);

/* The rows of t->pack with a target, in row order, and their weights: t->row, t->token, t->coef. */
struct el_targets el_trainer_targets(struct el_trainer *t);

/* The layers' indexer losses of a backward pass, summed over the rows of all sequences (a shared
 * row counts for each of them), over `denominator`. */
double el_trainer_kl(struct el_trainer *t, double denominator);

/* Adds the rows per expert of the last forward pass to t->load. */
void el_trainer_count_load(struct el_trainer *t);

#endif
