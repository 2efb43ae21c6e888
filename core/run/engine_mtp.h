/* Speculative decoding with an MTP layer (core/model/mtp.h). Internal to the engine.
 *
 * After every pass the layer runs over the rows whose next token is known, and for each decoding
 * sequence it draws a draft: the token behind the one that was drawn last. The next pass takes the
 * draft along as one more row. The row before it draws the true token, with the very random number
 * that it would draw without drafts; when that is the draft, the draft's row has computed what the
 * next pass would have, and draws a token, too. Otherwise its keys are overwritten by the next
 * pass. So completions, log-probabilities and traces are those of ordinary decoding, bit for bit
 * (row invariance), whatever the layer guesses.
 *
 * A draft is drawn with the random number of its own position, so that two distributions that agree
 * draw the same token.
 *
 *     step:  draft (rows noted by the step before) | pass | draw, compare, book | note rows
 *
 * The layer's keys lie beside the model's, row by row. Row i of the layer depends on token i+1,
 * which does not belong to the name of its block, and needs the hidden state of row i: so an engine
 * with an MTP layer neither publishes nor looks for shared prefixes. */
#ifndef EL_RUN_ENGINE_MTP_H
#define EL_RUN_ENGINE_MTP_H

#include "core/run/engine_internal.h"

/* Fills e->mtp; e->o.mtp is set, and the pool and the model's activations exist. */
int el_engine_mtp_init(struct el_engine *e, struct el_error *err);
void el_engine_mtp_release(struct el_engine *e);

/* Runs the layer over the noted rows and gives drafts to their sequences; nothing has changed when
 * it fails, so that it may be tried again. */
int el_engine_mtp_draft(struct el_engine *e, struct el_error *err);
/* Notes rows of the pass that was just booked: token, pos, seq of `a`. */
void el_engine_mtp_note(struct el_engine *e, const struct el_pass_arrays *a, int rows);

#endif
