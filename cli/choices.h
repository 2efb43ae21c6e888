/* Options whose values are names, the same for several commands. Each returns CLI_GO and stores
 * what the name stands for, or prints what was expected and returns CLI_USAGE. */
#ifndef EL_CLI_CHOICES_H
#define EL_CLI_CHOICES_H

#include "core/model/pass.h"

#include <stddef.h>

/* --attention and --compute. */
int cli_choose_attention(const char *name, enum el_attention *out);
int cli_choose_compute(const char *name, enum el_compute *out);

/* --isa: an op table that this machine has; name NULL: the fastest. */
int cli_choose_isa(const char *name, const struct el_ops **out);

/* --run, --against ...: whether the name of a run is legal and fits a field of `room` bytes. */
int cli_check_run_name(const char *option, const char *name, size_t room);

#endif
