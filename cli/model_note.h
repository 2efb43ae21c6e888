/* What a command passes over in a model's folder, said on the standard error before it loads it. */
#ifndef EL_CLI_MODEL_NOTE_H
#define EL_CLI_MODEL_NOTE_H

/* Prints a line where there is something to say. Folders that cannot be loaded are left to whoever
 * loads them. */
void cli_model_note(const char *model);

#endif
