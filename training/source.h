/* The endless stream of encoded training examples of a run: example i is a pure function of
 * (recipe, attempts, i), so a position in the data is one number. */
#ifndef EL_TRAINING_SOURCE_H
#define EL_TRAINING_SOURCE_H

#include "training/attempts.h"
#include "training/encode.h"
#include "training/recipe.h"

struct el_source {
    const struct el_recipe *recipe;
    const struct el_tokenizer *tokenizer;
    const struct el_chat_format *chat;
    const struct el_attempts *attempts;
    struct el_world_mix mix;   /* of the stage, with its drill share */
    double attempt_share;      /* of the stage */
    int max_sequence;          /* of the stage */
    uint64_t next;             /* index of the next example: the data position */
    uint64_t fingerprint;      /* chained digest of every token and weight delivered so far */
    int64_t refused, too_long; /* examples skipped since the start of this process */
};

/* Switches to the mixture of a training stage. */
void el_source_enter(struct el_source *s, const struct el_recipe_stage *stage);

/* The next usable example into *e. Attempts that cannot be labelled truthfully and examples longer
 * than max_sequence are skipped and counted; EL_ELIMIT when nothing else comes. */
int el_source_next(struct el_source *s, struct el_encoded *e, struct el_error *err);

#endif
