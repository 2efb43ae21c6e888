/* An iteration's folder holds those of its phases, N.NAME with N from 1 on. */
#ifndef EL_CLI_PHASE_FOLDERS_H
#define EL_CLI_PHASE_FOLDERS_H

#include "core/base/error.h"

struct cli_phase_folders {
    char **path; /* (n) owned */
    int n;
};

/* The phases in `dir` that have metrics, by iteration and then by when they began; none where dir
 * is no iteration's or is a training itself. EL_ENOMEM. Release it. */
int cli_phase_folders_find(struct cli_phase_folders *f, const char *dir, struct el_error *err);
void cli_phase_folders_release(struct cli_phase_folders *f);

#endif
