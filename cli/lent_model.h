/* A model in a folder for the time that another program reads it. */
#ifndef EL_CLI_LENT_MODEL_H
#define EL_CLI_LENT_MODEL_H

#include "core/model/weights.h"

struct cli_lent_model {
    char folder[256]; /* "": there is none */
};

/* Writes config.json and model.safetensors into a new folder under $TMPDIR, else /tmp. */
int cli_lent_model_init(struct cli_lent_model *m, const struct el_weights *w, struct el_error *err);
/* Removes both and the folder. A zeroed m is fine. */
void cli_lent_model_release(struct cli_lent_model *m);

#endif
