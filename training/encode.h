/* From a training example to tokens with loss weights. */
#ifndef EL_TRAINING_ENCODE_H
#define EL_TRAINING_ENCODE_H

#include "core/text/chat.h"
#include "data/world.h"

struct el_encoded {
    struct el_tokens tokens; /* BOS <User>prompt<Assistant></think>completion EOS */
    float *weight;           /* (tokens.len) loss weight of predicting each token, 0 or 1 */
    size_t room;
    int kind;
};

void el_encoded_init(struct el_encoded *e);
void el_encoded_release(struct el_encoded *e);

/* Overwrites *e. A token carries loss when its first byte lies in a loss span of the completion,
 * the end token when the last span ends where the completion ends. */
int el_encode_example(const struct el_chat_format *f, const struct el_tokenizer *t,
                      const struct el_example *x, struct el_encoded *e, struct el_error *err);

#endif
