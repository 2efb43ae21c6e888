/* `elenchus eval --training`. */
#ifndef EL_CLI_EVAL_TRAINING_H
#define EL_CLI_EVAL_TRAINING_H

#include "cli/arms.h"

struct cli_eval_training {
    struct cli_arms runs; /* items are folders of runs; at least one */
    const char *html;     /* where the page goes, or NULL */
    int json, apart;      /* apart: runs that differ in their seed alone are not taken together */
};

/* Prints the metrics of runs and arms, as JSON when asked, and writes the page. Returns an exit
 * code; what was wrong is on stderr. */
int cli_eval_training(const struct cli_eval_training *o);

#endif
