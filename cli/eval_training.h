/* `elenchus eval --training`. */
#ifndef EL_CLI_EVAL_TRAINING_H
#define EL_CLI_EVAL_TRAINING_H

/* Prints the metrics of n run folders, as JSON when asked, and writes the page to html (NULL:
 * none). Returns an exit code; what was wrong is on stderr. */
int cli_eval_training(const char *const *dirs, int n, const char *html, int json);

#endif
