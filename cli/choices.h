/* Options whose values are names, the same for several commands. Each returns CLI_GO and stores
 * what the name stands for, or prints what was expected and returns CLI_USAGE. */
#ifndef EL_CLI_CHOICES_H
#define EL_CLI_CHOICES_H

#include "core/model/pass.h"

#include <stddef.h>

/* --attention: a mode or, unless mha_limit is NULL, mha:LENGTH. *mha_limit becomes LENGTH, the
 * tokens of a prompt up to which it is attended as masked MHA, or 0: not given. */
int cli_choose_attention(const char *name, enum el_attention *out, int *mha_limit);
#define CLI_ATTENTION_HELP                                                                         \
    "mqa (sparse, default), mha (the same, prompts as masked MHA while that is faster, measured "  \
    "at each start), mha:LENGTH (prompts of up to LENGTH tokens, nothing measured) or dense"

/* --compute. */
int cli_choose_compute(const char *name, enum el_compute *out);

/* --isa: an op table that this machine has; name NULL: the fastest. */
int cli_choose_isa(const char *name, const struct el_ops **out);

/* --run, --against ...: whether the name of a run is legal and fits a field of `room` bytes. */
int cli_check_run_name(const char *option, const char *name, size_t room);

#endif
