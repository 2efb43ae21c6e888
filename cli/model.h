/* Models that commands load: what is passed over in their folder is said on the standard error,
 * then a progress line is shown there if it takes longer than a second. */
#ifndef EL_CLI_MODEL_H
#define EL_CLI_MODEL_H

#include "core/run/local.h"

/* What --context of commands that sample means: context of struct el_local_options. */
#define CLI_CONTEXT_HELP                                                                           \
    "tokens of a sequence at most (default 4096, or the model's context if less)"

/* el_weights_load, into host memory. */
int cli_model_load(const char *dir, struct el_weights **out, struct el_error *err);

/* el_local_open; o->loading is not looked at. */
int cli_model_open(const struct el_local_options *o, struct el_backend **out, struct el_error *err);

#endif
